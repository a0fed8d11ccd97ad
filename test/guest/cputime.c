// CPU time: of threads, of the process, of its children; clocks, times, rusage, timers and limits that count it; and how threads
// are scheduled. All is measured by CPU time itself, so that a busy machine changes nothing.
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/wait.h>
#include <time.h>

#define ms 1000000LL
/** What a thread that only waits may use at most. */
#define slack (250 * ms)

static long long show(clockid_t clock) {
  struct timespec t;
  CHECK(clock_gettime(clock, &t) == 0);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static long long own(void) { return show(CLOCK_THREAD_CPUTIME_ID); }
static long long all(void) { return show(CLOCK_PROCESS_CPUTIME_ID); }

/** Uses so much CPU time. */
static void burn(long long nanoseconds) {
  for (long long end = own() + nanoseconds; own() < end;)
    for (volatile int i = 0; i < 1000; i++);
}

static long long nanoseconds(struct timeval t) { return t.tv_sec * 1000000000LL + t.tv_usec * 1000LL; }
static long long used(int who) {
  struct rusage r;
  CHECK(getrusage(who, &r) == 0);
  return nanoseconds(r.ru_utime) + nanoseconds(r.ru_stime);
}

// ---- threads

static sem_t begin, end;
static pid_t tid;

static void *worker(void *length) {
  tid = syscall(SYS_gettid);
  sem_post(&end);
  sem_wait(&begin);
  burn((long)length * ms);
  sem_post(&end);
  sem_wait(&begin);
  return NULL;
}

static void threads(void) {
  pthread_t t;
  clockid_t clock, process;
  EQ(pthread_create(&t, NULL, worker, (void *)400), 0);
  sem_wait(&end);
  EQ(pthread_getcpuclockid(t, &clock), 0);
  long long mine = own(), its = show(clock), both = all();
  CHECK(its < slack);
  sem_post(&begin);
  sem_wait(&end);
  // It was the other that ran.
  CHECK(show(clock) - its >= 400 * ms);
  CHECK(own() - mine < slack);
  CHECK(all() - both >= 400 * ms);
  EQ(clock_getcpuclockid(getpid(), &process), 0);
  both = show(process);
  CHECK(all() >= both && show(CLOCK_PROCESS_CPUTIME_ID) - both < slack);
  CHECK(used(RUSAGE_THREAD) <= used(RUSAGE_SELF));
  sem_post(&begin);
  EQ(pthread_join(t, NULL), 0);
  // What it used stays its process's; its clock is gone.
  CHECK(all() >= both);
  struct timespec time;
  while (syscall(SYS_tgkill, getpid(), tid, 0) == 0) sched_yield();
  FAILS(clock_gettime(clock, &time), EINVAL);
  FAILS(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &time, NULL) == 0 ? 0 : -1, errno);
}

// ---- what getrusage and times say

static void sums(void) {
  struct tms before, after;
  CHECK(times(&before) != (clock_t)-1);
  long long self = used(RUSAGE_SELF), thread = used(RUSAGE_THREAD);
  burn(80 * ms);
  CHECK(used(RUSAGE_SELF) - self >= 70 * ms);
  CHECK(used(RUSAGE_THREAD) - thread >= 70 * ms);
  CHECK(times(&after) != (clock_t)-1);
  CHECK(after.tms_utime + after.tms_stime - before.tms_utime - before.tms_stime >= 6);
  EQ(after.tms_cutime, before.tms_cutime);
  struct rusage r;
  CHECK(getrusage(RUSAGE_SELF, &r) == 0);
  CHECK(r.ru_maxrss > 100 && r.ru_minflt > 0);
  FAILS(getrusage(7, &r), EINVAL);
}

// ---- children

