// What processes give back at their end, and what of others they leave alone when they go: places among queued signals,
// descriptors, what was asked of a message queue. Each is done more often than there are places.
#include "check.h"
#include "family.h"

#include <fcntl.h>
#include <mqueue.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif

/** A child does this, and is waited for. */
#define IN_CHILD(...)                  \
  do {                                 \
    fflush(stdout);                    \
    pid_t child_ = CHILD(__VA_ARGS__); \
    GOOD(child_);                      \
  } while (0)

/** How many signals are queued for this user now, also for processes that have nothing to do with this one. */
static unsigned long queued(void) {
  char line[200];
  unsigned long n = 0;
  FILE *status = fopen("/proc/self/status", "r");
  CHECK(status != NULL);
  while (fgets(line, sizeof line, status) != NULL) sscanf(line, "SigQ: %lu/", &n);
  CHECK(fclose(status) == 0);
  return n;
}

static int queue(pid_t pid, int n) { return sigqueue(pid, SIGRTMIN, (union sigval){n}); }

/** Signals that were pending for a process do not count against its user for ever. */
static void queued_signals(void) {
  IN_CHILD({
    struct rlimit few = {queued() + 400, queued() + 400};
    EQ(setrlimit(RLIMIT_SIGPENDING, &few), 0);
    sigset_t set;
    CHECK(sigemptyset(&set) == 0 && sigaddset(&set, SIGRTMIN) == 0 && sigprocmask(SIG_BLOCK, &set, 0) == 0);
    for (int i = 0; i < 30; i++) IN_CHILD(for (int n = 0; n < 20; n++) EQ(queue(getpid(), n), 0));
    pid_t child = CHILD(pause());
    for (int n = 0; n < 300; n++) EQ(queue(child, n), 0);
    for (int n = 0; n < 1000 && queue(getpid(), n) == 0; n++) continue;
    EQ(errno, EAGAIN);
    EQ(kill(child, SIGKILL), 0);
    EQ(waitpid(child, 0, 0), child);
    for (int n = 0; n < 200; n++) EQ(queue(getpid(), n), 0);
  });
}

/** The lowest free descriptor. */
static int lowest(void) {
  int fd = open("/dev/null", O_RDONLY);
  CHECK(fd >= 0);
  close(fd);
  return fd;
}

/** A process that could not be made leaves nothing. */
static void failed_clones(int times) {
  int before = lowest();
  for (int i = 0; i < times; i++) FAILS(syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, 16, 0, 0), EFAULT);
  EQ(lowest(), before);
  FAILS(waitpid(-1, 0, WNOHANG), ECHILD);
  IN_CHILD();
}

/** fork answers with no error of descriptors, though all of a process's are taken. */
static void all_descriptors(void) {
  IN_CHILD({
    while (open("/dev/null", O_RDONLY) >= 0) continue;
    EQ(errno, EMFILE);
    IN_CHILD();
  });
}

static char name[40];
static struct mq_attr about = {.mq_maxmsg = 4, .mq_msgsize = 16};
static char text[16];

/** Signals of SIGRTMIN that are pending. */
static int told(void) {
  sigset_t set;
  CHECK(sigemptyset(&set) == 0 && sigaddset(&set, SIGRTMIN) == 0);
  struct timespec none = {0, 0};
  siginfo_t info;
  int n = 0;
  while (sigtimedwait(&set, &info, &none) == SIGRTMIN) {
    EQ(info.si_code, SI_MESGQ);
    EQ(info.si_value.sival_int, 7);
    n++;
  }
  EQ(errno, EAGAIN);
  return n;
}

/** The same, of which one is to come. */
static int awaited(void) {
  sigset_t set;
  CHECK(sigemptyset(&set) == 0 && sigaddset(&set, SIGRTMIN) == 0);
  struct timespec long_time = {20, 0};
  EQ(sigtimedwait(&set, 0, &long_time), SIGRTMIN);
  return 1 + told();
}

static void emptied(mqd_t queue) { EQ(mq_receive(queue, text, sizeof text, 0), 1); }

