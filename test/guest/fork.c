// fork: what parent and child have in common, and what each has for itself.
#include "check.h"
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

enum { page = 4096 };

/** Waits for a child that was made last, which must have ended with that code. */
static void ended(pid_t child, int code) {
  int status = -1;
  EQ(waitpid(child, &status, 0), child);
  EQ(WIFEXITED(status), 1);
  EQ(WEXITSTATUS(status), code);
}

/** Runs a statement in a child, and checks that it gets to its end. */
#define IN_CHILD(...)          \
  do {                         \
    fflush(stdout);            \
    pid_t made_ = fork();      \
    CHECK(made_ >= 0);         \
    if (made_ == 0) {          \
      __VA_ARGS__;             \
      exit(0);                 \
    }                          \
    ended(made_, 0);           \
  } while (0)

static int data = 1;
static int zeros[3 * page];
static __thread int own = 5;

static void memory_is_independent(void) {
  char *heap = malloc(3 << 20);
  memset(heap, 7, 3 << 20);
  char stack[page];
  memset(stack, 3, sizeof stack);
  int *shared = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int *private = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(shared != MAP_FAILED && private != MAP_FAILED);
  shared[0] = private[0] = 11;
  IN_CHILD({
    EQ(data, 1);
    EQ(own, 5);
    EQ(heap[(3 << 20) - 1], 7);
    EQ(stack[100], 3);
    EQ(shared[0], 11);
    EQ(private[0], 11);
    data = own = zeros[page] = shared[0] = private[0] = private[page / 4] = shared[page / 4] = 12;
    heap[5] = stack[5] = 12;
    // What is mapped after is its own too.
    char *later = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(later != MAP_FAILED);
    *later = 1;
    CHECK(munmap(private, page) == 0);
    CHECK(sbrk(1 << 20) != (void *)-1);
  });
  EQ(data, 1);
  EQ(own, 5);
  EQ(zeros[page], 0);
  EQ(heap[5], 7);
  EQ(stack[5], 3);
  EQ(private[0], 11);
  EQ(private[page / 4], 0);
  EQ(shared[0], 12);
  EQ(shared[page / 4], 12);
  free(heap);
  munmap(shared, 2 * page);
  munmap(private, 2 * page);
}

static void rights_are_the_same(void) {
  char *p = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(p != MAP_FAILED);
  memset(p, 1, 3 * page);
  CHECK(mprotect(p, page, PROT_READ) == 0);
  CHECK(mprotect(p + page, page, PROT_NONE) == 0);
  IN_CHILD({
    EQ(p[0], 1);
    FAULTS(*(volatile char *)p = 2, SIGSEGV, SEGV_ACCERR, p);
    FAULTS(*(volatile char *)(p + page), SIGSEGV, SEGV_ACCERR, p + page);
    CHECK(mprotect(p + page, page, PROT_READ) == 0);
    EQ(p[page], 1);
    p[2 * page] = 2;
  });
  EQ(p[2 * page], 1);
  FAULTS(*(volatile char *)(p + page), SIGSEGV, SEGV_ACCERR, p + page);
  munmap(p, 3 * page);
}

static void advice_counts(void) {
  char *p = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(p != MAP_FAILED);
  memset(p, 1, 3 * page);
  CHECK(madvise(p, page, MADV_DONTFORK) == 0);
  CHECK(madvise(p + page, page, MADV_WIPEONFORK) == 0);
  IN_CHILD({
    FAULTS(*(volatile char *)p, SIGSEGV, SEGV_MAPERR, p);
    EQ(p[page], 0);
    EQ(p[2 * page], 1);
  });
  EQ(p[0], 1);
  EQ(p[page], 1);
  munmap(p, 3 * page);
}

static void file_mappings(void) {
  char name[] = "fork-XXXXXX";
  int fd = mkstemp(name);
  CHECK(fd >= 0);
  CHECK(unlink(name) == 0);
  char bytes[2 * page];
  memset(bytes, 'f', sizeof bytes);
  EQ(write(fd, bytes, sizeof bytes), sizeof bytes);
  char *shared = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  char *private = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  char *readable = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, page);
  CHECK(shared != MAP_FAILED && private != MAP_FAILED && readable != MAP_FAILED);
  private[0] = 'p';
  CHECK(close(fd) == 0);
  IN_CHILD({
    EQ(private[0], 'p');
    EQ(private[page], 'f');
    EQ(readable[0], 'f');
    // A page past the end of the file.
    FAULTS(*(volatile char *)(private + 2 * page), SIGBUS, BUS_ADRERR, private + 2 * page);
    private[1] = 'c';
    private[page] = 'c';
    shared[page] = 's';
    EQ(readable[0], 's');
    IN_CHILD({
      EQ(private[1], 'c');
      EQ(private[page], 'c');
      shared[1] = 'g';
    });
    EQ(shared[1], 'g');
  });
  EQ(private[1], 'f');
  EQ(readable[0], 's');
  EQ(shared[1], 'g');
  munmap(shared, 2 * page);
  munmap(private, 3 * page);
  munmap(readable, page);
}

