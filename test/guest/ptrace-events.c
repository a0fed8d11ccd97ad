// Tracers of more than one tracee: events of fork, exec and exit; attaching, seizing, group stops, detaching; threads; what
// becomes of tracees when their tracer ends, and who hears of a tracee's end. Its own program is executed with an argument.
#include "ptrace.h"

#include <pthread.h>

static const long every = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
                          PTRACE_O_TRACEEXEC | PTRACE_O_TRACEVFORKDONE | PTRACE_O_TRACEEXIT;

static void set_options(pid_t pid, long options) {
  CHECK(ptrace(PTRACE_SETOPTIONS, pid, NULL, ADDRESS(options)) == 0);
}

static char *self[] = {"/proc/self/exe", "child", NULL};

static void fork_events(void) {
  pid_t child = TRACED({
    pid_t grandchild = fork();
    if (grandchild == 0) _exit(9);
    int status;
    CHECK(waitpid(grandchild, &status, 0) == grandchild);
    EQ(status, 9 << 8);
    _exit(4);
  });
  set_options(child, every);
  GO(PTRACE_CONT, child, 0);
  NEXT(child, EVENT(PTRACE_EVENT_FORK));
  pid_t grandchild = message_of(child);
  EQ(status_of(grandchild, "TracerPid"), getpid());
  EQ(info_of(child).si_code, SIGTRAP | PTRACE_EVENT_FORK << 8);
  NEXT(grandchild, STOPPED(SIGSTOP));
  EQ(RESULT(get_registers(grandchild)), 0);
  GO(PTRACE_CONT, child, 0);
  // It inherits the options.
  GO(PTRACE_CONT, grandchild, 0);
  NEXT(grandchild, EVENT(PTRACE_EVENT_EXIT));
  EQ(message_of(grandchild), 9 << 8);
  GO(PTRACE_CONT, grandchild, 0);
  NEXT(grandchild, 9 << 8);
  // SIGCHLD, once its own parent may wait for it.
  NEXT(child, STOPPED(SIGCHLD));
  EQ(info_of(child).si_pid, grandchild);
  GO(PTRACE_CONT, child, SIGCHLD);
  NEXT(child, EVENT(PTRACE_EVENT_EXIT));
  EQ(message_of(child), 4 << 8);
  GO(PTRACE_CONT, child, 0);
  NEXT(child, 4 << 8);
}

/** Has a tracee go on to its vfork, and that and what it makes go on from there. Answers what it has made. */
static pid_t traced_vfork(pid_t child) {
  set_options(child, every & ~PTRACE_O_TRACEEXIT);
  GO(PTRACE_CONT, child, 0);
  NEXT(child, EVENT(PTRACE_EVENT_VFORK));
  pid_t made = message_of(child);
  NEXT(made, STOPPED(SIGSTOP));
  GO(PTRACE_CONT, child, 0);
  GO(PTRACE_CONT, made, 0);
  return made;
}

static void vfork_events(void) {
  pid_t child = TRACED({
    pid_t grandchild = vfork();
    if (grandchild == 0) {
      execv(self[0], self);
      _exit(1);
    }
    EQ(waitpid(grandchild, NULL, 0), grandchild);
    _exit(3);
  });
  pid_t grandchild = traced_vfork(child);
  NEXT(grandchild, EVENT(PTRACE_EVENT_EXEC));
  EQ(message_of(grandchild), grandchild);
  NEXT(child, EVENT(PTRACE_EVENT_VFORK_DONE));
  EQ(message_of(child), grandchild);
  GO(PTRACE_CONT, child, 0);
  GO(PTRACE_CONT, grandchild, 0);
  NEXT(grandchild, 42 << 8);
  NEXT(child, STOPPED(SIGCHLD));
  GO(PTRACE_CONT, child, 0);
  NEXT(child, 3 << 8);
}

static char stack[65536] __attribute__((aligned(16)));

