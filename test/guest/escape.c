// Tries to reach what is not its own: pointers of every form, every width and kind of access, from loops that are hot
// before. Each must fault at its instruction with the right address, and change nothing else.
#include "check.h"

#include <stdint.h>
#include <sys/mman.h>

#define PAGE 4096ul

/** As the handler saw them. It returns behind the loop, by ra. */
static struct {
  int signo, code;
  uint64_t address, pc, x[32], f[32], fcsr;
} fault;

static void leaves(int signo, siginfo_t *info, void *context) {
  mcontext_t *m = &((ucontext_t *)context)->uc_mcontext;
  fault.signo = signo;
  fault.code = info->si_code;
  fault.address = (uint64_t)info->si_addr;
  fault.pc = m->__gregs[REG_PC];
  for (int i = 1; i < 32; i++) fault.x[i] = m->__gregs[i];
  memcpy(fault.f, m->__fpregs.__d.__f, sizeof fault.f);
  fault.fcsr = m->__fpregs.__d.__fcsr;
  m->__gregs[REG_PC] = m->__gregs[REG_RA];
}

// Each kind as two loops. walk: the pointer advances by `by` each time. leap: it is `at`, but the last time `at + by`.
// a0 = at, a1 = by, a2 = times, a3 and fa1 = value stored; a4 and fa0 are loaded. The second instruction of `walk` and
// the seventh of `leap` access, through a0 and through t1.
typedef uint64_t loop(uint64_t at, uint64_t by, uint64_t times, uint64_t value);
#define KIND(name, walking, leaping)                                                                       \
  __attribute__((naked, noinline, aligned(4))) static uint64_t walk_##name(uint64_t a, uint64_t b, uint64_t c, uint64_t d) { \
    asm volatile(".option push; .option norvc; fmv.d.x fa1, a3; 1: " walking                                                \
                 "; add a0, a0, a1; addi a2, a2, -1; bnez a2, 1b; mv a0, a4; ret; .option pop");           \
  }                                                                                                        \
  __attribute__((naked, noinline, aligned(4))) static uint64_t leap_##name(uint64_t a, uint64_t b, uint64_t c, uint64_t d) { \
    asm volatile(".option push; .option norvc; fmv.d.x fa1, a3; 1: addi t0, a2, -1; seqz t0, t0; neg t0, t0; and t0, t0, a1;" \
                 "add t1, a0, t0;" leaping "; addi a2, a2, -1; bnez a2, 1b; mv a0, a4; ret; .option pop"); \
  }
#define PLAIN(name, start) KIND(name, start "0(a0)", start "0(t1)")
#define AT(name, op, offset) KIND(name, op " a4, " offset "(a0)", op " a4, " offset "(t1)")
PLAIN(lb, "lb a4,")
PLAIN(lbu, "lbu a4,")
PLAIN(lh, "lh a4,")
PLAIN(lhu, "lhu a4,")
PLAIN(lw, "lw a4,")
PLAIN(lwu, "lwu a4,")
PLAIN(ld, "ld a4,")
PLAIN(flw, "flw fa0,")
PLAIN(fld, "fld fa0,")
PLAIN(sb, "sb a3,")
PLAIN(sh, "sh a3,")
PLAIN(sw, "sw a3,")
PLAIN(sd, "sd a3,")
PLAIN(fsw, "fsw fa1,")
PLAIN(fsd, "fsd fa1,")
AT(ld_after, "ld", "2047")
AT(ld_before, "ld", "-2048")
KIND(sw_after, "sw a3, 2044(a0)", "sw a3, 2044(t1)")
KIND(sd_before, "sd a3, -8(a0)", "sd a3, -8(t1)")
KIND(lr_w, "lr.w a4, (a0)", "lr.w a4, (t1)")
KIND(lr_d, "lr.d a4, (a0)", "lr.d a4, (t1)")
KIND(sc_w, "sc.w a5, a3, (a0)", "sc.w a5, a3, (t1)")
KIND(sc_d, "sc.d a5, a3, (a0)", "sc.d a5, a3, (t1)")
KIND(amoadd_w, "amoadd.w a4, a3, (a0)", "amoadd.w a4, a3, (t1)")
KIND(amoadd_d, "amoadd.d a4, a3, (a0)", "amoadd.d a4, a3, (t1)")
KIND(amoswap_w, "amoswap.w.aqrl a4, a3, (a0)", "amoswap.w.aqrl a4, a3, (t1)")
KIND(amomaxu_d, "amomaxu.d a4, a3, (a0)", "amomaxu.d a4, a3, (t1)")
KIND(amomin_w, "amomin.w a4, a3, (a0)", "amomin.w a4, a3, (t1)")

