// Loads and stores of every size at every offset, inside a page, across pages, across pages of different files; a
// fault in the second page stores nothing in the first. Atomics must be aligned: SIGBUS, BUS_ADRALN.
#include "check.h"

#include <stdint.h>
#include <sys/mman.h>

#define PAGE 4096

static char *area;

#define TYPE(T, name)                                                       \
  __attribute__((noinline)) static T load_##name(const char *at) {          \
    return *(const volatile T *)at;                                         \
  }                                                                         \
  __attribute__((noinline)) static void store_##name(char *at, T value) {   \
    *(volatile T *)at = value;                                              \
  }                                                                         \
  static void try_##name(void) {                                            \
    for (char *at = area + PAGE - 2 * sizeof(T); at <= area + PAGE + sizeof(T); at++) { \
      T wanted;                                                             \
      char bytes[sizeof(T)];                                                \
      for (unsigned i = 0; i < sizeof(T); i++) bytes[i] = (char)(at[i] = (char)(0x81 + 7 * i + (at - area))); \
      memcpy(&wanted, bytes, sizeof(T));                                    \
      CHECK(load_##name(at) == wanted);                                     \
      memset(area + PAGE - 32, 0x5a, 64);                                   \
      store_##name(at, wanted);                                             \
      CHECK(memcmp(at, bytes, sizeof(T)) == 0 && at[-1] == 0x5a && at[sizeof(T)] == 0x5a); \
    }                                                                       \
  }
TYPE(int16_t, i16)
TYPE(uint16_t, u16)
TYPE(int32_t, i32)
TYPE(uint32_t, u32)
TYPE(int64_t, i64)
TYPE(uint64_t, u64)

static void floats(void) {
  for (char *at = area + PAGE - 12; at < area + PAGE + 4; at++) {
    volatile double d = 1.0 / 3;
    volatile float f = 1.0f / 3;
    *(volatile double *)at = d;
    CHECK(*(volatile double *)at == d);
    *(volatile float *)at = f;
    CHECK(*(volatile float *)at == f);
  }
}

static void into_a_hole(void) {
  catch_faults();
  CHECK(mprotect(area + PAGE, PAGE, PROT_NONE) == 0);
  for (int before = 1; before < 8; before++) {
    char *at = area + PAGE - before;
    memset(area + PAGE - 8, 7, 8);
    // The address is the first byte that is refused.
#ifdef __riscv
    FAULTS(load_u64(at), SIGSEGV, SEGV_ACCERR, area + PAGE);
    FAULTS(store_u64(at, 0), SIGSEGV, SEGV_ACCERR, area + PAGE);
#else
    EQ(CATCH(load_u64(at)), SIGSEGV);
    EQ(CATCH(store_u64(at, 0)), SIGSEGV);
#endif
    for (int i = -8; i < 0; i++) EQ(area[PAGE + i], 7);
  }
  // The first page is the one that is refused.
  CHECK(mprotect(area + PAGE, PAGE, PROT_READ | PROT_WRITE) == 0 && mprotect(area, PAGE, PROT_READ) == 0);
  area[PAGE] = 9;
  FAULTS(store_u32(area + PAGE - 2, 0), SIGSEGV, SEGV_ACCERR, area + PAGE - 2);
  EQ(area[PAGE], 9);
  EQ(load_u16(area + PAGE - 1) >> 8, 9);
  CHECK(mprotect(area, PAGE, PROT_READ | PROT_WRITE) == 0);
}

#ifdef __riscv
static void atomics(void) {
  for (int offset = 1; offset < 8; offset++) {
    char *at = area + PAGE - 16 + offset;
    memset(area + PAGE - 16, 3, 32);
    if (offset % 4) {
      FAULTS(asm volatile("amoadd.w zero, %0, (%0)" : : "r"(at) : "memory"), SIGBUS, BUS_ADRALN, at);
      FAULTS(asm volatile("lr.w t0, (%0)" : : "r"(at) : "t0", "memory"), SIGBUS, BUS_ADRALN, at);
      FAULTS(asm volatile("sc.w t0, zero, (%0)" : : "r"(at) : "t0", "memory"), SIGBUS, BUS_ADRALN, at);
    }
    FAULTS(asm volatile("amoswap.d zero, zero, (%0)" : : "r"(at) : "memory"), SIGBUS, BUS_ADRALN, at);
    FAULTS(asm volatile("amomaxu.d t0, zero, (%0)" : : "r"(at) : "t0", "memory"), SIGBUS, BUS_ADRALN, at);
    FAULTS(asm volatile("lr.d t0, (%0)" : : "r"(at) : "t0", "memory"), SIGBUS, BUS_ADRALN, at);
    FAULTS(asm volatile("sc.d t0, zero, (%0)" : : "r"(at) : "t0", "memory"), SIGBUS, BUS_ADRALN, at);
    for (int i = -16; i < 16; i++) EQ(area[PAGE + i], 3);
  }
}
#endif

int main(void) {
  area = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(area != MAP_FAILED);
  try_i16();
  try_u16();
  try_i32();
  try_u32();
  try_i64();
  try_u64();
  floats();
  into_a_hole();
#ifdef __riscv
  atomics();
#endif
  return done();
}
