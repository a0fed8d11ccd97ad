// Tables of descriptors and views of the file system that some threads share and others do not: CLONE_FILES and CLONE_FS
// between processes, threads without them, unshare; and that nobody's end or exec touches the table of another.
#include "check.h"
#include "family.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static char *self;

static int is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

/** Opens something at that number, which stays open over exec. */
static void open_at(int fd) {
  int from = open("/dev/null", O_RDONLY);
  CHECK(from >= 0);
  EQ(dup2(from, fd), fd);
  if (from != fd) close(from);
}

static void begin(void *(*body)(void *), void *argument) {
  pthread_t thread;
  int error = pthread_create(&thread, 0, body, argument);
  // Where another is about to execute a program there are no more.
  CHECK(error == 0 || error == EAGAIN);
  if (error == 0) pthread_detach(thread);
}

static void join(void *(*body)(void *), void *argument) {
  pthread_t thread;
  EQ(pthread_create(&thread, 0, body, argument), 0);
  EQ(pthread_join(thread, 0), 0);
}

// ---- the end of one process among others with its table

static void *executes(void *wait) {
  if (wait) usleep(200);
  execl(self, self, "nothing", (char *)0);
  return 0;
}

static void *ends(void *wait) {
  if (wait) usleep(200);
  _exit(7);
}

static void *vforks(void *unused) {
  for (;;) {
    pid_t child = vfork();
    if (child == 0) _exit(0);
    if (child > 0) waitpid(child, 0, 0);
  }
  return unused;
}

/** A process that has the table of its parent executes a program and ends at the same time. */
static void racing_ends(int rounds) {
  enum { many = 40, first = 20 };
  for (int i = 0; i < many; i++) open_at(first + i);
  for (int round = 0; round < rounds; round++) {
    pid_t child = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
    CHECK(child >= 0);
    if (child == 0) {
      begin(vforks, 0);
      begin(executes, round & 1 ? (void *)1 : 0);
      begin(ends, round & 2 ? (void *)1 : 0);
      for (;;) pause();
    }
    int end;
    EQ(waitpid(child, &end, 0), child);
    CHECK(WIFEXITED(end) && (WEXITSTATUS(end) == 7 || WEXITSTATUS(end) == 0));
    for (int i = 0; i < many; i++) CHECK(is_open(first + i));
  }
  for (int i = 0; i < many; i++) EQ(close(first + i), 0);
}

// ---- unshare by one of several threads

static int ends_of_pipe[2];

static void *own_descriptors(void *unused) {
  EQ(unshare(CLONE_FILES), 0);
  CHECK(is_open(30));
  EQ(close(30), 0);
  open_at(31);
  EQ(pipe(ends_of_pipe), 0);
  char path[64], seen[PATH_MAX];
  snprintf(path, sizeof path, "/proc/self/task/%ld/fd/31", syscall(SYS_gettid));
  CHECK(readlink(path, seen, sizeof seen) > 0);
  // Its children have what it has.
  pid_t child = CHILD(CHECK(is_open(31) && !is_open(30)));
  GOOD(child);
  return unused;
}

static void *own_directory(void *unused) {
  EQ(unshare(CLONE_FS), 0);
  EQ(chdir("/dev"), 0);
  EQ(umask(0123), 022);
  CHECK(access("null", F_OK) == 0);
  return unused;
}

static void threads_of_their_own(void) {
  char before[PATH_MAX], after[PATH_MAX];
  open_at(30);
  join(own_descriptors, 0);
  CHECK(is_open(30) && !is_open(31));
  // What it had is closed with its end: these numbers are free here.
  CHECK(!is_open(ends_of_pipe[0]) && !is_open(ends_of_pipe[1]));
  umask(022);
  CHECK(getcwd(before, sizeof before) != 0);
  join(own_directory, 0);
  CHECK(getcwd(after, sizeof after) != 0);
  SAME(after, before);
  EQ(umask(022), 022);
  close(30);
}

// ---- threads that begin with tables of their own

static int gate_of_thread[2];
static volatile int32_t thread_lives;
static char stack[65536] __attribute__((aligned(16)));

/** It has its maker's thread-local storage: no call of the library that knows errno. */
static int begins_apart(void *unused) {
  (void)unused;
  // What it alone has open.
  syscall(SYS_write, gate_of_thread[1], "x", 1);
  syscall(SYS_close, gate_of_thread[0]);
  syscall(SYS_chdir, "/dev");
  syscall(SYS_dup3, gate_of_thread[1], 33, 0);
  return 0;
}

