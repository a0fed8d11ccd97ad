// Deep and wide recursion and little else: Fibonacci's numbers, Ackermann's and Takeuchi's functions, and queens on a
// board. The size is Fibonacci's argument; the others follow it.
#include "bench.h"

// The compiler would turn part of the recursion into loops, and inline the rest.
#define recursive __attribute__((noinline, noclone, optimize("no-optimize-sibling-calls")))

recursive static unsigned long fibonacci(unsigned long n) {
  return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

recursive static unsigned long ackermann(unsigned long m, unsigned long n) {
  if (m == 0) return n + 1;
  return ackermann(m - 1, n == 0 ? 1 : ackermann(m, n - 1));
}

recursive static int takeuchi(int x, int y, int z) {
  if (y >= x) return z;
  return takeuchi(takeuchi(x - 1, y, z), takeuchi(y - 1, z, x), takeuchi(z - 1, x, y));
}

/// Ways to set queens on the rows that are left; bits are columns that are taken or under attack.
recursive static long queens(unsigned all, unsigned columns, unsigned left, unsigned right) {
  if (columns == all) return 1;
  long ways = 0;
  for (unsigned open = all & ~(columns | left | right); open != 0; open &= open - 1) {
    unsigned queen = open & -open;
    ways += queens(all, columns | queen, (left | queen) << 1, (right | queen) >> 1);
  }
  return ways;
}

int main(int argc, char **argv) {
  long n = size_of_run(argc, argv, 37);
  report("fibonacci", fibonacci((unsigned long)n));
  report("ackermann", ackermann(2, (unsigned long)n * 20));
  report("takeuchi", (uint64_t)takeuchi((int)n / 2 + 1, (int)n / 4 + 1, (int)n / 5));
  report("queens", (uint64_t)queens((1u << n / 3) - 1, 0, 0, 0));
}
