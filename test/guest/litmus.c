// Litmus tests of the RISC-V memory model (RVWMO): small programs of two to four threads over two places, each run very often on
// instances of its own. An outcome that the model forbids ends the program; one that it allows, and that a machine of
// strong order never shows, is counted. On another machine the same programs are made of C's atomics, which forbid as much.
// Then counters, by every way to change a word, lose nothing.
// litmus [instances of each test] [-v, to see the counts]
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

// ---- accesses: of the width W, a letter, and the type T

#ifdef __riscv
#define LD(p)                                                              \
  ({                                                                       \
    long got_;                                                             \
    asm volatile("l" W " %0, 0(%1)" : "=r"(got_) : "r"(p) : "memory");      \
    got_;                                                                  \
  })
#define ST(p, v) asm volatile("s" W " %0, 0(%1)" : : "r"((long)(T)(v)), "r"(p) : "memory")
#define FENCE asm volatile("fence rw,rw" : : : "memory")
#define FENCE_TSO asm volatile("fence.tso" : : : "memory")
#define AMO(name, p, v)                                                                              \
  ({                                                                                                 \
    long got_;                                                                                       \
    asm volatile(name " %0, %1, (%2)" : "=r"(got_) : "r"((long)(T)(v)), "r"(p) : "memory");           \
    got_;                                                                                            \
  })
#define SWAP(order, p, v) AMO("amoswap." W order, p, v)
#define OR(order, p) AMO("amoor." W order, p, 0)
#define ADD(order, p, v) AMO("amoadd." W order, p, v)
#define RESERVE(order, p)                                                            \
  ({                                                                                 \
    long got_;                                                                       \
    asm volatile("lr." W order " %0, (%1)" : "=r"(got_) : "r"(p) : "memory");         \
    got_;                                                                            \
  })
/** 0 where it was stored. */
#define CONDITIONAL(order, p, v)                                                                          \
  ({                                                                                                      \
    long failed_;                                                                                         \
    asm volatile("sc." W order " %0, %1, (%2)" : "=&r"(failed_) : "r"((long)(T)(v)), "r"(p) : "memory");   \
    failed_;                                                                                              \
  })
#define STORE_CONDITIONAL(order, p, v) \
  do RESERVE("", p);                   \
  while (CONDITIONAL(order, p, v))
/** The same value, depending on `on`. */
#define DEPENDENT(value, on)                                                                                      \
  ({                                                                                                              \
    long made_;                                                                                                   \
    asm volatile("xor %0, %2, %2; add %0, %0, %1" : "=&r"(made_) : "r"((long)(value)), "r"((long)(on)));           \
    made_;                                                                                                        \
  })
#define BEHIND(p, on) ((T *)DEPENDENT(p, on))
#else
#define AT(p) ((_Atomic T *)(p))
#define LD(p) ((long)atomic_load_explicit(AT(p), memory_order_relaxed))
#define ST(p, v) atomic_store_explicit(AT(p), (T)(v), memory_order_relaxed)
#define FENCE atomic_thread_fence(memory_order_seq_cst)
#define FENCE_TSO atomic_thread_fence(memory_order_acq_rel)
#define SWAP(order, p, v) ((long)atomic_exchange(AT(p), (T)(v)))
#define OR(order, p) ((long)atomic_fetch_or(AT(p), 0))
#define ADD(order, p, v) ((long)atomic_fetch_add(AT(p), v))
/** What was reserved is what a compare-exchange compares with: kept in a variable of the body. */
#define RESERVE(order, p) ((long)(reserved = atomic_load(AT(p))))
#define CONDITIONAL(order, p, v) ((long)!atomic_compare_exchange_strong(AT(p), &reserved, (T)(v)))
#define STORE_CONDITIONAL(order, p, v) \
  do RESERVE("", p);                   \
  while (CONDITIONAL(order, p, v))
#define DEPENDENT(value, on) (atomic_thread_fence(memory_order_acq_rel), (void)(on), (value))
#define BEHIND(p, on) DEPENDENT(p, on)
#endif

// ---- instances and the threads that go through them

#define batch 256
#define crew 4

/** Two places, on cache lines of their own. */
static struct {
  _Alignas(64) int64_t x;
  _Alignas(64) int64_t y;
} instances[batch];

static struct {
  _Alignas(64) long r[batch][2];
} results[crew];

/** How far each thread is. */
static struct {
  _Alignas(64) atomic_long instance;
} places[crew];

