// instret is exact: hot code of every shape executes the number of instructions that it has. Built without compressed
// instructions and relaxation in what is counted; a block counts what stands between its two reads, the second not.
#include "check.h"

#include <stdint.h>

/** What the instructions take, with n in t0 (a multiple of 4) and an array of 64 zero words in a0. */
static uint64_t words[64];
#define COUNT(n, ...)                                                                                            \
  ({                                                                                                             \
    register uint64_t t0 asm("t0") = (n), a0 asm("a0") = (uint64_t)words;                                        \
    uint64_t from, to;                                                                                           \
    asm volatile(".option push; .option norvc; .option norelax; rdinstret a6;" __VA_ARGS__ "; rdinstret a7; .option pop; mv %0, a6; mv %1, a7" \
                 : "=&r"(from), "=&r"(to), "+r"(t0), "+r"(a0)                                                    \
                 :                                                                                               \
                 : "ra", "t1", "t2", "t3", "t4", "t5", "t6", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "ft0",    \
                   "ft1", "ft2", "memory");                                                                      \
    to - from - 1;                                                                                               \
  })

static void shapes(long n) {
  EQ(COUNT(n, "1: addi t0, t0, -1; bnez t0, 1b"), 2 * n);
  EQ(COUNT(n, "1: add t1, t1, t0; xor t2, t1, t0; addi t0, t0, -1; bnez t0, 1b"), 4 * n);
  // A branch that is taken every other time; one that nearly always is.
  EQ(COUNT(n, "1: andi t1, t0, 1; beqz t1, 2f; nop; nop; nop; 2: addi t0, t0, -1; bnez t0, 1b"), 4 * n + 3 * (n / 2));
  EQ(COUNT(n, "1: bnez t0, 2f; nop; nop; 2: addi t0, t0, -1; bgtz t0, 1b"), 3 * n);
  // Loops in loops.
  EQ(COUNT(n, "1: li t1, 7; 2: li t2, 3; 3: addi t2, t2, -1; bnez t2, 3b; addi t1, t1, -1; bnez t1, 2b; addi t0, t0, -1; bnez t0, 1b"),
     n * (3 + 7 * (3 + 3 * 2)));
  // Into the middle of a loop.
  EQ(COUNT(n, "j 2f; 1: addi t1, t1, 1; 2: addi t0, t0, -1; andi t2, t0, 1; beqz t0, 4f; bnez t2, 1b; addi t3, t3, 1; j 2b; 4:"),
     1 + 3 * n + 2 * (n / 2) + 3 * (n / 2 - 1));
  // Two ways in, no structure.
  EQ(COUNT(n, "andi t1, t0, 4; beqz t1, 2f; 1: addi t0, t0, -1; beqz t0, 4f; 2: addi t0, t0, -1; beqz t0, 4f; j 1b; 4:"),
     n % 8 == 4 ? 2 + 2 * n + (n / 2 - 1) : 2 + 2 * n + n / 2);
  // Calls, near and through a register, and one in the other.
  EQ(COUNT(n, "j 3f; 1: addi t1, t1, 1; ret; 3: jal ra, 1b; addi t0, t0, -1; bnez t0, 3b"), 1 + 5 * n);
  EQ(COUNT(n, "la t2, 1f; j 3f; 1: addi t1, t1, 1; ret; 3: jalr t2; addi t0, t0, -1; bnez t0, 3b"), 3 + 5 * n);
  EQ(COUNT(n, "j 3f; 1: mv t3, ra; jal ra, 2f; jal ra, 2f; mv ra, t3; ret; 2: addi t1, t1, 1; ret; 3: jal ra, 1b; addi t0, t0, -1; bnez t0, 3b"),
     1 + 12 * n);
  // Recursion to a depth of 5.
  EQ(COUNT(n, "j 3f; 1: addi sp, sp, -16; sd ra, 0(sp); addi t1, t1, -1; beqz t1, 2f; jal ra, 1b; 2: ld ra, 0(sp); addi sp, sp, 16; ret;"
              "3: li t1, 5; jal ra, 1b; addi t0, t0, -1; bnez t0, 3b"),
     1 + n * (4 + 5 * 7 + 4));
  // A table of four jumps.
  EQ(COUNT(n, "la t2, 2f; 1: andi t1, t0, 3; slli t1, t1, 2; add t1, t1, t2; jr t1; 2: j 3f; j 4f; j 5f; j 6f;"
              "6: nop; 5: nop; 4: nop; 3: addi t0, t0, -1; bnez t0, 1b"),
     2 + n * 7 + n / 4 * 6);
  // Memory, atomics, floating point: what the engines do out of line counts as one as well.
  EQ(COUNT(n, "1: andi t1, t0, 63; slli t1, t1, 3; add t1, t1, a0; ld t2, 0(t1); addi t2, t2, 1; sd t2, 0(t1); sb t2, 3(t1); addi t0, t0, -1; bnez t0, 1b"),
     9 * n);
  EQ(COUNT(n, "1: amoadd.w t1, t0, (a0); 2: lr.d t2, (a0); sc.d t3, t2, (a0); bnez t3, 2b; fence; addi t0, t0, -1; bnez t0, 1b"), 7 * n);
  EQ(COUNT(n, "fmv.d.x ft0, zero; 1: fcvt.d.l ft1, t0; fdiv.d ft2, ft1, ft1; fmadd.d ft0, ft1, ft2, ft0; fsqrt.d ft1, ft0; fcvt.l.d t1, ft1, rtz; frflags t2; fsrmi 1; fsrmi 0; addi t0, t0, -1; bnez t0, 1b"),
     1 + 10 * n);
  EQ(COUNT(n, "1: mul t1, t0, t0; mulhu t2, t1, t1; div t3, t1, t0; remuw t3, t1, t0; .option arch, +zbc; clmul t4, t1, t2; addi t0, t0, -1; bnez t0, 1b"), 7 * n);
  // Reads of the counter among them.
  EQ(COUNT(n, "li t3, 0; rdinstret t1; 1: rdinstret t2; sub t3, t2, t1; mv t1, t2; addi t4, t4, 1; addi t0, t0, -1; bnez t0, 1b; mv t0, t3"),
     2 + 6 * n + 1);
  // Each pair of reads inside a loop is exact too: 6 but for the first.
  EQ(COUNT(n, "li t6, 0; rdinstret t1; 1: rdinstret t2; sub t3, t2, t1; mv t1, t2; add t6, t6, t3; addi t0, t0, -1; bnez t0, 1b; sd t6, 8(a0)"),
     2 + 6 * n + 1);
  EQ(words[1], 1 + 6 * (n - 1));
  // fence.i, and system calls, which do not retire. Both are dear.
  if (n > 2000) return;
  EQ(COUNT(n / 4, "1: nop; fence.i; addi t0, t0, -1; bnez t0, 1b"), n);
  EQ(COUNT(n / 4, "mv t1, a0; 1: li a7, 172; ecall; addi t0, t0, -1; bnez t0, 1b; mv a0, t1"), 2 + n / 4 * 3);
}

/** Faulting instructions do not retire; the handler takes what it takes, each time the same. */
static void steps_over(int signo, siginfo_t *info, void *context) {
  ((ucontext_t *)context)->uc_mcontext.__gregs[REG_PC] += 4;
}
static uint64_t faulting(long n) {
  return COUNT(n, "mv t2, zero; 1: nop; ld t1, 64(t2); nop; addi t0, t0, -1; bnez t0, 1b");
}

static void faults(void) {
  struct sigaction action = {.sa_sigaction = steps_over, .sa_flags = SA_SIGINFO};
  CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
  uint64_t in_handler = faulting(1) - 5;
  EQ(faulting(5000), 1 + 5000 * (4 + in_handler));
}

int main(void) {
  static const long times[] = {4, 8, 100, 2000, 30000, 100004};
  for (unsigned i = 0; i < sizeof times / sizeof *times; i++) {
    memset(words, 0, sizeof words);
    shapes(times[i]);
  }
  faults();
  return done();
}
