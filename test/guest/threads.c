// Threads: all that pthreads promise, each against the others. Ends by a thread that is not the first.
#include "check.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#define crew 4

static void join(pthread_t t, void *wanted) {
  void *result;
  EQ(pthread_join(t, &result), 0);
  CHECK(result == wanted);
}

static void start(pthread_t *t, void *(*work)(void *), void *argument) { EQ(pthread_create(t, 0, work, argument), 0); }

// ---- counters: by a mutex, by one word that all add to, by a thread's own

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long counted;
static atomic_long added;
static __thread long own = 7;

static void *count(void *times) {
  for (long i = 0; i < (long)times; i++) {
    pthread_mutex_lock(&mutex);
    counted++;
    pthread_mutex_unlock(&mutex);
    atomic_fetch_add(&added, 3);
    own++;
  }
  return (void *)(own - 7);
}

static void counters(void) {
  pthread_t t[crew];
  long times = 20000;
  for (int i = 0; i < crew; i++) start(&t[i], count, (void *)times);
  for (int i = 0; i < crew; i++) join(t[i], (void *)times);
  EQ(counted, crew * times);
  EQ(added, 3 * crew * times);
  EQ(own, 7);
}

// ---- two that wait for each other

static pthread_cond_t turned = PTHREAD_COND_INITIALIZER;
static int turn;

static void *play(void *me) {
  for (int i = 0; i < 500; i++) {
    pthread_mutex_lock(&mutex);
    while (turn != (long)me) pthread_cond_wait(&turned, &mutex);
    turn = !turn;
    pthread_cond_signal(&turned);
    pthread_mutex_unlock(&mutex);
  }
  return me;
}

static void conditions(void) {
  pthread_t t[2];
  for (long i = 0; i < 2; i++) start(&t[i], play, (void *)i);
  for (long i = 0; i < 2; i++) join(t[i], (void *)i);
  struct timespec soon;
  clock_gettime(CLOCK_REALTIME, &soon);
  soon.tv_nsec += 20 * 1000 * 1000;
  if (soon.tv_nsec >= 1000000000) soon.tv_nsec -= 1000000000, soon.tv_sec++;
  pthread_mutex_lock(&mutex);
  EQ(pthread_cond_timedwait(&turned, &mutex, &soon), ETIMEDOUT);
  pthread_mutex_unlock(&mutex);
}

// ---- barriers, semaphores, locks for readers and writers, once

static pthread_barrier_t barrier;
static sem_t semaphore;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int onces, shared[2];

static void first(void) { onces++; }

static void *meet(void *unused) {
  (void)unused;
  long serial = 0;
  for (int i = 0; i < 50; i++) {
    pthread_once(&once, first);
    if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD) serial++;
    sem_wait(&semaphore);
    pthread_rwlock_wrlock(&rwlock);
    shared[0]++, shared[1]++;
    pthread_rwlock_unlock(&rwlock);
    sem_post(&semaphore);
    pthread_rwlock_rdlock(&rwlock);
    CHECK(shared[0] == shared[1]);
    pthread_rwlock_unlock(&rwlock);
  }
  return (void *)serial;
}

static void meetings(void) {
  pthread_t t[crew];
  EQ(pthread_barrier_init(&barrier, 0, crew), 0);
  EQ(sem_init(&semaphore, 0, 2), 0);
  for (int i = 0; i < crew; i++) start(&t[i], meet, 0);
  long serials = 0;
  for (int i = 0; i < crew; i++) {
    void *serial;
    EQ(pthread_join(t[i], &serial), 0);
    serials += (long)serial;
  }
  EQ(serials, 50);
  EQ(onces, 1);
  EQ(shared[0], crew * 50);
}

// ---- ids, names, keys, stacks

static pthread_key_t key;
static atomic_int destroyed;
static void destroy(void *value) { destroyed += (long)value; }

static long deep(long n) {
  volatile char room[1024];
  room[n % 1024] = (char)n;
  return n == 0 ? 0 : 1 + deep(n - 1) + (room[n % 1024] - (char)n);
}

static void *identify(void *tid) {
  CHECK(gettid() != getpid());
  *(pid_t *)tid = gettid();
  pthread_setspecific(key, (void *)5l);
  EQ(pthread_setname_np(pthread_self(), "worker"), 0);
  char name[16];
  EQ(pthread_getname_np(pthread_self(), name, sizeof name), 0);
  SAME(name, "worker");
  EQ(deep(2000), 2000);
  return (void *)deep;
}

