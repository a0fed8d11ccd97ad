// Fannkuch: over permutations of 1 to 11, how often the first p elements can be reversed, where p is the first of them,
// until it is 1. The size is the number of permutations in thousands, all at most.
#include "bench.h"

enum { n = 11 };

/// How many flips bring 0 (the 1 of the definition) to the front.
static int flips(const signed char *permutation) {
  signed char p[n];
  memcpy(p, permutation, n);
  int count = 0;
  for (int first = p[0]; first != 0; first = p[0], count++)
    for (int low = 0, high = first; low < high; low++, high--) {
      signed char kept = p[low];
      p[low] = p[high];
      p[high] = kept;
    }
  return count;
}

/// Goes on to the next permutation: turns the first two elements by one place, and longer prefixes when the shorter
/// ones are through, which `turned` counts. Answers whether there was one more.
static int advance(signed char *permutation, int *turned) {
  for (int i = 1; i < n; i++) {
    signed char first = permutation[0];
    for (int k = 0; k < i; k++) permutation[k] = permutation[k + 1];
    permutation[i] = first;
    if (++turned[i] <= i) return 1;
    turned[i] = 0;
  }
  return 0;
}

int main(int argc, char **argv) {
  long left = size_of_run(argc, argv, 8000) * 1000, sum = 0, sign = 1;
  signed char permutation[n];
  int turned[n] = {0}, highest = 0;
  for (int i = 0; i < n; i++) permutation[i] = (signed char)i;
  do {
    int count = flips(permutation);
    if (count > highest) highest = count;
    sum += sign * count;
    sign = -sign;
  } while (--left > 0 && advance(permutation, turned));
  report("checksum", (uint64_t)sum);
  report("flips", (uint64_t)highest);
}
