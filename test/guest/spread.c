// Heat that is spread over many functions, or in one loop: the arguments are which, and how many rounds.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

static volatile unsigned state = 1;

// Each goes on to the next, some ten instructions later.
#define FUNCTION(name, next)                               \
  static __attribute__((noinline)) unsigned name(unsigned x) { \
    x ^= x << 13;                                          \
    x ^= x >> 17;                                          \
    x ^= x << 5;                                           \
    state += x;                                            \
    return next;                                           \
  }

#define FOUR(a, next)                  \
  FUNCTION(a##3, next)                 \
  FUNCTION(a##2, a##3(x + 1))          \
  FUNCTION(a##1, a##2(x + 2))          \
  FUNCTION(a##0, a##1(x + 3))
#define SIXTEEN(a, next)     \
  FOUR(a##3, next)           \
  FOUR(a##2, a##30(x + 1))   \
  FOUR(a##1, a##20(x + 2))   \
  FOUR(a##0, a##10(x + 3))

SIXTEEN(d, x)
SIXTEEN(c, d00(x))
SIXTEEN(b, c00(x))
SIXTEEN(a, b00(x))

int main(int argc, char **argv) {
  CHECK(argc == 3);
  long rounds = atol(argv[2]);
  if (strcmp(argv[1], "spread") == 0)
    for (long i = 0; i < rounds; i++) state = a00(state);
  else
    for (long i = 0; i < rounds; i++) state = state * 5 + 1;
  puts("ok");
  return 0;
}
