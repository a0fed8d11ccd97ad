// Record locks between processes: who waits for whom, who is told of whom, and what ends a lock. In an empty directory.
#include "check.h"
#include <fcntl.h>
#include <pthread.h>
#include <sys/time.h>
#include <sys/wait.h>

static struct flock of(int type, long start, long length) {
  struct flock l;
  memset(&l, 0, sizeof l);
  l.l_type = (short)type;
  l.l_start = start;
  l.l_len = length;
  return l;
}

static int lock(int fd, int command, int type, long start, long length) {
  struct flock l = of(type, start, length);
  return fcntl(fd, command, &l);
}

static struct flock in_the_way(int fd, int type, long start, long length) {
  struct flock l = of(type, start, length);
  CHECK(fcntl(fd, F_GETLK, &l) == 0);
  return l;
}

/** A child that does something and answers 0, unless a check ends it. */
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

/** A child has none of its parent's locks, and is told of them. */
static void not_inherited(int fd) {
  CHECK(lock(fd, F_SETLK, F_WRLCK, 10, 20) == 0);
  pid_t parent = getpid();
  joined(CHILD({
    struct flock l = in_the_way(fd, F_WRLCK, 0, 0);
    EQ(l.l_type, F_WRLCK);
    EQ(l.l_start, 10);
    EQ(l.l_len, 20);
    EQ(l.l_pid, parent);
    EQ(l.l_whence, SEEK_SET);
    FAILS(lock(fd, F_SETLK, F_RDLCK, 29, 1), EAGAIN);
    CHECK(lock(fd, F_SETLK, F_RDLCK, 30, 1) == 0);
    // Closing what was inherited gives nothing of the parent's away.
    int own = open("file", O_RDWR);
    CHECK(own >= 0);
    CHECK(close(fd) == 0);
    FAILS(lock(own, F_SETLK, F_RDLCK, 29, 1), EAGAIN);
  }));
  // The child has ended, and its lock with it.
  EQ(in_the_way(fd, F_WRLCK, 0, 0).l_type, F_UNLCK);
}

static void closing_any_descriptor(int fd) {
  CHECK(lock(fd, F_SETLK, F_WRLCK, 0, 0) == 0);
  int other = open("file", O_RDONLY);
  CHECK(other >= 0 && close(other) == 0);
  joined(CHILD(CHECK(lock(fd, F_SETLK, F_WRLCK, 0, 0) == 0)));
  CHECK(lock(fd, F_SETLK, F_WRLCK, 0, 0) == 0);
  CHECK(close(dup(fd)) == 0);
  joined(CHILD(CHECK(lock(fd, F_SETLK, F_WRLCK, 0, 0) == 0)));
}

static void waiting(int fd) {
  CHECK(lock(fd, F_SETLK, F_WRLCK, 0, 1) == 0);
  pid_t child = CHILD({
    tell(said);
    CHECK(lock(fd, F_SETLKW, F_WRLCK, 0, 1) == 0);
    tell(said);
    hear(go);
  });
  hear(said);
  CHECK(lock(fd, F_SETLK, F_UNLCK, 0, 1) == 0);
  hear(said);
  FAILS(lock(fd, F_SETLK, F_RDLCK, 0, 0), EAGAIN);
  EQ(in_the_way(fd, F_RDLCK, 0, 0).l_pid, child);
  tell(go);
  // Its end is what this waits for.
  CHECK(lock(fd, F_SETLKW, F_WRLCK, 0, 0) == 0);
  joined(child);
  CHECK(lock(fd, F_SETLK, F_UNLCK, 0, 0) == 0);
}

static volatile sig_atomic_t alarms;
static void on_alarm(int signo) {
  (void)signo;
  alarms++;
}

/** SIGALRM again and again from now on, whether what it is to end has begun or not; or no more. */
static void alarm_every(int milliseconds) {
  struct itimerval often = {{0, milliseconds * 1000}, {0, milliseconds * 1000}};
  CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
}

static void interrupted(int fd) {
  pid_t child = CHILD({
    CHECK(lock(fd, F_SETLK, F_WRLCK, 0, 0) == 0);
    tell(said);
    hear(go);
  });
  hear(said);
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_alarm;
  CHECK(sigaction(SIGALRM, &action, NULL) == 0);
  alarm_every(20);
  FAILS(lock(fd, F_SETLKW, F_WRLCK, 0, 0), EINTR);
  alarm_every(0);
  CHECK(alarms > 0);
  tell(go);
  joined(child);
}

