// Says which signals reach it, one a line: number, si_code, whether the sender is the parent, how long it took, and what became of
// the call that it was in. The mode says where it waits: suspend, read (from standard input), loop. With "default" it handles none.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t count;
static struct { int number, code, parent; long microseconds; } seen[64];

static void handler(int number, siginfo_t *info, void *context) {
  struct timespec now;
  (void)context;
  clock_gettime(CLOCK_MONOTONIC, &now);
  long sent = (long)info->si_value.sival_ptr;
  int n = count;
  seen[n].number = number;
  seen[n].code = info->si_code;
  seen[n].parent = info->si_pid == getppid();
  seen[n].microseconds = info->si_code == SI_QUEUE ? now.tv_sec * 1000000 + now.tv_nsec / 1000 - sent : 0;
  count = n + 1;
}

int main(int argc, char **argv) {
  const char *mode = argc > 1 ? argv[1] : "suspend";
  int last = argc > 2 ? atoi(argv[2]) : 0;
  struct sigaction action;
  setvbuf(stdout, NULL, _IOLBF, 0);
  memset(&action, 0, sizeof action);
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO;
  sigfillset(&action.sa_mask);
  for (int n = 1; n <= 64; n++) {
    struct sigaction old;
    if (sigaction(n, NULL, &old) == 0 && old.sa_handler == SIG_IGN) printf("ignored %d\n", n);
    else if (strcmp(mode, "default") != 0) sigaction(n, &action, NULL);
  }
  sigset_t all, none;
  sigfillset(&all);
  sigemptyset(&none);
  if (strcmp(mode, "suspend") == 0) sigprocmask(SIG_SETMASK, &all, NULL);
  puts("ready");
  for (int told = 0;;) {
    char byte;
    long result = 0;
    if (strcmp(mode, "read") == 0) result = read(0, &byte, 1) < 0 ? -errno : 1;
    else if (strcmp(mode, "loop") == 0) while (count == told) ;
    else sigsuspend(&none);
    for (; told < count; told++) {
      printf("%d %d %d %ld %ld\n", seen[told].number, seen[told].code, seen[told].parent, seen[told].microseconds, result);
      if (seen[told].number == last) return 0;
    }
  }
}
