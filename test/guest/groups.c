// Process groups and sessions, and signals to them.
#include "check.h"
#include "family.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <stdatomic.h>

static int status;
static atomic_int *shared;

/** Signals that reached a child, in its exit code: it waits for SIGUSR2 after SIGUSR1. */
static pid_t listener(void) {
  pid_t pid = CHILD({
    sigset_t both;
    sigemptyset(&both);
    sigaddset(&both, SIGUSR1);
    sigaddset(&both, SIGUSR2);
    sigprocmask(SIG_BLOCK, &both, 0);
    pass();
    sigset_t end = both;
    sigdelset(&end, SIGUSR1);
    siginfo_t info;
    EQ(sigwaitinfo(&end, &info), SIGUSR2);
    sigset_t now;
    sigpending(&now);
    _exit(sigismember(&now, SIGUSR1));
  });
  await();
  return pid;
}

static void heard(pid_t pid, int wanted) {
  EQ(kill(pid, SIGUSR2), 0);
  EQ(waitpid(pid, &status, 0), pid);
  CHECK(WIFEXITED(status));
  EQ(WEXITSTATUS(status), wanted);
}

static void rules(void) {
  open_gate();
  pid_t own = getpgrp();
  EQ(getpgid(0), own);
  EQ(getpgid(getpid()), own);
  pid_t a = listener(), b = listener();
  EQ(getpgid(a), own);
  EQ(getsid(a), getsid(0));
  FAILS(setpgid(0, -1), EINVAL);
  FAILS(setpgid(getppid(), 0), ESRCH);
  FAILS(setpgid(-5, 0), EINVAL);
  FAILS(setpgid(-5, own), ESRCH);
  FAILS(getpgid(-1), ESRCH);
  FAILS(setpgid(a, b), EPERM);
  EQ(setpgid(a, 0), 0);
  EQ(setpgid(b, a), 0);
  EQ(getpgid(a), a);
  EQ(getpgid(b), a);
  EQ(setpgid(b, own), 0);
  EQ(getpgid(b), own);
  EQ(setpgid(b, a), 0);
  heard(a, 0);
  // The group lives on without its leader, and nobody may lead a session by its number.
  EQ(getpgid(b), a);
  EQ(kill(-a, 0), 0);
  heard(b, 0);
  FAILS(kill(-a, 0), ESRCH);
  close_gate();
}

static void sessions(void) {
  open_gate();
  pid_t pid = CHILD({
    pid_t before = getsid(0);
    EQ(setpgid(0, 0), 0);
    FAILS(setsid(), EPERM);
    pid_t inner = CHILD({
      EQ(setsid(), getpid());
      EQ(getsid(0), getpid());
      EQ(getpgrp(), getpid());
      FAILS(setsid(), EPERM);
      FAILS(setpgid(0, 0), EPERM);
      FAILS(setpgid(0, before), EPERM);
      pass();
      sigset_t none;
      sigemptyset(&none);
      sigsuspend(&none);
    });
    await();
    EQ(getsid(inner), inner);
    FAILS(setpgid(inner, 0), EPERM);
    // Another session's group cannot be joined, and one may signal it all the same.
    FAILS(setpgid(0, inner), EPERM);
    EQ(kill(-inner, SIGTERM), 0);
    EQ(waitpid(inner, &status, 0), inner);
    EQ(WTERMSIG(status), SIGTERM);
    int tty = open("/dev/tty", O_RDWR);
    if (tty >= 0) close(tty);
  });
  GOOD(pid);
  // Without a terminal of its own.
  pid = CHILD({
    EQ(setsid(), getpid());
    FAILS(open("/dev/tty", O_RDWR), ENXIO);
  });
  GOOD(pid);
  close_gate();
}

static void signals(void) {
  open_gate();
  pid_t a = listener(), b = listener(), c = listener();
  EQ(setpgid(a, a), 0);
  EQ(setpgid(b, a), 0);
  EQ(kill(-a, SIGUSR1), 0);
  EQ(kill(-a, 0), 0);
  FAILS(kill(-a, 65), EINVAL);
  heard(c, 0);
  heard(a, 1);
  heard(b, 1);
  FAILS(kill(-a, SIGUSR1), ESRCH);
  FAILS(kill((pid_t)0x80000000, SIGUSR1), ESRCH);
  // To oneself and all others of the group.
  pid_t leader = CHILD({
    setpgid(0, 0);
    action(SIGUSR1, note, 0);
    pid_t x = listener(), y = listener();
    EQ(setpgid(y, y), 0);
    EQ(kill(0, SIGUSR1), 0);
    EQ(count, 1);
    EQ(last.si_pid, getpid());
    EQ(last.si_code, SI_USER);
    heard(x, 1);
    heard(y, 0);
  });
  GOOD(leader);
  close_gate();
}

/** Once a child has executed a program, its parent may not move it. */
static void executed(char *self) {
  open_gate();
  int line[2];
  EQ(pipe(line), 0);
  pid_t pid = CHILD({
    dup2(gate[0], 10);
    dup2(line[1], 11);
    execl(self, self, "executed", (char *)0);
  });
  char c;
  EQ(read(line[0], &c, 1), 1);
  FAILS(setpgid(pid, 0), EACCES);
  pass();
  GOOD(pid);
  close(line[0]), close(line[1]);
  close_gate();
}

static int is_executed(void) {
  char c;
  EQ(write(11, "!", 1), 1);
  EQ(read(10, &c, 1), 1);
  // It may do so itself.
  EQ(setpgid(0, 0), 0);
  return 0;
}

/** A group is killed while its members make more of themselves: none escapes. */
static void storm(void) {
  // Not every first process of a namespace waits for those that others leave behind.
  EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  pid_t leader = CHILD({
    setpgid(0, 0);
    shared[0] = 0;
    for (;;) {
      pid_t pid = fork();
      if (pid == 0) {
        shared[0]++;
        if (fork() == 0) _exit(0);
        wait(0);
        _exit(0);
      }
      wait(0);
    }
  });
  while (shared[0] < 3) sched_yield();
  EQ(kill(-leader, SIGKILL), 0);
  EQ(waitpid(leader, &status, 0), leader);
  EQ(WTERMSIG(status), SIGKILL);
  while (kill(-leader, 0) == 0) {
    errno = 0;
    while (waitpid(-1, 0, WNOHANG) > 0) {}
    sched_yield();
  }
  EQ(errno, ESRCH);
}

// In a group of its own: that which it was started in may have no number, where its leader is outside of the process namespace.
int main(int argc, char **argv) {
  if (argc > 1) return is_executed();
  pid_t child = fork();
  if (child > 0) {
    setpgid(child, child);
    int status;
    EQ(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
  }
  setpgid(0, 0);
  shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(shared != MAP_FAILED);
  rules();
  sessions();
  signals();
  executed(argv[0]);
  storm();
  return done();
}
