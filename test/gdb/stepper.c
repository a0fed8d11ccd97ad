// A debugger inside: the parent steps its child through `work`, one instruction after the other, and counts.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

volatile long sum;

__attribute__((noipa)) void work(void) {
  for (long i = 0; i < 5; i++) sum += i;
}

int main(void) {
  pid_t pid = fork();
  if (pid == 0) {
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    raise(SIGSTOP);
    work();
    _exit(sum);
  }
  int status;
  long steps = 0, traps = 0;
  waitpid(pid, &status, 0);
  while (WIFSTOPPED(status)) {
    if (steps > 0 && WSTOPSIG(status) == SIGTRAP) traps++;
    if (ptrace(PTRACE_SINGLESTEP, pid, 0, 0)) return 1;
    steps++;
    waitpid(pid, &status, 0);
  }
  // The last step ends it.
  printf("%ld steps, %s, child %d\n", steps, traps == steps - 1 ? "each one trap" : "not so", WEXITSTATUS(status));
  return 0;
}