/** Waits for the others at an instance, but not for long: there may be more threads than processors. Then begins a little apart from them. */
static inline void meet(int me, int threads, long i) {
  atomic_store_explicit(&places[me].instance, i, memory_order_relaxed);
  for (int other = 0; other < threads; other++)
    for (int n = 0; n < 60 && atomic_load_explicit(&places[other].instance, memory_order_relaxed) < i; n++)
      ;
  for (int n = (i + 3 * me) % 4; n > 0; n--) asm volatile("");
}

typedef void Body(int me, int threads);

#define PASTE(a, b) a##b
#define GLUE(a, b) PASTE(a, b)
#define NAME(name) GLUE(name##_, T)
#define BODY(name, ...)                                                                  \
  static void NAME(name)(int me, int threads) {                                          \
    for (long i = 0; i < batch; i++) {                                                   \
      T *x __attribute__((unused)) = (T *)&instances[i].x;                               \
      T *y __attribute__((unused)) = (T *)&instances[i].y;                               \
      long *r __attribute__((unused)) = results[me].r[i];                                \
      T reserved __attribute__((unused));                                                \
      meet(me, threads, i);                                                              \
      __VA_ARGS__                                                                        \
    }                                                                                    \
  }

#define W "w"
#define T int32_t
#include "litmus-bodies.h"
#undef W
#undef T
#define W "d"
#define T int64_t
#include "litmus-bodies.h"
#undef W
#undef T

// ---- what may not be, or shows weak order where it may: of the places at the end, and what each thread read

typedef bool Outcome(long x, long y, const long r[crew][2]);

#define OUTCOME(name, ...) \
  static bool name(long x, long y, const long r[crew][2]) { return (void)x, (void)y, (void)r, (__VA_ARGS__); }

OUTCOME(neither_saw, r[0][0] == 0 && r[1][0] == 0)
OUTCOME(flag_without_data, r[1][0] == 1 && r[1][1] == 0)
OUTCOME(both_saw, r[0][0] == 1 && r[1][0] == 1)
OUTCOME(firsts_last, x == 1 && y == 1)
OUTCOME(r_weak, y == 2 && r[1][0] == 0)
OUTCOME(s_weak, r[1][0] == 1 && x == 2)
OUTCOME(two_orders, r[2][0] == 1 && r[2][1] == 0 && r[3][0] == 1 && r[3][1] == 0)
OUTCOME(not_passed_on, r[1][0] == 1 && r[2][0] == 1 && r[2][1] == 0)
OUTCOME(back_in_time, r[1][0] > r[1][1])
OUTCOME(wrong_last, x != 2)
OUTCOME(own_store_unseen, r[0][0] == 0 || r[0][1] == 0 || (r[0][0] == 2 && r[0][1] == 1))
OUTCOME(own_future, r[0][0] == 1 || (r[0][0] == 2 && x == 2))
/** The store came between: then what came first of it is lost, or what was read is not what was there. */
OUTCOME(reservation_outlived, r[0][1] == 0 ? (r[0][0] == 0 ? x == 4 : x != 6) : x != 2)
OUTCOME(sum_lost, r[0][0] == 0 ? x != 2 : x != 6)

static bool is_torn_4(long v) {
  return v != 0 && (int32_t)v != 0x01010101 && (int32_t)v != 0x7e7e7e7e && (int32_t)v != -1;
}
static bool is_torn_8(long v) {
  return v != 0 && v != 0x0101010101010101 && v != 0x7e7e7e7e7e7e7e7e && v != -1;
}
OUTCOME(torn_4, is_torn_4(r[1][0]) || is_torn_4(r[1][1]))
OUTCOME(torn_8, is_torn_8(r[1][0]) || is_torn_8(r[1][1]))

typedef struct {
  const char *name;
  int threads;
  Body *bodies[crew];
  Outcome *outcome;
  bool allowed;
} Test;

#define TEST(name, outcome, allowed, threads, ...) {name, threads, {__VA_ARGS__}, outcome, allowed}
#define FORBIDDEN(name, outcome, ...) TEST(name, outcome, false, __VA_ARGS__)
#define ALLOWED(name, outcome, ...) TEST(name, outcome, true, __VA_ARGS__)