static int ends_at_once(void *unused) {
  (void)unused;
  syscall(SYS_exit, 0);
  return 0;
}

/** A thread whose maker sleeps until it has ended. */
static void vfork_thread_events(void) {
  enum { flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_SYSVSEM | CLONE_THREAD | CLONE_VFORK };
  pid_t child = TRACED({
    CHECK(clone(ends_at_once, stack + sizeof stack, flags, NULL) > 0);
    _exit(3);
  });
  pid_t thread = traced_vfork(child);
  NEXT(thread, 0);
  NEXT(child, EVENT(PTRACE_EVENT_VFORK_DONE));
  EQ(message_of(child), thread);
  GO(PTRACE_CONT, child, 0);
  NEXT(child, 3 << 8);
}

static void exec_stops(void) {
  // Without the option: a SIGTRAP.
  pid_t child = TRACED(execv(self[0], self));
  GO(PTRACE_CONT, child, 0);
  NEXT(child, STOPPED(SIGTRAP));
  EQ(info_of(child).si_code, SI_USER);
  GO(PTRACE_CONT, child, 0);
  NEXT(child, 42 << 8);
  // With it: an event, and then the end of the call.
  child = TRACED(execv(self[0], self));
  set_options(child, every & ~PTRACE_O_TRACEEXIT);
  GO(PTRACE_CONT, child, 0);
  NEXT(child, EVENT(PTRACE_EVENT_EXEC));
  GO(PTRACE_SYSCALL, child, 0);
  NEXT(child, SYSCALL_STOPPED);
  EQ(RESULT(get_registers(child)), 0);
  CHECK(kill(child, SIGKILL) == 0);
  NEXT(child, SIGKILL);
  // Seized without it: nothing.
  child = CHILD({
    raise(SIGSTOP);
    execv(self[0], self);
  });
  EQ(waitpid(child, NULL, WUNTRACED), child);
  CHECK(ptrace(PTRACE_SEIZE, child, NULL, NULL) == 0);
  NEXT(child, EVENT_STOPPED(SIGSTOP));
  CHECK(kill(child, SIGCONT) == 0);
  GO(PTRACE_CONT, child, 0);
  int status;
  while (status = wait_for(child), WIFSTOPPED(status)) {
    if (status == STOPPED(SIGCONT)) GO(PTRACE_CONT, child, SIGCONT);
    else {
      EQ(status, EVENT_STOPPED(SIGTRAP));
      GO(PTRACE_CONT, child, 0);
    }
  }
  EQ(status, 42 << 8);
}

static void attaching(void) {
  pid_t child = CHILD(for (;;) pause());
  await_state(child, 'S');
  CHECK(ptrace(PTRACE_ATTACH, child, NULL, NULL) == 0);
  NEXT(child, STOPPED(SIGSTOP));
  EQ(status_of(child, "TracerPid"), getpid());
  CHECK(ptrace(PTRACE_DETACH, child, NULL, NULL) == 0);
  EQ(status_of(child, "TracerPid"), 0);
  await_state(child, 'S');
  EQ(waitpid(child, NULL, WNOHANG | WUNTRACED), 0);
  // Detached with a signal.
  CHECK(ptrace(PTRACE_ATTACH, child, NULL, NULL) == 0);
  NEXT(child, STOPPED(SIGSTOP));
  CHECK(ptrace(PTRACE_DETACH, child, NULL, ADDRESS(SIGTERM)) == 0);
  NEXT(child, SIGTERM);
  // One that has stopped already: it is found so, and stays so when it is left.
  child = CHILD({
    raise(SIGSTOP);
    _exit(2);
  });
  EQ(waitpid(child, NULL, WUNTRACED), child);
  CHECK(ptrace(PTRACE_ATTACH, child, NULL, NULL) == 0);
  NEXT(child, STOPPED(SIGSTOP));
  CHECK(ptrace(PTRACE_DETACH, child, NULL, NULL) == 0);
  await_state(child, 'T');
  CHECK(kill(child, SIGCONT) == 0);
  int status = wait_for(child);
  EQ(status, 2 << 8);
}