/** Each has a byte and wants the other's: exactly one is told so. */
static void deadlock(int fd) {
  int back[2];
  CHECK(pipe(back) == 0);
  pid_t child = CHILD({
    CHECK(lock(fd, F_SETLK, F_WRLCK, 1, 1) == 0);
    tell(said);
    hear(go);
    int result = lock(fd, F_SETLKW, F_WRLCK, 0, 1);
    CHECK(result == 0 || errno == EDEADLK);
    char failed = result != 0;
    CHECK(write(back[1], &failed, 1) == 1);
  });
  CHECK(lock(fd, F_SETLK, F_WRLCK, 0, 1) == 0);
  hear(said);
  tell(go);
  int result = lock(fd, F_SETLKW, F_WRLCK, 1, 1);
  CHECK(result == 0 || errno == EDEADLK);
  CHECK(lock(fd, F_SETLK, F_UNLCK, 0, 0) == 0);
  char theirs;
  CHECK(read(back[0], &theirs, 1) == 1);
  EQ(theirs + (result != 0), 1);
  joined(child);
  CHECK(close(back[0]) == 0 && close(back[1]) == 0);
}

/** Over three processes. */
static void long_deadlock(int fd) {
  int back[2];
  CHECK(pipe(back) == 0);
  pid_t children[3];
  for (int i = 0; i < 3; i++)
    children[i] = CHILD({
      CHECK(lock(fd, F_SETLK, F_WRLCK, i, 1) == 0);
      tell(said);
      hear(go);
      int result = lock(fd, F_SETLKW, F_WRLCK, (i + 1) % 3, 1);
      CHECK(result == 0 || errno == EDEADLK);
      char failed = result != 0;
      CHECK(write(back[1], &failed, 1) == 1);
    });
  for (int i = 0; i < 3; i++) hear(said);
  for (int i = 0; i < 3; i++) tell(go);
  int failures = 0;
  for (int i = 0; i < 3; i++) {
    char failed;
    CHECK(read(back[0], &failed, 1) == 1);
    failures += failed;
  }
  EQ(failures, 1);
  for (int i = 0; i < 3; i++) joined(children[i]);
  CHECK(close(back[0]) == 0 && close(back[1]) == 0);
}

static void *take(void *fd) {
  CHECK(lock(*(int *)fd, F_SETLK, F_WRLCK, 0, 100) == 0);
  return NULL;
}

/** Threads have their process's locks. */
static void threads(int fd) {
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, take, &fd) == 0);
  CHECK(pthread_join(thread, NULL) == 0);
  CHECK(lock(fd, F_SETLK, F_RDLCK, 50, 100) == 0);
  pid_t parent = getpid();
  joined(CHILD({
    struct flock l = in_the_way(fd, F_RDLCK, 0, 0);
    EQ(l.l_len, 50);
    EQ(l.l_pid, parent);
  }));
  CHECK(lock(fd, F_SETLK, F_UNLCK, 0, 0) == 0);
}

static void by_lockf(int fd) {
  CHECK(lseek(fd, 5, SEEK_SET) == 5);
  CHECK(lockf(fd, F_TLOCK, 5) == 0);
  CHECK(lockf(fd, F_TEST, 5) == 0);
  int own = open("file", O_RDWR);
  CHECK(own >= 0);
  joined(CHILD({
    // The position is shared.
    FAILS(lockf(fd, F_TEST, 1), EACCES);
    FAILS(lockf(own, F_TLOCK, 6), EAGAIN);
    CHECK(lockf(own, F_TLOCK, 5) == 0);
  }));
  CHECK(lockf(fd, F_ULOCK, 5) == 0);
  CHECK(close(own) == 0);
}

/** Locks of descriptors, and of flock, are another matter: a child has them too. */
static void of_descriptions(int fd) {
  CHECK(lock(fd, F_OFD_SETLK, F_WRLCK, 0, 0) == 0);
  int own = open("file", O_RDWR);
  CHECK(own >= 0);
  joined(CHILD({
    CHECK(lock(fd, F_OFD_SETLK, F_WRLCK, 0, 0) == 0);
    FAILS(lock(own, F_OFD_SETLK, F_RDLCK, 0, 0), EAGAIN);
    EQ(in_the_way(own, F_RDLCK, 0, 0).l_pid, -1);
    CHECK(lock(fd, F_OFD_SETLK, F_UNLCK, 0, 0) == 0);
  }));
  CHECK(lock(own, F_OFD_SETLK, F_RDLCK, 0, 0) == 0);
  CHECK(close(own) == 0);
}

int main(void) {
  int fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0644);
  CHECK(fd >= 0 && ftruncate(fd, 1000) == 0);
  CHECK(pipe(go) == 0 && pipe(said) == 0);
  not_inherited(fd);
  closing_any_descriptor(fd);
  waiting(fd);
  interrupted(fd);
  deadlock(fd);
  long_deadlock(fd);
  threads(fd);
  by_lockf(fd);
  of_descriptions(fd);
  return done();
}
