// Descriptors of processes: what they show of the end, signals through them, waiting for them, descriptors of others.
#include "check.h"
#include "family.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif
#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif
#define SYS_pidfd_send_signal_ 424
#define SYS_pidfd_open_ 434
#define SYS_clone3_ 435
#define SYS_pidfd_getfd_ 438

static int pidfd_open_(pid_t pid, unsigned flags) { return (int)syscall(SYS_pidfd_open_, pid, flags); }
static int send_signal(int fd, int signo, siginfo_t *info, unsigned flags) {
  return (int)syscall(SYS_pidfd_send_signal_, fd, signo, info, flags);
}

static int events(int fd, int timeout) {
  struct pollfd p = {fd, POLLIN, 0};
  EQ(poll(&p, 1, timeout), p.revents != 0);
  return p.revents & POLLIN;
}

static void ends(void) {
  open_gate();
  pid_t pid = CHILD(await(), _exit(5));
  int fd = pidfd_open_(pid, 0), other = pidfd_open_(pid, O_NONBLOCK);
  CHECK(fd >= 0 && other >= 0);
  EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
  EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
  EQ(fcntl(other, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
  FAILS(pidfd_open_(pid, 1), EINVAL);
  FAILS(pidfd_open_(0, 0), EINVAL);
  FAILS(pidfd_open_(-1, 0), EINVAL);
  char c;
  FAILS(read(fd, &c, 1), EINVAL);
  FAILS(write(fd, &c, 1), EINVAL);
  EQ(events(fd, 0), 0);
  int set = epoll_create1(0);
  struct epoll_event e = {EPOLLIN, {.fd = fd}};
  EQ(epoll_ctl(set, EPOLL_CTL_ADD, fd, &e), 0);
  EQ(epoll_wait(set, &e, 1, 0), 0);
  siginfo_t info;
  FAILS(waitid(P_PIDFD, other, &info, WEXITED), EAGAIN);
  EQ(waitid(P_PIDFD, other, &info, WEXITED | WNOHANG), 0);
  EQ(info.si_pid, 0);
  pass();
  EQ(events(fd, -1), POLLIN);
  EQ(epoll_wait(set, &e, 1, -1), 1);
  EQ(e.data.fd, fd);
  EQ(events(other, 0), POLLIN);
  // A zombie can still be found, and signalled in vain.
  int late = pidfd_open_(pid, 0);
  CHECK(late >= 0);
  EQ(events(late, 0), POLLIN);
  EQ(send_signal(late, SIGTERM, 0, 0), 0);
  EQ(waitid(P_PIDFD, fd, &info, WEXITED), 0);
  EQ(info.si_pid, pid);
  EQ(info.si_status, 5);
  FAILS(waitid(P_PIDFD, fd, &info, WEXITED), ECHILD);
  FAILS(send_signal(fd, 0, 0, 0), ESRCH);
  FAILS(pidfd_open_(pid, 0), ESRCH);
  EQ(events(fd, 0), POLLIN);
  close(fd), close(other), close(late), close(set);
  close_gate();
}

static void signals(void) {
  action(SIGUSR1, note, 0);
  int self = pidfd_open_(getpid(), 0);
  CHECK(self >= 0);
  count = 0;
  EQ(send_signal(self, SIGUSR1, 0, 0), 0);
  EQ(count, 1);
  EQ(last.si_pid, getpid());
  FAILS(send_signal(self, 65, 0, 0), EINVAL);
  FAILS(send_signal(self, SIGUSR1, 0, 1 << 10), EINVAL);
  FAILS(send_signal(0, SIGUSR1, 0, 0), EBADF);
  FAILS(send_signal(999, SIGUSR1, 0, 0), EBADF);
  siginfo_t info;
  memset(&info, 0, sizeof info);
  info.si_signo = SIGUSR1;
  info.si_code = SI_QUEUE;
  info.si_pid = 77;
  info.si_value.sival_int = 123;
  EQ(send_signal(self, SIGUSR1, &info, 0), 0);
  EQ(count, 2);
  EQ(last.si_pid, 77);
  EQ(last.si_value.sival_int, 123);
  FAILS(send_signal(self, SIGUSR2, &info, 0), EINVAL);
  pid_t pid = CHILD(for (;;) pause());
  int fd = pidfd_open_(pid, 0);
  info.si_code = SI_USER;
  FAILS(send_signal(fd, SIGUSR1, &info, 0), EPERM);
  EQ(send_signal(fd, SIGKILL, 0, 0), 0);
  int status;
  EQ(waitpid(pid, &status, 0), pid);
  EQ(WTERMSIG(status), SIGKILL);
  close(fd), close(self);
}

struct args {
  unsigned long long flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
};

static void by_clone(void) {
  open_gate();
  int fd = -1;
  struct args a = {.flags = CLONE_PIDFD, .pidfd = (unsigned long long)(unsigned long)&fd, .exit_signal = SIGCHLD};
  pid_t pid = (pid_t)syscall(SYS_clone3_, &a, sizeof a);
  if (pid == 0) {
    await();
    _exit(6);
  }
  CHECK(pid > 0 && fd >= 0);
  EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
  // Others have it too, and see the same.
  pid_t watcher = CHILD({
    EQ(events(fd, -1), POLLIN);
    siginfo_t info;
    FAILS(waitid(P_PIDFD, fd, &info, WEXITED), ECHILD);
    close(fd);
  });
  pass();
  GOOD(watcher);
  siginfo_t info;
  EQ(waitid(P_PIDFD, fd, &info, WEXITED), 0);
  EQ(info.si_pid, pid);
  EQ(info.si_status, 6);
  close(fd);
  // clone: in place of the parent's id.
  fd = -1;
#ifdef __riscv
  pid = (pid_t)syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, &fd, 0, 0);
#else
  pid = (pid_t)syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, &fd, 0, 0);
#endif
  if (pid == 0) _exit(0);
  CHECK(pid > 0 && fd >= 0);
  EQ(events(fd, -1), POLLIN);
  GOOD(pid);
  close(fd);
  close_gate();
}

static void of_others(void) {
  open_gate();
  int line[2], back[2];
  EQ(pipe(line), 0);
  EQ(pipe(back), 0);
  pid_t pid = CHILD({
    close(line[0]);
    int mine[2];
    EQ(pipe(mine), 0);
    EQ(write(mine[1], "inside", 6), 6);
    EQ(write(line[1], &mine[0], sizeof mine[0]), sizeof mine[0]);
    await();
  });
  int number;
  EQ(read(line[0], &number, sizeof number), sizeof number);
  int fd = pidfd_open_(pid, 0);
  int theirs = (int)syscall(SYS_pidfd_getfd_, fd, number, 0);
  CHECK(theirs >= 0);
  EQ(fcntl(theirs, F_GETFD), FD_CLOEXEC);
  char text[8] = "";
  EQ(read(theirs, text, sizeof text), 6);
  SAME(text, "inside");
  FAILS(syscall(SYS_pidfd_getfd_, fd, 999, 0), EBADF);
  FAILS(syscall(SYS_pidfd_getfd_, fd, number, 1), EINVAL);
  FAILS(syscall(SYS_pidfd_getfd_, 0, number, 0), EBADF);
  pass();
  GOOD(pid);
  FAILS(syscall(SYS_pidfd_getfd_, fd, number, 0), ESRCH);
  close(fd), close(theirs);
  close_gate();
}

int main(void) {
  ends();
  signals();
  by_clone();
  of_others();
  return done();
}
