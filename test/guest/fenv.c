// The floating-point environment through the C library and the compiler's own code: rounding modes, sticky flags,
// conversions at their borders, NaN, fused multiply-add, printing and parsing. Right on any IEEE machine.
#include "check.h"

#include <fenv.h>
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>

static uint64_t bits(double x) {
  uint64_t b;
  memcpy(&b, &x, 8);
  return b;
}

static volatile double one = 1, three = 3, zero = 0, tiny = 0x1p-1074, huge = DBL_MAX, dinf = INFINITY;

#define FLAGS(statement, wanted)                                            \
  do {                                                                      \
    feclearexcept(FE_ALL_EXCEPT);                                           \
    statement;                                                              \
    EQ(fetestexcept(FE_ALL_EXCEPT), wanted);                                \
  } while (0)

static volatile double r;
static volatile float f;
static volatile long l;

static void flags(void) {
  FLAGS(r = one / three, FE_INEXACT);
  FLAGS(r = one / zero, FE_DIVBYZERO);
  FLAGS(r = zero / zero, FE_INVALID);
  CHECK(isnan(r));
  FLAGS(r = huge * huge, FE_OVERFLOW | FE_INEXACT);
  FLAGS(r = tiny * tiny, FE_UNDERFLOW | FE_INEXACT);
  FLAGS(r = tiny * 0.5, FE_UNDERFLOW | FE_INEXACT);
  FLAGS(r = tiny + tiny, 0);
  FLAGS(r = DBL_MIN * three / 4, 0);
  FLAGS(r = dinf - dinf, FE_INVALID);
  FLAGS(r = sqrt(-one), FE_INVALID);
  FLAGS(r = sqrt(three), FE_INEXACT);
  FLAGS(r = sqrt(one * 4), 0);
  FLAGS(f = huge, FE_OVERFLOW | FE_INEXACT);
  FLAGS(r = (double)f, 0);
  feraiseexcept(FE_DIVBYZERO);
  r = one / three;
  CHECK(fetestexcept(FE_DIVBYZERO) && fetestexcept(FE_INEXACT));
  fexcept_t saved;
  CHECK(fegetexceptflag(&saved, FE_ALL_EXCEPT) == 0);
  feclearexcept(FE_ALL_EXCEPT);
  EQ(fetestexcept(FE_ALL_EXCEPT), 0);
  CHECK(fesetexceptflag(&saved, FE_DIVBYZERO) == 0);
  EQ(fetestexcept(FE_ALL_EXCEPT), FE_DIVBYZERO);
  fenv_t held;
  CHECK(feholdexcept(&held) == 0);
  EQ(fetestexcept(FE_ALL_EXCEPT), 0);
  r = zero / zero;
  CHECK(feupdateenv(&held) == 0);
  EQ(fetestexcept(FE_ALL_EXCEPT), FE_DIVBYZERO | FE_INVALID);
  CHECK(fesetenv(FE_DFL_ENV) == 0);
  EQ(fetestexcept(FE_ALL_EXCEPT), 0);
}

static void rounding(void) {
  static const struct {
    int mode;
    uint64_t third, minus_third;
    double up, down, half, one_and_half;
  } rows[] = {
      {FE_TONEAREST, 0x3fd5555555555555, 0xbfd5555555555555, 2, 1, 0, 2},
      {FE_UPWARD, 0x3fd5555555555556, 0xbfd5555555555555, 2, 2, 1, 2},
      {FE_DOWNWARD, 0x3fd5555555555555, 0xbfd5555555555556, 1, 1, 0, 1},
      {FE_TOWARDZERO, 0x3fd5555555555555, 0xbfd5555555555555, 1, 1, 0, 1},
  };
  for (unsigned i = 0; i < 4; i++) {
    CHECK(fesetround(rows[i].mode) == 0);
    EQ(fegetround(), rows[i].mode);
    r = one / three;
    EQ(bits(r), rows[i].third);
    r = -one / three;
    EQ(bits(r), rows[i].minus_third);
    volatile double x = 1.75, y = 1.25, half = 0.5, more = 1.5;
    EQ(bits(rint(x)), bits(rows[i].up));
    EQ(bits(nearbyint(y)), bits(rows[i].down));
    EQ(lrint(half), (long)rows[i].half);
    EQ(llrint(more), (long long)rows[i].one_and_half);
    // These do not look at the mode.
    EQ((long)x, 1);
    EQ((long)-x, -1);
    EQ(lround(half), 1);
    EQ(bits(floor(-y)), bits(-2.0));
    EQ(bits(ceil(y)), bits(2.0));
    // x - x is -0 only downward.
    r = x - x;
    EQ(bits(r), rows[i].mode == FE_DOWNWARD ? bits(-0.0) : 0);
    // Overflow gives the largest number where the mode points away from infinity.
    r = huge * 2;
    EQ(bits(r), bits(rows[i].mode == FE_DOWNWARD || rows[i].mode == FE_TOWARDZERO ? DBL_MAX : INFINITY));
    volatile long odd = (1L << 53) + 1;
    r = odd;
    EQ(bits(r), bits(rows[i].mode == FE_UPWARD ? 0x1p53 + 2 : 0x1p53));
  }
  CHECK(fesetround(FE_TONEAREST) == 0);
  char text[64];
  fesetround(FE_UPWARD);
  snprintf(text, sizeof text, "%.1f", 0.25);
  SAME(text, "0.3");
  fesetround(FE_TONEAREST);
  snprintf(text, sizeof text, "%.1f", 0.25);
  SAME(text, "0.2");
}

