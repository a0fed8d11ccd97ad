// What passes between processes through sockets beside bytes: who the other is, and descriptors, which stay what they were.
// In an empty directory.
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#define CHILD(...)                 \
  ({                               \
    fflush(stdout);                \
    pid_t child_ = fork();         \
    CHECK(child_ >= 0);            \
    if (child_ == 0) {             \
      __VA_ARGS__;                 \
      _exit(0);                    \
    }                              \
    child_;                        \
  })

static void joined(pid_t child) {
  int status;
  EQ(waitpid(child, &status, 0), child);
  EQ(status, 0);
}

static struct ucred peer(int s) {
  struct ucred c;
  socklen_t length = sizeof c;
  CHECK(getsockopt(s, SOL_SOCKET, SO_PEERCRED, &c, &length) == 0);
  EQ(length, sizeof c);
  EQ(c.uid, geteuid());
  EQ(c.gid, getegid());
  return c;
}

/** An address in the directory, or one that is no path. */
static socklen_t named(struct sockaddr_un *a, const char *name, int abstract) {
  memset(a, 0, sizeof *a);
  a->sun_family = AF_UNIX;
  snprintf(a->sun_path + abstract, sizeof a->sun_path - 1, "%s-%d", name, (int)getpid());
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)abstract + strlen(a->sun_path + abstract) + !abstract);
}

static void connections(int abstract) {
  struct sockaddr_un a;
  socklen_t length = named(&a, "listener", abstract);
  int ready[2];
  CHECK(pipe(ready) == 0);
  // The one that listens is neither the first process nor the one that made the socket.
  int s = socket(AF_UNIX, SOCK_STREAM, 0);
  CHECK(s >= 0 && bind(s, (struct sockaddr *)&a, length) == 0);
  pid_t server = CHILD({
    CHECK(listen(s, 5) == 0);
    CHECK(write(ready[1], "x", 1) == 1);
    for (int i = 0; i < 2; i++) {
      int c = accept(s, NULL, NULL);
      CHECK(c >= 0);
      pid_t other;
      EQ(read(c, &other, sizeof other), sizeof other);
      EQ(peer(c).pid, other);
      CHECK(write(c, "x", 1) == 1);
      CHECK(close(c) == 0);
    }
  });
  char c;
  CHECK(read(ready[0], &c, 1) == 1);
  pid_t client = CHILD({
    int own = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(own >= 0 && connect(own, (struct sockaddr *)&a, length) == 0);
    EQ(peer(own).pid, server);
    pid_t self = getpid();
    CHECK(write(own, &self, sizeof self) == sizeof self);
    EQ(read(own, &c, 1), 1);
  });
  joined(client);
  int own = socket(AF_UNIX, SOCK_STREAM, 0);
  CHECK(own >= 0 && connect(own, (struct sockaddr *)&a, length) == 0);
  EQ(peer(own).pid, server);
  pid_t self = getpid();
  CHECK(write(own, &self, sizeof self) == sizeof self);
  EQ(read(own, &c, 1), 1);
  joined(server);
  EQ(peer(own).pid, server);
  CHECK(close(own) == 0 && close(s) == 0 && close(ready[0]) == 0 && close(ready[1]) == 0);
  if (!abstract) CHECK(unlink(a.sun_path) == 0);
}

static void pairs(void) {
  int s[2];
  pid_t parent = getpid();
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
  EQ(peer(s[0]).pid, parent);
  joined(CHILD({
    // Both ends are the parent's, whoever has them.
    EQ(peer(s[0]).pid, parent);
    EQ(peer(s[1]).pid, parent);
    int own[2];
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, own) == 0);
    EQ(peer(own[1]).pid, getpid());
  }));
  CHECK(close(s[0]) == 0 && close(s[1]) == 0);
}

union control {
  char bytes[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(4 * sizeof(int))];
  struct cmsghdr header;
};

/** Sends a byte; with credentials, and with descriptors. */
static long give(int s, const struct ucred *self, const int *fds, int count) {
  union control control;
  memset(&control, 0, sizeof control);
  char byte = 'x';
  struct iovec v = {&byte, 1};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  struct cmsghdr *h = CMSG_FIRSTHDR(&m);
  size_t used = 0;
  if (self != NULL) {
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_CREDENTIALS;
    h->cmsg_len = CMSG_LEN(sizeof *self);
    memcpy(CMSG_DATA(h), self, sizeof *self);
    used += CMSG_SPACE(sizeof *self);
    h = CMSG_NXTHDR(&m, h);
  }
  if (count > 0) {
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
    memcpy(CMSG_DATA(h), fds, (size_t)count * sizeof(int));
    used += CMSG_SPACE((size_t)count * sizeof(int));
  }
  m.msg_controllen = used;
  if (used == 0) m.msg_control = NULL;
  return sendmsg(s, &m, 0);
}

