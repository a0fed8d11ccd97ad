// Epoll sets and signal descriptors that a child has from its parent: each can change what the other added, an entry lives
// as long as anybody has its file, and a signal descriptor shows each its own signals.
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
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

static int go[2], said[2];
static void tell(int *way) { CHECK(write(way[1], "x", 1) == 1); }
static void hear(int *way) {
  char c;
  CHECK(read(way[0], &c, 1) == 1);
}

static int control(int set, int op, int fd, unsigned events, unsigned data) {
  struct epoll_event event = {.events = events, .data.u64 = data};
  return epoll_ctl(set, op, fd, &event);
}

/** The data of the one event that there is, -1 for none. */
static long one(int set) {
  struct epoll_event events[4];
  int n = epoll_wait(set, events, 4, 0);
  CHECK(n == 0 || n == 1);
  return n == 0 ? -1 : (long)events[0].data.u64;
}

/** What a parent added, its child changes, removes and adds again. */
static void changed_by_child(void) {
  int set = epoll_create1(0), ends[2];
  CHECK(set >= 0 && pipe(ends) == 0);
  CHECK(control(set, EPOLL_CTL_ADD, ends[0], EPOLLIN, 1) == 0);
  CHECK(write(ends[1], "x", 1) == 1);
  joined(CHILD({
    EQ(one(set), 1);
    FAILS(control(set, EPOLL_CTL_ADD, ends[0], EPOLLIN, 5), EEXIST);
    CHECK(control(set, EPOLL_CTL_MOD, ends[0], EPOLLIN, 2) == 0);
    EQ(one(set), 2);
  }));
  EQ(one(set), 2);
  joined(CHILD({
    CHECK(control(set, EPOLL_CTL_DEL, ends[0], 0, 0) == 0);
    EQ(one(set), -1);
    FAILS(control(set, EPOLL_CTL_DEL, ends[0], 0, 0), ENOENT);
    CHECK(control(set, EPOLL_CTL_ADD, ends[0], EPOLLIN, 3) == 0);
  }));
  // Added by a child that has ended: the parent has the file under that number too.
  EQ(one(set), 3);
  FAILS(control(set, EPOLL_CTL_ADD, ends[0], EPOLLIN, 4), EEXIST);
  CHECK(control(set, EPOLL_CTL_MOD, ends[0], EPOLLIN, 4) == 0);
  EQ(one(set), 4);
  CHECK(control(set, EPOLL_CTL_DEL, ends[0], 0, 0) == 0);
  EQ(one(set), -1);
  CHECK(close(set) == 0 && close(ends[0]) == 0 && close(ends[1]) == 0);
}

/** What only a child has added, and closed, its parent finds. */
static void added_by_child(void) {
  int set = epoll_create1(0), ends[2];
  CHECK(set >= 0 && pipe(ends) == 0);
  CHECK(write(ends[1], "x", 1) == 1);
  joined(CHILD(CHECK(control(set, EPOLL_CTL_ADD, ends[0], EPOLLIN, 1) == 0)));
  EQ(one(set), 1);
  FAILS(control(set, EPOLL_CTL_ADD, ends[0], EPOLLIN, 2), EEXIST);
  joined(CHILD(CHECK(control(set, EPOLL_CTL_MOD, ends[0], EPOLLIN, 3) == 0)));
  EQ(one(set), 3);
  CHECK(control(set, EPOLL_CTL_DEL, ends[0], 0, 0) == 0);
  EQ(one(set), -1);
  CHECK(close(set) == 0 && close(ends[0]) == 0 && close(ends[1]) == 0);
}

