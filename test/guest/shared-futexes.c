// Mutexes, conditions, barriers, read-write locks and semaphores between processes, in memory of all kinds that can be shared,
// at addresses that differ; robust ones whose owner dies; and named semaphores. In an empty directory.
#include "check.h"
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
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

struct shared {
  pthread_mutex_t mutex, robust, pi;
  pthread_cond_t changed;
  pthread_barrier_t barrier;
  pthread_rwlock_t rwlock;
  sem_t there, back;
  int turn, sum, word;
};

enum { size = 4096, rounds = 100, workers = 4 };

static void begin(struct shared *s) {
  pthread_mutexattr_t m;
  CHECK(pthread_mutexattr_init(&m) == 0 && pthread_mutexattr_setpshared(&m, PTHREAD_PROCESS_SHARED) == 0);
  CHECK(pthread_mutex_init(&s->mutex, &m) == 0);
  CHECK(pthread_mutexattr_setrobust(&m, PTHREAD_MUTEX_ROBUST) == 0);
  CHECK(pthread_mutex_init(&s->robust, &m) == 0);
  CHECK(pthread_mutexattr_setprotocol(&m, PTHREAD_PRIO_INHERIT) == 0);
  CHECK(pthread_mutex_init(&s->pi, &m) == 0);
  pthread_condattr_t c;
  CHECK(pthread_condattr_init(&c) == 0 && pthread_condattr_setpshared(&c, PTHREAD_PROCESS_SHARED) == 0);
  CHECK(pthread_cond_init(&s->changed, &c) == 0);
  pthread_barrierattr_t b;
  CHECK(pthread_barrierattr_init(&b) == 0 && pthread_barrierattr_setpshared(&b, PTHREAD_PROCESS_SHARED) == 0);
  CHECK(pthread_barrier_init(&s->barrier, &b, workers) == 0);
  pthread_rwlockattr_t r;
  CHECK(pthread_rwlockattr_init(&r) == 0 && pthread_rwlockattr_setpshared(&r, PTHREAD_PROCESS_SHARED) == 0);
  CHECK(pthread_rwlock_init(&s->rwlock, &r) == 0);
  CHECK(sem_init(&s->there, 1, 0) == 0 && sem_init(&s->back, 1, 0) == 0);
  s->turn = s->sum = s->word = 0;
}

/** One of several that take turns by a condition, and count under a lock. */
static void work(struct shared *s, int own) {
  for (int i = 0; i < rounds; i++) {
    CHECK(pthread_mutex_lock(&s->mutex) == 0);
    while (s->turn % workers != own) CHECK(pthread_cond_wait(&s->changed, &s->mutex) == 0);
    s->turn++;
    CHECK(pthread_cond_broadcast(&s->changed) == 0);
    CHECK(pthread_mutex_unlock(&s->mutex) == 0);
    CHECK(pthread_mutex_lock(&s->pi) == 0);
    s->sum++;
    CHECK(pthread_mutex_unlock(&s->pi) == 0);
    if (i % 20 == 0) {
      int result = pthread_barrier_wait(&s->barrier);
      CHECK(result == 0 || result == PTHREAD_BARRIER_SERIAL_THREAD);
    }
    CHECK((own == 0 ? pthread_rwlock_wrlock(&s->rwlock) : pthread_rwlock_rdlock(&s->rwlock)) == 0);
    CHECK(pthread_rwlock_unlock(&s->rwlock) == 0);
  }
}