/** Receives a byte; answers the sender's credentials (0 for none), and takes descriptors. */
static struct ucred take(int s, int *fds, int count) {
  union control control;
  char byte;
  struct iovec v = {&byte, 1};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  EQ(recvmsg(s, &m, 0), 1);
  EQ(m.msg_flags & MSG_CTRUNC, 0);
  struct ucred found = {0, 0, 0};
  int taken = 0;
  for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h != NULL; h = CMSG_NXTHDR(&m, h)) {
    EQ(h->cmsg_level, SOL_SOCKET);
    if (h->cmsg_type == SCM_CREDENTIALS) memcpy(&found, CMSG_DATA(h), sizeof found);
    if (h->cmsg_type != SCM_RIGHTS) continue;
    taken = (int)((h->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    memcpy(fds, CMSG_DATA(h), (size_t)taken * sizeof(int));
  }
  EQ(taken, count);
  return found;
}

static void senders(int type) {
  int s[2], on = 1;
  CHECK(socketpair(AF_UNIX, type, 0, s) == 0);
  CHECK(setsockopt(s[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0);
  pid_t child = CHILD({
    CHECK(give(s[1], NULL, NULL, 0) == 1);
    struct ucred self = {getpid(), getuid(), getgid()};
    CHECK(give(s[1], &self, NULL, 0) == 1);
    CHECK(write(s[1], "x", 1) == 1);
  });
  for (int i = 0; i < 3; i++) {
    struct ucred c = take(s[0], NULL, 0);
    EQ(c.pid, child);
    EQ(c.uid, getuid());
    EQ(c.gid, getgid());
  }
  joined(child);
  CHECK(give(s[1], NULL, NULL, 0) == 1);
  EQ(take(s[0], NULL, 0).pid, getpid());
  CHECK(close(s[0]) == 0 && close(s[1]) == 0);
}

/** To a socket that nobody is connected to. */
static void datagrams(void) {
  struct sockaddr_un a;
  socklen_t length = named(&a, "datagrams", 0);
  int s = socket(AF_UNIX, SOCK_DGRAM, 0), on = 1;
  CHECK(s >= 0 && bind(s, (struct sockaddr *)&a, length) == 0);
  CHECK(setsockopt(s, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0);
  pid_t child = CHILD({
    int own = socket(AF_UNIX, SOCK_DGRAM, 0);
    CHECK(own >= 0);
    EQ(sendto(own, "x", 1, 0, (struct sockaddr *)&a, length), 1);
  });
  EQ(take(s, NULL, 0).pid, child);
  joined(child);
  CHECK(close(s) == 0 && unlink(a.sun_path) == 0);
}

static int readable(int fd) {
  struct pollfd p = {fd, POLLIN, 0};
  return poll(&p, 1, 0);
}

/** Descriptors of signals, of processes and of what is made up are the same for who gets them. */
static void kinds(void) {
  int s[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
  sigset_t set;
  CHECK(sigemptyset(&set) == 0 && sigaddset(&set, SIGUSR1) == 0 && sigprocmask(SIG_BLOCK, &set, NULL) == 0);
  int done_with[2];
  CHECK(pipe(done_with) == 0);
  pid_t parent = getpid();
  pid_t child = CHILD({
    int fds[] = {signalfd(-1, &set, SFD_NONBLOCK), (int)syscall(SYS_pidfd_open, getpid(), 0),
                 open("/proc/self/comm", O_RDWR), open("/proc/self/fd", O_RDONLY | O_DIRECTORY)};
    for (int i = 0; i < 4; i++) CHECK(fds[i] >= 0);
    CHECK(give(s[1], NULL, fds, 4) == 1);
    char c;
    CHECK(read(done_with[0], &c, 1) == 1);
    // What was sent to it by the descriptor of the process.
    struct signalfd_siginfo info;
    EQ(read(fds[0], &info, sizeof info), sizeof info);
    EQ(info.ssi_pid, parent);
  });
  int fds[4];
  take(s[0], fds, 4);
  struct signalfd_siginfo info;
  EQ(readable(fds[0]), 0);
  CHECK(raise(SIGUSR1) == 0);
  EQ(readable(fds[0]), 1);
  EQ(read(fds[0], &info, sizeof info), sizeof info);
  EQ(info.ssi_signo, SIGUSR1);
  EQ(info.ssi_pid, getpid());
  FAILS(read(fds[0], &info, sizeof info), EAGAIN);
  CHECK(syscall(SYS_pidfd_send_signal, fds[1], SIGUSR1, NULL, 0) == 0);
  // The name of a thread is its process's own affair.
  FAILS(write(fds[2], "renamed", 7), EINVAL);
  EQ(readable(fds[1]), 0);
  char c;
  FAILS(read(fds[3], &c, 1), EISDIR);
  CHECK(write(done_with[1], "x", 1) == 1);
  joined(child);
  EQ(readable(fds[1]), 1);
  for (int i = 0; i < 4; i++) CHECK(close(fds[i]) == 0);
  CHECK(close(s[0]) == 0 && close(s[1]) == 0);
}

int main(void) {
  connections(0);
  connections(1);
  pairs();
  senders(SOCK_STREAM);
  senders(SOCK_SEQPACKET);
  datagrams();
  kinds();
  return done();
}
