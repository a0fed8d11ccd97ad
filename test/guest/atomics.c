// Load-reserved, store-conditional and the read-modify-write instructions, as the assembler writes them and as the
// compiler's builtins use them.
#include "check.h"

#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>

static int64_t cell __attribute__((aligned(8)));

static void one(const char *what, int64_t start, int64_t before, int64_t after, int64_t wanted_before, int64_t wanted) {
  STOP_UNLESS(before == wanted_before && after == wanted, "%s of %#llx gives %#llx, leaves %#llx", what,
              (long long)start, (long long)before, (long long)after);
}

#define W(name, start, operand, wanted) RUN(name ".w", start, operand, (int32_t)(start), wanted)
#define D(name, start, operand, wanted) RUN(name ".d", start, operand, start, wanted)
#define RUN(name, start, operand, wanted_before, wanted)                                                      \
  do {                                                                                                        \
    int64_t before;                                                                                           \
    cell = (start);                                                                                           \
    asm volatile(name ".aqrl %0, %2, (%1)" : "=&r"(before) : "r"(&cell), "r"((int64_t)(operand)) : "memory"); \
    one(name, start, before, cell, wanted_before, wanted);                                                    \
  } while (0)

#define HIGH 0x1111111100000000

static void read_modify_write(void) {
  W("amoswap", HIGH | 0x80000000, 5, HIGH | 5);
  W("amoadd", HIGH | 0xffffffff, 2, HIGH | 1);
  W("amoxor", HIGH | 0xff, 0xf, HIGH | 0xf0);
  W("amoand", HIGH | 0xff, 0x10f, HIGH | 0xf);
  W("amoor", HIGH | 0xf0, 0xf, HIGH | 0xff);
  W("amomin", HIGH | 1, -1, HIGH | 0xffffffff);
  W("amomax", HIGH | 1, -1, HIGH | 1);
  W("amominu", HIGH | 1, -1, HIGH | 1);
  W("amomaxu", HIGH | 1, -1, HIGH | 0xffffffff);
  W("amomin", HIGH | 0x80000000, 0x17fffffffL, HIGH | 0x80000000);
  D("amoswap", INT64_MIN, 5, 5);
  D("amoadd", 0xffffffff, 1, 0x100000000);
  D("amoadd", -1, 1, 0);
  D("amoxor", HIGH, -1, ~HIGH);
  D("amoand", HIGH | 0xff, 0xf, 0xf);
  D("amoor", HIGH, 0xf, HIGH | 0xf);
  D("amomin", 1, -1, -1);
  D("amomax", 1, -1, 1);
  D("amominu", 1, -1, 1);
  D("amomaxu", 1, -1, -1);
  D("amomaxu", 0x80000000, 0x7fffffff00000000, 0x7fffffff00000000);
  // The destination may be the address or the operand.
  long a = (long)&cell;
  cell = 7;
  asm volatile("li t0, 3; amoadd.d %0, t0, (%0)" : "+r"(a) : : "t0", "memory");
  EQ(a, 7);
  EQ(cell, 10);
}

static void reservations(void) {
  long read, failed, second;
  cell = 41;
  asm volatile("lr.d %0, (%3); addi t0, %0, 1; sc.d %1, t0, (%3); sc.d %2, zero, (%3)"
               : "=&r"(read), "=&r"(failed), "=&r"(second)
               : "r"(&cell)
               : "t0", "memory");
  EQ(read, 41);
  EQ(failed, 0);
  EQ(second, 1);
  EQ(cell, 42);
  // Another address than the reserved one.
  int64_t pair[32] = {0};
  asm volatile("lr.d %0, (%2); sc.d %1, %2, (%3)" : "=&r"(read), "=&r"(failed) : "r"(pair), "r"(pair + 16) : "memory");
  EQ(failed, 1);
  EQ(pair[16], 0);
  // lr.w extends its sign.
  cell = (int64_t)0x80000000;
  asm volatile("lr.w.aq %0, (%2); sc.w.rl %1, zero, (%2)" : "=&r"(read), "=&r"(failed) : "r"(&cell) : "memory");
  EQ(read, INT32_MIN);
  EQ(failed, 0);
  EQ(cell, 0);
  // Rights are asked for as the access is: a load-reserved reads, all others write.
  catch_faults();
  char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  EQ(CATCH(asm volatile("lr.d t0, (%0)" : : "r"(page) : "t0")), 0);
  FAULTS(asm volatile("amoadd.w t0, zero, (%0)" : : "r"(page) : "t0", "memory"), SIGSEGV, SEGV_ACCERR, page);
  FAULTS(asm volatile("lr.w t0, (%0); sc.w t0, t0, (%0)" : : "r"(page + 8) : "t0", "memory"), SIGSEGV, SEGV_ACCERR,
         page + 8);
  munmap(page, 4096);
  FAULTS(asm volatile("lr.w t0, (%0)" : : "r"(page) : "t0"), SIGSEGV, SEGV_MAPERR, page);
}

static void builtins(void) {
  atomic_int i = 5;
  atomic_uchar c = 250;
  atomic_long l = 1;
  EQ(atomic_fetch_add(&i, 3), 5);
  EQ(atomic_fetch_add(&c, 10), 250);
  EQ(c, 4);
  EQ(atomic_exchange(&l, -1), 1);
  int wanted = 9;
  CHECK(!atomic_compare_exchange_strong(&i, &wanted, 1) && wanted == 8);
  CHECK(atomic_compare_exchange_strong(&i, &wanted, 1) && i == 1);
  for (int n = 0; n < 10000; n++) atomic_fetch_add(&l, n);
  EQ(l, 49995000 - 1);
  atomic_thread_fence(memory_order_seq_cst);
}

int main(void) {
  read_modify_write();
  reservations();
  builtins();
  return done();
}