#define TESTS                                                                                                     \
  ALLOWED("SB", neither_saw, 2, NAME(sb0), NAME(sb1)),                                                            \
      FORBIDDEN("SB+fence rw,rw", neither_saw, 2, NAME(sb0_fence), NAME(sb1_fence)),                              \
      ALLOWED("SB+fence.tso", neither_saw, 2, NAME(sb0_tso), NAME(sb1_tso)),                                      \
      ALLOWED("SB+fence rw,rw+none", neither_saw, 2, NAME(sb0_fence), NAME(sb1)),                                 \
      FORBIDDEN("SB+amo.aqrl", neither_saw, 2, NAME(sb0_amo), NAME(sb1_amo)),                                     \
      FORBIDDEN("SB+amo.rl+amo.aq", neither_saw, 2, NAME(sb0_rcsc), NAME(sb1_rcsc)),                              \
      FORBIDDEN("SB+sc.rl+lr.aq", neither_saw, 2, NAME(sb0_reserve), NAME(sb1_reserve)),                          \
      FORBIDDEN("SB+fence rw,rw+amo.aqrl", neither_saw, 2, NAME(sb0_fence), NAME(sb1_amo)),                       \
      ALLOWED("MP", flag_without_data, 2, NAME(mp0), NAME(mp1)),                                                  \
      FORBIDDEN("MP+fence rw,rw", flag_without_data, 2, NAME(mp0_fence), NAME(mp1_fence)),                        \
      FORBIDDEN("MP+fence.tso", flag_without_data, 2, NAME(mp0_tso), NAME(mp1_tso)),                              \
      FORBIDDEN("MP+amo.rl+amo.aq", flag_without_data, 2, NAME(mp0_amo), NAME(mp1_amo)),                          \
      FORBIDDEN("MP+sc.rl+lr.aq", flag_without_data, 2, NAME(mp0_reserve), NAME(mp1_reserve)),                    \
      FORBIDDEN("MP+fence rw,rw+addr", flag_without_data, 2, NAME(mp0_fence), NAME(mp1_address)),                 \
      ALLOWED("MP+fence rw,rw+none", flag_without_data, 2, NAME(mp0_fence), NAME(mp1)),                           \
      ALLOWED("LB", both_saw, 2, NAME(lb0), NAME(lb1)),                                                           \
      FORBIDDEN("LB+fence rw,rw", both_saw, 2, NAME(lb0_fence), NAME(lb1_fence)),                                 \
      FORBIDDEN("LB+fence.tso", both_saw, 2, NAME(lb0_tso), NAME(lb1_tso)),                                       \
      FORBIDDEN("LB+lr.aq", both_saw, 2, NAME(lb0_reserve), NAME(lb1_reserve)),                                   \
      FORBIDDEN("LB+data", both_saw, 2, NAME(lb0_data), NAME(lb1_data)),                                          \
      ALLOWED("2+2W", firsts_last, 2, NAME(ww0), NAME(ww1)),                                                      \
      FORBIDDEN("2+2W+fence rw,rw", firsts_last, 2, NAME(ww0_fence), NAME(ww1_fence)),                            \
      FORBIDDEN("2+2W+fence.tso", firsts_last, 2, NAME(ww0_tso), NAME(ww1_tso)),                                  \
      FORBIDDEN("2+2W+amo.rl", firsts_last, 2, NAME(ww0_amo), NAME(ww1_amo)),                                     \
      FORBIDDEN("R+fence rw,rw", r_weak, 2, NAME(mp0_fence), NAME(r1_fence)),                                     \
      FORBIDDEN("S+fence rw,rw", s_weak, 2, NAME(s0_fence), NAME(s1_fence)),                                      \
      FORBIDDEN("S+fence rw,rw+data", s_weak, 2, NAME(s0_fence), NAME(s1_data)),                                  \
      ALLOWED("IRIW", two_orders, 4, NAME(set_x), NAME(set_y), NAME(xy), NAME(yx)),                               \
      FORBIDDEN("IRIW+fence rw,rw", two_orders, 4, NAME(set_x), NAME(set_y), NAME(xy_fence), NAME(yx_fence)),     \
      FORBIDDEN("IRIW+lr.aq", two_orders, 4, NAME(set_x), NAME(set_y), NAME(xy_reserve), NAME(yx_reserve)),       \
      FORBIDDEN("IRIW+addr", two_orders, 4, NAME(set_x), NAME(set_y), NAME(xy_address), NAME(yx_address)),        \
      FORBIDDEN("WRC+data+addr", not_passed_on, 3, NAME(set_x), NAME(pass), NAME(yx_address)),                    \
      FORBIDDEN("WRC+data+fence rw,rw", not_passed_on, 3, NAME(set_x), NAME(pass), NAME(yx_fence)),               \
      FORBIDDEN("CoRR", back_in_time, 2, NAME(twice), NAME(look)),                                                \
      FORBIDDEN("CoRR+lr", back_in_time, 2, NAME(twice), NAME(look_reserve)),                                     \
      FORBIDDEN("CoWW", wrong_last, 2, NAME(twice), NAME(look)),                                                  \
      FORBIDDEN("CoWR", own_store_unseen, 2, NAME(store_look), NAME(set_2)),                                      \
      FORBIDDEN("CoRW", own_future, 2, NAME(look_store), NAME(set_2)),                                            \
      FORBIDDEN("lr+sc+store", reservation_outlived, 2, NAME(raise_by_4), NAME(set_2)),                           \
      FORBIDDEN("amoadd+store", sum_lost, 2, NAME(add_4), NAME(set_2))

