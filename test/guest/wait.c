// Children and their ends: wait4 and waitid in all their ways, SIGCHLD, orphans and who gets them.
#include "check.h"
#include "family.h"

#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#ifndef __WNOTHREAD
#define __WNOTHREAD 0x20000000
#endif

// ---- what they say

static void codes(void) {
  int status;
  FAILS(wait(&status), ECHILD);
  for (int code = 0; code < 256; code += 51) {
    pid_t pid = CHILD(_exit(code));
    EQ(wait4(-1, &status, 0, 0), pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == code);
  }
  pid_t pid = CHILD(_exit(0x1ff));
  EQ(waitpid(pid, &status, 0), pid);
  EQ(WEXITSTATUS(status), 0xff);
  static const int deadly[] = {SIGTERM, SIGKILL, SIGUSR1, SIGPIPE, SIGSEGV, SIGABRT};
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  for (unsigned i = 0; i < sizeof deadly / sizeof *deadly; i++) {
    pid = CHILD(raise(deadly[i]));
    siginfo_t info;
    EQ(waitid(P_PID, pid, &info, WEXITED | WNOWAIT), 0);
    EQ(info.si_code, CLD_KILLED);
    EQ(info.si_status, deadly[i]);
    EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == deadly[i] && !WCOREDUMP(status));
  }
  pid = CHILD(*(volatile int *)16 = 1);
  EQ(waitpid(pid, &status, 0), pid);
  CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

static void selection(void) {
  int status;
  open_gate();
  pid_t first = CHILD(await(), _exit(1)), second = CHILD(await(), _exit(2));
  EQ(setpgid(second, second), 0);
  EQ(waitpid(-1, &status, WNOHANG), 0);
  EQ(waitpid(0, &status, WNOHANG), 0);
  EQ(waitpid(-second, &status, WNOHANG), 0);
  FAILS(waitpid(-first, &status, 0), ECHILD);
  FAILS(waitpid(getpid(), &status, 0), ECHILD);
  FAILS(waitpid(-1, &status, 64), EINVAL);
  FAILS(waitpid((pid_t)0x80000000, &status, 0), ESRCH);
  siginfo_t info;
  memset(&info, -1, sizeof info);
  EQ(waitid(P_ALL, 0, &info, WEXITED | WNOHANG), 0);
  EQ(info.si_signo, 0);
  EQ(info.si_pid, 0);
  FAILS(waitid(P_ALL, 0, &info, WNOHANG), EINVAL);
  FAILS(waitid(P_PID, 0, &info, WEXITED), EINVAL);
  FAILS(waitid(77, 0, &info, WEXITED), EINVAL);
  FAILS(waitid(P_PIDFD, 99, &info, WEXITED), EBADF);
  pass(), pass();
  EQ(waitid(P_PGID, second, &info, WEXITED | WNOWAIT), 0);
  EQ(info.si_pid, second);
  EQ(info.si_signo, SIGCHLD);
  EQ(info.si_code, CLD_EXITED);
  EQ(info.si_status, 2);
  EQ(info.si_uid, getuid());
  EQ(waitpid(-second, &status, 0), second);
  EQ(waitid(P_PGID, 0, 0, WEXITED), 0);
  FAILS(waitpid(first, &status, 0), ECHILD);
  // It is waited for though what it says cannot be stored.
  pid_t third = CHILD();
  FAILS(syscall(SYS_wait4, third, 16, 0, 0), EFAULT);
  FAILS(waitpid(third, &status, 0), ECHILD);
  close_gate();
}

static void usage(void) {
  struct rusage used;
  memset(&used, -1, sizeof used);
  pid_t pid = CHILD({
    for (volatile int i = 0; i < 3000000; i++) {}
  });
  EQ(wait4(pid, 0, 0, &used), pid);
  CHECK(used.ru_utime.tv_sec >= 0 && used.ru_utime.tv_sec < 10);
  CHECK(used.ru_utime.tv_sec * 1000000 + used.ru_utime.tv_usec + used.ru_stime.tv_usec > 200);
  struct rusage all;
  EQ(getrusage(RUSAGE_CHILDREN, &all), 0);
  CHECK(all.ru_utime.tv_sec * 1000000 + all.ru_utime.tv_usec >= used.ru_utime.tv_sec * 1000000 + used.ru_utime.tv_usec);
}