static void descriptors_are_shared(void) {
  char name[] = "fork-XXXXXX";
  int fd = mkstemp(name);
  CHECK(fd >= 0);
  EQ(write(fd, "0123456789", 10), 10);
  EQ(lseek(fd, 2, SEEK_SET), 2);
  int ends[2];
  CHECK(pipe(ends) == 0);
  int dir = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  CHECK(dir >= 0);
  IN_CHILD({
    char c;
    EQ(read(fd, &c, 1), 1);
    EQ(c, '2');
    EQ(fcntl(dir, F_GETFD), FD_CLOEXEC);
    CHECK(fcntl(fd, F_SETFL, O_APPEND) == 0);
    CHECK(close(ends[0]) == 0);
    EQ(write(ends[1], "x", 1), 1);
    CHECK(close(fd) == 0);
    CHECK(close(dir) == 0);
    // The lowest number that is free in the child.
    EQ(open("/dev/null", O_RDONLY), fd);
  });
  char c;
  EQ(read(fd, &c, 1), 1);
  EQ(c, '3');
  CHECK((fcntl(fd, F_GETFL) & O_APPEND) != 0);
  EQ(read(ends[0], &c, 1), 1);
  EQ(c, 'x');
  CHECK(close(ends[1]) == 0);
  // Nobody else has the writing end.
  EQ(read(ends[0], &c, 1), 0);
  CHECK(fcntl(dir, F_GETFD) >= 0);
  close(fd);
  close(dir);
  close(ends[0]);
  CHECK(unlink(name) == 0);
}

static void working_directory_and_umask(void) {
  char before[1000], after[1000];
  CHECK(getcwd(before, sizeof before) != NULL);
  umask(022);
  IN_CHILD({
    char here[1000];
    CHECK(getcwd(here, sizeof here) != NULL);
    SAME(here, before);
    EQ(umask(077), 022);
    CHECK(chdir("/") == 0);
    SAME(getcwd(here, sizeof here), "/");
  });
  CHECK(getcwd(after, sizeof after) != NULL);
  SAME(after, before);
  EQ(umask(022), 022);
}

static volatile int handled;
static void count(int signo) {
  (void)signo;
  handled++;
}

