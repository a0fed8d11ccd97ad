// Restartable sequences: what registering demands, the number of a CPU, with threads that sleep and others that are told where to
// run, sections that a signal, a membarrier or another thread aborts, and what becomes of a registration over clone and exec. The C library's own is turned off.
#include "check.h"
#include "family.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/time.h>

struct area {
  uint32_t cpu_id_start, cpu_id;
  uint64_t section;
  uint32_t flags, node_id, mm_cid, rest;
} __attribute__((aligned(32)));

#ifdef __riscv
#define SIGNATURE 0xf1401073
#else
#define SIGNATURE 0x53053053
#endif
#define STRING(x) #x
#define TEXT(x) STRING(x)

static _Thread_local volatile struct area area;
static char *self;

static long rseq(volatile void *address, uint32_t length, int flags, uint32_t signature) {
  return syscall(SYS_rseq, address, length, flags, signature);
}

static void begin(void) { EQ(rseq(&area, 32, 0, SIGNATURE), 0); }
static void end(void) { EQ(rseq(&area, 32, 1, SIGNATURE), 0); }

// ---- registration

static void rules(void) {
  static struct area other;
  FAILS(rseq(&area, 32, 1, SIGNATURE), EINVAL);
  FAILS(rseq(&area, 32, 2, SIGNATURE), EINVAL);
  FAILS(rseq(&area, 16, 0, SIGNATURE), EINVAL);
  FAILS(rseq((char *)&area + 8, 32, 0, SIGNATURE), EINVAL);
  FAILS(rseq((void *)-32L, 32, 0, SIGNATURE), EFAULT);
  area.cpu_id = -1;
  begin();
  CHECK(area.cpu_id < sysconf(_SC_NPROCESSORS_CONF) && area.cpu_id_start == area.cpu_id);
  FAILS(rseq(&area, 32, 0, SIGNATURE), EBUSY);
  FAILS(rseq(&area, 32, 0, SIGNATURE + 1), EPERM);
  FAILS(rseq(&other, 32, 0, SIGNATURE), EINVAL);
  FAILS(rseq(&area, 64, 0, SIGNATURE), EINVAL);
  FAILS(rseq(&other, 32, 1, SIGNATURE), EINVAL);
  FAILS(rseq(&area, 32, 1, SIGNATURE + 1), EPERM);
  FAILS(rseq(&area, 32, 3, SIGNATURE), EINVAL);
  end();
  EQ(area.cpu_id, 0xffffffff);
  EQ(area.cpu_id_start, 0);
  FAILS(rseq(&area, 32, 1, SIGNATURE), EINVAL);
  // What of it is kept up, and how it is aligned.
  CHECK(getauxval(27) >= 20);
  EQ(getauxval(28), 32);
}

static void affinity(void) {
  cpu_set_t all, one;
  EQ(sched_getaffinity(0, sizeof all, &all), 0);
  begin();
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET(cpu, &all)) continue;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    EQ(sched_setaffinity(0, sizeof one, &one), 0);
    EQ(area.cpu_id, cpu);
    EQ(area.cpu_id_start, cpu);
  }
  EQ(sched_setaffinity(0, sizeof all, &all), 0);
  end();
}

static atomic_int here, done_with, self_tid;
static volatile struct area *volatile its;

static void *is_sent(void *unused) {
  begin();
  its = &area;
  self_tid = gettid();
  while (!done_with) continue;
  end();
  return unused;
}

/** Another thread says where this one runs. */
static void sent(void) {
  cpu_set_t all, one;
  pthread_t thread;
  EQ(sched_getaffinity(0, sizeof all, &all), 0);
  EQ(pthread_create(&thread, 0, is_sent, 0), 0);
  while (!self_tid) sched_yield();
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET(cpu, &all)) continue;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    EQ(sched_setaffinity(self_tid, sizeof one, &one), 0);
    while (its->cpu_id != (uint32_t)cpu) sched_yield();
  }
  done_with = 1;
  EQ(pthread_join(thread, 0), 0);
}

enum { sleepers = 8 };
static int ends[2];
static sem_t posted;

static void *sleeps(void *how) {
  begin();
  CHECK(area.cpu_id_start < (uint32_t)sysconf(_SC_NPROCESSORS_CONF));
  here++;
  char c;
  if (how == 0) EQ(read(ends[0], &c, 1), 1);
  else EQ(sem_wait(&posted), 0);
  while (area.cpu_id == (uint32_t)-1) continue;
  end();
  return 0;
}

