// Code that patches itself while it runs, in loops that are hot: its next instruction, the loop that called it, the way
// out of a loop without end, from a signal handler, as data among its code.
#include "check.h"

#include <stdint.h>
#include <sys/mman.h>
#include <sys/time.h>

#define PAGE 4096

static char *page;

static void *put(const uint32_t *program, long size) {
  memcpy(page, program, size);
  __builtin___clear_cache(page, page + size);
  return page;
}
#define PUT(program) put(program, sizeof program)

/** Each time around the loop increments the constant that it adds next. */
static void next_instruction(void) {
  static const uint32_t program[] = {
      0x00050293,  // mv t0, a0
      0x00000513,  // li a0, 0
      0x00150513,  // slot: addi a0, a0, 1
      0x0002a303,  // lw t1, 0(t0)
      0x001003b7,  // lui t2, 0x100: one in the immediate
      0x00730333,  // add t1, t1, t2
      0x0062a023,  // sw t1, 0(t0)
      0x0000100f,  // fence.i
      0xfff58593,  // addi a1, a1, -1
      0xfe0592e3,  // bnez a1, slot
      0x00008067,  // ret
  };
  long sum = 0;
  // The immediate is of 12 bits, signed.
  for (int i = 1; i <= 4000; i++) sum += (long)((uint64_t)i << 52) >> 52;
  long (*f)(void *, long) = PUT(program);
  EQ(f(page + 8, 4000), sum);
}

/** A loop that has no end but for a patch, which a function that it calls makes when it was called so many times. */
static long calls, last;
static void patches(void) {
  if (++calls < last) return;
  ((uint32_t *)page)[6] = 0x00000013;  // nop for the jump back
  asm volatile("fence.i" ::: "memory");
}

static void way_out(void) {
  static const uint32_t program[] = {
      0xff010113,  // addi sp, sp, -16
      0x00113423,  // sd ra, 8(sp)
      0x00a13023,  // sd a0, 0(sp)
      0x00013283,  // head: ld t0, 0(sp)
      0x000280e7,  // jalr t0
      0x00000013,  // nop
      0xff5ff06f,  // j head
      0x00813083,  // ld ra, 8(sp)
      0x01010113,  // addi sp, sp, 16
      0x00008067,  // ret
  };
  for (last = 1; last < 100000; last = last * 3 + 1) {
    calls = 0;
    void (*f)(void (*)(void)) = PUT(program);
    f(patches);
    EQ(calls, last);
  }
}

/** The same from a signal handler, while the loop runs and calls nothing. */
static void interrupts(int signo) {
  ((uint32_t *)page)[2] = 0x00000013;
  __builtin___clear_cache(page, page + PAGE);
}

static void from_a_handler(void) {
  static const uint32_t program[] = {
      0x00000513,  // li a0, 0
      0x00150513,  // head: addi a0, a0, 1
      0xffdff06f,  // j head
      0x00008067,  // ret
  };
  struct sigaction action = {.sa_handler = interrupts};
  CHECK(sigaction(SIGALRM, &action, NULL) == 0);
  for (int i = 0; i < 10; i++) {
    long (*f)(void) = PUT(program);
    struct itimerval soon = {.it_value = {0, 2000 + 3000 * i}};
    CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
    CHECK(f() > 0);
  }
}

/** Two callers of one function; the function swaps what its callers call next. */
static void swaps(void) {
  static const uint32_t program[] = {
      0x00100293,  // 0: li t0, 1
      0x00c0006f,  // 4: j 16
      0x00200293,  // 8: li t0, 2
      0x0040006f,  // 12: j 16
      0x00550533,  // 16: add a0, a0, t0
      0x00008067,  // 20: ret
  };
  long (*f)(long) = PUT(program);
  uint32_t *words = (uint32_t *)page;
  long sum = 0, wanted = 0;
  for (int i = 0; i < 3000; i++) {
    // Every so often `li t0, 1` becomes another constant, or a jump to the other arm.
    if (i % 10 == 0) {
      words[0] = i % 20 == 0 ? 0x0080006f : 0x00000293 | (uint32_t)(i % 2000) << 20;
      asm volatile("fence.i" ::: "memory");
    }
    wanted += i / 10 % 2 == 0 ? 2 : i / 10 * 10 % 2000;
    sum = f(sum);
    EQ(sum, wanted);
  }
}

/** Data beside the code: a loop that counts in its own page. */
static void data_beside(void) {
  static const uint32_t program[] = {
      0x00053283,  // head: ld t0, 0(a0)
      0x00128293,  // addi t0, t0, 1
      0x00553023,  // sd t0, 0(a0)
      0xfff58593,  // addi a1, a1, -1
      0xfe0598e3,  // bnez a1, head
      0x00053503,  // ld a0, 0(a0)
      0x00008067,  // ret
  };
  long (*f)(void *, long) = PUT(program);
  for (int i = 0; i < 5; i++) {
    *(long *)(page + 2048) = i;
    EQ(f(page + 2048, 3000), 3000 + i);
  }
}

/** Written long before it is fenced and run: the page of it has not run since. */
static void fenced_late(void) {
  for (int round = 0; round < 200; round++) {
    for (int i = 0; i < 8; i++) {
      uint32_t code[2] = {0x00000513u | (uint32_t)(round + i) << 20, 0x00008067};
      memcpy(page + PAGE + 64 * i, code, sizeof code);
    }
    asm volatile("fence.i" ::: "memory");
    for (int i = 0; i < 8; i++) EQ(((long (*)(void))(page + PAGE + 64 * i))(), round + i);
  }
}

int main(void) {
  catch_faults();
  page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(page != MAP_FAILED);
  next_instruction();
  way_out();
  from_a_handler();
  swaps();
  data_beside();
  fenced_late();
  return done();
}