// ---- SIGCHLD

static void told(void) {
  sigset_t chld, before;
  sigemptyset(&chld);
  sigaddset(&chld, SIGCHLD);
  sigprocmask(SIG_BLOCK, &chld, &before);
  action(SIGCHLD, note, 0);
  pid_t pid = CHILD(_exit(33));
  siginfo_t info;
  EQ(sigwaitinfo(&chld, &info), SIGCHLD);
  EQ(info.si_pid, pid);
  EQ(info.si_code, CLD_EXITED);
  EQ(info.si_status, 33);
  EQ(info.si_uid, getuid());
  EQ(waitpid(pid, 0, WNOHANG), pid);
  pid = CHILD(raise(SIGTERM));
  sigset_t open = before;
  sigdelset(&open, SIGCHLD);
  count = 0;
  while (count == 0) sigsuspend(&open);
  EQ(last.si_pid, pid);
  EQ(last.si_code, CLD_KILLED);
  EQ(last.si_status, SIGTERM);
  EQ(waitpid(pid, 0, 0), pid);
  sigprocmask(SIG_SETMASK, &before, 0);
}

static void unwanted(void) {
  action(SIGCHLD, (void *)SIG_IGN, 0);
  for (int i = 0; i < 3; i++) CHILD();
  FAILS(wait(0), ECHILD);
  count = 0;
  action(SIGCHLD, note, SA_NOCLDWAIT | SA_RESTART);
  open_gate();
  CHILD(await());
  pass();
  FAILS(wait(0), ECHILD);
  EQ(count, 1);
  close_gate();
  action(SIGCHLD, (void *)SIG_DFL, 0);
}

// ---- a wait that a signal interrupts

static void interrupted(void) {
  open_gate();
  pid_t parent = getpid();
  for (int restarts = 0; restarts < 2; restarts++) {
    action(SIGUSR1, note, restarts ? SA_RESTART : 0);
    count = 0;
    // It may come before the wait: again and again until it was seen.
    pid_t noisy = CHILD({
      for (;;) kill(parent, SIGUSR1), sched_yield();
    });
    if (restarts) {
      pid_t quiet = CHILD(await());
      while (count < 10) sched_yield();
      pass();
      EQ(waitpid(quiet, 0, 0), quiet);
    } else FAILS(waitpid(noisy, 0, 0), EINTR);
    kill(noisy, SIGKILL);
    pid_t pid;
    do pid = waitpid(noisy, 0, 0);
    while (pid < 0 && errno == EINTR);
    EQ(pid, noisy);
    CHECK(count > 0);
  }
  action(SIGUSR1, (void *)SIG_DFL, 0);
  close_gate();
}

// ---- children of threads, and of clone

static void *make_child(void *out) {
  *(pid_t *)out = CHILD(await());
  return 0;
}

static void *keep_child(void *out) {
  *(pid_t *)out = CHILD(await());
  EQ(waitpid(*(pid_t *)out, 0, __WNOTHREAD), *(pid_t *)out);
  return 0;
}

static void of_threads(void) {
  open_gate();
  pthread_t t;
  pid_t pid;
  EQ(pthread_create(&t, 0, make_child, &pid), 0);
  EQ(pthread_join(t, 0), 0);
  EQ(waitpid(pid, 0, WNOHANG), 0);
  pass();
  EQ(waitpid(pid, 0, 0), pid);
  EQ(pthread_create(&t, 0, keep_child, &pid), 0);
  FAILS(waitpid(-1, 0, __WNOTHREAD), ECHILD);
  pass();
  EQ(pthread_join(t, 0), 0);
  close_gate();
}

static pid_t clone_with(long flags) {
#ifdef __riscv
  return (pid_t)syscall(SYS_clone, flags, 0, 0, 0, 0);
#else
  return (pid_t)syscall(SYS_clone, flags, 0, 0, 0, 0);
#endif
}