static void children(void) {
  long long before = used(RUSAGE_CHILDREN), mine = own();
  clockid_t clock;
  int told[2], status;
  CHECK(pipe(told) == 0);
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    if (own() > slack || all() > slack || used(RUSAGE_CHILDREN) != 0) _exit(1);
    pid_t grandchild = fork();
    if (grandchild == 0) {
      burn(50 * ms);
      _exit(0);
    }
    if (waitpid(grandchild, &status, 0) != grandchild || used(RUSAGE_CHILDREN) < 40 * ms) _exit(2);
    burn(60 * ms);
    if (write(told[1], "x", 1) != 1) _exit(3);
    pause();
  }
  char x;
  CHECK(read(told[0], &x, 1) == 1);
  EQ(clock_getcpuclockid(child, &clock), 0);
  CHECK(show(clock) >= 60 * ms && show(clock) < 2000 * ms);
  EQ(used(RUSAGE_CHILDREN), before);
  CHECK(kill(child, SIGKILL) == 0);
  struct rusage r;
  EQ(wait4(child, &status, 0, &r), child);
  EQ(status, SIGKILL);
  CHECK(nanoseconds(r.ru_utime) + nanoseconds(r.ru_stime) >= 100 * ms);
  CHECK(r.ru_maxrss > 100);
  CHECK(used(RUSAGE_CHILDREN) - before >= 100 * ms);
  struct tms t;
  times(&t);
  CHECK(t.tms_cutime + t.tms_cstime >= 9);
  CHECK(own() - mine < slack);
  struct timespec time;
  FAILS(clock_gettime(clock, &time), EINVAL);
}

// ---- timers

static atomic_int expired;
static void count(int signo) {
  (void)signo;
  expired++;
}

static void *spin(void *unused) {
  while (!expired)
    for (volatile int i = 0; i < 1000; i++);
  return unused;
}

static void timers(void) {
  static const int kinds[][2] = {{ITIMER_VIRTUAL, SIGVTALRM}, {ITIMER_PROF, SIGPROF}};
  for (int i = 0; i < 2; i++) {
    struct itimerval soon = {{0, 0}, {0, 300000}};
    CHECK(signal(kinds[i][1], count) != SIG_ERR);
    expired = 0;
    pthread_t t;
    EQ(pthread_create(&t, NULL, spin, NULL), 0);
    long long before = all(), mine = own();
    CHECK(setitimer(kinds[i][0], &soon, NULL) == 0);
    // The other thread's time counts too: this one sleeps.
    while (!expired) usleep(1000);
    CHECK(all() - before >= 290 * ms);
    CHECK(own() - mine < slack);
    EQ(pthread_join(t, NULL), 0);
    EQ(expired, 1);
  }
  // A sleep by the process's CPU time, which passes while the other runs.
  expired = 0;
  pthread_t t;
  EQ(pthread_create(&t, NULL, spin, NULL), 0);
  struct timespec span = {0, 30 * ms};
  long long before = all();
  EQ(clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &span, NULL), 0);
  CHECK(all() - before >= 30 * ms);
  expired = 1;
  EQ(pthread_join(t, NULL), 0);
}

// ---- limits

/** The status of a child that does that. */
static int child_of(void (*work)(void)) {
  int status;
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    work();
    _exit(0);
  }
  EQ(waitpid(child, &status, 0), child);
  return status;
}

static void exceed(void) {
  struct rlimit limit = {1, 3}, core = {0, 0};
  if (setrlimit(RLIMIT_CORE, &core) != 0 || setrlimit(RLIMIT_CPU, &limit) != 0) _exit(9);
  // What was used before counts.
  burn(3000 * ms);
}

static void *nothing(void *unused) { return unused; }

static void be_alone(void) {
  struct rlimit none = {0, 0};
  pthread_t t;
  if (setgid(12321) != 0 || setuid(12321) != 0) _exit(8);
  if (setrlimit(RLIMIT_NPROC, &none) != 0) _exit(9);
  if (fork() != -1 || errno != EAGAIN) _exit(1);
  if (pthread_create(&t, NULL, nothing, NULL) != EAGAIN) _exit(2);
}

