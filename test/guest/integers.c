// Each integer extension once, as the assembler or its bits give it, against what C says. A smoke test.
#include "check.h"

#include <limits.h>
#include <stdint.h>

static volatile int64_t A = 0x0123456789abcdef, B = -0x7edcba9876543210, Z;

/** rd = f(rs1, rs2) of opcode 0x33 or 0x3b, and unary forms of 0x13 and 0x1b. */
#define R(opcode, f7, f3, a, b)                                                                                     \
  ({                                                                                                                \
    int64_t d_;                                                                                                     \
    asm(".insn r " #opcode ", " #f3 ", " #f7 ", %0, %1, %2" : "=r"(d_) : "r"((int64_t)(a)), "r"((int64_t)(b)));     \
    d_;                                                                                                             \
  })
#define I(opcode, f3, imm, a)                                                                        \
  ({                                                                                                 \
    int64_t d_;                                                                                      \
    asm(".insn i " #opcode ", " #f3 ", %0, %1, " #imm : "=r"(d_) : "r"((int64_t)(a)));               \
    d_;                                                                                              \
  })

static void base(void) {
  EQ(R(0x33, 0, 0, A, B), A + B);
  EQ(R(0x33, 0x20, 0, A, B), A - B);
  EQ(R(0x33, 0, 1, A, 68), A << 4);
  EQ(R(0x33, 0x20, 5, B, 8), B >> 8);
  EQ(R(0x33, 0, 2, B, A), 1);
  EQ(R(0x33, 0, 3, B, A), 0);
  EQ(R(0x3b, 0, 0, A, B), (int32_t)A + (int32_t)B);
  EQ(R(0x3b, 0, 1, A, 36), (int32_t)((uint32_t)A << 4));
  EQ(R(0x33, 1, 0, A, B), (int64_t)((uint64_t)A * (uint64_t)B));
  EQ(R(0x33, 1, 1, A, B), (int64_t)((__int128)A * B >> 64));
  EQ(R(0x33, 1, 2, B, A), (int64_t)((__int128)B * (unsigned __int128)(uint64_t)A >> 64));
  EQ(R(0x33, 1, 3, A, B), (uint64_t)((unsigned __int128)(uint64_t)A * (uint64_t)B >> 64));
  EQ(R(0x33, 1, 4, A, Z), -1);
  EQ(R(0x33, 1, 5, A, Z), -1);
  EQ(R(0x33, 1, 6, A, Z), A);
  EQ(R(0x33, 1, 4, INT64_MIN, -1), INT64_MIN);
  EQ(R(0x33, 1, 6, INT64_MIN, -1), 0);
  EQ(R(0x3b, 1, 4, 0x80000000, -1), INT32_MIN);
  EQ(R(0x3b, 1, 5, 0x1ffffffff, 2), 0x7fffffff);
  int64_t upper, here;
  asm("lui %0, 0x80000" : "=r"(upper));
  EQ(upper, INT32_MIN);
  asm("1: auipc %0, 0; la t0, 1b; sub %0, %0, t0" : "=r"(here) : : "t0");
  EQ(here, 0);
}

static void bits(void) {
  EQ(R(0x3b, 0x04, 0, B, A), (uint32_t)B + A);                 // add.uw
  EQ(R(0x33, 0x10, 4, A, B), (A << 2) + B);                    // sh2add
  EQ(R(0x3b, 0x10, 6, B, A), ((uint64_t)(uint32_t)B << 3) + A);  // sh3add.uw
  EQ(R(0x33, 0x20, 7, A, B), A & ~B);                          // andn
  EQ(R(0x33, 0x20, 4, A, B), ~(A ^ B));                        // xnor
  EQ(I(0x13, 1, 0x600, A), __builtin_clzl(A));
  EQ(I(0x13, 1, 0x600, Z), 64);
  EQ(I(0x13, 1, 0x601, B), __builtin_ctzl(B));
  EQ(I(0x1b, 1, 0x600, Z), 32);
  EQ(I(0x13, 1, 0x602, A), __builtin_popcountl(A));
  EQ(I(0x1b, 1, 0x602, A), __builtin_popcount((int)A));
  EQ(I(0x13, 1, 0x604, 0x80), -128);   // sext.b
  EQ(I(0x13, 1, 0x605, 0x8000), -32768);
  EQ(R(0x33, 5, 4, A, B), B);          // min
  EQ(R(0x33, 5, 7, A, B), B);          // maxu
  EQ(R(0x33, 0x30, 1, A, 8), 0x23456789abcdef01);
  EQ(I(0x13, 5, 0x604, A), (int64_t)0xf0123456789abcde);  // rori 4
  EQ(R(0x3b, 0x30, 5, A, 4), (int32_t)0xf89abcde);        // rorw
  EQ(I(0x13, 5, 0x287, 0x0100200003000004), (int64_t)0xff00ff00ff0000ff);  // orc.b
  EQ(I(0x13, 5, 0x6b8, A), (int64_t)0xefcdab8967452301);                  // rev8
  EQ(R(0x33, 0x24, 1, A, 64), A & ~1L);  // bclr
  EQ(R(0x33, 0x24, 5, A, 2), 1);         // bext
  EQ(R(0x33, 0x34, 1, A, 63), A ^ INT64_MIN);
  EQ(R(0x33, 0x14, 1, Z, 40), 1L << 40);
  EQ(R(0x33, 5, 1, 0x5, 0x7), 0x1b);     // clmul
  EQ(R(0x33, 5, 3, INT64_MIN, 6), 3);    // clmulh
  EQ(R(0x33, 5, 2, INT64_MIN, 6), 6);    // clmulr
  EQ(R(0x33, 7, 5, A, Z), 0);            // czero.eqz
  EQ(R(0x33, 7, 5, A, 1), A);
  EQ(R(0x33, 7, 7, A, 1), 0);            // czero.nez
}

static void compressed(void) {
  // Zcb works on a0..a5, s0, s1.
  register int64_t a0 asm("a0") = 0x1234567890abcdef, a1 asm("a1") = 3;
#define C(code)                                                                \
  ({                                                                           \
    a0 = 0x1234567890abcd8f, a1 = 3;                                           \
    asm volatile(".2byte " #code : "+r"(a0), "+r"(a1)::"memory");              \
    a0;                                                                        \
  })
  int64_t got;
  got = C(0x9d61);
  EQ(got, 0x8f);  // c.zext.b
  got = C(0x9d65);
  EQ(got, (int8_t)0x8f);
  got = C(0x9d69);
  EQ(got, 0xcd8f);
  got = C(0x9d6d);
  EQ(got, (int16_t)0xcd8f);
  got = C(0x9d71);
  EQ(got, 0x90abcd8f);
  got = C(0x9d75);
  EQ(got, ~0x1234567890abcd8f);
  got = C(0x9d4d);
  EQ(got, 0x1234567890abcd8f * 3);  // c.mul a0, a1
  static unsigned char memory[4] = {0x11, 0x82, 0x93, 0xf4};
  a1 = (int64_t)memory;
  asm volatile(".2byte 0x81e8" : "=r"(a0) : "r"(a1));  // c.lbu a0, 3(a1)
  got = a0;
  EQ(got, 0xf4);
  a1 = (int64_t)memory;
  asm volatile(".2byte 0x85e8" : "=r"(a0) : "r"(a1));  // c.lh a0, 2(a1)
  got = a0;
  EQ(got, (int16_t)0xf493);
}

static void floating(void) {
  double d = -2.5, e;
  register double fa0 asm("fa0") = d, fa1 asm("fa1");
  asm volatile(".4byte 0xf21805d3" : "=f"(fa1) : "f"(fa0));  // fli.d fa1, entry 16 = 1.0
  e = fa1;
  CHECK(e == 1.0);
  fa0 = d;
  asm volatile(".4byte 0x424525d3 & 0xffff8fff" : "=f"(fa1) : "f"(fa0));  // fround.d fa1, fa0, rne
  e = fa1;
  CHECK(e == -2.0);
  register int64_t a0 asm("a0");
  fa0 = 0x1p32 + 5.5;
  asm volatile(".4byte 0xc2851553" : "=r"(a0) : "f"(fa0));  // fcvtmod.w.d a0, fa0, rtz
  int64_t got = a0;
  EQ(got, 5);
  register float fs asm("fa2") = 1.5f;
  asm volatile(".4byte 0x440605d3; .4byte 0xe4058553" : "=r"(a0) : "f"(fs) : "fa1");  // fcvt.h.s fa1, fa2; fmv.x.h a0, fa1
  got = a0;
  EQ(got, 0x3e00);
}

static void blocks(void) {
  static char memory[256] __attribute__((aligned(64)));
  memset(memory, 7, sizeof memory);
  asm volatile(".insn i 0x0f, 2, x0, %0, 4" : : "r"(memory + 64 + 13) : "memory");  // cbo.zero
  for (int i = 0; i < 256; i++) EQ(memory[i], i >= 64 && i < 128 ? 0 : 7);
  asm volatile(".insn i 0x0f, 2, x0, %0, 1" : : "r"(memory) : "memory");  // cbo.clean
  asm volatile(".insn i 0x0f, 2, x0, %0, 2" : : "r"(memory) : "memory");  // cbo.flush
  asm volatile(".insn i 0x13, 6, x0, %0, 1" : : "r"(8));                  // prefetch.r of nothing
  asm volatile(".4byte 0x0100000f; .4byte 0x00d00073; .4byte 0x01d00073");   // pause, wrs.nto, wrs.sto
  for (int i = 0; i < 64; i++) EQ(memory[i], 7);
}

int main(void) {
  base();
  bits();
  compressed();
  floating();
  blocks();
  return done();
}
