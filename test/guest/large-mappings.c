// Mappings and heaps of many megabytes, behind which the host may have huge pages: parts of them are unmapped, protected,
// given back, moved, and copied by fork as those of small ones are.
#include "check.h"

#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define PAGE 4096L
#define MIB (1024L * 1024)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW (PROT_READ | PROT_WRITE)

static char *map(size_t length) {
  char *at = mmap(NULL, length, RW, ANON, -1, 0);
  CHECK(at != MAP_FAILED);
  return at;
}

/** A number for each page. */
static void fill(char *at, long from, long to, uint64_t seed) {
  for (long i = from; i < to; i += PAGE) *(uint64_t *)(at + i) = seed + (uint64_t)i;
}

static void holds(char *at, long from, long to, uint64_t seed) {
  for (long i = from; i < to; i += PAGE) EQ(*(uint64_t *)(at + i), seed + (uint64_t)i);
}

static void zero(char *at, long from, long to) {
  for (long i = from; i < to; i += PAGE) EQ(*(uint64_t *)(at + i), 0);
}

/** Pages of a range that are in memory. */
static long present(char *at, long length) {
  static unsigned char v[32 * MIB / PAGE];
  EQ(mincore(at, length, v), 0);
  long n = 0;
  for (long i = 0; i < length / PAGE; i++) n += v[i] & 1;
  return n;
}

static void parts(void) {
  char *at = map(16 * MIB);
  zero(at, 0, 16 * MIB);
  fill(at, 0, 16 * MIB, 1);
  EQ(munmap(at + 5 * MIB + PAGE, 3 * MIB), 0);
  FAULTS(*(volatile char *)(at + 7 * MIB) = 1, SIGSEGV, SEGV_MAPERR, at + 7 * MIB);
  holds(at, 0, 5 * MIB + PAGE, 1);
  holds(at, 8 * MIB + PAGE, 16 * MIB, 1);
  // What is mapped in the hole is zero, whatever was there.
  EQ(mmap(at + 5 * MIB + PAGE, 3 * MIB, RW, ANON | MAP_FIXED, -1, 0), at + 5 * MIB + PAGE);
  zero(at, 5 * MIB + PAGE, 8 * MIB + PAGE);
  EQ(madvise(at + 10 * MIB + PAGE, 5 * MIB, MADV_DONTNEED), 0);
  EQ(present(at + 10 * MIB + PAGE, 5 * MIB), 0);
  zero(at, 10 * MIB + PAGE, 15 * MIB + PAGE);
  holds(at, 8 * MIB + PAGE, 10 * MIB + PAGE, 1);
  holds(at, 15 * MIB + PAGE, 16 * MIB, 1);
  EQ(munmap(at, 16 * MIB), 0);
}

static void protection(void) {
  char *at = map(8 * MIB);
  fill(at, 0, 8 * MIB, 2);
  EQ(mprotect(at + 3 * MIB, PAGE, PROT_READ), 0);
  FAULTS(*(volatile char *)(at + 3 * MIB + 5) = 1, SIGSEGV, SEGV_ACCERR, at + 3 * MIB + 5);
  EQ(mprotect(at + 4 * MIB, MIB, PROT_NONE), 0);
  FAULTS(*(volatile char *)(at + 5 * MIB - 1), SIGSEGV, SEGV_ACCERR, at + 5 * MIB - 1);
  EQ(mprotect(at, 8 * MIB, RW), 0);
  holds(at, 0, 8 * MIB, 2);
  EQ(munmap(at, 8 * MIB), 0);
}

static void moves(void) {
  char *at = map(6 * MIB);
  fill(at, 0, 6 * MIB, 3);
  // Half of it is in the way of nothing, then all moves, grows, and shrinks.
  char *to = map(24 * MIB);
  fill(to, 0, 24 * MIB, 4);
  EQ(mremap(at + 3 * MIB, 3 * MIB, 3 * MIB, MREMAP_MAYMOVE | MREMAP_FIXED, to + PAGE), to + PAGE);
  EQ(*(uint64_t *)(to + PAGE), 3 + 3 * MIB);
  holds(to, 3 * MIB + PAGE, 24 * MIB, 4);
  holds(at, 0, 3 * MIB, 3);
  char *grown = mremap(at, 3 * MIB, 9 * MIB, MREMAP_MAYMOVE);
  CHECK(grown != MAP_FAILED);
  holds(grown, 0, 3 * MIB, 3);
  zero(grown, 3 * MIB, 9 * MIB);
  fill(grown, 3 * MIB, 9 * MIB, 3);
  grown = mremap(grown, 9 * MIB, 20 * MIB, MREMAP_MAYMOVE);
  CHECK(grown != MAP_FAILED);
  holds(grown, 0, 9 * MIB, 3);
  zero(grown, 9 * MIB, 20 * MIB);
  EQ(mremap(grown, 20 * MIB, 4 * MIB, 0), grown);
  holds(grown, 0, 4 * MIB, 3);
  FAULTS(*(volatile char *)(grown + 4 * MIB), SIGSEGV, SEGV_MAPERR, grown + 4 * MIB);
  EQ(munmap(grown, 4 * MIB), 0);
  EQ(munmap(to, 24 * MIB), 0);
}

static void heap(void) {
  char *start = sbrk(0);
  // As a C library does, in steps.
  for (int i = 0; i < 160; i++) CHECK(sbrk(33 * PAGE) == start + i * 33 * PAGE);
  long length = 160 * 33 * PAGE;
  zero(start, 0, length);
  fill(start, 0, length, 5);
  EQ(sbrk(-(length - 9 * MIB - PAGE)), start + length);
  FAULTS(*(volatile char *)(start + 10 * MIB), SIGSEGV, SEGV_MAPERR, start + 10 * MIB);
  holds(start, 0, 9 * MIB, 5);
  EQ(sbrk(4 * MIB), start + 9 * MIB + PAGE);
  zero(start, 10 * MIB, 13 * MIB);
  holds(start, 0, 9 * MIB, 5);
  // What lies above the heap is zero where it is mapped.
  char *above = (char *)(((uintptr_t)sbrk(0) + 2 * PAGE) & -PAGE);
  EQ(mmap(above, 64 * PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0), above);
  zero(above, 0, 64 * PAGE);
  EQ(munmap(above, 64 * PAGE), 0);
  EQ(brk(start), 0);
}

static void forked(void) {
  char *at = map(12 * MIB);
  fill(at, 0, 6 * MIB, 6);
  int child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    holds(at, 0, 6 * MIB, 6);
    zero(at, 6 * MIB, 12 * MIB);
    fill(at, 0, 12 * MIB, 7);
    EQ(munmap(at + 2 * MIB, 4 * MIB), 0);
    holds(at, 6 * MIB, 12 * MIB, 7);
    _exit(0);
  }
  fill(at, 3 * MIB, 9 * MIB, 8);
  int status;
  EQ(waitpid(child, &status, 0), child);
  EQ(status, 0);
  holds(at, 0, 3 * MIB, 6);
  holds(at, 3 * MIB, 9 * MIB, 8);
  zero(at, 9 * MIB, 12 * MIB);
  EQ(munmap(at, 12 * MIB), 0);
}

int main(void) {
  catch_faults();
  parts();
  protection();
  moves();
  heap();
  forked();
  return done();
}
