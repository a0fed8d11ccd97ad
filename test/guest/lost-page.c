// Maps the file that the first argument names ("shared" or "private" is the second), says that it is ready, and reads it
// over and over: somebody else makes it shorter. With a third argument it handles the signal and says where it was.
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { pages = 16, page = 4096 };

static sigjmp_buf back;
static char *volatile where;
static void caught(int signo, siginfo_t *info, void *context) {
  (void)context;
  if (signo == SIGBUS && info->si_code == BUS_ADRERR) where = info->si_addr;
  siglongjmp(back, 1);
}

int main(int argc, char **argv) {
  int flag = strcmp(argv[2], "shared") ? MAP_PRIVATE : MAP_SHARED;
  volatile char *area = mmap(NULL, pages * page, PROT_READ | PROT_WRITE, flag, open(argv[1], O_RDWR), 0);
  if (area == MAP_FAILED) return 1;
  if (argc > 3) {
    struct sigaction action = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO};
    sigaction(SIGBUS, &action, NULL);
    if (sigsetjmp(back, 1)) {
      long at = where - (char *)area;
      printf("%s\n", at >= page && at < pages * page ? "inside" : "elsewhere");
      return 3;
    }
  }
  puts("ready");
  fflush(stdout);
  for (;;)
    for (int i = 0; i < pages; i++) (void)area[i * page];
}
