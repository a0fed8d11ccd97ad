// Signals that tell of something else than a process did: that a file is ready, to its owner, and that a queue has a message.
#include "check.h"
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
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

static sigset_t wanted;

static siginfo_t next(void) {
  siginfo_t info;
  CHECK(sigwaitinfo(&wanted, &info) > 0);
  return info;
}

static void none(void) {
  struct timespec now = {0, 0};
  siginfo_t info;
  FAILS(sigtimedwait(&wanted, &info, &now), EAGAIN);
}

static int make_async(int fd) { return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC); }

static void owners(void) {
  int ends[2];
  CHECK(pipe(ends) == 0);
  EQ(fcntl(ends[0], F_GETOWN), 0);
  EQ(fcntl(ends[0], F_GETSIG), 0);
  CHECK(fcntl(ends[0], F_SETOWN, getpid()) == 0);
  EQ(fcntl(ends[0], F_GETOWN), getpid());
  struct f_owner_ex o;
  CHECK(fcntl(ends[0], F_GETOWN_EX, &o) == 0);
  EQ(o.type, F_OWNER_PID);
  EQ(o.pid, getpid());
  CHECK(make_async(ends[0]) == 0);
  EQ(fcntl(ends[0], F_GETFL) & O_ASYNC, O_ASYNC);
  none();
  CHECK(write(ends[1], "x", 1) == 1);
  siginfo_t info = next();
  EQ(info.si_signo, SIGIO);
  // With a signal of one's own it is told what and where.
  CHECK(fcntl(ends[0], F_SETSIG, SIGRTMIN + 1) == 0);
  EQ(fcntl(ends[0], F_GETSIG), SIGRTMIN + 1);
  CHECK(write(ends[1], "x", 1) == 1);
  info = next();
  EQ(info.si_signo, SIGRTMIN + 1);
  EQ(info.si_code, POLL_IN);
  EQ(info.si_fd, ends[0]);
  CHECK(info.si_band & POLLIN);
  // No more.
  CHECK(fcntl(ends[0], F_SETFL, fcntl(ends[0], F_GETFL) & ~O_ASYNC) == 0);
  CHECK(write(ends[1], "x", 1) == 1);
  none();
  CHECK(fcntl(ends[0], F_SETOWN, 0) == 0);
  EQ(fcntl(ends[0], F_GETOWN), 0);
  FAILS(fcntl(ends[0], F_SETSIG, 100), EINVAL);
  CHECK(close(ends[0]) == 0 && close(ends[1]) == 0);
}

/** A child is the owner, as itself and by its group; the descriptor is the one that was made asynchronous. */
static void children(int by_group) {
  int s[2], ready[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0 && pipe(ready) == 0);
  CHECK(fcntl(s[0], F_SETSIG, SIGRTMIN + 2) == 0);
  pid_t child = CHILD({
    CHECK(setpgid(0, 0) == 0);
    int owner = by_group ? -getpid() : getpid();
    CHECK((by_group ? ioctl(s[0], FIOSETOWN, &owner) : fcntl(s[0], F_SETOWN, owner)) == 0);
    int found;
    CHECK(ioctl(s[0], FIOGETOWN, &found) == 0);
    EQ(found, owner);
    CHECK(make_async(s[0]) == 0);
    CHECK(write(ready[1], "x", 1) == 1);
    siginfo_t info = next();
    EQ(info.si_signo, SIGRTMIN + 2);
    EQ(info.si_fd, s[0]);
  });
  char c;
  CHECK(read(ready[0], &c, 1) == 1);
  CHECK(write(s[1], "x", 1) == 1);
  joined(child);
  none();
  FAILS(fcntl(s[0], F_SETOWN, child), ESRCH);
  CHECK(close(s[0]) == 0 && close(s[1]) == 0 && close(ready[0]) == 0 && close(ready[1]) == 0);
}

static sem_t told;
static void on_message(union sigval value) {
  EQ(value.sival_int, 5);
  CHECK(sem_post(&told) == 0);
}