/** Threads that sleep leave nobody without a number, however many they are; and they find one again. */
static void sleeping(void) {
  pthread_t all[sleepers];
  EQ(pipe(ends), 0);
  EQ(sem_init(&posted, 0, 0), 0);
  for (int i = 0; i < sleepers; i++) EQ(pthread_create(&all[i], 0, sleeps, (void *)(i % 2L)), 0);
  while (here < sleepers) sched_yield();
  begin();
  while (area.cpu_id == (uint32_t)-1) continue;
  end();
  for (int i = 0; i < sleepers; i++) {
    if (i % 2 == 0) EQ(write(ends[1], "", 1), 1);
    else EQ(sem_post(&posted), 0);
  }
  for (int i = 0; i < sleepers; i++) EQ(pthread_join(all[i], 0), 0);
  EQ(close(ends[0]) | close(ends[1]), 0);
}

// ---- sections

static atomic_int entered;
static void *volatile interrupted;
extern char first_section[], first_abort[];

/** A section without an end; answers when it is aborted. */
static __attribute__((noinline)) void stay(int signature_is_right) {
  if (signature_is_right) {
#ifdef __riscv
    asm goto(
        ".pushsection .data\n.balign 32\n3: .4byte 0, 0\n.8byte 1f, 2f - 1f, first_abort\n.popsection\n"
        "la t0, 3b\nsd t0, 8(%0)\n.globl first_section\nfirst_section: 1: li t1, 1\nsw t1, 0(%1)\n5: j 5b\n2:\n"
        ".4byte " TEXT(SIGNATURE) "\n.globl first_abort\nfirst_abort: j %l[aborted]\n"
        :: "r"(&area), "r"(&entered) : "t0", "t1", "memory" : aborted);
#else
    asm goto(
        ".pushsection .data\n.balign 32\n3: .long 0, 0\n.quad 1f, 2f - 1f, first_abort\n.popsection\n"
        "leaq 3b(%%rip), %%rax\nmovq %%rax, 8(%0)\n.globl first_section\nfirst_section: 1: movl $1, (%1)\n5: jmp 5b\n2:\n"
        ".long " TEXT(SIGNATURE) "\n.globl first_abort\nfirst_abort: jmp %l[aborted]\n"
        :: "r"(&area), "r"(&entered) : "rax", "memory" : aborted);
#endif
  } else {
#ifdef __riscv
    asm goto(
        ".pushsection .data\n.balign 32\n3: .4byte 0, 0\n.8byte 1f, 2f - 1f, 4f\n.popsection\n"
        "la t0, 3b\nsd t0, 8(%0)\n1: j 1b\n2:\n.4byte 1\n4: j %l[aborted]\n"
        :: "r"(&area) : "t0", "memory" : aborted);
#else
    asm goto(
        ".pushsection .data\n.balign 32\n3: .long 0, 0\n.quad 1f, 2f - 1f, 4f\n.popsection\n"
        "leaq 3b(%%rip), %%rax\nmovq %%rax, 8(%0)\n1: jmp 1b\n2:\n.long 1\n4: jmp %l[aborted]\n"
        :: "r"(&area) : "rax", "memory" : aborted);
#endif
  }
  CHECK(!"reached");
aborted:
  return;
}

static void alarmed(int signo, siginfo_t *info, void *context) {
  (void)signo, (void)info;
  ucontext_t *u = context;
#ifdef __riscv
  interrupted = (void *)u->uc_mcontext.__gregs[REG_PC];
#else
  interrupted = (void *)u->uc_mcontext.gregs[REG_RIP];
#endif
}

/** A handler never finds the thread in the section, but where that is aborted. The host may abort it too, when it runs another thread. */
static void by_signal(void) {
  struct itimerval often = {{0, 3000}, {0, 3000}}, never = {{0, 0}, {0, 0}};
  action(SIGALRM, alarmed, 0);
  begin();
  EQ(setitimer(ITIMER_REAL, &often, 0), 0);
  for (int i = 0; i < 3 || interrupted != (void *)first_abort; i++) {
    stay(1);
    EQ(area.section, 0);
    char *at = interrupted;
    CHECK(at < first_section || at >= first_abort);
  }
  EQ(setitimer(ITIMER_REAL, &never, 0), 0);
  end();
}