static void of_clone(void) {
  action(SIGCHLD, note, 0);
  action(SIGUSR2, note, 0);
  count = 0;
  pid_t pid = clone_with(0);
  if (pid == 0) _exit(4);
  siginfo_t info;
  FAILS(waitpid(pid, 0, 0), ECHILD);
  EQ(waitid(P_PID, pid, &info, WEXITED | __WALL | WNOWAIT), 0);
  EQ(waitpid(-1, 0, __WCLONE), pid);
  EQ(count, 0);
  pid = clone_with(SIGUSR2);
  if (pid == 0) _exit(5);
  int status, waited;
  do waited = waitpid(pid, &status, __WCLONE);
  while (waited < 0 && errno == EINTR);
  EQ(waited, pid);
  EQ(count, 1);
  EQ(last.si_signo, SIGUSR2);
  EQ(last.si_code, CLD_EXITED);
  EQ(last.si_status, 5);
  action(SIGCHLD, (void *)SIG_DFL, 0);
  action(SIGUSR2, (void *)SIG_DFL, 0);
}

// ---- orphans

static void orphans(void) {
  int line[2];
  EQ(pipe(line), 0);
  EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  int is = 0;
  EQ(prctl(PR_GET_CHILD_SUBREAPER, &is), 0);
  EQ(is, 1);
  pid_t self = getpid();
  pid_t child = CHILD({
    int mine = 1;
    EQ(prctl(PR_GET_CHILD_SUBREAPER, &mine), 0);
    EQ(mine, 0);
    pid_t parent = getpid();
    open_gate();
    pid_t orphan = CHILD({
      EQ(getppid(), parent);
      pass();
      while (getppid() == parent) sched_yield();
      EQ(getppid(), self);
      _exit(6);
    });
    EQ(write(line[1], &orphan, sizeof orphan), sizeof orphan);
    await();
  });
  EQ(waitpid(child, 0, 0), child);
  pid_t orphan;
  EQ(read(line[0], &orphan, sizeof orphan), sizeof orphan);
  int status;
  EQ(waitpid(-1, &status, 0), orphan);
  EQ(WEXITSTATUS(status), 6);
  EQ(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
  close(line[0]), close(line[1]);
}

static void bereaved(void) {
  int line[2];
  EQ(pipe(line), 0);
  EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  pid_t child = CHILD({
    pid_t parent = getpid();
    open_gate();
    CHILD({
      sigset_t usr1;
      sigemptyset(&usr1);
      sigaddset(&usr1, SIGUSR1);
      sigprocmask(SIG_BLOCK, &usr1, 0);
      EQ(prctl(PR_SET_PDEATHSIG, SIGUSR1), 0);
      pass();
      siginfo_t info;
      EQ(sigwaitinfo(&usr1, &info), SIGUSR1);
      EQ(info.si_pid, parent);
      EQ(write(line[1], "!", 1), 1);
    });
    await();
  });
  EQ(waitpid(child, 0, 0), child);
  char c;
  EQ(read(line[0], &c, 1), 1);
  CHECK(wait(0) > 0);
  // Not for grandchildren: it is not inherited.
  EQ(prctl(PR_SET_PDEATHSIG, SIGUSR1), 0);
  child = CHILD({
    int signo = 1;
    EQ(prctl(PR_GET_PDEATHSIG, &signo), 0);
    _exit(signo);
  });
  int status;
  EQ(waitpid(child, &status, 0), child);
  EQ(status, 0);
  EQ(prctl(PR_SET_PDEATHSIG, 0), 0);
  EQ(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
  close(line[0]), close(line[1]);
}

static void many(void) {
  pid_t made[20];
  int left = 20;
  for (int i = 0; i < 20; i++) made[i] = CHILD(_exit(i));
  while (left > 0) {
    int status;
    pid_t pid = wait(&status);
    CHECK(pid > 0);
    EQ(made[WEXITSTATUS(status)], pid);
    made[WEXITSTATUS(status)] = 0;
    left--;
  }
  FAILS(wait(0), ECHILD);
}

int main(void) {
  codes();
  selection();
  usage();
  told();
  unwanted();
  interrupted();
  of_threads();
  of_clone();
  orphans();
  bereaved();
  many();
  return done();
}
