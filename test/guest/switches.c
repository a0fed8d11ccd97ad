// Jumps through tables: a switch in a loop, as interpreters of bytecode have it, and one at the end of each of its parts.
// Targets that come late, wild ones, and ones whose code is written anew or taken away.
#include "check.h"

#include <stdint.h>
#include <sys/mman.h>

#define PAGE 4096

enum { ops = 24, length = 240 };

/** What each operation does, by its number: the plain way, which both interpreters must agree with. */
static uint64_t plainly(const uint8_t *code, long count, uint64_t a) {
  for (long i = 0; i < count; i++) {
    unsigned op = code[i % length];
    a = op % 3 == 0 ? a * (2 * op + 1) + i : op % 3 == 1 ? (a ^ (a >> (op + 1))) + op : (a << 1 | a >> 63) - op;
  }
  return a;
}

#define MULTIPLY(op) a = a * (2 * op + 1) + i
#define MIX(op) a = (a ^ (a >> (op + 1))) + op
#define TURN(op) a = (a << 1 | a >> 63) - op
#define ALL(DO)                                                                                    \
  DO(0, MULTIPLY) DO(1, MIX) DO(2, TURN) DO(3, MULTIPLY) DO(4, MIX) DO(5, TURN)                     \
  DO(6, MULTIPLY) DO(7, MIX) DO(8, TURN) DO(9, MULTIPLY) DO(10, MIX) DO(11, TURN)                   \
  DO(12, MULTIPLY) DO(13, MIX) DO(14, TURN) DO(15, MULTIPLY) DO(16, MIX) DO(17, TURN)               \
  DO(18, MULTIPLY) DO(19, MIX) DO(20, TURN) DO(21, MULTIPLY) DO(22, MIX) DO(23, TURN)

__attribute__((noinline)) static uint64_t switched(const uint8_t *code, long count, uint64_t a) {
  for (long i = 0; i < count; i++)
    switch (code[i % length]) {
// The barrier keeps the compiler from making one of several.
#define CASE(op, DOES)       \
  case op:                   \
    DOES(op);                \
    asm volatile("" : "+r"(a)); \
    break;
      ALL(CASE)
    }
  return a;
}

/** Each operation jumps to the next one itself. `last`: where the end of the code leads, by default out. */
__attribute__((noinline, optimize("no-crossjumping", "no-gcse"))) static uint64_t threaded(
    const uint8_t *code, long count, uint64_t a, void *last) {
#define HEAD(op, DOES) &&part##op,
  static void *const heads[] = {ALL(HEAD)};
  long i = 0;
  if (last == NULL) last = &&out;
#define NEXT goto *(i < count ? heads[code[i % length]] : last)
#define PART(op, DOES) \
  part##op : DOES(op); \
  i++;                 \
  NEXT;
  NEXT;
  ALL(PART)
out:
  return a;
}

static uint32_t seed = 1;
static unsigned below(unsigned n) { return ((seed = seed * 1103515245 + 12345) >> 8) % n; }

/** More and more of the operations. */
static void late(void) {
  uint8_t code[length];
  for (unsigned known = 1; known <= ops; known += known < 6 ? 1 : 3) {
    for (int round = 0; round < 3; round++) {
      for (int i = 0; i < length; i++) code[i] = (uint8_t)below(known);
      uint64_t wanted = plainly(code, 20000, known);
      EQ(switched(code, 20000, known), wanted);
      EQ(threaded(code, 20000, known, NULL), wanted);
    }
  }
}

/** Out of a loop that is known to go elsewhere. */
static void wild(void) {
  static const uintptr_t to[] = {2, 0x10, 0x7ffffff0, 0xfffffffe, 1UL << 32, 1UL << 40};
  uint8_t code[length];
  for (int i = 0; i < length; i++) code[i] = (uint8_t)i % ops;
  for (unsigned i = 0; i < sizeof to / sizeof *to; i++)
    for (int times = 0; times < 3; times++) {
      FAULTS(threaded(code, 5000, 7, (void *)to[i]), SIGSEGV, SEGV_MAPERR, to[i]);
      EQ(caught.pc, to[i]);
      EQ(threaded(code, 5000, 7, NULL), plainly(code, 5000, 7));
    }
}

enum { parts = 8, stride = 32 };

/** `at`: adds a number to a0, and goes back to `head` while there is a count in a2. */
static void part(char *at, int number, const char *head) {
  uint32_t back = (uint32_t)(head - (at + 12));
  uint32_t code[] = {
      0x00050513u | (uint32_t)number << 20,  // addi a0, a0, number
      0xfff60613,                            // addi a2, a2, -1
      0x00060463,                            // beqz a2, +8
      0x0000006f | (back & 0x100000) << 11 | (back & 0x7fe) << 20 | (back & 0x800) << 9 | (back & 0xff000),  // j head
      0x00008067,  // ret
  };
  memcpy(at, code, sizeof code);
}

/** Parts of a loop on a page of their own, which get other code, or none. */
static void rewritten(void) {
  char *head = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(head != MAP_FAILED);
  static const uint32_t program[] = {
      0x0005b283,  // head: ld t0, 0(a1)
      0x00858593,  // addi a1, a1, 8
      0x00028067,  // jr t0
  };
  memcpy(head, program, sizeof program);
  char *first = head + PAGE;
  enum { steps = 4000 };
  static char *list[steps];
  long (*run)(long, char **, long) = (long (*)(long, char **, long))head;
  for (int generation = 0; generation < 40; generation++) {
    int numbers[parts];
    // Some parts of each generation stay as they were.
    for (int i = 0; i < parts; i++) {
      numbers[i] = i % 3 == 0 ? i : i + 16 * generation;
      part(first + stride * i, numbers[i], head);
    }
    __builtin___clear_cache(head, head + 2 * PAGE);
    for (int time = 0; time < 3; time++) {
      long wanted = 0;
      for (int i = 0; i < steps; i++) {
        // The last parts come late.
        int next = (int)below(time < 2 ? parts / 2 : parts);
        list[i] = first + stride * next;
        wanted += numbers[next];
      }
      EQ(run(0, list, steps), wanted);
    }
    // Halfway the page with the parts is gone.
    if (generation % 8 != 7) continue;
    list[steps / 2] = head + 2 * PAGE + 8;
    FAULTS(run(0, list, steps), SIGSEGV, SEGV_MAPERR, list[steps / 2]);
    EQ(caught.pc, list[steps / 2]);
    CHECK(mprotect(first, PAGE, PROT_READ | PROT_WRITE) == 0);
    FAULTS(run(0, list, steps), SIGSEGV, SEGV_ACCERR, list[0]);
    EQ(caught.pc, list[0]);
    CHECK(mprotect(first, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
  }
  munmap(head, 2 * PAGE);
}

int main(void) {
  catch_faults();
  late();
  wild();
  rewritten();
  return done();
}