/** Whether a traced process has made it so far: it counts. */
static void await_count(int n) {
  while (shared->value < n) sched_yield();
}

static void seizing(void) {
  shared->value = 0;
  // In a group of its own, whose parent is in another one of the session: one in an orphaned group, as this program's own may
  // be or become, does not stop by SIGTSTP.
  pid_t child = CHILD({
    CHECK(setpgid(0, 0) == 0);
    for (;;) shared->value++;
  });
  CHECK(ptrace(PTRACE_SEIZE, child, NULL, ADDRESS(every | PTRACE_O_EXITKILL)) == 0);
  await_count(1000);
  GO(PTRACE_INTERRUPT, child, 0);
  NEXT(child, EVENT_STOPPED(SIGTRAP));
  siginfo_t info = info_of(child);
  EQ(info.si_signo, SIGTRAP);
  EQ(info.si_code, SIGTRAP | PTRACE_EVENT_STOP << 8);
  int now = shared->value;
  GO(PTRACE_CONT, child, 0);
  await_count(now + 1);
  // A group stop, that is listened to, ...
  CHECK(kill(child, SIGTSTP) == 0);
  NEXT(child, STOPPED(SIGTSTP));
  GO(PTRACE_CONT, child, SIGTSTP);
  NEXT(child, EVENT_STOPPED(SIGTSTP));
  GO(PTRACE_LISTEN, child, 0);
  registers r;
  struct iovec v = {&r, sizeof r};
  FAILS(ptrace(PTRACE_GETREGSET, child, ADDRESS(NT_PRSTATUS), &v), ESRCH);
  EQ(waitpid(child, NULL, WNOHANG | __WALL), 0);
  // ... interrupted, ...
  GO(PTRACE_INTERRUPT, child, 0);
  NEXT(child, EVENT_STOPPED(SIGTSTP));
  GO(PTRACE_LISTEN, child, 0);
  // ... and ended.
  CHECK(kill(child, SIGCONT) == 0);
  NEXT(child, EVENT_STOPPED(SIGTRAP));
  FAILS(ptrace(PTRACE_POKEDATA, child, NULL, NULL), EIO);
  GO(PTRACE_CONT, child, 0);
  NEXT(child, STOPPED(SIGCONT));
  FAILS(ptrace(PTRACE_LISTEN, child, NULL, NULL), EIO);
  GO(PTRACE_CONT, child, SIGCONT);
  now = shared->value;
  await_count(now + 1);
  GO(PTRACE_INTERRUPT, child, 0);
  NEXT(child, EVENT_STOPPED(SIGTRAP));
  CHECK(ptrace(PTRACE_DETACH, child, NULL, NULL) == 0);
  now = shared->value;
  await_count(now + 1);
  CHECK(kill(child, SIGKILL) == 0);
  NEXT(child, SIGKILL);
}

/** The tracer ends: its tracees go on, or are killed. */
static void tracer_ends(void) {
  for (int kills = 0; kills <= 1; kills++) {
    int ends[2];
    CHECK(pipe(ends) == 0);
    shared->ready = 0;
    pid_t child = CHILD({
      char c;
      while (!shared->ready) sched_yield();
      CHECK(read(ends[0], &c, 1) == 1);
      _exit(5);
    });
    pid_t tracer = CHILD({
      CHECK(ptrace(PTRACE_SEIZE, child, NULL, ADDRESS(kills ? PTRACE_O_EXITKILL : 0)) == 0);
      shared->ready = 1;
      GO(PTRACE_INTERRUPT, child, 0);
      NEXT(child, EVENT_STOPPED(SIGTRAP));
    });
    NEXT(tracer, 0);
    if (!kills) {
      EQ(status_of(child, "TracerPid"), 0);
      CHECK(write(ends[1], "", 1) == 1);
    }
    NEXT(child, kills ? SIGKILL : 5 << 8);
    close(ends[0]);
    close(ends[1]);
  }
}