/** Added by the parent after the fork: the child has the same set, and the same file under the same number. */
static void added_after_fork(void) {
  int set = epoll_create1(0), ends[2];
  CHECK(set >= 0 && pipe(ends) == 0);
  CHECK(write(ends[1], "x", 1) == 1);
  pid_t child = CHILD({
    hear(go);
    FAILS(control(set, EPOLL_CTL_ADD, ends[0], EPOLLIN, 2), EEXIST);
    CHECK(control(set, EPOLL_CTL_MOD, ends[0], EPOLLIN, 3) == 0);
    tell(said);
    hear(go);
    CHECK(control(set, EPOLL_CTL_DEL, ends[0], 0, 0) == 0);
  });
  CHECK(control(set, EPOLL_CTL_ADD, ends[0], EPOLLIN, 1) == 0);
  tell(go);
  hear(said);
  EQ(one(set), 3);
  tell(go);
  joined(child);
  EQ(one(set), -1);
  CHECK(close(set) == 0 && close(ends[0]) == 0 && close(ends[1]) == 0);
}

/** The parent closes what it added while the child has it: the entry stays, and the child can change it. */
static void closed_by_parent(void) {
  int set = epoll_create1(0), ends[2];
  CHECK(set >= 0 && pipe(ends) == 0);
  CHECK(control(set, EPOLL_CTL_ADD, ends[0], EPOLLIN, 1) == 0);
  pid_t child = CHILD({
    CHECK(close(ends[1]) == 0);
    hear(go);
    EQ(one(set), 1);
    CHECK(control(set, EPOLL_CTL_MOD, ends[0], EPOLLIN, 2) == 0);
    tell(said);
    hear(go);
    CHECK(close(ends[0]) == 0);
    // Nobody has the file any more.
    EQ(one(set), -1);
    tell(said);
  });
  CHECK(close(ends[0]) == 0);
  CHECK(write(ends[1], "x", 1) == 1);
  EQ(one(set), 1);
  tell(go);
  hear(said);
  EQ(one(set), 2);
  tell(go);
  hear(said);
  EQ(one(set), -1);
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = SIG_IGN;
  CHECK(sigaction(SIGPIPE, &action, NULL) == 0);
  FAILS(write(ends[1], "x", 1), EPIPE);
  joined(child);
  CHECK(close(set) == 0 && close(ends[1]) == 0);
}

