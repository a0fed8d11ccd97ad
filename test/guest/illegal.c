// Every encoding that is reserved, or belongs to an extension that is not here, or to a privileged mode, or names a
// register that a program may not use, raises SIGILL at its own address and changes nothing. Legal neighbours do not.
#include "check.h"

#include <stdint.h>
#include <sys/mman.h>

struct encoding {
  uint32_t bits;
  const char *what;
};

static const struct encoding reserved[] = {
    // Not instructions at all.
    {0x00000000, "all zeros"},
    {0xffffffff, "all ones"},
    {0x0000001f, "48-bit prefix"},
    {0x0000003f, "64-bit prefix"},
    {0x0000007f, "longer prefix"},
    // Major opcodes without an instruction here.
    {0x0000000b, "custom-0"},
    {0x0000002b, "custom-1"},
    {0x0000005b, "custom-2"},
    {0x0000007b, "custom-3"},
    {0x0000006b, "reserved opcode"},
    {0x00000077, "OP-VE"},
    // Holes in the base.
    {0x00007003, "load, funct3 7"},
    {0x00004023, "store, funct3 4"},
    {0x00007023, "store, funct3 7"},
    {0x00002063, "branch, funct3 2"},
    {0x00003063, "branch, funct3 3"},
    {0x00001067, "jalr, funct3 1"},
    {0x04001013, "slli, bit 26"},
    {0x04005013, "srli, bit 26"},
    {0x0200101b, "slliw by 32"},
    {0x0200501b, "srliw by 32"},
    {0x4200501b, "sraiw by 32"},
    {0x0000201b, "OP-IMM-32, funct3 2"},
    {0x0000401b, "OP-IMM-32, funct3 4"},
    {0x0000701b, "OP-IMM-32, funct3 7"},
    {0xfe000033, "OP, funct7 127"},
    {0x40001033, "OP, sll with bit 30"},
    {0x40002033, "OP, slt with bit 30"},
    {0x0000203b, "OP-32, funct3 2"},
    {0x0200103b, "mulhw"},
    {0x0200203b, "mulhsuw"},
    {0x0200303b, "mulhuw"},
    {0x0000300f, "MISC-MEM, funct3 3"},
    {0x0000700f, "MISC-MEM, funct3 7"},
    {0x0030200f, "cbo 3"},
    {0x0040208f, "cbo.zero with rd"},
    {0x000000f3, "ecall with rd"},
    {0x00008073, "ecall with rs1"},
    {0x001000f3, "ebreak with rd"},
    {0x00300073, "SYSTEM, funct12 3"},
    {0x00004073, "SYSTEM, funct3 4"},
    {0x81c04073, "mop.r.0"},
    // Privileged.
    {0x00200073, "uret"},
    {0x10200073, "sret"},
    {0x30200073, "mret"},
    {0x70200073, "mnret"},
    {0x7b200073, "dret"},
    {0x10500073, "wfi"},
    {0x12000073, "sfence.vma"},
    {0x16000073, "sinval.vma"},
    {0x18000073, "sfence.w.inval"},
    {0x22000073, "hfence.vvma"},
    {0x62000073, "hfence.gvma"},
    // Control and status registers.
    {0x10002573, "csrr sstatus"},
    {0x18002573, "csrr satp"},
    {0x30002573, "csrr mstatus"},
    {0xf1402573, "csrr mhartid"},
    {0x01102573, "csrr ssp"},
    {0x01501573, "csrrw seed"},
    {0x01702573, "csrr jvt"},
    {0x00802573, "csrr vstart"},
    {0xc2002573, "csrr vl"},
    {0xc2202573, "csrr vlenb"},
    {0xc8002573, "csrr cycleh"},
    {0x80002573, "csrr 0x800"},
    {0xc0001573, "csrw cycle"},
    {0xc0001073, "csrw cycle, zero"},
    {0xc0105073, "csrwi time, 0"},
    {0xc0252573, "csrrs instret with rs1"},
    {0xc020e573, "csrrsi instret, 1"},
    {0xc020f573, "csrrci instret, 1"},
    {0xc0253573, "csrrc instret with rs1"},
    // Atomics.
    {0x0000002f, "amoadd.b"},
    {0x0000102f, "amoadd.h"},
    {0x0000402f, "amoadd.q"},
    {0x2800202f, "amocas.w"},
    {0x3000202f, "AMO, funct5 6"},
    {0x1010202f, "lr.w with rs2"},
    {0x1010302f, "lr.d with rs2"},
    {0xf800202f, "AMO, funct5 31"},
    // Floating point.
    {0x00000007, "load-fp, funct3 0"},
    {0x00004007, "flq"},
    {0x00004027, "fsq"},
    {0x04000053, "fadd.h"},
    {0x06000053, "fadd.q"},
    {0xc4000053, "fcvt.w.h"},
    {0x00005053, "fadd.s, rounding 5"},
    {0x00006053, "fadd.s, rounding 6"},
    {0x02005053, "fadd.d, rounding 5"},
    {0x0000d043, "fmadd.s, rounding 5"},
    {0x0200e04f, "fnmadd.d, rounding 6"},
    {0xc0005053, "fcvt.w.s, rounding 5"},
    {0xd0006053, "fcvt.s.w, rounding 6"},
    {0x58005053, "fsqrt.s, rounding 5"},
    {0x58100053, "fsqrt.s with rs2"},
    {0x20003053, "fsgnj, funct3 3"},
    {0x28004053, "fmin, funct3 4"},
    {0xa0006053, "fcmp, funct3 6"},
    {0xe0101053, "fclass with rs2"},
    {0xe0002053, "fmv.x, funct3 2"},
    {0xf0001053, "fmv.w.x, funct3 1"},
    {0xc0400053, "fcvt.?.s 4"},
    {0xd0400053, "fcvt.s.? 4"},
    {0x40000053, "fcvt.s.s"},
    {0x42100053, "fcvt.d.d"},
    {0xe2100053, "fmvh.x.d, of RV32"},
    {0xb2000053, "fmvp.d.x, of RV32"},
    {0x06000043, "fmadd.q"},
    {0x04000043, "fmadd.h"},
    // Vector.
    {0x00057057, "vsetvli"},
    {0x02050007, "vle8.v"},
    {0x02050027, "vse8.v"},
    {0x02000057, "vadd.vv"},
    // Bit manipulation and cryptography that is not here.
    {0x68705013, "brev8"},
    {0x69805013, "rev8 of RV32"},
    {0x08004033, "pack"},
    {0x0810403b, "packw"},
    {0x08007033, "packh"},
    {0x28002033, "xperm4"},
    {0x10001013, "sha256sum0"},
    {0x3a000033, "aes64dsm"},
    {0x60301013, "OP-IMM unary 3"},
    {0x6030101b, "OP-IMM-32 unary 3"},
    {0x2c001013, "bseti, bit 26"},
};

