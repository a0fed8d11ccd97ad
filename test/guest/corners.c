// Calls at the corners of what they take: counts below zero, two results in one place, flags beside others that say nothing,
// what is set twice, and who goes first.
#include "check.h"
#include "family.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <termios.h>
#include <time.h>

static long futex(int *word, int op, int value, const void *timeout, int *other, int third) {
  return syscall(SYS_futex, word, op, value, timeout, other, third);
}

static void futexes(void) {
  static int words[2];
  struct timespec past = {1, 0};
  FAILS(futex(words, FUTEX_REQUEUE, 1, (void *)-1L, words + 1, 0), EINVAL);
  FAILS(futex(words, FUTEX_REQUEUE, 1, (void *)-5L, words + 1, 0), EINVAL);
  FAILS(futex(words, FUTEX_REQUEUE, -1, (void *)1, words + 1, 0), EINVAL);
  FAILS(futex(words, FUTEX_CMP_REQUEUE, 1, (void *)-1L, words + 1, 0), EINVAL);
  FAILS(futex(words, FUTEX_CMP_REQUEUE_PI, 1, (void *)-1L, words + 1, 0), EINVAL);
  FAILS(futex(words, FUTEX_WAIT, 0, (void *)-1L, NULL, 0), EFAULT);
  // It has no bits to wait for.
  FAILS(futex(words, FUTEX_WAIT_REQUEUE_PI, 0, &past, words + 1, 0), ETIMEDOUT);
  FAILS(futex(words, FUTEX_WAIT_BITSET, 0, &past, NULL, 0), EINVAL);
}

static long clone3(struct clone_args args) {
  args.exit_signal = SIGCHLD;
  long pid = syscall(SYS_clone3, &args, sizeof args);
  if (pid == 0) _exit(0);
  if (pid > 0) CHECK(waitpid(pid, NULL, 0) == pid);
  return pid;
}

static void clones(void) {
  int place = -1, id = -1;
  uint64_t at = (uintptr_t)&place;
  FAILS(clone3((struct clone_args){.flags = CLONE_PIDFD | CLONE_PARENT_SETTID, .pidfd = at, .parent_tid = at}), EINVAL);
  CHECK(clone3((struct clone_args){
          .flags = CLONE_PIDFD | CLONE_PARENT_SETTID, .pidfd = at, .parent_tid = (uintptr_t)&id}) == id);
  CHECK(close(place) == 0);
  place = -1;
  FAILS(clone3((struct clone_args){.set_tid = at, .set_tid_size = 1}), EINVAL);
  FAILS(clone3((struct clone_args){.set_tid = 8, .set_tid_size = 1}), EFAULT);
  FAILS(clone3((struct clone_args){.flags = CLONE_INTO_CGROUP, .cgroup = 1UL << 31}), EINVAL);
  FAILS(clone3((struct clone_args){.flags = CLONE_INTO_CGROUP, .cgroup = 999}), EBADF);
}

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif

static void disabled_stack(void) {
  stack_t none = {.ss_flags = SS_DISABLE | SS_AUTODISARM}, old;
  CHECK(sigaltstack(&none, NULL) == 0 && sigaltstack(NULL, &old) == 0);
  EQ((unsigned)old.ss_flags, SS_DISABLE | SS_AUTODISARM);
  none.ss_flags = SS_DISABLE;
  CHECK(sigaltstack(&none, NULL) == 0 && sigaltstack(NULL, &old) == 0);
  EQ(old.ss_flags, SS_DISABLE);
}

/** Each signal is an edge, whether or not another is pending. */
static void edges(void) {
  sigset_t both, before;
  sigemptyset(&both);
  sigaddset(&both, SIGUSR1), sigaddset(&both, SIGUSR2);
  CHECK(sigprocmask(SIG_BLOCK, &both, &before) == 0);
  int fd = signalfd(-1, &both, SFD_NONBLOCK), set = epoll_create1(0);
  struct epoll_event e = {.events = EPOLLIN | EPOLLET};
  CHECK(fd >= 0 && set >= 0 && epoll_ctl(set, EPOLL_CTL_ADD, fd, &e) == 0);
  EQ(epoll_wait(set, &e, 1, 0), 0);
  raise(SIGUSR1);
  EQ(epoll_wait(set, &e, 1, 1000), 1);
  EQ(epoll_wait(set, &e, 1, 0), 0);
  kill(getpid(), SIGUSR2);
  EQ(epoll_wait(set, &e, 1, 1000), 1);
  EQ(epoll_wait(set, &e, 1, 0), 0);
  struct signalfd_siginfo info[3];
  EQ(read(fd, info, sizeof info), 2 * sizeof *info);
  FAILS(read(fd, info, sizeof info), EAGAIN);
  raise(SIGUSR1);
  EQ(epoll_wait(set, &e, 1, 1000), 1);
  EQ(read(fd, info, sizeof info), sizeof *info);
  close(set), close(fd);
  CHECK(sigprocmask(SIG_SETMASK, &before, NULL) == 0);
}

static volatile int async_fd, async_count;

static void ready(int signo, siginfo_t *info, void *context) {
  (void)signo, (void)context;
  async_fd = info->si_fd;
  async_count++;
}