static const Test tests[] = {
#define T int32_t
    TESTS,
    FORBIDDEN("atomicity of 4 bytes", torn_4, 2, NAME(set_ones), NAME(look_ones)),
#undef T
#define T int64_t
    TESTS,
    FORBIDDEN("atomicity of 8 bytes", torn_8, 2, NAME(set_ones), NAME(look_ones)),
#undef T
};

static const Test *running;
static long rounds;
static long shown;
static pthread_barrier_t gate;

/** The first thread looks at each batch, and makes the next. */
static void look_through(void) {
  for (int i = 0; i < batch; i++) {
    long r[crew][2];
    for (int t = 0; t < crew; t++) memcpy(r[t], results[t].r[i], sizeof r[t]);
    long x = instances[i].x, y = instances[i].y;
    if (running->outcome(x, y, r)) {
      STOP_UNLESS(running->allowed, "%s: x %#lx, y %#lx, read %#lx %#lx, %#lx %#lx, %#lx %#lx, %#lx %#lx", running->name, x,
                  y, r[0][0], r[0][1], r[1][0], r[1][1], r[2][0], r[2][1], r[3][0], r[3][1]);
      shown++;
    }
    instances[i].x = instances[i].y = 0;
  }
  for (int t = 0; t < crew; t++) {
    memset(results[t].r, 0, sizeof results[t].r);
    places[t].instance = -1;
  }
}

static void *take_part(void *number) {
  int me = (int)(long)number;
  for (long n = 0; n < rounds; n++) {
    pthread_barrier_wait(&gate);
    running->bodies[me](me, running->threads);
    pthread_barrier_wait(&gate);
    if (me == 0) look_through();
  }
  return 0;
}

/** Does something in several threads at once. */
static void in_threads(int threads, void *work(void *)) {
  pthread_t t[crew];
  for (long i = 1; i < threads; i++) EQ(pthread_create(&t[i], 0, work, (void *)i), 0);
  work(0);
  for (int i = 1; i < threads; i++) EQ(pthread_join(t[i], 0), 0);
}

static void litmus(const Test *test, bool verbose) {
  running = test;
  shown = 0;
  for (int t = 0; t < crew; t++) places[t].instance = -1;
  EQ(pthread_barrier_init(&gate, 0, test->threads), 0);
  in_threads(test->threads, take_part);
  pthread_barrier_destroy(&gate);
  if (verbose) fprintf(stderr, "%-28s %s %ld of %ld\n", test->name, test->allowed ? "allowed:" : "", shown, rounds * batch);
}

// ---- counters

static long times;

/** Neighbours in one word of eight bytes, which must not disturb each other. */
static union {
  _Alignas(64) uint64_t all;
  struct {
    uint32_t word;
    uint16_t half;
    uint8_t byte, plain;
  };
} narrow;

static struct {
  _Alignas(64) int64_t d;
  int32_t w;
} counted[2];
static int64_t bits_d, most_d, least_d, left_d;
static int32_t bits_w, most_w, least_w;
static atomic_long taken;

#define T_OF(p) __typeof__(*(p))

#ifdef __riscv
#define RAISE(W, p)                                                                                           \
  asm volatile("1: lr." W " t0, (%0); addi t0, t0, 1; sc." W " t0, t0, (%0); bnez t0, 1b" : : "r"(p) : "t0", "memory")
#define DO(name, p, v) asm volatile(name " zero, %0, (%1)" : : "r"((long)(v)), "r"(p) : "memory")
#define SWAPPED(W, p, v)                                                                                       \
  ({                                                                                                           \
    long got_;                                                                                                 \
    asm volatile("amoswap." W " %0, %1, (%2)" : "=r"(got_) : "r"((long)(v)), "r"(p) : "memory");                \
    got_;                                                                                                      \
  })
