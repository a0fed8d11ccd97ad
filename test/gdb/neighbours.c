// Loops beside what is watched, of all widths and shapes; each touches the watched object at known rounds alone. And loops to be stepped through.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define APART __attribute__((noipa))

struct {
  volatile uint8_t bytes[64];
  volatile uint64_t target;
  volatile uint8_t behind[64];
} fields __attribute__((aligned(4096)));

volatile uint64_t round_number;

// Stores of 1, 2, 4 and 8 bytes right before and behind the target, through one base.
APART void around(long n) {
  for (long i = 0; i < n; i++) {
    round_number = (uint64_t)i;
    fields.bytes[63] = (uint8_t)i;
    *(volatile uint16_t *)(fields.bytes + 62) = (uint16_t)i;
    *(volatile uint32_t *)(fields.bytes + 60) = (uint32_t)i;
    *(volatile uint64_t *)(fields.bytes + 56) = (uint64_t)i;
    fields.behind[0] = (uint8_t)i;
    *(volatile uint64_t *)fields.behind = fields.target + fields.bytes[7];
  }
}

// One that straddles its last byte, each 1000th round.
APART void straddling(long n) {
  for (long i = 0; i < n; i++) {
    round_number = (uint64_t)i;
    volatile uint8_t *const to = i % 1000 == 999 ? (volatile uint8_t *)&fields.target + 7 : fields.behind;
    *(volatile uint32_t *)(fields.bytes + 4) = (uint32_t)i;
    *(volatile uint16_t *)(to + (i % 1000 == 999 ? 0 : 2)) = (uint16_t)i;
  }
}

// By an index, by atomics, by memset.
APART void indexed(long n) {
  volatile uint64_t *const words = (volatile uint64_t *)&fields;
  for (long i = 0; i < n; i++) {
    round_number = (uint64_t)i;
    words[i % 2000 == 1999 ? 8 : i % 8] = (uint64_t)i;
    __atomic_fetch_add((uint32_t *)(fields.behind + 8), 1, __ATOMIC_RELAXED);
    memset((void *)(fields.behind + 16), (int)i, 40);
    if (i % 5000 == 4999) __atomic_fetch_add((uint64_t *)&fields.target, 1, __ATOMIC_RELAXED);
  }
}

volatile uint64_t sum;

APART uint64_t helper(uint64_t n) { return n * 3 + 1; }

APART uint64_t line(long n) {
  uint64_t a = 1;
  for (long i = 0; i < n; i++) {
    for (long j = 0; j < 20; j++) a = (a ^ (a >> 29)) * 0x9e3779b97f4a7c15 + (uint64_t)j;
    sum = a;
    if (i == n / 2) a += helper(a);
  }
  return a;
}

int main(int argc, char **argv) {
  const long n = argc > 1 ? strtol(argv[1], NULL, 10) : 1000;
  around(n);
  straddling(n);
  indexed(n);
  const uint64_t found = line(n);
  return (int)(found & 63);
}
