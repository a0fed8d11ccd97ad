// Stopping and going on: of one thread and of several, as parents hear of it, and what a stop does to calls and signals.
#include "check.h"
#include "family.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

static int status;

/** Waits until a child has stopped by that signal. */
static void stopped(pid_t pid, int signo) {
  EQ(waitpid(pid, &status, WUNTRACED), pid);
  CHECK(WIFSTOPPED(status));
  EQ(WSTOPSIG(status), signo);
}

/** Continues a child and waits until it goes on. */
static void go_on(pid_t pid) {
  EQ(kill(pid, SIGCONT), 0);
  EQ(waitpid(pid, &status, WCONTINUED), pid);
  CHECK(WIFCONTINUED(status));
}

static void ends(pid_t pid, int code) {
  EQ(waitpid(pid, &status, 0), pid);
  CHECK(WIFEXITED(status));
  EQ(WEXITSTATUS(status), code);
}

static void itself(void) {
  static const int stopping[] = {SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU};
  for (unsigned i = 0; i < 4; i++) {
    // In a group of its own, which this process looks after.
    pid_t pid = CHILD(setpgid(0, 0), raise(stopping[i]), _exit(3));
    siginfo_t info;
    EQ(waitid(P_PID, pid, &info, WSTOPPED | WNOWAIT), 0);
    EQ(info.si_signo, SIGCHLD);
    EQ(info.si_code, CLD_STOPPED);
    EQ(info.si_status, stopping[i]);
    EQ(info.si_pid, pid);
    stopped(pid, stopping[i]);
    EQ(waitpid(pid, &status, WUNTRACED | WNOHANG), 0);
    EQ(kill(pid, SIGCONT), 0);
    ends(pid, 3);
  }
}

static void continued(void) {
  pid_t pid = CHILD(raise(SIGSTOP), pause());
  stopped(pid, SIGSTOP);
  EQ(kill(pid, SIGCONT), 0);
  siginfo_t info;
  for (int i = 0; i < 2; i++) {
    EQ(waitid(P_PID, pid, &info, WCONTINUED | (i == 0 ? WNOWAIT : 0)), 0);
    EQ(info.si_code, CLD_CONTINUED);
    EQ(info.si_status, SIGCONT);
    EQ(info.si_pid, pid);
  }
  EQ(waitpid(pid, &status, WCONTINUED | WNOHANG), 0);
  EQ(kill(pid, SIGKILL), 0);
  EQ(waitpid(pid, &status, WCONTINUED), pid);
  EQ(WTERMSIG(status), SIGKILL);
}

static void told(void) {
  sigset_t chld, before;
  sigemptyset(&chld);
  sigaddset(&chld, SIGCHLD);
  sigprocmask(SIG_BLOCK, &chld, &before);
  siginfo_t info;
  pid_t pid = CHILD(sigprocmask(SIG_SETMASK, &before, 0), raise(SIGSTOP));
  EQ(sigwaitinfo(&chld, &info), SIGCHLD);
  EQ(info.si_code, CLD_STOPPED);
  EQ(info.si_status, SIGSTOP);
  EQ(info.si_pid, pid);
  // The end may come before the news of going on is taken: then that is all there is.
  EQ(kill(pid, SIGCONT), 0);
  EQ(sigwaitinfo(&chld, &info), SIGCHLD);
  CHECK(info.si_code == CLD_CONTINUED || info.si_code == CLD_EXITED);
  ends(pid, 0);
  struct timespec now = {0, 0};
  while (sigtimedwait(&chld, 0, &now) > 0) {}
  // SA_NOCLDSTOP
  action(SIGCHLD, note, SA_NOCLDSTOP);
  count = 0;
  pid = CHILD(sigprocmask(SIG_SETMASK, &before, 0), raise(SIGSTOP));
  stopped(pid, SIGSTOP);
  FAILS(sigtimedwait(&chld, 0, &now), EAGAIN);
  EQ(kill(pid, SIGCONT), 0);
  EQ(sigwaitinfo(&chld, &info), SIGCHLD);
  EQ(info.si_code, CLD_EXITED);
  ends(pid, 0);
  action(SIGCHLD, (void *)SIG_DFL, 0);
  sigprocmask(SIG_SETMASK, &before, 0);
}

/** What others see of a child. */
static atomic_int *shared;

