// Threads that are made by CLONE_VFORK: their maker sleeps until they have ended, or it ends with its process.
#include "check.h"
#include "family.h"
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>

static char stacks[2][65536] __attribute__((aligned(16)));
enum { threads = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_SYSVSEM | CLONE_THREAD | CLONE_VFORK };

static char *self;
static pid_t maker;
static atomic_int steps, handled;

static void run(int (*body)(void *), int i, void *arg) {
  pid_t tid, made = clone(body, stacks[i] + sizeof stacks[i], threads | CLONE_PARENT_SETTID, arg, &tid);
  CHECK(made > 0);
  EQ(made, tid);
}

static void alarmed(int signo, siginfo_t *info, void *context) {
  (void)signo, (void)info, (void)context;
  handled = steps + 1;
}

/** Of the thread that made it, no signal that it got has been handled meanwhile. */
static int waits(void *arg) {
  steps = 1;
  if (arg != NULL) run(waits, 1, NULL);
  if (syscall(SYS_tgkill, getpid(), maker, SIGUSR1) != 0) _exit(90);
  poll(NULL, 0, 20);
  if (handled != 0) _exit(91);
  steps = 2;
  syscall(SYS_exit, 0);
  return 0;
}

static void ends(void) {
  action(SIGUSR1, alarmed, SA_RESTART);
  for (int nested = 0; nested < 2; nested++) {
    steps = handled = 0;
    maker = gettid();
    run(waits, 0, nested ? &steps : NULL);
    EQ(steps, 2);
    EQ(handled, 3);
  }
}

static int executes(void *path) {
  char *words[] = {path, "end", NULL};
  execv(path, words);
  // It goes on where it fails.
  steps = 5;
  syscall(SYS_exit, 0);
  return 0;
}

static int stays(void *letter) {
  if (letter != NULL) pass();
  pause();
  return 0;
}

static int leaves(void *unused) {
  (void)unused;
  _exit(6);
}

static int status_of(pid_t pid) {
  int status;
  EQ(waitpid(pid, &status, 0), pid);
  return status;
}

int main(int argc, char **argv) {
  self = argv[0];
  if (argc > 1) return 7;
  ends();
  run(executes, 0, "/nowhere");
  EQ(steps, 5);
  // The maker ends where the program is another, or the process ends.
  EQ(status_of(CHILD(run(executes, 0, self))), 7 << 8);
  EQ(status_of(CHILD(run(leaves, 0, NULL))), 6 << 8);
  open_gate();
  pid_t child = CHILD(run(stays, 0, ""));
  await();
  CHECK(kill(child, SIGKILL) == 0);
  EQ(status_of(child), SIGKILL);
  close_gate();
  return done();
}