static void limits(void) {
  long long before = used(RUSAGE_CHILDREN);
  int status = child_of(exceed);
  EQ(status, SIGXCPU);
  CHECK(used(RUSAGE_CHILDREN) - before >= 500 * ms && used(RUSAGE_CHILDREN) - before < 2500 * ms);
  if (getuid() == 0) EQ(child_of(be_alone), 0);
}

// ---- scheduling

static void *sleeper(void *unused) {
  tid = syscall(SYS_gettid);
  sem_post(&end);
  sem_wait(&begin);
  return unused;
}

/** What a thread that is made now has: its nice value, its policy, how many CPUs. */
struct state {
  int nice, policy, cpus;
};

static void *look(void *to) {
  struct state *s = to;
  cpu_set_t set;
  s->nice = getpriority(PRIO_PROCESS, 0);
  s->policy = sched_getscheduler(0);
  CHECK(sched_getaffinity(0, sizeof set, &set) == 0);
  s->cpus = CPU_COUNT(&set);
  return NULL;
}

static void *made_by_other(void *to) {
  cpu_set_t one;
  pthread_t t;
  CHECK(setpriority(PRIO_PROCESS, 0, 7) == 0);
  CHECK(sched_getaffinity(0, sizeof one, &one) == 0);
  int cpu = 0;
  while (!CPU_ISSET(cpu, &one)) cpu++;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
  EQ(pthread_create(&t, NULL, look, to), 0);
  EQ(pthread_join(t, NULL), 0);
  return NULL;
}

static void scheduling(void) {
  pthread_t t;
  cpu_set_t every, one, got;
  struct sched_param none = {0};
  CHECK(sched_getaffinity(0, sizeof every, &every) == 0);
  EQ(pthread_create(&t, NULL, sleeper, NULL), 0);
  sem_wait(&end);
  // Another thread, by its id.
  CHECK(setpriority(PRIO_PROCESS, tid, 5) == 0);
  EQ(getpriority(PRIO_PROCESS, tid), 5);
  EQ(getpriority(PRIO_PROCESS, 0), 0);
  CHECK(sched_setscheduler(tid, SCHED_BATCH, &none) == 0);
  EQ(sched_getscheduler(tid), SCHED_BATCH);
  EQ(sched_getscheduler(0), SCHED_OTHER);
  int cpu = 0;
  while (!CPU_ISSET(cpu, &every)) cpu++;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  CHECK(sched_setaffinity(tid, sizeof one, &one) == 0);
  CHECK(sched_getaffinity(tid, sizeof got, &got) == 0 && CPU_EQUAL(&got, &one));
  CHECK(sched_getaffinity(0, sizeof got, &got) == 0 && CPU_EQUAL(&got, &every));
  EQ(pthread_getaffinity_np(t, sizeof got, &got), 0);
  CHECK(CPU_EQUAL(&got, &one));
  // The best of the process group counts.
  EQ(getpriority(PRIO_PGRP, 0), 0);
  sem_post(&begin);
  EQ(pthread_join(t, NULL), 0);
  while (syscall(SYS_tgkill, getpid(), tid, 0) == 0) sched_yield();
  FAILS(sched_getscheduler(tid), ESRCH);
  FAILS(setpriority(PRIO_PROCESS, tid, 5), ESRCH);
  FAILS(getpriority(3, 0), EINVAL);
  // A thread begins as who makes it, whatever has become of others.
  for (int i = 0; i < 3; i++) {
    struct state s;
    EQ(pthread_create(&t, NULL, look, &s), 0);
    EQ(pthread_join(t, NULL), 0);
    EQ(s.nice, 0);
    EQ(s.policy, SCHED_OTHER);
    EQ(s.cpus, CPU_COUNT(&every));
    EQ(pthread_create(&t, NULL, made_by_other, &s), 0);
    EQ(pthread_join(t, NULL), 0);
    EQ(s.nice, 7);
    EQ(s.cpus, 1);
  }
}

int main(void) {
  CHECK(sem_init(&begin, 0, 0) == 0 && sem_init(&end, 0, 0) == 0);
  threads();
  sums();
  children();
  timers();
  limits();
  scheduling();
  return done();
}
