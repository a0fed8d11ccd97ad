// An integer loop: xorshift numbers summed up. About 10 instructions a round; the rounds are the first argument.
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
  unsigned long rounds = argc > 1 ? strtoul(argv[1], 0, 0) : 1000000, x = 88172645463325252, sum = 0;
  for (unsigned long i = 0; i < rounds; i++) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    if (x & 1) sum += x;
  }
  printf("%lu\n", sum);
}
