// cycle, time and instret: what they count, and that they only grow.
#include "check.h"

#include <stdint.h>
#include <time.h>

static uint64_t nanoseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000ull + t.tv_nsec;
}

int main(void) {
  uint64_t a, b, c, d;
  // An instruction reads the number of those before it.
  asm volatile("rdinstret %0; rdinstret %1" : "=r"(a), "=r"(b));
  EQ(b - a, 1);
  asm volatile("rdinstret %0; nop; nop; nop; rdinstret %1" : "=r"(a), "=r"(b));
  EQ(b - a, 4);
  asm volatile("rdinstret %0; li t0, 1000; 1: addi t0, t0, -1; bnez t0, 1b; rdinstret %1" : "=r"(a), "=r"(b) : : "t0");
  EQ(b - a, 2002);
  asm volatile("rdinstret %0; j 1f; unimp; 1: c.nop; beqz zero, 2f; unimp; 2: rdinstret %1" : "=r"(a), "=r"(b));
  EQ(b - a, 4);
  // A loop that is longer than any slice of the emulator.
  asm volatile("rdinstret %0; li t0, 300000; 1: addi t0, t0, -1; bnez t0, 1b; rdinstret %1" : "=&r"(a), "=r"(b) : : "t0");
  EQ(b - a, 600003);
  // A system call does not retire.
  asm volatile("li a7, 172; rdinstret %0; ecall; rdinstret %1" : "=&r"(a), "=&r"(b) : : "a0", "a7", "memory");
  EQ(b - a, 1);

  asm volatile("rdcycle %0; li t0, 1000; 1: addi t0, t0, -1; bnez t0, 1b; rdcycle %1" : "=&r"(a), "=r"(b) : : "t0");
  CHECK(b > a);

  asm volatile("rdtime %0" : "=r"(a));
  c = nanoseconds();
  while (nanoseconds() - c < 20000000) continue;
  asm volatile("rdtime %0" : "=r"(b));
  d = nanoseconds();
  // 10 MHz.
  CHECK((b - a) * 100 >= 19000000 && (b - a) * 100 <= d - c + 5000000);
  for (int i = 0; i < 1000; i++, a = b) {
    asm volatile("rdtime %0" : "=r"(b));
    CHECK(b >= a);
  }
  return done();
}