static void identities(void) {
  EQ(pthread_key_create(&key, destroy), 0);
  pid_t tids[crew];
  pthread_t t[crew];
  for (int i = 0; i < crew; i++) start(&t[i], identify, &tids[i]);
  for (int i = 0; i < crew; i++) join(t[i], deep);
  EQ(destroyed, 5 * crew);
  for (int i = 0; i < crew; i++)
    for (int j = 0; j < i; j++) CHECK(tids[i] != tids[j]);
  // One that was joined is about to go: its stack is given back before its number.
  while (syscall(SYS_tgkill, getpid(), tids[0], 0) == 0) sched_yield();
  EQ(errno, ESRCH);
}

// ---- signals to a thread, running and asleep; cancelling

static atomic_int handled;
static pid_t handler_tid;
static atomic_bool ready;

static void handle(int signo) {
  (void)signo;
  handler_tid = gettid();
  handled++;
}

static void *spin(void *unused) {
  (void)unused;
  ready = true;
  while (handled == 0) {}
  return (void *)(long)gettid();
}

static void *doze(void *unused) {
  (void)unused;
  ready = true;
  struct timespec long_time = {100, 0};
  EQ(nanosleep(&long_time, 0), -1);
  EQ(errno, EINTR);
  return (void *)(long)gettid();
}

static void *loop(void *unused) {
  ready = true;
  for (;;) pause();
  return unused;
}

static void signals(void) {
  struct sigaction action = {.sa_handler = handle};
  sigaction(SIGUSR1, &action, 0);
  void *(*bodies[])(void *) = {spin, doze};
  for (int i = 0; i < 2; i++) {
    pthread_t t;
    void *tid;
    handled = 0;
    ready = false;
    start(&t, bodies[i], 0);
    while (!ready) sched_yield();
    // One that is not asleep yet is woken all the same: it will be sent another.
    do {
      EQ(pthread_kill(t, SIGUSR1), 0);
      usleep(1000);
    } while (handled == 0);
    if (bodies[i] == doze)
      while (pthread_tryjoin_np(t, &tid) != 0) pthread_kill(t, SIGUSR1), usleep(1000);
    else
      EQ(pthread_join(t, &tid), 0);
    EQ(handler_tid, (long)tid);
  }
  pthread_t t;
  ready = false;
  start(&t, loop, 0);
  while (!ready) sched_yield();
  EQ(pthread_cancel(t), 0);
  join(t, PTHREAD_CANCELED);
}

// ---- memory that changes under another thread

static char *volatile page;
static atomic_int stage;
static sigjmp_buf *volatile way_out;

static void fault(int signo, siginfo_t *info, void *context) {
  (void)signo, (void)context;
  CHECK((char *)info->si_addr == page);
  siglongjmp(*way_out, 1);
}

static void *read_on(void *unused) {
  (void)unused;
  sigjmp_buf out;
  way_out = &out;
  if (sigsetjmp(out, 1) == 0) {
    stage = 1;
    for (;;) EQ(*(volatile char *)page, 'x');
  }
  return (void *)page;
}

static void memory(void) {
  struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO};
  sigaction(SIGSEGV, &action, 0);
  for (int i = 0; i < 3; i++) {
    page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED);
    *page = 'x';
    stage = 0;
    pthread_t t;
    start(&t, read_on, 0);
    while (stage == 0) sched_yield();
    usleep(2000);
    if (i == 0) EQ(munmap(page, 4096), 0);
    else if (i == 1) EQ(mprotect(page, 4096, PROT_NONE), 0);
    else CHECK(mmap(page, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page);
    join(t, page);
  }
  signal(SIGSEGV, SIG_DFL);
}

// ---- detached ones, and the end

static atomic_int gone;

static void *leave(void *unused) {
  gone++;
  return unused;
}

static pthread_t leader;

static void *last(void *unused) {
  (void)unused;
  // The first thread is gone, and its process is not.
  EQ(pthread_join(leader, 0), 0);
  CHECK(kill(getpid(), 0) == 0);
  puts("ok");
  exit(0);
}

int main(void) {
  alarm(100);
  counters();
  conditions();
  meetings();
  identities();
  signals();
  memory();
  for (int i = 0; i < 50; i++) {
    pthread_t t;
    start(&t, leave, 0);
    EQ(pthread_detach(t), 0);
    if (i % 8 == 7) while (gone <= i) sched_yield();
  }
  while (gone < 50) sched_yield();
  leader = pthread_self();
  pthread_t t;
  start(&t, last, 0);
  pthread_exit(0);
}
