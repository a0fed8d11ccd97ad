// Faults in hot loops whose handlers repair and return: rights taken from data and from code, pages unmapped, a file mapped
// over code, by the program itself between runs and by a timer in their middle; handlers that change registers and the
// program counter. Nothing is done twice and nothing is left out.
#include "check.h"

#include <stdint.h>
#include <sys/mman.h>
#include <sys/time.h>

#define PAGE 4096ul
#define PAGES 16
#define ALL (PROT_READ | PROT_WRITE)

static char *data, *code;
static volatile long faults, alarms;
static volatile uint64_t last_address, last_pc;

static void catches(int signo, void (*f)(int, siginfo_t *, void *)) {
  struct sigaction action = {.sa_sigaction = f, .sa_flags = SA_SIGINFO};
  sigfillset(&action.sa_mask);  // the timer must not take away what is being repaired
  CHECK(sigaction(signo, &action, NULL) == 0);
}

/** Gives the page that faulted all rights again. */
static void gives_back(int signo, siginfo_t *info, void *context) {
  uint64_t at = (uint64_t)info->si_addr;
  last_address = at;
  last_pc = ((ucontext_t *)context)->uc_mcontext.__gregs[REG_PC];
  faults++;
  if (at - (uint64_t)data < PAGES * PAGE) CHECK(mprotect((void *)(at & -PAGE), PAGE, ALL) == 0);
  else if (at - (uint64_t)code < PAGE) CHECK(mprotect(code, PAGE, ALL | PROT_EXEC) == 0);
  else CHECK(!"a fault that nobody made");
}

/** Adds up and increments all words: a load and a store each. */
__attribute__((noinline)) static uint64_t pass(volatile uint64_t *at, long n) {
  uint64_t sum = 0;
  for (long i = 0; i < n; i++) {
    sum += at[i];
    at[i]++;
  }
  return sum;
}

#define WORDS (PAGES * PAGE / 8)
static uint64_t wanted;  // of the next pass
static void one_pass(void) {
  EQ(pass((uint64_t *)data, WORDS), wanted);
  wanted += WORDS;
}

static void rights_of_data(void) {
  catches(SIGSEGV, gives_back);
  memset(data, 0, PAGES * PAGE);
  wanted = 0;
  for (int i = 0; i < 3; i++) one_pass();
  static const int rights[] = {PROT_NONE, PROT_READ};
  for (int r = 0; r < 2; r++)
    for (int i = 0; i < PAGES; i++) {
      CHECK(mprotect(data + i * PAGE, PAGE, rights[r]) == 0);
      faults = 0;
      one_pass();
      EQ(faults, 1);
      EQ(last_address, data + i * PAGE);
    }
  faults = 0;
  CHECK(mprotect(data, PAGES * PAGE, PROT_NONE) == 0);
  one_pass();
  EQ(faults, PAGES);
  for (int i = 0; i < PAGES; i += 2) CHECK(mprotect(data + i * PAGE, PAGE, PROT_READ) == 0);
  one_pass();
  EQ(faults, PAGES + PAGES / 2);
}

/** The same, at any moment. */
static int round_of;
static void takes_data(int signo) {
  alarms++;
  CHECK(mprotect(data, PAGES * PAGE, round_of++ % 2 ? PROT_NONE : PROT_READ) == 0);
}

static void every(long microseconds, void (*f)(int)) {
  struct sigaction action = {.sa_handler = f};
  CHECK(sigaction(SIGALRM, &action, NULL) == 0);
  struct itimerval often = {{0, microseconds}, {0, microseconds}};
  CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
}

static void rights_of_data_at_any_moment(void) {
  alarms = faults = 0;
  every(1000, takes_data);
  while (alarms < 15) one_pass();
  every(0, takes_data);
  CHECK(mprotect(data, PAGES * PAGE, ALL) == 0);
  CHECK(faults > 0);
  one_pass();
}

// Code: adds `a1` to a0 so many times, by steps of one; a2 counts what is left.
static const uint32_t adds[] = {
    0x00150513,  // head: addi a0, a0, 1
    0x00000013,  // nop
    0xfff60613,  // addi a2, a2, -1
    0xfe061ae3,  // bnez a2, head
    0x00008067,  // ret
};
typedef uint64_t counter(uint64_t from, uint64_t unused, uint64_t times);
#define ADD ((counter *)code)