static void while_stopped(void) {
  open_gate();
  pid_t pid = CHILD({
    action(SIGUSR1, note, 0);
    action(SIGCONT, note, 0);
    pass();
    for (;;) {
      shared[0]++;
      shared[1] = count;
    }
  });
  await();
  EQ(kill(pid, SIGSTOP), 0);
  stopped(pid, SIGSTOP);
  int seen = shared[0];
  EQ(kill(pid, SIGUSR1), 0);
  for (int i = 0; i < 50; i++) sched_yield();
  EQ(shared[0], seen);
  EQ(shared[1], 0);
  // A second stop signal is no news; SIGCONT takes it away.
  EQ(kill(pid, SIGTSTP), 0);
  EQ(waitpid(pid, &status, WUNTRACED | WNOHANG), 0);
  go_on(pid);
  while (shared[1] != 2) sched_yield();
  EQ(kill(pid, SIGSTOP), 0);
  stopped(pid, SIGSTOP);
  EQ(kill(pid, SIGTERM), 0);
  EQ(waitpid(pid, &status, WNOHANG), 0);
  EQ(kill(pid, SIGKILL), 0);
  EQ(waitpid(pid, &status, 0), pid);
  EQ(WTERMSIG(status), SIGKILL);
  close_gate();
}

static void *spin(void *word) {
  for (;;) ++*(atomic_int *)word;
  return 0;
}

static void *sleep_on(void *word) {
  ++*(atomic_int *)word;
  char c;
  ssize_t n = read(gate[0], &c, 1);
  ++*(atomic_int *)word;
  return (void *)n;
}

static void threads(void) {
  open_gate();
  memset(shared, 0, 4096);
  pid_t pid = CHILD({
    pthread_t t[3];
    for (int i = 0; i < 2; i++) EQ(pthread_create(&t[i], 0, spin, &shared[i]), 0);
    EQ(pthread_create(&t[2], 0, sleep_on, &shared[2]), 0);
    void *n;
    pthread_join(t[2], &n);
    _exit((long)n == 1 ? 9 : 1);
  });
  while (!shared[0] || !shared[1] || !shared[2]) sched_yield();
  for (int round = 0; round < 5; round++) {
    EQ(kill(pid, round % 2 ? SIGSTOP : SIGTSTP), 0);
    stopped(pid, round % 2 ? SIGSTOP : SIGTSTP);
    int a = shared[0], b = shared[1];
    for (int i = 0; i < 20; i++) sched_yield();
    EQ(shared[0], a);
    EQ(shared[1], b);
    go_on(pid);
    while (shared[0] == a || shared[1] == b) sched_yield();
  }
  // The call went on through all of it.
  EQ(shared[2], 1);
  pass();
  ends(pid, 9);
  close_gate();
}

static void calls(void) {
  open_gate();
  memset(shared, 0, 4096);
  pid_t pid = CHILD({
    struct timespec rest = {0, 200 * 1000 * 1000}, began, now;
    clock_gettime(CLOCK_MONOTONIC, &began);
    shared[0] = 1;
    EQ(nanosleep(&rest, 0), 0);
    clock_gettime(CLOCK_MONOTONIC, &now);
    long passed = (now.tv_sec - began.tv_sec) * 1000 + (now.tv_nsec - began.tv_nsec) / 1000000;
    CHECK(passed >= 199);
    await();
    _exit(8);
  });
  while (!shared[0]) sched_yield();
  for (int i = 0; i < 5; i++) {
    EQ(kill(pid, SIGSTOP), 0);
    stopped(pid, SIGSTOP);
    go_on(pid);
  }
  pass();
  ends(pid, 8);
  // A handler of SIGCONT ends a call as any handler does.
  memset(shared, 0, 4096);
  pid = CHILD({
    action(SIGCONT, note, 0);
    char c;
    shared[0] = 1;
    ssize_t n = read(gate[0], &c, 1);
    _exit(n < 0 && errno == EINTR ? 7 : 1);
  });
  while (!shared[0]) sched_yield();
  // The call may not have begun with the first: it is stopped until it ends.
  do {
    kill(pid, SIGSTOP);
    EQ(waitpid(pid, &status, WUNTRACED), pid);
    if (WIFSTOPPED(status)) kill(pid, SIGCONT);
    sched_yield();
  } while (WIFSTOPPED(status));
  EQ(WEXITSTATUS(status), 7);
  close_gate();
}