static const struct kind {
  const char *name;
  loop *walk, *leap;
  long size, offset;
  int store, atomic;
} kinds[] = {
#define ROW(name, size, offset, store, atomic) {#name, walk_##name, leap_##name, size, offset, store, atomic}
    ROW(lb, 1, 0, 0, 0),          ROW(lbu, 1, 0, 0, 0),          ROW(lh, 2, 0, 0, 0),
    ROW(lhu, 2, 0, 0, 0),         ROW(lw, 4, 0, 0, 0),           ROW(lwu, 4, 0, 0, 0),
    ROW(ld, 8, 0, 0, 0),          ROW(flw, 4, 0, 0, 0),          ROW(fld, 8, 0, 0, 0),
    ROW(sb, 1, 0, 1, 0),          ROW(sh, 2, 0, 1, 0),           ROW(sw, 4, 0, 1, 0),
    ROW(sd, 8, 0, 1, 0),          ROW(fsw, 4, 0, 1, 0),          ROW(fsd, 8, 0, 1, 0),
    ROW(ld_after, 8, 2047, 0, 0), ROW(ld_before, 8, -2048, 0, 0), ROW(sw_after, 4, 2044, 1, 0),
    ROW(sd_before, 8, -8, 1, 0),  ROW(lr_w, 4, 0, 0, 1),         ROW(lr_d, 8, 0, 0, 1),
    ROW(sc_w, 4, 0, 1, 1),        ROW(sc_d, 8, 0, 1, 1),         ROW(amoadd_w, 4, 0, 1, 1),
    ROW(amoadd_d, 8, 0, 1, 1),    ROW(amoswap_w, 4, 0, 1, 1),    ROW(amomaxu_d, 8, 0, 1, 1),
    ROW(amomin_w, 4, 0, 1, 1),
};
#define KINDS (sizeof kinds / sizeof *kinds)

// Pages: nothing, read and write twice, read, read and write, nothing, execute only, nothing.
static char *area, shadow[8 * PAGE];
#define RW 1
#define RO 3
#define RW2 4
#define NONE 5
#define XO 6

static void fill(void) {
  for (unsigned long i = PAGE; i < NONE * PAGE; i++)
    if (i / PAGE != RO) area[i] = shadow[i] = (char)(i * 37 ^ i >> 7);
}

static void same_memory(const char *name) {
  STOP_UNLESS(memcmp(area + PAGE, shadow + PAGE, (NONE - 1) * PAGE) == 0, "%s changed memory", name);
}

#define VALUE 0x1122334455667788ul
#define TIMES 20

