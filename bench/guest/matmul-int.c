// The product of square matrices of 64-bit integers, row by column, and the same of 32-bit ones by blocks.
// The size is the order of the matrices.
#include "bench.h"

static void multiply64(long n, const uint64_t *a, const uint64_t *b, uint64_t *product) {
  for (long i = 0; i < n; i++)
    for (long j = 0; j < n; j++) {
      uint64_t sum = 0;
      for (long k = 0; k < n; k++) sum += a[i * n + k] * b[k * n + j];
      product[i * n + j] = sum;
    }
}

static long least(long a, long b) { return a < b ? a : b; }

static void multiply32(long n, const uint32_t *a, const uint32_t *b, uint32_t *product) {
  enum { block = 32 };
  memset(product, 0, (size_t)(n * n) * sizeof *product);
  for (long k0 = 0; k0 < n; k0 += block)
    for (long j0 = 0; j0 < n; j0 += block)
      for (long i = 0; i < n; i++)
        for (long k = k0; k < least(k0 + block, n); k++) {
          uint32_t factor = a[i * n + k];
          for (long j = j0; j < least(j0 + block, n); j++) product[i * n + j] += factor * b[k * n + j];
        }
}

int main(int argc, char **argv) {
  long n = size_of_run(argc, argv, 650);
  size_t cells = (size_t)(n * n);
  uint64_t *a = allocate(cells * 8), *b = allocate(cells * 8), *c = allocate(cells * 8);
  uint32_t *d = allocate(cells * 4), *e = allocate(cells * 4), *f = allocate(cells * 4);
  for (size_t i = 0; i < cells; i++) {
    d[i] = (uint32_t)(a[i] = random64());
    e[i] = (uint32_t)(b[i] = random64());
  }
  multiply64(n, a, b, c);
  multiply32(n, d, e, f);
  // Products modulo 2^32 must not depend on the way.
  for (size_t i = 0; i < cells; i++)
    if ((uint32_t)c[i] != f[i]) return 1;
  report("matmul-int", checksum(0, c, cells * 8));
  free(a), free(b), free(c), free(d), free(e), free(f);
}