/** The tracer hears of an end first; the parent does when the tracer has, or is gone. */
static void ends_in_turn(void) {
  int go[2], ready[2];
  char c;
  CHECK(pipe(go) == 0 && pipe(ready) == 0);
  pid_t child = CHILD({
    char c;
    CHECK(read(go[0], &c, 1) == 1);
    _exit(8);
  });
  pid_t tracer = CHILD({
    char c;
    CHECK(ptrace(PTRACE_SEIZE, child, NULL, NULL) == 0);
    CHECK(write(go[1], "", 1) == 1);
    siginfo_t info;
    CHECK(waitid(P_PID, child, &info, WEXITED | WNOWAIT | __WALL) == 0);
    EQ(info.si_code, CLD_EXITED);
    CHECK(write(ready[1], "", 1) == 1);
    CHECK(read(go[0], &c, 1) == 1);
    NEXT(child, 8 << 8);
    FAILS(waitpid(child, NULL, __WALL), ECHILD);
    CHECK(write(ready[1], "", 1) == 1);
    CHECK(read(go[0], &c, 1) == 1);
  });
  CHECK(read(ready[0], &c, 1) == 1);
  EQ(waitpid(child, NULL, WNOHANG), 0);
  CHECK(write(go[1], "", 1) == 1);
  CHECK(read(ready[0], &c, 1) == 1);
  NEXT(child, 8 << 8);
  CHECK(write(go[1], "", 1) == 1);
  NEXT(tracer, 0);
  for (int i = 0; i < 2; i++) {
    close(go[i]);
    close(ready[i]);
  }
}

static pthread_barrier_t barrier;

static void *spin(void *arg) {
  pthread_barrier_wait(&barrier);
  while (!shared->signo) sched_yield();
  return arg;
}

static void threads(void) {
  shared->ready = shared->signo = 0;
  pid_t child = CHILD({
    pthread_t thread;
    pthread_barrier_init(&barrier, NULL, 2);
    while (!shared->ready) sched_yield();
    CHECK(pthread_create(&thread, NULL, spin, NULL) == 0);
    pthread_barrier_wait(&barrier);
    CHECK(pthread_join(thread, NULL) == 0);
    _exit(6);
  });
  CHECK(ptrace(PTRACE_SEIZE, child, NULL, ADDRESS(every)) == 0);
  shared->ready = 1;
  NEXT(child, EVENT(PTRACE_EVENT_CLONE));
  pid_t thread = message_of(child);
  CHECK(thread != child);
  NEXT(thread, EVENT_STOPPED(SIGTRAP));
  EQ(status_of(thread, "TracerPid"), getpid());
  EQ(status_of(thread, "Tgid"), child);
  GO(PTRACE_CONT, thread, 0);
  GO(PTRACE_CONT, child, 0);
  // One may be stopped while the other runs.
  GO(PTRACE_INTERRUPT, thread, 0);
  NEXT(thread, EVENT_STOPPED(SIGTRAP));
  CHECK(SP(get_registers(thread)) != 0);
  EQ(waitpid(child, NULL, WNOHANG | __WALL), 0);
  // A group stop is for both.
  CHECK(syscall(SYS_tgkill, child, child, SIGSTOP) == 0);
  NEXT(child, STOPPED(SIGSTOP));
  GO(PTRACE_CONT, child, SIGSTOP);
  NEXT(child, EVENT_STOPPED(SIGSTOP));
  GO(PTRACE_CONT, thread, 0);
  NEXT(thread, EVENT_STOPPED(SIGSTOP));
  GO(PTRACE_LISTEN, child, 0);
  GO(PTRACE_LISTEN, thread, 0);
  CHECK(kill(child, SIGCONT) == 0);
  NEXT(thread, EVENT_STOPPED(SIGTRAP));
  NEXT(child, EVENT_STOPPED(SIGTRAP));
  GO(PTRACE_CONT, thread, 0);
  GO(PTRACE_CONT, child, 0);
  int status;
  pid_t who = waitpid(-1, &status, __WALL);
  CHECK(who == child || who == thread);
  EQ(status, STOPPED(SIGCONT));
  GO(PTRACE_CONT, who, 0);
  // The thread's end is told.
  shared->signo = 1;
  NEXT(thread, EVENT(PTRACE_EVENT_EXIT));
  EQ(message_of(thread), 0);
  GO(PTRACE_CONT, thread, 0);
  status = wait_for(thread);
  // Its own, or that of its process, which may have been faster.
  CHECK(status == 0 || status == 6 << 8);
  NEXT(child, EVENT(PTRACE_EVENT_EXIT));
  GO(PTRACE_CONT, child, 0);
  NEXT(child, 6 << 8);
}