/** Where the signature does not stand before it, a section is an error. */
static void badly_signed(void) {
  pid_t child = CHILD({
    struct itimerval soon = {{0, 3000}, {0, 3000}};
    action(SIGALRM, alarmed, 0);
    begin();
    EQ(setitimer(ITIMER_REAL, &soon, 0), 0);
    stay(0);
  });
  int status;
  EQ(waitpid(child, &status, 0), child);
  CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

static void *stays(void *unused) {
  begin();
  stay(1);
  EQ(area.section, 0);
  end();
  return unused;
}

/** membarrier aborts sections of other threads. */
static void by_barrier(void) {
  enum { barrier = 1 << 7, registers = 1 << 8 };
  FAILS(syscall(SYS_membarrier, barrier, 0, 0), EPERM);
  EQ(syscall(SYS_membarrier, registers, 0, 0), 0);
  for (int i = 0; i < 3; i++) {
    pthread_t thread;
    entered = 0;
    EQ(pthread_create(&thread, 0, stays, 0), 0);
    while (!entered) sched_yield();
    EQ(syscall(SYS_membarrier, barrier, 0, 0), 0);
    EQ(pthread_join(thread, 0), 0);
  }
}

// ---- data of CPUs

enum { most_cpus = 4096, times = 20000, threads = 5 };
static uint64_t counters[most_cpus];

/** Adds 1 to the counter of the CPU; 0 where that was aborted, or another CPU's. */
static inline int add(uint32_t cpu) {
  uint64_t *counter = &counters[cpu];
#ifdef __riscv
  asm goto(
      ".pushsection .data\n.balign 32\n3: .4byte 0, 0\n.8byte 1f, 2f - 1f, 4f\n.popsection\n"
      "la t0, 3b\nsd t0, 8(%0)\n1: lw t1, 4(%0)\nbne t1, %2, %l[failed]\nld t0, 0(%1)\naddi t0, t0, 1\nsd t0, 0(%1)\n2:\n"
      ".pushsection .text.unlikely\n.4byte " TEXT(SIGNATURE) "\n4: tail %l[failed]\n.popsection\n"
      :: "r"(&area), "r"(counter), "r"((long)(int)cpu) : "t0", "t1", "memory" : failed);
#else
  asm goto(
      ".pushsection .data\n.balign 32\n3: .long 0, 0\n.quad 1f, 2f - 1f, 4f\n.popsection\n"
      "leaq 3b(%%rip), %%rax\nmovq %%rax, 8(%0)\n1: cmpl %2, 4(%0)\njnz %l[failed]\nmovq (%1), %%rax\nincq %%rax\nmovq %%rax, (%1)\n2:\n"
      ".pushsection .text.unlikely\n.long " TEXT(SIGNATURE) "\n4: jmp %l[failed]\n.popsection\n"
      :: "r"(&area), "r"(counter), "r"(cpu) : "rax", "memory" : failed);
#endif
  return 1;
failed:
  return 0;
}

static void *adds(void *unused) {
  begin();
  for (int i = 0; i < times; i++) {
    while (!add(area.cpu_id_start)) continue;
    // Who has slept may be on another CPU.
    if (i % 512 == 0) usleep(10);
  }
  end();
  return unused;
}

/** More threads than there are CPUs, and signals, lose nothing. */
static void counting(void) {
  pthread_t all[threads];
  struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
  action(SIGALRM, alarmed, SA_RESTART);
  EQ(setitimer(ITIMER_REAL, &often, 0), 0);
  for (int i = 0; i < threads; i++) EQ(pthread_create(&all[i], 0, adds, 0), 0);
  for (int i = 0; i < threads; i++) EQ(pthread_join(all[i], 0), 0);
  EQ(setitimer(ITIMER_REAL, &never, 0), 0);
  uint64_t total = 0;
  for (int i = 0; i < most_cpus; i++) total += counters[i];
  EQ(total, threads * times);
}

// ---- over clone and exec

static void *registers_itself(void *unused) {
  begin();
  CHECK(area.cpu_id_start < (uint32_t)sysconf(_SC_NPROCESSORS_CONF));
  return unused;
}

static void inherited(void) {
  begin();
  // A process with its own memory has what its parent had.
  pid_t child = CHILD({
    FAILS(rseq(&area, 32, 0, SIGNATURE), EBUSY);
    CHECK(area.cpu_id < sysconf(_SC_NPROCESSORS_CONF));
    execl(self, self, "again", (char *)0);
  });
  GOOD(child);
  // A thread, and a process with the same memory, has nothing.
  pthread_t thread;
  EQ(pthread_create(&thread, 0, registers_itself, 0), 0);
  EQ(pthread_join(thread, 0), 0);
  child = vfork();
  if (child == 0) _exit(rseq(&area, 32, 1, SIGNATURE) == -1 && errno == EINVAL ? 0 : 1);
  GOOD(child);
  FAILS(rseq(&area, 32, 0, SIGNATURE), EBUSY);
  end();
}

int main(int argc, char **argv) {
  self = argv[0];
  if (getenv("GLIBC_TUNABLES") == 0) {
    setenv("GLIBC_TUNABLES", "glibc.pthread.rseq=0", 1);
    execv(self, argv);
  }
  if (argc == 2) {
    // Nothing is registered in a new program.
    begin();
    return 0;
  }
  rules();
  affinity();
  sent();
  sleeping();
  by_signal();
  badly_signed();
  by_barrier();
  counting();
  inherited();
  return done();
}
