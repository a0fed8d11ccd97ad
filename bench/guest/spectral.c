// The spectral norm of the infinite matrix a(i, j) = 1 / ((i + j)(i + j + 1) / 2 + i + 1), cut to a finite order, by
// the power method: divisions of doubles and conversions from integers. The size is the order.
#include <math.h>
#include "bench.h"

static double cell(long i, long j) { return 1.0 / (double)((i + j) * (i + j + 1) / 2 + i + 1); }

static void multiply(long n, const double *v, double *product) {
  for (long i = 0; i < n; i++) {
    double sum = 0;
    for (long j = 0; j < n; j++) sum += cell(i, j) * v[j];
    product[i] = sum;
  }
}

static void multiply_transposed(long n, const double *v, double *product) {
  for (long i = 0; i < n; i++) {
    double sum = 0;
    for (long j = 0; j < n; j++) sum += cell(j, i) * v[j];
    product[i] = sum;
  }
}

int main(int argc, char **argv) {
  long n = size_of_run(argc, argv, 1300);
  size_t bytes = (size_t)n * sizeof(double);
  double *u = allocate(bytes), *v = allocate(bytes), *between = allocate(bytes);
  for (long i = 0; i < n; i++) u[i] = 1;
  for (int i = 0; i < 10; i++) {
    multiply(n, u, between);
    multiply_transposed(n, between, v);
    multiply(n, v, between);
    multiply_transposed(n, between, u);
  }
  double uv = 0, vv = 0;
  for (long i = 0; i < n; i++) {
    uv += u[i] * v[i];
    vv += v[i] * v[i];
  }
  report_double("norm", sqrt(uv / vv));
  free(u), free(v), free(between);
}
