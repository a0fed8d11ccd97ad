// What the tests of the command line run: the first argument says what to do.
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

extern char **environ;

__attribute__((noinline)) static void fault(volatile int *where) { *where = 1; }

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  if (!strcmp(what, "exit")) return atoi(argv[2]);
  if (!strcmp(what, "fault")) fault((int *)strtoul(argv[2], 0, 0));
  if (!strcmp(what, "illegal")) __asm__ volatile(".word 0");
  if (!strcmp(what, "abort")) abort();
  if (!strcmp(what, "raise")) raise(atoi(argv[2]));
  if (!strcmp(what, "args"))
    for (int i = 0; i < argc; i++) printf("%s\n", argv[i]);
  if (!strcmp(what, "env"))
    for (char **e = environ; *e; e++) printf("%s\n", *e);
  if (!strcmp(what, "stack")) {
    struct rlimit limit;
    getrlimit(RLIMIT_STACK, &limit);
    printf("%lu\n", limit.rlim_cur);
  }
  if (!strcmp(what, "unknown"))
    for (int i = 0; i < 3; i++) syscall(4000);
  if (!strcmp(what, "cat")) {
    char bytes[4096];
    for (long n; (n = read(0, bytes, sizeof bytes)) > 0;)
      if (write(1, bytes, n) != n) return 1;
  }
  if (!strcmp(what, "descriptors"))
    for (int fd = 0; fd < 10; fd++) {
      char text[16];
      if (fcntl(fd, F_GETFD) < 0) continue;
      long n = fd < 3 ? 0 : read(fd, text, sizeof text);
      printf(n > 0 ? "%d=%.*s" : "%d\n", fd, (int)n, text);
    }
  if (!strcmp(what, "flood"))
    for (;;) puts("flood");
}
