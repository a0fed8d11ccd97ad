// Hashing by 64-bit multiplication, high halves included: keys of 1 to 128 bytes from a buffer, eight bytes at a time
// from wherever they begin. The size is the number of thousand keys.
#include "bench.h"

static inline uint64_t load64(const unsigned char *p) {
  uint64_t x;
  memcpy(&x, p, sizeof x);
  return x;
}

/// Both halves of the product of two words, folded into one.
static inline uint64_t fold(uint64_t a, uint64_t b) {
  unsigned __int128 product = (unsigned __int128)a * b;
  return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash(const unsigned char *key, size_t length, uint64_t seed) {
  uint64_t sum = seed ^ fold(length ^ 0x8ebc6af09c88c6e3, 0x589965cc75374cc3);
  for (; length >= 16; key += 16, length -= 16)
    sum = fold(load64(key) ^ 0xa0761d6478bd642f, load64(key + 8) ^ sum);
  uint64_t a = 0, b = 0;
  if (length >= 8) {
    a = load64(key);
    b = load64(key + length - 8);
  } else
    for (size_t i = 0; i < length; i++) a = a << 8 | key[i];
  return fold(fold(a ^ 0xe7037ed1a0b428db, b ^ sum), 0x1d8e4e27c47d124f ^ sum);
}

int main(int argc, char **argv) {
  enum { buffer = 1 << 20, slots = 1 << 12 };
  long keys = size_of_run(argc, argv, 25000) * 1000;
  unsigned char *data = allocate(buffer + 128);
  for (size_t i = 0; i < buffer + 128; i += 8) {
    uint64_t word = random64();
    memcpy(data + i, &word, sizeof word);
  }
  static uint32_t counts[slots];
  uint64_t sum = 0;
  for (long i = 0; i < keys; i++) {
    size_t at = (sum + (uint64_t)i) * 8 % buffer, length = 1 + (sum >> 40) % 128;
    sum = hash(data + at, length, sum);
    counts[sum % slots]++;
  }
  uint32_t fullest = 0;
  for (int i = 0; i < slots; i++)
    if (counts[i] > fullest) fullest = counts[i];
  free(data);
  report("hash64", sum);
  report("fullest", fullest);
}
