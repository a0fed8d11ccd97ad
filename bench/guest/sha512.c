// SHA-512 (FIPS 180-4) of a stream of 64 KiB blocks: rotations, additions and logic on 64-bit words. The constants are
// worked out as the standard defines them, from the roots of the first primes. The size is the number of blocks.
#include "bench.h"

typedef unsigned __int128 u128;

static uint64_t round_constants[80], initial[8];

/// The first 64 bits of the fraction of the root of `n`, `cube` or square: the largest x with (x / 2^64)^degree <= n.
static uint64_t root_fraction(unsigned n, int cube) {
  uint64_t whole = 0;
  while ((cube ? (whole + 1) * (whole + 1) * (whole + 1) : (whole + 1) * (whole + 1)) <= n) whole++;
  // Bit by bit. The power of whole.fraction is compared with n in words of 32 bits, the lowest first.
  uint64_t fraction = 0;
  for (int bit = 63; bit >= 0; bit--) {
    uint64_t tried = fraction | (uint64_t)1 << bit;
    uint32_t base[3] = {(uint32_t)tried, (uint32_t)(tried >> 32), (uint32_t)whole}, power[9] = {1};
    for (int times = 0; times < (cube ? 3 : 2); times++) {
      uint32_t product[12] = {0};
      for (int i = 0; i < 9; i++) {
        uint64_t carry = 0;
        for (int j = 0; j < 3; j++) {
          carry += (uint64_t)power[i] * base[j] + product[i + j];
          product[i + j] = (uint32_t)carry;
          carry >>= 32;
        }
        if (i + 3 < 12) product[i + 3] += (uint32_t)carry;
      }
      memcpy(power, product, sizeof power);
    }
    int point = cube ? 6 : 4;
    if (power[point] < n) fraction = tried;
  }
  return fraction;
}

static void make_constants(void) {
  unsigned found = 0;
  for (unsigned n = 2; found < 80; n++) {
    int prime = 1;
    for (unsigned d = 2; d * d <= n; d++)
      if (n % d == 0) prime = 0;
    if (!prime) continue;
    round_constants[found] = root_fraction(n, 1);
    if (found < 8) initial[found] = root_fraction(n, 0);
    found++;
  }
}

static inline uint64_t rotate(uint64_t x, int by) { return x >> by | x << (64 - by); }

static uint64_t read_big_endian(const unsigned char *p) {
  uint64_t x = 0;
  for (int i = 0; i < 8; i++) x = x << 8 | p[i];
  return x;
}

/// Takes one chunk of 128 bytes in.
static void compress(uint64_t hash[8], const unsigned char *chunk) {
  uint64_t w[80];
  for (int i = 0; i < 16; i++) w[i] = read_big_endian(chunk + 8 * i);
  for (int i = 16; i < 80; i++) {
    uint64_t s0 = rotate(w[i - 15], 1) ^ rotate(w[i - 15], 8) ^ w[i - 15] >> 7;
    uint64_t s1 = rotate(w[i - 2], 19) ^ rotate(w[i - 2], 61) ^ w[i - 2] >> 6;
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  uint64_t a = hash[0], b = hash[1], c = hash[2], d = hash[3], e = hash[4], f = hash[5], g = hash[6], h = hash[7];
  for (int i = 0; i < 80; i++) {
    uint64_t s1 = rotate(e, 14) ^ rotate(e, 18) ^ rotate(e, 41);
    uint64_t t1 = h + s1 + ((e & f) ^ (~e & g)) + round_constants[i] + w[i];
    uint64_t s0 = rotate(a, 28) ^ rotate(a, 34) ^ rotate(a, 39);
    uint64_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
  }
  hash[0] += a, hash[1] += b, hash[2] += c, hash[3] += d, hash[4] += e, hash[5] += f, hash[6] += g, hash[7] += h;
}

/// Ends a message of `length` bytes, of which all but `rest` were taken in.
static void finish(uint64_t hash[8], const unsigned char *rest, u128 length) {
  unsigned char last[256] = {0};
  size_t left = (size_t)(length % 128), size = left < 112 ? 128 : 256;
  memcpy(last, rest, left);
  last[left] = 0x80;
  for (int i = 0; i < 16; i++) last[size - 1 - i] = (unsigned char)(length * 8 >> (8 * i));
  for (size_t at = 0; at < size; at += 128) compress(hash, last + at);
}

static void print(const char *name, const uint64_t hash[8]) {
  printf("%s ", name);
  for (int i = 0; i < 8; i++) printf("%016" PRIx64, hash[i]);
  printf("\n");
}

int main(int argc, char **argv) {
  enum { block = 65536 };
  long blocks = size_of_run(argc, argv, 2400);
  make_constants();
  uint64_t hash[8];

  memcpy(hash, initial, sizeof hash);
  finish(hash, (const unsigned char *)"abc", 3);
  print("abc", hash);

  unsigned char *data = allocate(block);
  for (size_t i = 0; i < block; i++) data[i] = (unsigned char)random64();
  memcpy(hash, initial, sizeof hash);
  for (long n = 0; n < blocks; n++) {
    memcpy(data, &n, sizeof n);
    for (size_t at = 0; at < block; at += 128) compress(hash, data + at);
  }
  finish(hash, data, (u128)blocks * block);
  print("sha512", hash);
  free(data);
}