static void put_code(void) {
  memcpy(code, adds, sizeof adds);
  __builtin___clear_cache(code, code + sizeof adds);
}

static void maps_again(int signo, siginfo_t *info, void *context) {
  faults++;
  uint64_t pc = ((ucontext_t *)context)->uc_mcontext.__gregs[REG_PC];
  EQ(info->si_addr, pc);
  CHECK(pc - (uint64_t)code < sizeof adds);
  CHECK(mmap(code, PAGE, ALL | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == code);
  put_code();
}

static void takes_exec(int signo) {
  alarms++;
  CHECK(mprotect(code, PAGE, ALL) == 0);
}
static void unmaps(int signo) {
  alarms++;
  CHECK(munmap(code, PAGE) == 0);
}

static void rights_of_code(void) {
  put_code();
  EQ(ADD(0, 0, 20000), 20000);
  for (int i = 0; i < 20; i++) {
    CHECK(mprotect(code, PAGE, i % 2 ? PROT_READ : PROT_NONE) == 0);
    faults = 0;
    EQ(ADD(i, 0, 1000), 1000 + i);
    EQ(faults, 1);
    EQ(last_address, code);
    EQ(last_pc, code);
  }
  // Only to be executed: it runs, and cannot be read.
  CHECK(mprotect(code, PAGE, PROT_EXEC) == 0);
  EQ(ADD(0, 0, 5000), 5000);
  faults = 0;
  EQ(*(volatile uint32_t *)code, adds[0]);
  EQ(faults, 1);
  // In the middle of the loop.
  alarms = faults = 0;
  every(1000, takes_exec);
  uint64_t sum = 0, times = 0;
  while (alarms < 15) sum = ADD(sum, 0, 100000), times++;
  every(0, takes_exec);
  EQ(sum, times * 100000);
  CHECK(faults > 0);
}

static void unmapped_code(void) {
  catches(SIGSEGV, maps_again);
  CHECK(mprotect(code, PAGE, ALL | PROT_EXEC) == 0);
  put_code();
  for (int i = 0; i < 20; i++) {
    EQ(ADD(0, 0, 3000), 3000);
    CHECK(munmap(code, PAGE) == 0);
    faults = 0;
    EQ(ADD(0, 0, 1000), 1000);
    EQ(faults, 1);
  }
  alarms = faults = 0;
  every(1000, unmaps);
  uint64_t sum = 0, times = 0;
  while (alarms < 15) sum = ADD(sum, 0, 100000), times++;
  every(0, unmaps);
  EQ(sum, times * 100000);
  CHECK(faults > 0);
}

/** Another program of the same length comes over it while it runs: from then on it adds 2. */
static int file;
static void maps_file(int signo) {
  alarms++;
  CHECK(mmap(code, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, file, 0) == code);
}
static void file_over_code(void) {
  CHECK(mmap(code, PAGE, ALL | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == code);
  uint32_t twice[sizeof adds / 4];
  memcpy(twice, adds, sizeof adds);
  twice[1] = adds[0];
  file = memfd_create("code", 0);
  CHECK(file >= 0 && write(file, twice, sizeof twice) == sizeof twice && ftruncate(file, PAGE) == 0);
  put_code();
  EQ(ADD(0, 0, 20000), 20000);
  maps_file(0);
  EQ(ADD(0, 0, 20000), 40000);
  for (int i = 0; i < 5; i++) {
    CHECK(mmap(code, PAGE, ALL | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == code);
    put_code();
    struct sigaction action = {.sa_handler = maps_file};
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    struct itimerval once = {{0, 0}, {0, 1000 + 1000 * i}};
    alarms = 0;
    CHECK(setitimer(ITIMER_REAL, &once, NULL) == 0);
    uint64_t n = 100000, sum = 0, times = 0;
    while (!alarms) sum = ADD(sum, 0, n), times++;
    CHECK(sum >= times * n && sum <= 2 * times * n);
    EQ(ADD(0, 0, n), 2 * n);
  }
}

// Handlers that change what goes on: the loop reads through t1 and stops at each hole.
static const char *elsewhere;
static void points_elsewhere(int signo, siginfo_t *info, void *context) {
  mcontext_t *m = &((ucontext_t *)context)->uc_mcontext;
  faults++;
  EQ(info->si_addr, m->__gregs[6]);
  m->__gregs[6] = (uint64_t)elsewhere;  // and the access is made again
  m->__gregs[7] += 1000;
  m->__fpregs.__d.__f[0] = 0x4000000000000000;
  m->__fpregs.__d.__fcsr = 0x21;
}
static void steps_over(int signo, siginfo_t *info, void *context) {
  mcontext_t *m = &((ucontext_t *)context)->uc_mcontext;
  faults++;
  m->__gregs[10] += 7;
  m->__gregs[REG_PC] += 4;
}
static void goes_out(int signo, siginfo_t *info, void *context) {
  mcontext_t *m = &((ucontext_t *)context)->uc_mcontext;
  faults++;
  m->__gregs[REG_PC] = m->__gregs[28];
}

/** Words at `from` and on, one from `bad` where the count is divisible by 64. Sum in a0; what handlers changed in the others. */
static uint64_t seventh, flags;
static double first_float;
__attribute__((noinline)) static uint64_t loop(const void *from, const void *bad, long n) {
  register uint64_t sum asm("a0") = 0;
  register uint64_t t2 asm("t2") = 0;
  register double f0 asm("ft0") = 1;
  register uint64_t a1 asm("a1") = (uint64_t)from, a2 asm("a2") = (uint64_t)bad, a3 asm("a3") = n;
  asm volatile(
      ".option push; .option norvc; fscsr zero; la t3, 3f;"
      "1: mv t1, a1; andi t0, a3, 63; bnez t0, 2f; mv t1, a2;"
      "2: ld t0, 0(t1); add a0, a0, t0; addi a1, a1, 8; addi a3, a3, -1; bnez a3, 1b;"
      "3: frcsr t0; mv a4, t0; .option pop"
      : "+r"(sum), "+r"(t2), "+f"(f0), "+r"(a1), "+r"(a2), "+r"(a3)
      :
      : "t0", "t1", "t3", "a4", "memory");
  asm volatile("mv %0, a4" : "=r"(flags));
  seventh = t2;
  first_float = f0;
  asm volatile("fscsr zero");
  return sum;
}

static void changed_registers(void) {
  CHECK(mprotect(data, PAGES * PAGE, ALL) == 0);
  uint64_t *words = (uint64_t *)data;
  for (unsigned i = 0; i < WORDS; i++) words[i] = 3;
  static const uint64_t five = 5;
  elsewhere = (const char *)&five;
  const long n = 6400;
  static const uint64_t bads[] = {0, 1ul << 40, -8ul};
  for (int i = 0; i < 3; i++) {
    faults = 0;
    catches(SIGSEGV, points_elsewhere);
    EQ(loop(data, (void *)bads[i], n), 3 * (n - n / 64) + 5 * (n / 64));
    EQ(faults, n / 64);
    EQ(seventh, 1000 * (n / 64));
    EQ(flags, 0x21);
    CHECK(first_float == 2);
    faults = 0;
    catches(SIGSEGV, steps_over);
    // t0 keeps the 0 that says that the count is divisible.
    EQ(loop(data, (void *)bads[i], n), 3 * (n - n / 64) + 7 * (n / 64));
    EQ(faults, n / 64);
    EQ(flags, 0);
    faults = 0;
    catches(SIGSEGV, goes_out);
    EQ(loop(data, (void *)bads[i], n - 1), 3 * 63);
    EQ(faults, 1);
  }
}

int main(void) {
  data = mmap(NULL, PAGES * PAGE, ALL, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  code = mmap(NULL, PAGE, ALL | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(data != MAP_FAILED && code != MAP_FAILED);
  rights_of_data();
  rights_of_data_at_any_moment();
  rights_of_code();
  unmapped_code();
  file_over_code();
  changed_registers();
  return done();
}