/** A thread that was attached to alone ends; its process goes on. */
static void thread_alone(void) {
  shared->ready = shared->signo = 0;
  pid_t child = CHILD({
    pthread_t thread;
    pthread_barrier_init(&barrier, NULL, 2);
    CHECK(pthread_create(&thread, NULL, spin, NULL) == 0);
    pthread_barrier_wait(&barrier);
    shared->value = gettid() + 0;
    shared->ready = 1;
    CHECK(pthread_join(thread, NULL) == 0);
    while (shared->ready != 2) sched_yield();
    _exit(1);
  });
  while (!shared->ready) sched_yield();
  char path[64];
  pid_t thread = 0;
  for (pid_t tid = child + 1; thread == 0 && tid < child + 64; tid++) {
    snprintf(path, sizeof path, "/proc/%d/task/%d", child, tid);
    if (access(path, F_OK) == 0) thread = tid;
  }
  CHECK(thread != 0);
  CHECK(ptrace(PTRACE_ATTACH, thread, NULL, NULL) == 0);
  NEXT(thread, STOPPED(SIGSTOP));
  EQ(status_of(child, "TracerPid"), 0);
  shared->signo = 1;
  GO(PTRACE_CONT, thread, 0);
  NEXT(thread, 0);
  shared->ready = 2;
  NEXT(child, 1 << 8);
}

/** A tracer that is another thread than the one that asks is nobody's. */
static void *asks(void *arg) {
  FAILS(ptrace(PTRACE_CONT, *(pid_t *)arg, NULL, NULL), ESRCH);
  return arg;
}

static void by_thread(void) {
  pid_t child = TRACED(_exit(1));
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, asks, &child) == 0);
  CHECK(pthread_join(thread, NULL) == 0);
  GO(PTRACE_CONT, child, 0);
  NEXT(child, 1 << 8);
}

static void killed_while_stopped(void) {
  pid_t child = TRACED(_exit(1));
  CHECK(kill(child, SIGKILL) == 0);
  NEXT(child, SIGKILL);
  child = TRACED(_exit(1));
  set_options(child, PTRACE_O_TRACEEXIT);
  GO(PTRACE_CONT, child, 0);
  NEXT(child, EVENT(PTRACE_EVENT_EXIT));
  // It is ending: no signal changes that.
  CHECK(kill(child, SIGKILL) == 0);
  GO(PTRACE_CONT, child, 0);
  NEXT(child, 1 << 8);
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "child") == 0) return 42;
  share();
  fork_events();
  vfork_events();
  vfork_thread_events();
  exec_stops();
  attaching();
  seizing();
  tracer_ends();
  ends_in_turn();
  threads();
  thread_alone();
  by_thread();
  killed_while_stopped();
  FAILS(wait(NULL), ECHILD);
  return done();
}