static const struct encoding reserved_compressed[] = {
    {0x0000, "c.unimp"},
    {0x0004, "c.addi4spn by 0"},
    {0x2001, "c.addiw zero"},
    {0x6101, "c.addi16sp by 0"},
    {0x6001, "c.lui zero, 0"},
    {0x6201, "c.lui tp, 0"},
    {0x6081, "c.mop.1"},
    {0x4002, "c.lwsp zero"},
    {0x6002, "c.ldsp zero"},
    {0x8002, "c.jr zero"},
    {0x8c40, "c.sh, bit 6"},
    {0x9000, "quadrant 0, funct6 36"},
    {0x9c00, "quadrant 0, funct6 39"},
    {0x9c79, "c.not + 1"},
    {0x9c7d, "c.not + 2"},
};

static const struct encoding legal[] = {
    {0x00000013, "nop"},
    {0x0ff0000f, "fence"},
    {0x8330000f, "fence.tso"},
    {0xfff5858f, "fence with reserved fields"},
    {0x0000100f, "fence.i"},
    {0x0100000f, "pause"},
    {0xc0002573, "rdcycle"},
    {0xc0102573, "rdtime"},
    {0xc0202573, "rdinstret"},
    {0xc0206573, "csrrsi instret, 0"},
    {0xc0207573, "csrrci instret, 0"},
    {0x00302573, "frcsr"},
    {0x0000f053, "fadd.s ft0, ft1, ft0, dyn"},
    {0x00004053, "fadd.s, rmm"},
    {0x00000033, "add zero, zero, zero"},
    {0x00b50033, "add to zero"},
    {0x0000e013, "ori to zero"},
    {0x00006013, "prefetch.i"},
    {0x03f51013, "slli by 63"},
    {0x41f5551b, "sraiw by 31"},
};