static void handled(void) {
  open_gate();
  memset(shared, 0, 4096);
  pid_t pid = CHILD({
    setpgid(0, 0);
    action(SIGTSTP, note, 0);
    pass();
    while (count == 0) sched_yield();
    shared[0] = 1;
    // As programs do: they clean up, and stop then.
    action(SIGTSTP, (void *)SIG_DFL, 0);
    raise(SIGTSTP);
    _exit(2);
  });
  await();
  EQ(kill(pid, SIGTSTP), 0);
  stopped(pid, SIGTSTP);
  EQ(shared[0], 1);
  EQ(kill(pid, SIGCONT), 0);
  ends(pid, 2);
  // Blocked, it waits; SIGCONT takes it away, and a stop signal takes SIGCONT away.
  pid = CHILD({
    sigset_t both, now;
    sigemptyset(&both);
    sigaddset(&both, SIGTSTP);
    sigaddset(&both, SIGCONT);
    sigprocmask(SIG_BLOCK, &both, 0);
    action(SIGCONT, note, 0);
    raise(SIGTSTP);
    sigpending(&now);
    CHECK(sigismember(&now, SIGTSTP) && !sigismember(&now, SIGCONT));
    raise(SIGCONT);
    sigpending(&now);
    CHECK(!sigismember(&now, SIGTSTP) && sigismember(&now, SIGCONT));
    raise(SIGTSTP);
    sigpending(&now);
    CHECK(sigismember(&now, SIGTSTP) && !sigismember(&now, SIGCONT));
    raise(SIGCONT);
    sigprocmask(SIG_UNBLOCK, &both, 0);
    EQ(count, 1);
  });
  ends(pid, 0);
  close_gate();
}

/** A group that loses who looked after it while a member is stopped gets SIGHUP and SIGCONT. */
static void orphaned(void) {
  open_gate();
  int line[2];
  EQ(pipe(line), 0);
  pid_t shell = CHILD({
    setsid();
    pid_t job = CHILD({
      setpgid(0, 0);
      action(SIGHUP, note, 0);
      pass();
      raise(SIGSTOP);
      EQ(count, 1);
      EQ(last.si_code, SI_KERNEL);
      // Nobody would continue it: it does not stop by these.
      raise(SIGTSTP), raise(SIGTTIN), raise(SIGTTOU);
      EQ(write(line[1], "!", 1), 1);
    });
    await();
    stopped(job, SIGSTOP);
    _exit(0);
  });
  ends(shell, 0);
  char c;
  EQ(read(line[0], &c, 1), 1);
  EQ(c, '!');
  close(line[0]), close(line[1]);
  close_gate();
}

/** A child stops its parent, which is no first process, and continues it. */
static void parents(void) {
  memset(shared, 0, 4096);
  pid_t pid = CHILD({
    pid_t self = getpid();
    pid_t child = CHILD({
      while (!shared[0]) sched_yield();
      EQ(kill(self, SIGSTOP), 0);
      shared[1] = 1;
      // Seen by its parent, which this one is not: it counts on.
      while (!shared[2]) sched_yield();
      EQ(kill(self, SIGCONT), 0);
    });
    shared[0] = 1;
    EQ(waitpid(child, 0, 0), child);
    _exit(4);
  });
  stopped(pid, SIGSTOP);
  shared[2] = 1;
  ends(pid, 4);
}

/** The letter that /proc shows for a process. */
static char letter(pid_t pid) {
  char path[64], line[256], state = 0;
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  FILE *f = fopen(path, "r");
  CHECK(f != 0);
  CHECK(fgets(line, sizeof line, f) != 0);
  EQ(sscanf(strrchr(line, ')'), ") %c", &state), 1);
  fclose(f);
  return state;
}

/** The same with this process itself, which nobody else continues. */
static void itself_by_another(void) {
  pid_t self = getpid();
  pid_t child = CHILD({
    EQ(kill(self, SIGSTOP), 0);
    while (letter(self) != 'T') sched_yield();
    EQ(kill(self, SIGCONT), 0);
    while (letter(self) == 'T') sched_yield();
  });
  ends(child, 0);
}

static int all(void) {
  shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(shared != MAP_FAILED);
  itself();
  continued();
  told();
  while_stopped();
  threads();
  calls();
  handled();
  orphaned();
  parents();
  itself_by_another();
  return done();
}

// In a group of its own beside its parent's: that is not orphaned, wherever this was started, so terminals' signals stop it.
int main(void) {
  pid_t child = fork();
  if (child == 0) {
    setpgid(0, 0);
    exit(all());
  }
  setpgid(child, child);
  EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