/** A connection that the last of several processes closes is seen to end at the other side. */
static void end_of_a_connection(void) {
  int set = epoll_create1(0), ends[2];
  CHECK(set >= 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  CHECK(control(set, EPOLL_CTL_ADD, ends[0], EPOLLIN, 1) == 0);
  pid_t child = CHILD({
    CHECK(close(ends[1]) == 0);
    hear(go);
  });
  CHECK(close(ends[0]) == 0);
  struct pollfd p = {ends[1], POLLIN, 0};
  EQ(poll(&p, 1, 0), 0);
  tell(go);
  joined(child);
  EQ(poll(&p, 1, 0), 1);
  char c;
  EQ(read(ends[1], &c, 1), 0);
  CHECK(close(set) == 0 && close(ends[1]) == 0);
}

/** A set for each: what one adds is not the other's. */
static void sets_apart(void) {
  int ends[2];
  CHECK(pipe(ends) == 0);
  int set = epoll_create1(0);
  CHECK(set >= 0);
  CHECK(control(set, EPOLL_CTL_ADD, ends[0], EPOLLIN, 1) == 0);
  pid_t child = CHILD({
    int own = epoll_create1(0);
    CHECK(own >= 0);
    FAILS(control(own, EPOLL_CTL_MOD, ends[0], EPOLLIN, 2), ENOENT);
    CHECK(control(own, EPOLL_CTL_ADD, ends[0], EPOLLIN, 2) == 0);
    tell(said);
    hear(go);
    EQ(one(own), 2);
    CHECK(control(own, EPOLL_CTL_DEL, ends[0], 0, 0) == 0);
    EQ(one(own), -1);
  });
  hear(said);
  CHECK(write(ends[1], "x", 1) == 1);
  EQ(one(set), 1);
  tell(go);
  joined(child);
  EQ(one(set), 1);
  CHECK(close(set) == 0 && close(ends[0]) == 0 && close(ends[1]) == 0);
}

static int readable(int fd) {
  struct pollfd p = {fd, POLLIN, 0};
  return poll(&p, 1, 0);
}

static void signals(void) {
  sigset_t set;
  CHECK(sigemptyset(&set) == 0 && sigaddset(&set, SIGUSR1) == 0 && sigaddset(&set, SIGUSR2) == 0);
  CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
  CHECK(sigdelset(&set, SIGUSR2) == 0);
  int fd = signalfd(-1, &set, SFD_NONBLOCK);
  CHECK(fd >= 0);
  int copy = dup(fd);
  CHECK(copy >= 0);
  CHECK(kill(getpid(), SIGUSR1) == 0);
  EQ(readable(fd), 1);
  pid_t parent = getpid();
  pid_t child = CHILD({
    // The parent's signal is not the child's.
    struct signalfd_siginfo info;
    EQ(readable(fd), 0);
    EQ(readable(copy), 0);
    FAILS(read(fd, &info, sizeof info), EAGAIN);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    EQ(readable(copy), 1);
    EQ(read(fd, &info, sizeof info), sizeof info);
    EQ(info.ssi_pid, getpid());
    EQ(readable(copy), 0);
    // From the parent.
    tell(said);
    struct pollfd p = {copy, POLLIN, 0};
    EQ(poll(&p, 1, -1), 1);
    EQ(read(copy, &info, sizeof info), sizeof info);
    EQ(info.ssi_signo, SIGUSR1);
    EQ(info.ssi_pid, parent);
    // The set is the description's.
    CHECK(sigemptyset(&set) == 0 && sigaddset(&set, SIGUSR2) == 0);
    EQ(signalfd(fd, &set, 0), fd);
    tell(said);
    hear(go);
  });
  EQ(readable(fd), 1);
  hear(said);
  CHECK(kill(child, SIGUSR1) == 0);
  hear(said);
  EQ(readable(fd), 0);
  CHECK(kill(parent, SIGUSR2) == 0);
  EQ(readable(copy), 1);
  struct signalfd_siginfo info;
  EQ(read(copy, &info, sizeof info), sizeof info);
  EQ(info.ssi_signo, SIGUSR2);
  tell(go);
  joined(child);
  CHECK(sigaddset(&set, SIGUSR1) == 0);
  EQ(signalfd(fd, &set, 0), fd);
  EQ(read(fd, &info, sizeof info), sizeof info);
  EQ(info.ssi_pid, parent);
  CHECK(close(fd) == 0 && close(copy) == 0);
}

/** A signal descriptor that its parent added, a child changes and removes. */
static void signals_in_sets(void) {
  sigset_t set;
  CHECK(sigemptyset(&set) == 0 && sigaddset(&set, SIGUSR1) == 0 && sigprocmask(SIG_BLOCK, &set, NULL) == 0);
  int epoll = epoll_create1(0), fd = signalfd(-1, &set, SFD_NONBLOCK);
  CHECK(epoll >= 0 && fd >= 0);
  CHECK(control(epoll, EPOLL_CTL_ADD, fd, EPOLLIN, 1) == 0);
  joined(CHILD({
    FAILS(control(epoll, EPOLL_CTL_ADD, fd, EPOLLIN, 2), EEXIST);
    CHECK(control(epoll, EPOLL_CTL_MOD, fd, EPOLLIN, 3) == 0);
  }));
  CHECK(kill(getpid(), SIGUSR1) == 0);
  EQ(one(epoll), 3);
  joined(CHILD({
    joined(CHILD(CHECK(control(epoll, EPOLL_CTL_DEL, fd, 0, 0) == 0)));
    FAILS(control(epoll, EPOLL_CTL_DEL, fd, 0, 0), ENOENT);
  }));
  EQ(one(epoll), -1);
  struct signalfd_siginfo info;
  EQ(read(fd, &info, sizeof info), sizeof info);
  CHECK(close(epoll) == 0 && close(fd) == 0);
}

int main(void) {
  CHECK(pipe(go) == 0 && pipe(said) == 0);
  changed_by_child();
  added_by_child();
  added_after_fork();
  closed_by_parent();
  end_of_a_connection();
  sets_apart();
  signals();
  signals_in_sets();
  return done();
}