/** O_ASYNC that is set again by another descriptor stays that of the first. */
static void asynchronous(void) {
  struct sigaction action = {.sa_sigaction = ready, .sa_flags = SA_SIGINFO};
  CHECK(sigaction(SIGRTMIN + 3, &action, NULL) == 0);
  sigset_t one, before;
  sigemptyset(&one);
  sigaddset(&one, SIGRTMIN + 3);
  CHECK(sigprocmask(SIG_BLOCK, &one, &before) == 0);
  int ends[2];
  CHECK(pipe(ends) == 0 && fcntl(ends[0], F_SETOWN, getpid()) == 0 && fcntl(ends[0], F_SETSIG, SIGRTMIN + 3) == 0);
  CHECK(fcntl(ends[0], F_SETFL, O_ASYNC | O_NONBLOCK) == 0);
  int second = dup(ends[0]);
  CHECK(second >= 0 && fcntl(second, F_SETFL, O_ASYNC) == 0 && write(ends[1], "x", 1) == 1);
  while (async_count == 0) sigsuspend(&before);
  EQ(async_fd, ends[0]);
  close(ends[0]), close(ends[1]), close(second);
  CHECK(sigprocmask(SIG_SETMASK, &before, NULL) == 0);
}

static volatile int hung_up, continued;

static void told(int signo) {
  if (signo == SIGHUP) hung_up = 1;
  else continued = 1;
}

/** The leader of a session, which has both ends of its terminal, ends: the foreground is hung up, and not continued. */
static int leads(void) {
  CHECK(setsid() == getpid());
  int master = posix_openpt(O_RDWR | O_NOCTTY);
  CHECK(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
  int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
  CHECK(slave >= 0 && ioctl(slave, TIOCSCTTY, 0) == 0 && tcgetpgrp(slave) == getpgrp());
  // There is such a process, but not in this session.
  FAILS(tcsetpgrp(slave, 1), EPERM);
  FAILS(tcsetpgrp(slave, 0), ESRCH);
  struct sigaction action = {.sa_handler = told};
  CHECK(sigaction(SIGHUP, &action, NULL) == 0 && sigaction(SIGCONT, &action, NULL) == 0);
  sigset_t both, before;
  sigemptyset(&both);
  sigaddset(&both, SIGHUP), sigaddset(&both, SIGCONT);
  CHECK(sigprocmask(SIG_BLOCK, &both, &before) == 0);
  if (fork() == 0) {
    close(master);
    while (!hung_up) sigsuspend(&before);
    // Both would have come at once.
    sigset_t pending;
    sigpending(&pending);
    _exit(continued || sigismember(&pending, SIGCONT) ? 1 : 0);
  }
  return 0;
}

static void sessions(void) {
  // So that the leader's child can be waited for.
  CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0);
  int status;
  pid_t leader = fork();
  CHECK(leader >= 0);
  if (leader == 0) _exit(leads());
  CHECK(waitpid(leader, &status, 0) == leader);
  EQ(status, 0);
  CHECK(wait(&status) > 0);
  EQ(status, 0);
}

/** The number behind a name in what /proc says of a descriptor. */
static int shown(int fd, const char *name) {
  char path[64], line[200];
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
  FILE *f = fopen(path, "r");
  CHECK(f != NULL);
  int value = -2;
  while (fgets(line, sizeof line, f))
    if (strncmp(line, name, strlen(name)) == 0) value = atoi(line + strlen(name));
  fclose(f);
  return value;
}

static void processes(void) {
  int go[2];
  char byte;
  CHECK(pipe(go) == 0);
  pid_t child = fork();
  if (child == 0) {
    close(go[1]);
    read(go[0], &byte, 1);
    _exit(0);
  }
  int fd = syscall(SYS_pidfd_open, child, 0);
  CHECK(fd >= 0);
  EQ(shown(fd, "Pid:\t"), child);
  struct iovec nothing = {&byte, 0}, one = {&byte, 1};
  EQ(process_vm_readv(INT32_MAX, &one, 1, &nothing, 1, 0), 0);
  FAILS(process_vm_readv(INT32_MAX, &one, 1, &one, 1, 0), ESRCH);
  FAILS(process_vm_readv(-1, &one, 1, &one, 1, 0), ESRCH);
  close(go[0]), close(go[1]);
  CHECK(waitpid(child, NULL, 0) == child);
  EQ(shown(fd, "Pid:\t"), -1);
  close(fd);
}

static void timers(void) {
  timer_t timer;
  CHECK(timer_create(CLOCK_MONOTONIC, NULL, &timer) == 0);
  FAILS(timer_settime(timer, 0, NULL, NULL), EINVAL);
  FAILS(timer_settime(timer, 0, (void *)8, NULL), EFAULT);
  CHECK(timer_delete(timer) == 0);

  // Where no more signals can be queued, a timer that is there has its own all the same.
  pid_t child = CHILD({
    sigset_t both;
    sigemptyset(&both);
    sigaddset(&both, SIGRTMIN + 1), sigaddset(&both, SIGRTMIN + 2);
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 2, .sigev_value.sival_int = 6};
    struct itimerspec soon = {.it_value.tv_nsec = 1000000};
    struct rlimit none = {0, 0};
    union sigval value = {.sival_int = 1};
    CHECK(sigprocmask(SIG_BLOCK, &both, NULL) == 0 && timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    CHECK(setrlimit(RLIMIT_SIGPENDING, &none) == 0);
    FAILS(sigqueue(getpid(), SIGRTMIN + 1, value), EAGAIN);
    CHECK(timer_settime(timer, 0, &soon, NULL) == 0);
    siginfo_t info;
    sigdelset(&both, SIGRTMIN + 1);
    EQ(sigwaitinfo(&both, &info), SIGRTMIN + 2);
    EQ(info.si_code, SI_TIMER);
    EQ(info.si_value.sival_int, 6);
  });
  GOOD(child);
}

int main(void) {
  alarm(60);
  timers();
  futexes();
  clones();
  disabled_stack();
  edges();
  asynchronous();
  processes();
  sessions();
  puts("ok");
  return 0;
}