#define AMO_OF(W, what, builtin, p, v) DO("amo" what "." W, p, v)
#define MOST(W, p, v) DO("amomax." W, p, v)
#define LEAST(W, p, v) DO("amominu." W, p, v)
#else
#define RAISE(W, p) __atomic_fetch_add(p, 1, __ATOMIC_RELAXED)
#define SWAPPED(W, p, v) __atomic_exchange_n(p, v, __ATOMIC_RELAXED)
#define AMO_OF(W, what, builtin, p, v) builtin(p, v, __ATOMIC_RELAXED)
#define CHOOSE(p, v, than)                                                                                         \
  for (T_OF(p) old_ = __atomic_load_n(p, __ATOMIC_RELAXED);                                                        \
       (T_OF(p))(v) than old_ && !__atomic_compare_exchange_n(p, &old_, v, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);) \
    ;
#define MOST(W, p, v) CHOOSE(p, v, >)
#define LEAST(W, p, v) CHOOSE(p, v, <)
#endif

static void *count(void *number) {
  long me = (long)number;
  long mine = 0;
  for (long i = 0; i < times; i++) {
    AMO_OF("w", "add", __atomic_fetch_add, &counted[0].w, 1);
    AMO_OF("d", "add", __atomic_fetch_add, &counted[0].d, 0x100000001);
    RAISE("w", &counted[1].w);
    RAISE("d", &counted[1].d);
    // One word, every way.
    if (me & 1)
      AMO_OF("w", "add", __atomic_fetch_add, &narrow.word, 1);
    else
      RAISE("w", &narrow.word);
    __atomic_fetch_add(&narrow.half, 1, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&narrow.byte, 1, __ATOMIC_RELAXED);
    if (me == 0) __atomic_store_n(&narrow.plain, (uint8_t)(i + 1), __ATOMIC_RELAXED);
    // Bits of its own, in and out again: an odd number of times in all.
    AMO_OF("w", "xor", __atomic_fetch_xor, &bits_w, 1 << me);
    AMO_OF("d", "or", __atomic_fetch_or, &bits_d, 0x100000000 << me);
    AMO_OF("d", "xor", __atomic_fetch_xor, &bits_d, 1 << me);
    if (i + 1 < times) AMO_OF("d", "and", __atomic_fetch_and, &bits_d, ~(0x100000000 << me));
    MOST("w", &most_w, (int32_t)(i * crew + me));
    MOST("d", &most_d, (i * crew + me) << 20);
    LEAST("w", (uint32_t *)&least_w, 0xffffffff - (uint32_t)(i * crew + me));
    LEAST("d", (uint64_t *)&least_d, -1 - (uint64_t)((i * crew + me) << 20));
    // What one leaves another takes: nothing is lost or taken twice.
    mine += SWAPPED("d", &left_d, (1L << 32) + i);
  }
  atomic_fetch_add(&taken, mine);
  return 0;
}

static void counters(void) {
  memset(counted, 0, sizeof counted);
  narrow.all = 0;
  bits_d = most_d = left_d = taken = 0;
  bits_w = most_w = 0;
  least_d = least_w = -1;
  in_threads(crew, count);
  long all = crew * times, last = all - 1;
  EQ(counted[0].w, (int32_t)all);
  EQ(counted[0].d, all * 0x100000001);
  EQ(counted[1].w, (int32_t)all);
  EQ(counted[1].d, all);
  EQ(narrow.word, all);
  EQ(narrow.half, (uint16_t)all);
  EQ(narrow.byte, (uint8_t)all);
  EQ(narrow.plain, (uint8_t)times);
  EQ(bits_w, times & 1 ? 15 : 0);
  EQ(bits_d, 0xf00000000 | (times & 1 ? 15 : 0));
  EQ(most_w, last);
  EQ(most_d, last << 20);
  EQ((uint32_t)least_w, 0xffffffff - (uint32_t)last);
  EQ(least_d, -1 - (last << 20));
  EQ(taken + left_d, all * (1L << 32) + crew * (times * (times - 1) / 2));
}

int main(int argc, char **argv) {
  long each = argc > 1 ? atol(argv[1]) : 20000;
  bool verbose = argc > 2 && strcmp(argv[2], "-v") == 0;
  rounds = each / batch + 1;
  times = each / 4 | 1;
  for (unsigned i = 0; i < sizeof tests / sizeof *tests; i++) litmus(&tests[i], verbose);
  counters();
  return done();
}