/** `again` gives the memory once more, at another address maybe. */
static void all(struct shared *s, struct shared *(*again)(void)) {
  begin(s);
  pid_t children[workers - 1];
  for (int i = 0; i < workers - 1; i++) children[i] = CHILD(work(again ? again() : s, i + 1));
  work(s, 0);
  for (int i = 0; i < workers - 1; i++) joined(children[i]);
  EQ(s->turn, workers * rounds);
  EQ(s->sum, workers * rounds);

  pid_t child = CHILD({
    struct shared *own = again ? again() : s;
    for (int i = 0; i < rounds; i++) CHECK(sem_wait(&own->there) == 0 && sem_post(&own->back) == 0);
  });
  for (int i = 0; i < rounds; i++) CHECK(sem_post(&s->there) == 0 && sem_wait(&s->back) == 0);
  joined(child);

  // Whoever holds a robust lock and ends, by exit or by a signal, leaves it to the next.
  for (int kind = 0; kind < 4; kind++) {
    pthread_mutex_t *lock = kind & 1 ? &s->pi : &s->robust;
    child = CHILD({
      struct shared *own = again ? again() : s;
      CHECK(pthread_mutex_lock(kind & 1 ? &own->pi : &own->robust) == 0);
      CHECK(sem_post(&own->there) == 0);
      if (kind & 2) for (;;) pause();
      CHECK(sem_wait(&own->back) == 0);
    });
    CHECK(sem_wait(&s->there) == 0);
    EQ(pthread_mutex_trylock(lock), EBUSY);
    pid_t waiter = CHILD({
      struct shared *own = again ? again() : s;
      pthread_mutex_t *theirs = kind & 1 ? &own->pi : &own->robust;
      EQ(pthread_mutex_lock(theirs), EOWNERDEAD);
      CHECK(pthread_mutex_consistent(theirs) == 0 && pthread_mutex_unlock(theirs) == 0);
    });
    int status;
    CHECK((kind & 2 ? kill(child, SIGKILL) : sem_post(&s->back)) == 0);
    EQ(waitpid(child, &status, 0), child);
    EQ(status, kind & 2 ? SIGKILL : 0);
    joined(waiter);
    CHECK(pthread_mutex_lock(lock) == 0 && pthread_mutex_unlock(lock) == 0);
  }
}

static int file = -1;
static struct shared *map_file(void) {
  struct shared *s = (struct shared *)mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, size);
  CHECK(s != MAP_FAILED);
  return s;
}

static int segment;
static struct shared *attach(void) {
  struct shared *s = (struct shared *)shmat(segment, NULL, 0);
  CHECK(s != (void *)-1);
  return s;
}

static long futex(int *word, int op, int value) { return syscall(SYS_futex, word, op, value, NULL, NULL, 0); }

/** A word that is no other's: neither that of a private mapping of the same file, nor of a copy after fork. */
static void apart(void) {
  int *word = (int *)mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  int *shared = (int *)mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int *other = (int *)mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(word != MAP_FAILED && shared != MAP_FAILED && other != MAP_FAILED);
  *word = *shared = *other = 0;
  pid_t child = CHILD({
    *other = 1;
    EQ(futex(shared, FUTEX_WAIT, 0), 0);
    EQ(*word, 0);
  });
  while (*(volatile int *)other == 0) sched_yield();
  *word = 1;
  // Until it sleeps.
  while (futex(shared, FUTEX_WAKE, 1) == 0) {
    EQ(futex(word, FUTEX_WAKE, 1), 0);
    EQ(futex(other, FUTEX_WAKE, 1), 0);
    EQ(futex(shared, FUTEX_WAKE_PRIVATE, 1), 0);
    sched_yield();
  }
  joined(child);
  CHECK(munmap(word, size) == 0 && munmap(shared, size) == 0 && munmap(other, size) == 0);
}

static void named(void) {
  char name[40];
  snprintf(name, sizeof name, "/sabre-%d", (int)getpid());
  sem_t *s = sem_open(name, O_CREAT | O_EXCL, 0600, 0);
  CHECK(s != SEM_FAILED);
  pid_t child = CHILD({
    sem_t *own = sem_open(name, 0);
    CHECK(own != SEM_FAILED);
    for (int i = 0; i < rounds; i++) CHECK(sem_post(own) == 0);
    CHECK(sem_close(own) == 0);
  });
  for (int i = 0; i < rounds; i++) CHECK(sem_wait(s) == 0);
  joined(child);
  CHECK(sem_close(s) == 0 && sem_unlink(name) == 0);
}

int main(void) {
  struct shared *s = (struct shared *)mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(s != MAP_FAILED);
  all(s, NULL);
  file = open("file", O_RDWR | O_CREAT, 0600);
  CHECK(file >= 0 && ftruncate(file, 2 * size) == 0);
  all(map_file(), map_file);
  CHECK(close(file) == 0);
  file = memfd_create("memory", 0);
  CHECK(file >= 0 && ftruncate(file, 2 * size) == 0);
  all(map_file(), map_file);
  segment = shmget(IPC_PRIVATE, size, IPC_CREAT | 0600);
  CHECK(segment >= 0);
  s = attach();
  // It is there for as long as somebody is: this one.
  CHECK(shmctl(segment, IPC_RMID, NULL) == 0);
  all(s, attach);
  apart();
  named();
  return done();
}