/** The loop `f` must fault at the last of `n` accesses, at `address`. */
static void must_fault(const struct kind *k, int leap, uint64_t at, uint64_t by, uint64_t n, int signo, int code,
                       uint64_t address) {
  memset(&fault, 0, sizeof fault);
  (leap ? k->leap : k->walk)(at, by, n, VALUE);
  uint64_t wanted_pc = leap ? (uint64_t)k->leap + 24 : (uint64_t)k->walk + 4;
  STOP_UNLESS(fault.signo == signo && fault.code == code && fault.address == address && fault.pc == wanted_pc,
              "%s %s(0x%lx, 0x%lx, %lu): signal %d code %d address 0x%lx pc 0x%lx, not %d %d 0x%lx 0x%lx",
              leap ? "leap" : "walk", k->name, at, by, n, fault.signo, fault.code, fault.address, fault.pc, signo, code,
              address, wanted_pc);
  // The registers are those of the last iteration, before its access.
  EQ(fault.x[10], leap ? at : at + (n - 1) * by);
  EQ(fault.x[11], by);
  EQ(fault.x[12], 1);
  EQ(fault.x[13], VALUE);
  if (leap) EQ(fault.x[6], at + by);
  if (leap) EQ(fault.x[5], by);
}

/** What a run of good accesses leaves is taken over; what a fault leaves must be that. */
static void both_ways(const struct kind *k, uint64_t bad, int signo, int code, uint64_t address) {
  uint64_t good = (uint64_t)area + RW * PAGE + 2048;
  // Good accesses alone, to know what they leave.
  uint64_t loaded = k->leap(good, 0, TIMES - 1, VALUE);
  memcpy(shadow + PAGE, area + PAGE, (NONE - 1) * PAGE);
  if (k->store && strncmp(k->name, "amoadd", 6) == 0) {
    int size = k->size;
    for (int i = 1; i < TIMES; i++) {
      uint64_t v;
      memcpy(&v, shadow + RW * PAGE + 2048, size);
      v += VALUE;
      memcpy(shadow + RW * PAGE + 2048, &v, size);
    }
  }
  must_fault(k, 1, good, bad - k->offset - good, TIMES, signo, code, address);
  same_memory(k->name);
  if (k->store) return;
  if (k->name[0] == 'f') EQ(memcmp(&fault.f[10], (char *)good + k->offset, k->size), 0);
  else EQ(fault.x[14], loaded);
}

/** Pointers that have a good address in their low half, or none in any. */
static void wild(const struct kind *k) {
  uint64_t good = (uint64_t)area + RW * PAGE + 1024;
  static const uint64_t highs[] = {1, 2, 3, 0x80, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff,
                                   0x7ff80000, 0xfff80000, 0x7ff00000};
  for (unsigned i = 0; i < sizeof highs / sizeof *highs; i++)
    both_ways(k, highs[i] << 32 | good, SIGSEGV, SEGV_MAPERR, highs[i] << 32 | good);
  static const uint64_t others[] = {-1, -2, -8, -16, -4096, -4088, 1ul << 63, (1ul << 63) - 8, 1ul << 62, 0, 8, 4088, 0xffffffff80000000,
                                    1ul << 32, (1ul << 32) + 8, (1ul << 32) + 4096, (1ul << 33) - 8, 0x7ff8000000000000, 0xfff8000000000000,
                                    0xffffffff7fc00000, 0x7fffffffffffffff, 1ul << 47, 1ul << 52, 1ul << 56, 0xdeadbeefdeadbee8};
  for (unsigned i = 0; i < sizeof others / sizeof *others; i++) {
    uint64_t p = others[i];
    if (k->atomic && p % k->size != 0) {
      both_ways(k, p, SIGBUS, BUS_ADRALN, p);
      continue;
    }
    both_ways(k, p, SIGSEGV, SEGV_MAPERR, p);
  }
}

/** Around the end of the 32-bit addresses, and around their middle where nothing is mapped. */
static void ends(const struct kind *k) {
  for (int64_t n = -(int64_t)k->size; n <= (int64_t)k->size; n++) {
    uint64_t p = (1ul << 32) + n;
    if (k->atomic && p % k->size != 0) both_ways(k, p, SIGBUS, BUS_ADRALN, p);
    else both_ways(k, p, SIGSEGV, SEGV_MAPERR, p);
  }
  static const uint64_t middles[] = {(1ul << 31) - 8, 1ul << 31, (1ul << 31) + 8, 3ul << 30};
  for (unsigned i = 0; i < 4; i++) {
    unsigned char present;
    if (mincore((void *)(middles[i] & -PAGE), PAGE, &present) == 0 || errno != ENOMEM) continue;
    both_ways(k, middles[i], SIGSEGV, SEGV_MAPERR, middles[i]);
  }
}

