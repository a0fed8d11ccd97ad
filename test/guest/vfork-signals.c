// A child of vfork that sleeps until the whole group is continued, by which it ends: `vfork-signals` says "ready" when it does.
#include "check.h"
#include <sys/wait.h>

static void continued(int signo) {
  (void)signo;
  _exit(5);
}

int main(void) {
  pid_t pid = vfork();
  if (pid == 0) {
    signal(SIGCONT, continued);
    if (write(1, "ready\n", 6) != 6) _exit(1);
    for (;;) pause();
  }
  int status;
  EQ(waitpid(pid, &status, 0), pid);
  EQ(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 5);
  return done();
}
