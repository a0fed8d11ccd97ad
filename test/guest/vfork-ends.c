// A parent that ends while it waits for its child of vfork, which goes on without it: by SIGKILL, by another thread that ends the
// process or executes a program, and twice over.
#include "check.h"
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static int told[2], go[2];
static const char *program;

/** A child of vfork: tells its id, and ends with that code when it is let go. */
static void child(int code) {
  char letter;
  pid_t pid = getpid();
  if (write(told[1], &pid, sizeof pid) != sizeof pid || read(go[0], &letter, 1) != 1) _exit(99);
  _exit(code);
}

static void *ends(void *how) {
  pid_t pid;
  CHECK(read(told[0], &pid, sizeof pid) == sizeof pid);
  CHECK(write(told[1], &pid, sizeof pid) == sizeof pid);
  if (how != NULL) execl(program, program, "-", (char *)NULL);
  _exit(8);
}

static int status_of(pid_t pid) {
  int status;
  EQ(waitpid(pid, &status, 0), pid);
  return status;
}

/** The child that was told of goes on, as a child of this process, and ends with that code. */
static void goes_on(int code) {
  pid_t pid;
  CHECK(read(told[0], &pid, sizeof pid) == sizeof pid);
  // At the latest soon: its parent may be about to end still.
  while (waitpid(pid, NULL, WNOHANG) != 0) {
    EQ(errno, ECHILD);
    sched_yield();
  }
  CHECK(write(go[1], "x", 1) == 1);
  int status = status_of(pid);
  EQ(WIFEXITED(status) ? WEXITSTATUS(status) : -1, code);
}

/** Waits until the child is there, and leaves its id to be read. */
static void arrived(void) {
  pid_t pid;
  CHECK(read(told[0], &pid, sizeof pid) == sizeof pid);
  CHECK(write(told[1], &pid, sizeof pid) == sizeof pid);
}

static void killed(void) {
  pid_t pid = fork();
  if (pid == 0) {
    if (vfork() == 0) child(6);
    _exit(1);
  }
  arrived();
  CHECK(kill(pid, SIGKILL) == 0);
  int status = status_of(pid);
  EQ(WIFSIGNALED(status) ? WTERMSIG(status) : 0, SIGKILL);
  goes_on(6);
}

static void ended(int executes, int code) {
  pid_t pid = fork();
  if (pid == 0) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, ends, executes ? told : NULL) == 0);
    if (vfork() == 0) child(5);
    _exit(1);
  }
  int status = status_of(pid);
  EQ(WIFEXITED(status) ? WEXITSTATUS(status) : -1, code);
  goes_on(5);
}

static int back[2];
/** As vfork, with stacks of their own: the first goes on while the last is there. */
static char stacks[2][65536] __attribute__((aligned(16)));
enum { vforks = CLONE_VM | CLONE_VFORK | SIGCHLD };

static int last(void *arg) {
  (void)arg;
  child(4);
  return 0;
}

static int between(void *arg) {
  (void)arg;
  pid_t pid = getpid();
  if (write(back[1], &pid, sizeof pid) != sizeof pid) _exit(98);
  clone(last, stacks[1] + sizeof stacks[1], vforks, NULL);
  _exit(1);
}

/** The one in the middle of three ends. */
static void middle(void) {
  CHECK(pipe(back) == 0);
  pid_t pid = fork();
  if (pid == 0) {
    pid_t first = clone(between, stacks[0] + sizeof stacks[0], vforks, NULL);
    int status = status_of(first);
    _exit(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? 3 : 2);
  }
  pid_t first;
  CHECK(read(back[0], &first, sizeof first) == sizeof first);
  arrived();
  CHECK(kill(first, SIGKILL) == 0);
  goes_on(4);
  int status = status_of(pid);
  EQ(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 3);
  close(back[0]);
  close(back[1]);
}

int main(int argc, char **argv) {
  program = argv[0];
  if (argc > 1) return 7;
  CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
  CHECK(pipe(told) == 0 && pipe(go) == 0);
  killed();
  ended(0, 8);
  ended(1, 7);
  middle();
  return done();
}
