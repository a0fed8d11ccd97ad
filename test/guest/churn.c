// Threads and processes that several threads make and end at the same time, for so many milliseconds: `churn MILLISECONDS`. Every
// start is waited for and every end is looked at, so that one that is lost is a hang, and a wrong one an assertion.
#define _GNU_SOURCE
#include "check.h"
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;
static const char *program;

static long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
static long end;
static atomic_int started;

static int status_of(pid_t pid) {
  int status;
  while (waitpid(pid, &status, 0) != pid) CHECK(errno == EINTR);
  return status;
}

static void *leaf(void *arg) {
  started++;
  return arg;
}
static void *sleeper(void *arg) {
  started++;
  pause();
  return arg;
}
static pthread_t start(void *(*does)(void *), void *arg) {
  pthread_t thread;
  // There may be too many for a moment.
  while (pthread_create(&thread, NULL, does, arg)) sched_yield();
  return thread;
}

// Some threads at once, which are joined.
static void threads(int count) {
  pthread_t made[8];
  for (long i = 0; i < count; i++) made[i] = start(leaf, (void *)i);
  for (long i = 0; i < count; i++) {
    void *result;
    CHECK(pthread_join(made[i], &result) == 0 && result == (void *)i);
  }
}

static pid_t forked(void) {
  pid_t pid;
  while ((pid = fork()) < 0) sched_yield();
  return pid;
}

// A process that ends while threads of it sleep, run, or have not begun: by exit_group, a signal, or exec.
static void process(unsigned how) {
  pid_t pid = forked();
  if (pid == 0) {
    started = 0;
    for (unsigned i = 0; i < (how & 3); i++) start(how & 4 ? sleeper : leaf, NULL);
    if (how & 8)
      while (started < (int)(how & 3)) sched_yield();
    if (how & 16) kill(getpid(), SIGKILL);
    if (how & 32) {
      execl(program, program, "-", (char *)NULL);
      _exit(99);
    }
    if (how & 64) threads(2);
    _exit(how & 127);
  }
  int status = status_of(pid);
  if (how & 16) CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  else CHECK(WIFEXITED(status) && WEXITSTATUS(status) == (how & 32 ? 7 : (int)(how & 127)));
}

// The same twice over: a child that has children, whose ends are told.
static void family(void) {
  pid_t pid = forked();
  if (pid == 0) {
    pid_t children[2] = {forked()};
    if (children[0] == 0) _exit(3);
    children[1] = forked();
    if (children[1] == 0) pause();
    CHECK(WEXITSTATUS(status_of(children[0])) == 3);
    kill(children[1], SIGTERM);
    CHECK(WTERMSIG(status_of(children[1])) == SIGTERM);
    _exit(4);
  }
  CHECK(WEXITSTATUS(status_of(pid)) == 4);
}

static void spawned(void) {
  pid_t pid;
  char *args[] = {(char *)program, "-", NULL};
  while (posix_spawn(&pid, program, NULL, NULL, args, environ)) sched_yield();
  CHECK(WEXITSTATUS(status_of(pid)) == 7);
}

static void *churn(void *arg) {
  unsigned state = (unsigned)(size_t)arg * 2654435761u + 1;
  while (now() < end) {
    state = state * 1664525 + 1013904223;
    unsigned n = state >> 16;
    switch (n & 7) {
    case 0: case 1: case 2: threads(1 + (n >> 3 & 7)); break;
    case 3: spawned(); break;
    case 4: family(); break;
    default: process(n >> 3 & 127);
    }
  }
  return NULL;
}

int main(int argc, char **argv) {
  program = argv[0];
  if (argc > 1 && strcmp(argv[1], "-") == 0) return 7;
  end = now() + (argc > 1 ? atol(argv[1]) : 700);
  pthread_t churning[4];
  for (size_t i = 0; i < 4; i++) churning[i] = start(churn, (void *)i);
  for (size_t i = 0; i < 4; i++) CHECK(pthread_join(churning[i], NULL) == 0);
  return done();
}