static void messages(void) {
  char name[40];
  snprintf(name, sizeof name, "/sabre-%d", (int)getpid());
  struct mq_attr about = {.mq_maxmsg = 4, .mq_msgsize = 16};
  mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &about);
  CHECK(queue >= 0);
  CHECK(mq_getattr(queue, &about) == 0);
  EQ(about.mq_maxmsg, 4);
  EQ(about.mq_curmsgs, 0);
  CHECK(mq_send(queue, "low", 4, 1) == 0 && mq_send(queue, "high", 5, 7) == 0);
  char text[16];
  unsigned priority;
  FAILS(mq_receive(queue, text, 8, NULL), EMSGSIZE);
  EQ(mq_receive(queue, text, sizeof text, &priority), 5);
  SAME(text, "high");
  EQ(priority, 7);
  EQ(mq_receive(queue, text, sizeof text, NULL), 4);
  struct timespec past = {1, 0};
  FAILS(mq_timedreceive(queue, text, sizeof text, NULL, &past), ETIMEDOUT);
  pid_t child = CHILD({
    EQ(mq_receive(queue, text, sizeof text, NULL), 6);
    SAME(text, "child");
    struct sigevent event;
    memset(&event, 0, sizeof event);
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGRTMIN + 3;
    event.sigev_value.sival_int = 9;
    CHECK(mq_notify(queue, &event) == 0);
    FAILS(mq_notify(queue, &event), EBUSY);
    CHECK(mq_send(queue, "more", 5, 0) == 0);
    siginfo_t info = next();
    EQ(info.si_signo, SIGRTMIN + 3);
    EQ(info.si_code, SI_MESGQ);
    EQ(info.si_value.sival_int, 9);
    EQ(mq_receive(queue, text, sizeof text, NULL), 5);
  });
  CHECK(mq_send(queue, "child", 6, 0) == 0);
  joined(child);
  none();
  struct sigevent event;
  memset(&event, 0, sizeof event);
  event.sigev_notify = SIGEV_THREAD;
  event.sigev_notify_function = on_message;
  event.sigev_value.sival_int = 5;
  CHECK(sem_init(&told, 0, 0) == 0);
  CHECK(mq_notify(queue, &event) == 0);
  CHECK(mq_send(queue, "x", 1, 0) == 0);
  CHECK(sem_wait(&told) == 0);
  CHECK(mq_close(queue) == 0 && mq_unlink(name) == 0);
  FAILS(mq_open(name, O_RDWR), ENOENT);
}

static char stack[65536] __attribute__((aligned(16)));
static mqd_t second;

static int closes(void *unused) {
  (void)unused;
  syscall(SYS_close, second);
  return 0;
}

static void *closes_apart(void *unused) {
  CHECK(unshare(CLONE_FILES) == 0 && close(second) == 0);
  return unused;
}

/** The process that has asked hears no more of a queue when it closes it, in whichever table; of nobody else's closing. */
static void asked_no_more(void) {
  char name[40], text[16];
  snprintf(name, sizeof name, "/sabre-%d", (int)getpid());
  struct mq_attr about = {.mq_maxmsg = 4, .mq_msgsize = 16};
  mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &about);
  second = dup(queue);
  CHECK(queue >= 0 && second >= 0);
  struct sigevent event;
  memset(&event, 0, sizeof event);
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGRTMIN + 3;
  CHECK(mq_notify(queue, &event) == 0);
  joined(clone(closes, stack + sizeof stack, CLONE_VM | CLONE_FILES | CLONE_VFORK | SIGCHLD, NULL));
  CHECK(fcntl(second, F_GETFD) == -1);
  FAILS(mq_notify(queue, &event), EBUSY);
  CHECK(mq_send(queue, "x", 2, 0) == 0);
  EQ(next().si_signo, SIGRTMIN + 3);
  EQ(mq_receive(queue, text, sizeof text, NULL), 2);
  second = dup(queue);
  CHECK(second >= 0 && mq_notify(queue, &event) == 0);
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, closes_apart, NULL) == 0 && pthread_join(thread, NULL) == 0);
  CHECK(mq_send(queue, "x", 2, 0) == 0);
  none();
  CHECK(mq_notify(queue, &event) == 0);
  CHECK(close(second) == 0 && mq_close(queue) == 0 && mq_unlink(name) == 0);
}

int main(void) {
  CHECK(sigemptyset(&wanted) == 0 && sigaddset(&wanted, SIGIO) == 0);
  for (int i = 1; i <= 3; i++) CHECK(sigaddset(&wanted, SIGRTMIN + i) == 0);
  CHECK(sigprocmask(SIG_BLOCK, &wanted, NULL) == 0);
  owners();
  children(0);
  children(1);
  messages();
  asked_no_more();
  return done();
}