/** What one process asked of a queue, no other ends by closing it, or by asking for nothing. */
static void messages(int flags) {
  sigset_t set;
  CHECK(sigemptyset(&set) == 0 && sigaddset(&set, SIGRTMIN) == 0 && sigprocmask(SIG_BLOCK, &set, 0) == 0);
  mqd_t queue = mq_open(name, O_CREAT | O_EXCL | O_RDWR | O_NONBLOCK, 0600, &about);
  CHECK(queue >= 0);
  EQ(fcntl(queue, F_GETFD), FD_CLOEXEC);
  mqd_t asks = mq_open(name, flags);
  CHECK(asks >= 0);
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 7};
  // Closed by others, by their end and before.
  EQ(mq_notify(asks, &event), 0);
  IN_CHILD();
  IN_CHILD(EQ(mq_close(queue), 0));
  IN_CHILD({
    EQ(mq_notify(queue, 0), 0);
    FAILS(mq_notify(queue, &event), EBUSY);
    EQ(dup2(0, queue), queue);
  });
  FAILS(mq_notify(queue, &event), EBUSY);
  EQ(told(), 0);
  IN_CHILD(EQ(mq_send(queue, "x", 1, 0), 0));
  EQ(awaited(), 1);
  // Once only.
  emptied(queue);
  EQ(mq_send(queue, "x", 1, 0), 0);
  IN_CHILD();
  emptied(queue);
  EQ(told(), 0);
  // By the process itself, a copy or not, it is ended.
  EQ(mq_notify(asks, &event), 0);
  EQ(close(dup(queue)), 0);
  EQ(mq_send(queue, "x", 1, 0), 0);
  emptied(queue);
  EQ(told(), 0);
  // With its end too.
  IN_CHILD(EQ(mq_notify(asks, &event), 0));
  for (int i = 0; i < 200; i++) {
    event.sigev_notify = i % 2 == 0 ? SIGEV_SIGNAL : SIGEV_NONE;
    EQ(mq_notify(asks, &event), 0);
    FAILS(mq_notify(queue, &event), EBUSY);
    EQ(mq_notify(queue, 0), 0);
  }
  for (int i = 0; i < 100; i++) {
    EQ(mq_notify(asks, &event), 0);
    EQ(close(dup(queue)), 0);
    FAILS(mq_notify(0, &event), EBADF);
  }
  // Nobody hears of a message, but it is asked for no more.
  event.sigev_notify = SIGEV_NONE;
  for (int i = 0; i < 100; i++) {
    EQ(mq_notify(asks, &event), 0);
    if (i % 20 == 0) IN_CHILD();
    FAILS(mq_notify(asks, &event), EBUSY);
    EQ(mq_send(queue, "x", 1, 0), 0);
    emptied(queue);
  }
  event.sigev_notify = 7;
  FAILS(mq_notify(queue, &event), EINVAL);
  EQ(told(), 0);
  CHECK(mq_close(asks) == 0 && mq_close(queue) == 0 && mq_unlink(name) == 0);
}

/** Where the emulator has no descriptors left it says so, as Linux does where the system has none, and goes on. */
static void none_left(void) {
  struct rlimit all;
  EQ(getrlimit(RLIMIT_NOFILE, &all), 0);
  all.rlim_cur = all.rlim_max;
  EQ(setrlimit(RLIMIT_NOFILE, &all), 0);
  int n = 0, last = -1;
  for (int fd; (fd = open("/dev/null", O_RDONLY)) >= 0; n++) last = fd;
  EQ(errno, ENFILE);
  CHECK(n > 50);
  FAILS(fork(), EAGAIN);
  for (int fd = last / 3; fd <= last; fd++) EQ(close(fd), 0);
  IN_CHILD(CHECK(open("/dev/null", O_RDONLY) >= 0));
}

int main(int argc, char **argv) {
  snprintf(name, sizeof name, "/sabre-back-%d", (int)getpid());
  if (argc == 2) {
    SAME(argv[1], "few");
    failed_clones(300);
    none_left();
    return done();
  }
  queued_signals();
  failed_clones(50);
  all_descriptors();
  messages(O_RDWR);
  messages(O_WRONLY);
  return done();
}