static char *page;

static int execute(const struct encoding *e, int length, unsigned offset) {
  static const uint32_t ret = 0x00008067;
  memcpy(page + offset, &e->bits, length);
  memcpy(page + offset + length, &ret, sizeof ret);
  __builtin___clear_cache(page, page + 4096);
  return CATCH(((void (*)(void))(page + offset))());
}

static void must_trap(const struct encoding *e, int length) {
  for (unsigned offset = 0; offset < 12; offset += 10) {
    STOP_UNLESS(execute(e, length, offset) == SIGILL, "%s (%08x) raises signal %d", e->what, e->bits, caught.signo);
    EQ(caught.code, ILL_ILLOPC);
    EQ(caught.addr, page + offset);
    EQ(caught.pc, page + offset);
  }
}

static void dynamic_rounding(void) {
  for (int mode = 0; mode < 8; mode++) {
    asm volatile("fsrm %0" : : "r"(mode));
    int signo = CATCH(asm volatile("fadd.d ft0, ft0, ft0, dyn" ::: "ft0"));
    EQ(signo, mode <= 4 ? 0 : SIGILL);
    // A reserved mode in frm does not hurt what does not round, or rounds by its own field.
    EQ(CATCH(asm volatile("fmv.d.x ft0, zero; fmin.d ft0, ft0, ft0; fadd.d ft0, ft0, ft0, rne" ::: "ft0")), 0);
    int read;
    asm volatile("frrm %0" : "=r"(read));
    EQ(read, mode);
    EQ(CATCH(asm volatile("fcvt.d.w ft0, zero" ::: "ft0")), 0);
    EQ(CATCH(asm volatile("fcvt.s.w ft0, zero, dyn" ::: "ft0")), mode <= 4 ? 0 : SIGILL);
  }
  asm volatile("fsrm zero");
}

static void skips(int signo, siginfo_t *info, void *context) {
  (void)signo, (void)info;
  ((ucontext_t *)context)->uc_mcontext.__gregs[REG_PC] += 4;
}

static void nothing_changes(void) {
  struct sigaction skip = {.sa_sigaction = skips, .sa_flags = SA_SIGINFO}, old;
  sigemptyset(&skip.sa_mask);
  CHECK(sigaction(SIGILL, &skip, &old) == 0);
  long after, flags;
  asm volatile("li a0, 4711; .4byte 0x08104533; mv %0, a0" : "=r"(after) : : "a0");  // pack a0, zero, ra
  EQ(after, 4711);
  asm volatile("fsflags zero; .4byte 0x1a00d053; frflags %0" : "=r"(flags) : : "ft0");  // fdiv.d with rounding 5
  EQ(flags, 0);
  CHECK(sigaction(SIGILL, &old, NULL) == 0);
}

int main(void) {
  catch_faults();
  page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(page != MAP_FAILED);
  for (unsigned i = 0; i < sizeof reserved / sizeof *reserved; i++) must_trap(&reserved[i], 4);
  for (unsigned i = 0; i < sizeof reserved_compressed / sizeof *reserved_compressed; i++)
    must_trap(&reserved_compressed[i], 2);
  for (unsigned i = 0; i < sizeof legal / sizeof *legal; i++)
    STOP_UNLESS(execute(&legal[i], 4, 0) == 0, "%s (%08x) raises signal %d", legal[i].what, legal[i].bits, caught.signo);
  dynamic_rounding();
  nothing_changes();
  return done();
}