/** Up to an edge between pages and over it, in steps of one, so that accesses straddle it. */
static void edges(const struct kind *k) {
  uint64_t a = (uint64_t)area;
  // Where the first byte stands whose page refuses the access.
  const uint64_t up[] = {a + NONE * PAGE, a + RO * PAGE};
  for (int i = 0; i < (k->store ? 2 : 1); i++)
    for (long before = 0; before < k->size; before++) {
      uint64_t p = up[i] - before;
      int code = SEGV_ACCERR;
      if (k->atomic && p % k->size != 0) both_ways(k, p, SIGBUS, BUS_ADRALN, p);
      else both_ways(k, p, SIGSEGV, code, up[i]);
      if (k->atomic) break;
      // The same, arrived at by steps of the access's size.
      uint64_t first = p - 100 * k->size - k->offset;
      memcpy(shadow + PAGE, area + PAGE, (NONE - 1) * PAGE);
      for (int n = 0; k->store && n < 100; n++) {
        uint64_t v = VALUE;
        memcpy(shadow + (first - a) + n * k->size + k->offset, &v, k->size);
      }
      must_fault(k, 0, first, k->size, 101, SIGSEGV, code, up[i]);
      same_memory(k->name);
    }
  // From above, downwards: the first byte is refused.
  const uint64_t down[] = {a + RW * PAGE, a + RW2 * PAGE};
  for (int i = 0; i < (k->store ? 2 : 1); i++)
    for (long before = 1; before <= k->size; before++) {
      uint64_t p = down[i] - before;
      if (k->atomic && p % k->size != 0) both_ways(k, p, SIGBUS, BUS_ADRALN, p);
      else both_ways(k, p, SIGSEGV, SEGV_ACCERR, p);
    }
  both_ways(k, a + XO * PAGE + 64, SIGSEGV, SEGV_ACCERR, a + XO * PAGE + 64);
  // What may be read stays so: across into the read-only page, and in it.
  if (!k->store && !k->atomic) {
    memset(&fault, 0, sizeof fault);
    k->walk(a + RO * PAGE - 50 - k->offset, 1, 100, 0);
    EQ(fault.signo, 0);
  }
}

int main(void) {
  struct sigaction action = {.sa_sigaction = leaves, .sa_flags = SA_SIGINFO};
  sigemptyset(&action.sa_mask);
  CHECK(sigaction(SIGSEGV, &action, NULL) == 0 && sigaction(SIGBUS, &action, NULL) == 0);
  area = mmap(NULL, 8 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(area != MAP_FAILED);
  CHECK(mprotect(area + RW * PAGE, 4 * PAGE, PROT_READ | PROT_WRITE) == 0);
  memset(area + RO * PAGE, 0x77, PAGE);
  memcpy(shadow + RO * PAGE, area + RO * PAGE, PAGE);
  CHECK(mprotect(area + RO * PAGE, PAGE, PROT_READ) == 0 && mprotect(area + XO * PAGE, PAGE, PROT_EXEC) == 0);
  for (unsigned i = 0; i < KINDS; i++) {
    const struct kind *k = &kinds[i];
    fill();
    memset(&fault, 0, sizeof fault);
    // Hot, all of it good.
    k->leap((uint64_t)area + RW * PAGE + 2048, 0, 12000, VALUE);
    k->walk((uint64_t)area + RW * PAGE + 2048, 0, 12000, VALUE);
    EQ(fault.signo, 0);
    wild(k);
    ends(k);
    edges(k);
  }
  return done();
}
