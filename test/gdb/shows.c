// Shows what it was started with.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv) {
  char folder[4096];
  for (int i = 1; i < argc; i++) printf("%s|", argv[i]);
  const char *shown = getenv("SABRE_SHOWN"), *home = getenv("HOME");
  printf("\nin %s\nshown %s, home %s\n", getcwd(folder, sizeof folder), shown ? shown : "(null)", home ? home : "(null)");
  return 0;
}
