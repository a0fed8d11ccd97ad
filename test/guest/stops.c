// Stops itself, and goes on where it was when it is continued.
#include <signal.h>
#include <stdio.h>

int main(void) {
  puts("before");
  fflush(stdout);
  raise(SIGSTOP);
  puts("after");
  return 3;
}