static void fused(void) {
  volatile double x = 1 + 0x1p-30, y = 1 - 0x1p-30, z = -1;
  EQ(bits(fma(x, y, z)), bits(-0x1p-60));
  volatile float a = 1 + 0x1p-12f, b = 1 - 0x1p-12f, c = -1;
  CHECK(fmaf(a, b, c) == -0x1p-24f);
  FLAGS(r = fma(dinf, zero, one), FE_INVALID);
  FLAGS(r = fma(x, y, z), 0);
  FLAGS(r = fma(one / 3, three, tiny), FE_INEXACT);
}

static void conversions(void) {
  volatile double d = 1e10, negative = -1.9;
  EQ((int64_t)d, 10000000000);
  EQ((int)negative, -1);
  EQ((uint64_t)(d * 1e9), 10000000000000000000u);
  volatile uint64_t big = UINT64_MAX;
  CHECK((double)big == 0x1p64 && (float)big == 0x1p64f);
  volatile int64_t least = INT64_MIN;
  CHECK((double)least == -0x1p63);
  volatile float odd = 16777217.0f, small = 1e-40f;
  CHECK(odd == 16777216.0f && small > 0 && small < FLT_MIN && (double)small != 1e-40);
  FLAGS(f = (float)(one / 3), FE_INEXACT);
  FLAGS(l = lrint(2.5 * one), FE_INEXACT);
}

static void not_a_number(void) {
  volatile double nan = NAN;
  CHECK(nan != nan && !(nan < one) && !(nan >= one) && isunordered(nan, one));
  FLAGS(l = nan == one, 0);
  FLAGS(l = nan < one, FE_INVALID);
  FLAGS(l = isless(nan, one), 0);
  CHECK(fmin(nan, one) == 1 && fmax(one, nan) == 1);
  CHECK(signbit(copysign(nan, -one)) && !signbit(fabs(-nan)));
  CHECK(signbit(-zero) && -zero == zero);
  EQ(fpclassify(tiny), FP_SUBNORMAL);
  EQ(fpclassify(nan), FP_NAN);
  EQ(fpclassify(dinf), FP_INFINITE);
  EQ(fpclassify(-zero), FP_ZERO);
}

static void decimal(void) {
  char text[400];
  snprintf(text, sizeof text, "%.17g %.17g %a %g %e %.3f", 0.1, 1e23, 0.1, tiny, DBL_MAX, 2.0005);
  SAME(text, "0.10000000000000001 9.9999999999999992e+22 0x1.999999999999ap-4 4.94066e-324 1.797693e+308 2.001");
  snprintf(text, sizeof text, "%g %g %g %g", dinf, -dinf, (double)NAN, -zero);
  SAME(text, "inf -inf nan -0");
  EQ(bits(strtod("2.2250738585072011e-308", NULL)), 0x000fffffffffffff);
  EQ(bits(strtod("0x1.fffffffffffff8p0", NULL)), bits(2.0));
  EQ(bits(strtod("123456789012345678901234567890", NULL)), bits(123456789012345678901234567890.0));
  uint64_t x = 88172645463325252u;
  for (int i = 0; i < 500; i++) {
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    double d, back;
    memcpy(&d, &x, 8);
    if (!isfinite(d)) continue;
    snprintf(text, sizeof text, "%.17g", d);
    back = strtod(text, NULL);
    EQ(bits(back), bits(d));
  }
}

static void functions(void) {
  volatile double x = 0.5;
  CHECK(fabs(sin(x) - 0.479425538604203) < 1e-15 && fabs(exp(x) - 1.6487212707001282) < 1e-15);
  CHECK(fabs(log(x) + 0.6931471805599453) < 1e-15 && pow(2 * one, 10 * one) == 1024 && fabs(cbrt(27 * one) - 3) < 1e-15);
  CHECK(fabs(atan2(one, one) * 4 - M_PI) < 1e-15 && hypot(three, 4 * one) == 5 && fmod(7.5, three) == 1.5);
  CHECK(remainder(7.5, three) == 1.5 && ldexp(x, 11) == 1024 && ilogb(1000 * one) == 9 && nextafter(zero, one) == tiny);
  // 128-bit long double (80 bits natively) in software or hardware.
  volatile long double third = 1;
  third /= 3;
  CHECK(third * 3 == 1 && (double)third == one / 3);
}

int main(void) {
  flags();
  rounding();
  fused();
  conversions();
  not_a_number();
  decimal();
  functions();
  return done();
}
