// The product of square matrices of doubles, and a system of linear equations solved by elimination with pivots.
// The size is the order of the matrices.
#include <math.h>
#include "bench.h"

static void multiply(long n, const double *a, const double *b, double *product) {
  for (long i = 0; i < n; i++)
    for (long j = 0; j < n; j++) {
      double sum = 0;
      for (long k = 0; k < n; k++) sum += a[i * n + k] * b[k * n + j];
      product[i * n + j] = sum;
    }
}

static void swap_rows(long n, double *a, long i, long j) {
  for (long k = 0; k < n; k++) {
    double kept = a[i * n + k];
    a[i * n + k] = a[j * n + k];
    a[j * n + k] = kept;
  }
}

/// Solves a x = b in place: b becomes x.
static void solve(long n, double *a, double *b) {
  for (long column = 0; column < n; column++) {
    long pivot = column;
    for (long i = column + 1; i < n; i++)
      if (fabs(a[i * n + column]) > fabs(a[pivot * n + column])) pivot = i;
    swap_rows(n, a, pivot, column);
    double kept = b[pivot];
    b[pivot] = b[column];
    b[column] = kept;
    for (long i = column + 1; i < n; i++) {
      double factor = a[i * n + column] / a[column * n + column];
      for (long k = column; k < n; k++) a[i * n + k] -= factor * a[column * n + k];
      b[i] -= factor * b[column];
    }
  }
  for (long i = n - 1; i >= 0; i--) {
    for (long k = i + 1; k < n; k++) b[i] -= a[i * n + k] * b[k];
    b[i] /= a[i * n + i];
  }
}

static double random_number(void) { return (double)(int64_t)random64() / 9223372036854775808.0; }

int main(int argc, char **argv) {
  long n = size_of_run(argc, argv, 420);
  size_t cells = (size_t)(n * n);
  double *a = allocate(cells * 8), *b = allocate(cells * 8), *c = allocate(cells * 8), *x = allocate((size_t)n * 8);
  for (size_t i = 0; i < cells; i++) {
    a[i] = random_number();
    b[i] = random_number();
  }
  for (long i = 0; i < n; i++) {
    a[i * n + i] += 2;
    x[i] = (double)i / (double)n;
  }
  multiply(n, a, b, c);
  double trace = 0, norm = 0;
  for (long i = 0; i < n; i++) trace += c[i * n + i];
  solve(n, a, x);
  for (long i = 0; i < n; i++) norm += x[i] * x[i];
  report_double("trace", trace);
  report_double("norm", sqrt(norm));
  free(a), free(b), free(c), free(x);
}
