// The sieve of Eratosthenes: in one array of bytes that exceeds the nearer caches, and in segments of bits that do not.
// The size is the limit in thousands.
#include "bench.h"

/// How many primes are below the limit, and the sum of them, in one sieve of bytes.
static void plain(unsigned long limit) {
  unsigned char *composite = calloc(limit, 1);
  if (composite == NULL) exit(1);
  unsigned long count = 0, sum = 0;
  for (unsigned long n = 2; n < limit; n++) {
    if (composite[n]) continue;
    count++;
    sum += n;
    for (unsigned long multiple = n * n; multiple < limit; multiple += n) composite[multiple] = 1;
  }
  free(composite);
  report("primes", count);
  report("sum", sum);
}

/// The same by segments: a bit for an odd number, in words of 64.
static void segmented(unsigned long limit) {
  enum { words = 512, span = words * 128 };
  unsigned long root = 1;
  while (root * root < limit) root++;
  unsigned char *small = calloc(root + 1, 1);
  unsigned long *primes = allocate((root + 1) * sizeof *primes), *next = allocate((root + 1) * sizeof *next);
  if (small == NULL) exit(1);
  unsigned long known = 0, count = limit > 2, sum = limit > 2 ? 2 : 0;
  for (unsigned long n = 3; n <= root; n += 2) {
    if (small[n]) continue;
    primes[known] = n;
    next[known++] = n * n;
    for (unsigned long m = n * n; m <= root; m += 2 * n) small[m] = 1;
  }
  uint64_t bits[words];
  for (unsigned long low = 0; low < limit; low += span) {
    memset(bits, 0, sizeof bits);
    for (unsigned long p = 0; p < known; p++) {
      unsigned long m = next[p];
      for (; m < low + span; m += 2 * primes[p]) bits[(m - low) / 128] |= (uint64_t)1 << (m - low) / 2 % 64;
      next[p] = m;
    }
    for (unsigned long n = low == 0 ? 3 : low + 1; n < low + span && n < limit; n += 2)
      if (!(bits[(n - low) / 128] >> (n - low) / 2 % 64 & 1)) {
        count++;
        sum += n;
      }
  }
  free(small);
  free(primes);
  free(next);
  report("primes", count);
  report("sum", sum);
}

int main(int argc, char **argv) {
  unsigned long limit = (unsigned long)size_of_run(argc, argv, 80000) * 1000;
  plain(limit);
  segmented(limit);
}
