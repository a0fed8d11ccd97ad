// The Mandelbrot set in a square picture of one bit a pixel, at most 50 iterations each. The size is the picture's
// side.
#include "bench.h"

/// Whether c = x + iy has not left the circle of radius 2 after 50 iterations.
static int inside(double x, double y) {
  double re = 0, im = 0, re2 = 0, im2 = 0;
  for (int i = 0; i < 50; i++) {
    im = 2 * re * im + y;
    re = re2 - im2 + x;
    re2 = re * re;
    im2 = im * im;
    if (re2 + im2 > 4) return 0;
  }
  return 1;
}

int main(int argc, char **argv) {
  long side = size_of_run(argc, argv, 1000);
  size_t row = (size_t)(side + 7) / 8, bytes = row * (size_t)side;
  unsigned char *picture = calloc(bytes, 1);
  if (picture == NULL) return 1;
  long pixels = 0;
  for (long j = 0; j < side; j++)
    for (long i = 0; i < side; i++) {
      if (!inside(2.0 * (double)i / (double)side - 1.5, 2.0 * (double)j / (double)side - 1.0)) continue;
      pixels++;
      picture[(size_t)j * row + (size_t)i / 8] |= (unsigned char)(0x80 >> i % 8);
    }
  // Pixels on the edge depend on the last bit; the area does not.
  printf("area %.3f\nbits %016" PRIx64 "\n", 4.0 * (double)pixels / (double)(side * side), checksum(0, picture, bytes));
  free(picture);
}
