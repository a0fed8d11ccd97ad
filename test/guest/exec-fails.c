// execve that fails when there is no way back: the process dies by a signal, whoever waited for it goes on, and nothing is left.
#include "check.h"
#include "family.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/** More than the limit that the program gets for itself. */
static volatile char large[600 << 20];

static char *self;

static void limit_memory(void) {
  struct rlimit room = {300 << 20, 300 << 20};
  EQ(setrlimit(RLIMIT_AS, &room), 0);
}

static void *executes(void *unused) {
  limit_memory();
  execl(self, self, "never", (char *)0);
  return unused;
}

/** Waits for a child that has died of its program. */
static void dead(pid_t child) {
  int end;
  EQ(waitpid(child, &end, 0), child);
  CHECK(WIFSIGNALED(end) && (WTERMSIG(end) == SIGSEGV || WTERMSIG(end) == SIGKILL));
}

static int lowest(void) {
  int fd = open("/dev/null", O_RDONLY);
  CHECK(fd >= 0);
  close(fd);
  return fd;
}

/** By the only thread. */
static void alone(void) { dead(CHILD(executes(0))); }

/** By another than the first thread, while that sleeps. */
static void among_threads(void) {
  dead(CHILD({
    pthread_t thread;
    EQ(pthread_create(&thread, 0, executes, 0), 0);
    for (;;) pause();
  }));
}

/** Its parent sleeps until it executes a program: it has none, but the parent goes on. */
static void by_vfork(void) {
  int held[2];
  EQ(pipe(held), 0);
  pid_t child = vfork();
  if (child == 0) {
    // Limits are its own.
    struct rlimit room = {300 << 20, 300 << 20};
    setrlimit(RLIMIT_AS, &room);
    execl(self, self, "never", (char *)0);
    _exit(9);
  }
  CHECK(child > 0);
  dead(child);
  // It has no descriptor any more.
  close(held[1]);
  char c;
  EQ(read(held[0], &c, 1), 0);
  close(held[0]);
}

/** With a table of descriptors that is its parent's. */
static void sharing_descriptors(void) {
  int mark = open("/dev/null", O_RDONLY | O_CLOEXEC);
  pid_t child = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
  if (child == 0) {
    executes(0);
    _exit(9);
  }
  dead(child);
  CHECK(fcntl(mark, F_GETFD) >= 0);
  close(mark);
}

int main(int argc, char **argv) {
  self = argv[0];
  if (argc > 1) return large[0] + 1;
  int before = lowest();
  for (int i = 0; i < 5; i++) {
    alone();
    among_threads();
    by_vfork();
    sharing_descriptors();
  }
  EQ(lowest(), before);
  FAILS(waitpid(-1, 0, WNOHANG), ECHILD);
  return done();
}