static void apart(int flags) {
  char before[PATH_MAX], after[PATH_MAX];
  CHECK(getcwd(before, sizeof before) != 0);
  EQ(pipe(gate_of_thread), 0);
  thread_lives = 1;
  int all = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_CHILD_CLEARTID | flags;
  CHECK(clone(begins_apart, stack + sizeof stack, all, 0, 0, 0, (int *)&thread_lives) > 0);
  while (thread_lives) syscall(SYS_futex, &thread_lives, FUTEX_WAIT, 1, 0, 0, 0);
  CHECK(getcwd(after, sizeof after) != 0);
  if (flags & CLONE_FS) {
    SAME(after, "/dev");
    EQ(chdir(before), 0);
  } else {
    SAME(after, before);
  }
  char c;
  if (flags & CLONE_FILES) {
    CHECK(!is_open(gate_of_thread[0]) && is_open(33));
    close(33);
  } else {
    CHECK(is_open(gate_of_thread[0]) && !is_open(33));
    EQ(read(gate_of_thread[0], &c, 1), 1);
    close(gate_of_thread[1]);
    // The thread's copies are closed too, very soon: it is gone for the futex a little before.
    EQ(read(gate_of_thread[0], &c, 1), 0);
    close(gate_of_thread[0]);
    return;
  }
  close(gate_of_thread[1]);
}

// ---- what goes on when the first thread has ended, and over exec

static pthread_t leader;

static void *goes_on(void *unused) {
  EQ(unshare(CLONE_FILES | CLONE_FS), 0);
  EQ(pthread_join(leader, 0), 0);
  // Nobody has it any more but this thread.
  CHECK(is_open(40));
  open_at(41);
  pid_t child = CHILD(CHECK(is_open(40) && is_open(41)));
  GOOD(child);
  _exit(0);
  return unused;
}

static void *executes_apart(void *unused) {
  EQ(unshare(CLONE_FILES), 0);
  open_at(42);
  pass();
  await();
  execl(self, self, "inherits", (char *)0);
  return unused;
}

static void *stays(void *unused) {
  EQ(pthread_join(leader, 0), 0);
  pass();
  for (;;) pause();
  return unused;
}

/** What others see of a process is what its first thread has: nothing, when that has ended. */
static void seen_from_outside(void) {
  char c;
  open_gate();
  EQ(pipe(ends_of_pipe), 0);
  open_at(45);
  pid_t child = CHILD({
    leader = pthread_self();
    close(45);
    open_at(44);
    pass();
    EQ(read(ends_of_pipe[0], &c, 1), 1);
    begin(stays, 0);
    pthread_exit(0);
  });
  await();
  int process = syscall(SYS_pidfd_open, child, 0);
  CHECK(process >= 0);
  int copy = syscall(SYS_pidfd_getfd, process, 44, 0);
  CHECK(copy >= 0);
  EQ(close(copy), 0);
  FAILS(syscall(SYS_pidfd_getfd, process, 45, 0), EBADF);
  EQ(write(ends_of_pipe[1], "x", 1), 1);
  await();
  EQ(syscall(SYS_pidfd_getfd, process, 44, 0), -1);
  CHECK(errno == ESRCH || errno == EBADF);
  CHECK(kill(child, SIGKILL) == 0);
  EQ(waitpid(child, 0, 0), child);
  EQ(close(process), 0);
  EQ(close(45) | close(ends_of_pipe[0]) | close(ends_of_pipe[1]), 0);
  close_gate();
}

static void without_leader(void) {
  open_at(40);
  pid_t child = CHILD({
    leader = pthread_self();
    begin(goes_on, 0);
    pthread_exit(0);
  });
  GOOD(child);
  close(40);
  child = CHILD({
    open_gate();
    begin(executes_apart, 0);
    await();
    // Too late for that thread's table.
    open_at(43);
    pass();
    for (;;) pause();
  });
  GOOD(child);
}

int main(int argc, char **argv) {
  self = argv[0];
  if (argc == 2 && strcmp(argv[1], "nothing") == 0) return 0;
  if (argc == 2 && strcmp(argv[1], "inherits") == 0) return is_open(42) && !is_open(43) ? 0 : 1;
  if (argc == 2) {
    racing_ends(atoi(argv[1]));
    return done();
  }
  threads_of_their_own();
  apart(0);
  apart(CLONE_FS);
  apart(CLONE_FILES);
  apart(CLONE_FS | CLONE_FILES);
  without_leader();
  seen_from_outside();
  racing_ends(6);
  return done();
}
