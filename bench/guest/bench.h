// What every workload needs: its size, numbers that look random but are the same everywhere, and the report of what it
// computed. Lines that begin with "bits" hold a double to the last bit: engines must agree on them, compilers for
// different machines need not, because one may fuse a multiplication with an addition where the other rounds twice.
#pragma once
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/// The first argument, or the usual size where there is none.
static inline long size_of_run(int argc, char **argv, long usual) {
  long size = argc > 1 ? strtol(argv[1], NULL, 10) : usual;
  if (size < 1) {
    fprintf(stderr, "usage: %s [SIZE]\n", argv[0]);
    exit(2);
  }
  return size;
}

/// Numbers by xorshift64*.
static inline uint64_t random64(void) {
  static uint64_t state = 0x2545f4914f6cdd1d;
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  return state * 0x2545f4914f6cdd1d;
}

/// A number below `bound`, which is below 2^32.
static inline uint32_t random_below(uint32_t bound) { return (uint32_t)(((random64() >> 32) * bound) >> 32); }

/// Fills a list of random numbers, each below `bound`. The arguments of one call are evaluated in no certain order.
static inline void random_list(uint32_t *list, int length, uint32_t bound) {
  for (int i = 0; i < length; i++) list[i] = random_below(bound);
}

/// A checksum that depends on the order of what went in.
static inline uint64_t mix_in(uint64_t sum, uint64_t value) {
  sum = (sum ^ value) * 0x9e3779b97f4a7c15;
  return sum ^ (sum >> 29);
}

static inline uint64_t checksum(uint64_t sum, const void *data, size_t length) {
  const unsigned char *bytes = (const unsigned char *)data;
  for (size_t i = 0; i < length; i++) sum = (sum ^ bytes[i]) * 0x100000001b3;
  return sum;
}

static inline void report(const char *name, uint64_t value) { printf("%s %016" PRIx64 "\n", name, value); }

/// A double, rounded to what all machines agree on and, on a line of its own, exact.
static inline void report_double(const char *name, double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  printf("%s %.6g\nbits %016" PRIx64 "\n", name, value, bits);
}

/// Memory, or the end of the program.
static inline void *allocate(size_t bytes) {
  void *memory = malloc(bytes);
  if (memory == NULL) {
    fprintf(stderr, "no memory\n");
    exit(1);
  }
  return memory;
}