static void signals(void) {
  sigset_t set, now;
  signal(SIGUSR1, count);
  signal(SIGUSR2, SIG_IGN);
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
  CHECK(raise(SIGUSR1) == 0);
  CHECK(kill(getpid(), SIGUSR1) == 0);
  IN_CHILD({
    // Mask and actions are inherited, what is pending is not.
    CHECK(sigprocmask(SIG_BLOCK, NULL, &now) == 0);
    EQ(sigismember(&now, SIGUSR1), 1);
    CHECK(sigpending(&now) == 0);
    EQ(sigismember(&now, SIGUSR1), 0);
    CHECK(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
    EQ(handled, 0);
    CHECK(raise(SIGUSR2) == 0);
    CHECK(raise(SIGUSR1) == 0);
    EQ(handled, 1);
    signal(SIGUSR1, SIG_IGN);
  });
  EQ(handled, 0);
  CHECK(sigpending(&now) == 0);
  EQ(sigismember(&now, SIGUSR1), 1);
  CHECK(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
  CHECK(handled > 0);
  handled = 0;
  signal(SIGUSR1, SIG_DFL);
  signal(SIGUSR2, SIG_DFL);
}

static void alternate_stack(void) {
  static char room[1 << 16];
  stack_t stack = {.ss_sp = room, .ss_size = sizeof room}, now;
  CHECK(sigaltstack(&stack, NULL) == 0);
  IN_CHILD({
    CHECK(sigaltstack(NULL, &now) == 0);
    CHECK(now.ss_sp == room && now.ss_flags == 0);
  });
  stack.ss_flags = SS_DISABLE;
  CHECK(sigaltstack(&stack, NULL) == 0);
}

static void timers(void) {
  struct itimerval soon = {.it_value = {.tv_sec = 100}}, left;
  CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
  timer_t timer;
  struct sigevent event = {.sigev_notify = SIGEV_NONE};
  CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
  IN_CHILD({
    CHECK(getitimer(ITIMER_REAL, &left) == 0);
    EQ(left.it_value.tv_sec, 0);
    EQ(left.it_value.tv_usec, 0);
    EQ(alarm(50), 0);
    struct itimerspec spec;
    FAILS(timer_gettime(timer, &spec), EINVAL);
  });
  CHECK(alarm(0) > 90);
  CHECK(timer_delete(timer) == 0);
}

static void ids(void) {
  pid_t self = getpid();
  IN_CHILD({
    CHECK(getpid() != self);
    EQ(getppid(), self);
    EQ(syscall(SYS_gettid), getpid());
    EQ(getpgid(0), getpgid(self));
    EQ(getsid(0), getsid(self));
    IN_CHILD(CHECK(getppid() != self));
  });
}

// ---- from where it is called

static volatile int forked_in_handler;
static void fork_in_handler(int signo) {
  (void)signo;
  sigset_t now;
  pid_t child = fork();
  CHECK(child >= 0);
  sigprocmask(SIG_BLOCK, NULL, &now);
  EQ(sigismember(&now, SIGUSR1), 1);
  // Both leave the handler, each to its own copy of what was interrupted.
  forked_in_handler = child == 0 ? -1 : child;
}

static void in_a_handler(void) {
  signal(SIGUSR1, fork_in_handler);
  fflush(stdout);
  raise(SIGUSR1);
  sigset_t now;
  sigprocmask(SIG_BLOCK, NULL, &now);
  EQ(sigismember(&now, SIGUSR1), 0);
  if (forked_in_handler < 0) _exit(6);
  ended(forked_in_handler, 6);
  signal(SIGUSR1, SIG_DFL);
}

static sem_t begin;
static void *waiter(void *arg) {
  sem_wait(&begin);
  return arg;
}

static void *forker(void *arg) {
  own = 77;
  IN_CHILD({
    EQ(own, 77);
    EQ(getpid(), syscall(SYS_gettid));
    // It alone is there, and can make threads.
    pthread_t thread;
    sem_t *sem = &begin;
    CHECK(sem_init(sem, 0, 0) == 0);
    CHECK(pthread_create(&thread, NULL, waiter, NULL) == 0);
    sem_post(sem);
    CHECK(pthread_join(thread, NULL) == 0);
    own = 78;
  });
  EQ(own, 77);
  return arg;
}

static void in_a_thread(void) {
  pthread_t thread, other;
  CHECK(sem_init(&begin, 0, 0) == 0);
  CHECK(pthread_create(&other, NULL, waiter, NULL) == 0);
  CHECK(pthread_create(&thread, NULL, forker, NULL) == 0);
  CHECK(pthread_join(thread, NULL) == 0);
  sem_post(&begin);
  CHECK(pthread_join(other, NULL) == 0);
  EQ(own, 5);
}

/** Threads fork at the same time, while another maps and unmaps. */
static volatile int over;
static void *churn(void *arg) {
  while (!over) {
    char *p = mmap(NULL, 16 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    p[5 * page] = 1;
    CHECK(munmap(p, 16 * page) == 0);
  }
  return arg;
}

static void *fork_often(void *arg) {
  for (int i = 0; i < 10; i++) {
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) _exit(i);
    ended(child, i);
  }
  return arg;
}

static void in_threads_at_once(void) {
  pthread_t churner, threads[3];
  over = 0;
  CHECK(pthread_create(&churner, NULL, churn, NULL) == 0);
  for (int i = 0; i < 3; i++) CHECK(pthread_create(&threads[i], NULL, fork_often, NULL) == 0);
  for (int i = 0; i < 3; i++) CHECK(pthread_join(threads[i], NULL) == 0);
  over = 1;
  CHECK(pthread_join(churner, NULL) == 0);
}

// ---- many

static void many(void) {
  enum { count = 200 };
  for (int i = 0; i < count; i++) IN_CHILD({
      EQ(data, 1);
      data = i;
      memset(zeros, i, sizeof zeros);
    });
  EQ(zeros[5], 0);
}

/** A chain of children that are all there at the same time. */
static void generations(int left) {
  if (left == 0) return;
  IN_CHILD(generations(left - 1));
}

static void at_once(void) {
  enum { count = 8 };
  pid_t children[count];
  int ends[2];
  CHECK(pipe(ends) == 0);
  for (int i = 0; i < count; i++) {
    children[i] = fork();
    CHECK(children[i] >= 0);
    if (children[i] == 0) {
      char c;
      close(ends[1]);
      EQ(read(ends[0], &c, 1), 0);
      _exit(i);
    }
    for (int j = 0; j < i; j++) CHECK(children[i] != children[j]);
  }
  close(ends[0]);
  close(ends[1]);
  for (int i = 0; i < count; i++) ended(children[i], i);
}

int main(void) {
  catch_faults();
  memory_is_independent();
  rights_are_the_same();
  advice_counts();
  file_mappings();
  descriptors_are_shared();
  working_directory_and_umask();
  signals();
  alternate_stack();
  timers();
  ids();
  in_a_handler();
  in_a_thread();
  in_threads_at_once();
  many();
  generations(6);
  at_once();
  FAILS(waitpid(-1, NULL, 0), ECHILD);
  return done();
}
