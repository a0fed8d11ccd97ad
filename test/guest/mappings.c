// mmap, munmap, mprotect, mremap, madvise, mincore, brk: what is mapped where afterwards, and what is refused.
#include "check.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define PAGE 4096
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW (PROT_READ | PROT_WRITE)

static char *map(void *at, size_t length, int prot, int flags) { return mmap(at, length, prot, flags, -1, 0); }

/** A free place of `pages` pages. */
static char *room(int pages) {
  char *at = map(NULL, pages * PAGE, PROT_NONE, ANON);
  CHECK(at != MAP_FAILED && munmap(at, pages * PAGE) == 0);
  return at;
}

static int mapped(char *at) {
  unsigned char v;
  return mincore(at, PAGE, &v) == 0;
}

static void places(void) {
  char *free_place = room(8);
  EQ(map(free_place, PAGE, RW, ANON), free_place);  // a hint that is free is taken
  EQ(map(free_place + 2 * PAGE + 5, PAGE, RW, ANON), free_place + 2 * PAGE);  // rounded down
  munmap(free_place, 8 * PAGE);
}

static void fixed(void) {
  char *at = room(8);
  EQ(map(at + PAGE, 4 * PAGE, RW, ANON | MAP_FIXED), at + PAGE);
  memset(at + PAGE, 1, 4 * PAGE);
  EQ(map(at + 2 * PAGE, PAGE, RW, ANON | MAP_FIXED), at + 2 * PAGE);
  EQ(at[PAGE], 1);
  EQ(at[2 * PAGE], 0);
  EQ(at[3 * PAGE], 1);
  FAILS(map(at + 1, PAGE, RW, ANON | MAP_FIXED), EINVAL);
  FAILS(map(at + 4 * PAGE, 2 * PAGE, RW, ANON | MAP_FIXED_NOREPLACE), EEXIST);
  EQ(at[4 * PAGE], 1);
  CHECK(!mapped(at + 5 * PAGE));
  EQ(map(at + 5 * PAGE, PAGE, RW, ANON | MAP_FIXED_NOREPLACE), at + 5 * PAGE);
  // A hint that is taken gives another place.
  char *other = map(at + PAGE, PAGE, RW, ANON);
  CHECK(other != MAP_FAILED && other != at + PAGE);
  munmap(other, PAGE);
  munmap(at, 8 * PAGE);
  FAILS(map(NULL, 0, RW, ANON), EINVAL);
  FAILS(map(NULL, PAGE, RW, MAP_ANONYMOUS), EINVAL);
  FAILS(map(NULL, (size_t)-PAGE, RW, ANON), ENOMEM);
  FAILS(map(NULL, (size_t)-1, RW, ANON), ENOMEM);
  FAILS(mmap(NULL, PAGE, RW, MAP_PRIVATE, -1, 0), EBADF);
  FAILS(mmap(NULL, PAGE, RW, MAP_PRIVATE, 0, 1), EINVAL);
}

static void holes(void) {
  char *at = map(NULL, 8 * PAGE, RW, ANON);
  memset(at, 2, 8 * PAGE);
  CHECK(munmap(at + 3 * PAGE, 2 * PAGE) == 0);
  FAULTS((void)*(volatile char *)(at + 3 * PAGE), SIGSEGV, SEGV_MAPERR, at + 3 * PAGE);
  FAULTS(*(volatile char *)(at + 5 * PAGE - 1) = 1, SIGSEGV, SEGV_MAPERR, at + 5 * PAGE - 1);
  EQ(at[3 * PAGE - 1], 2);
  EQ(at[5 * PAGE], 2);
  // All of a range with holes goes; a range without a mapping is no error; an odd address is.
  CHECK(munmap(at, 8 * PAGE) == 0 && munmap(at, 8 * PAGE) == 0);
  for (int i = 0; i < 8; i++) CHECK(!mapped(at + i * PAGE));
  FAILS(munmap(at + 1, PAGE), EINVAL);
  FAILS(munmap(at, 0), EINVAL);
  // Pages that come back are zero.
  EQ(map(at, PAGE, RW, ANON | MAP_FIXED), at);
  EQ(at[0], 0);
  munmap(at, PAGE);
}

static void protections(void) {
  char *at = map(NULL, 4 * PAGE, RW, ANON);
  at[0] = at[PAGE] = 3;
  CHECK(mprotect(at, PAGE, PROT_READ) == 0);
  FAULTS(*(volatile char *)at = 1, SIGSEGV, SEGV_ACCERR, at);
  EQ(*(volatile char *)at, 3);
  CHECK(mprotect(at, 2 * PAGE, PROT_NONE) == 0);
  FAULTS((void)*(volatile char *)(at + PAGE + 7), SIGSEGV, SEGV_ACCERR, at + PAGE + 7);
  CHECK(mprotect(at, 4 * PAGE, RW) == 0);
  EQ(at[0] + at[PAGE], 6);
  FAULTS(((void (*)(void))at)(), SIGSEGV, SEGV_ACCERR, at);
#ifdef __riscv
  EQ(caught.pc, at);
#endif
  FAILS(mprotect(at + 1, PAGE, RW), EINVAL);
  CHECK(mprotect(at, 0, RW) == 0);
  CHECK(munmap(at + 2 * PAGE, PAGE) == 0);
  FAILS(mprotect(at, 4 * PAGE, PROT_READ), ENOMEM);
  EQ(CATCH(*(volatile char *)(at + 3 * PAGE) = 1), 0);
  munmap(at, 4 * PAGE);
}

static void remap(void) {
  char *at = map(NULL, 8 * PAGE, RW, ANON);
  munmap(at + 4 * PAGE, 4 * PAGE);
  memset(at, 4, 4 * PAGE);
  EQ(mremap(at, 4 * PAGE, 2 * PAGE, 0), at);  // shrinks
  CHECK(!mapped(at + 2 * PAGE));
  EQ(mremap(at, 2 * PAGE, 4 * PAGE, 0), at);  // grows in place
  EQ(at[2 * PAGE - 1], 4);
  EQ(at[2 * PAGE], 0);
  EQ(map(at + 4 * PAGE, PAGE, RW, ANON | MAP_FIXED), at + 4 * PAGE);
  CHECK(mprotect(at + 4 * PAGE, PAGE, PROT_READ) == 0);
  FAILS(mremap(at, 4 * PAGE, 6 * PAGE, 0), ENOMEM);
  char *moved = mremap(at, 4 * PAGE, 6 * PAGE, MREMAP_MAYMOVE);
  CHECK(moved != MAP_FAILED && moved != at && !mapped(at));
  EQ(moved[0], 4);
  EQ(moved[6 * PAGE - 1], 0);
  char *target = room(6);
  EQ(mremap(moved, 6 * PAGE, 6 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target), target);
  CHECK(!mapped(moved) && target[0] == 4);
  FAILS(mremap(target, 6 * PAGE, 0, MREMAP_MAYMOVE), EINVAL);
  FAILS(mremap(target + 1, PAGE, PAGE, MREMAP_MAYMOVE), EINVAL);
  FAILS(mremap(moved, PAGE, 2 * PAGE, MREMAP_MAYMOVE), EFAULT);
  FAILS(mremap(target, 6 * PAGE, 6 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target + PAGE), EINVAL);
  char *left = mremap(target, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
  CHECK(left != MAP_FAILED && left[0] == 4 && target[0] == 0);
  munmap(left, PAGE);
  munmap(target, 6 * PAGE);
  munmap(at + 4 * PAGE, PAGE);
}

static void advice(void) {
  char *at = map(NULL, 4 * PAGE, RW, ANON);
  memset(at, 5, 4 * PAGE);
  CHECK(madvise(at + PAGE, 2 * PAGE, MADV_DONTNEED) == 0);
  EQ(at[0], 5);
  EQ(at[PAGE], 0);
  EQ(at[3 * PAGE - 1], 0);
  EQ(at[3 * PAGE], 5);
  CHECK(madvise(at, PAGE, MADV_WILLNEED) == 0 && madvise(at, PAGE, MADV_SEQUENTIAL) == 0);
  FAILS(madvise(at + 1, PAGE, MADV_NORMAL), EINVAL);
  FAILS(madvise(at, PAGE, 12345), EINVAL);
  unsigned char v[4];
  CHECK(mincore(at, 4 * PAGE, v) == 0 && (v[0] & 1));
  FAILS(mincore(at + 1, PAGE, v), EINVAL);
  CHECK(mlock(at, PAGE) == 0 && munlock(at, PAGE) == 0);
  CHECK(msync(at, PAGE, MS_SYNC) == 0);
  FAILS(msync(at, PAGE, MS_SYNC | MS_ASYNC), EINVAL);
  munmap(at + PAGE, PAGE);
  FAILS(mincore(at, 4 * PAGE, v), ENOMEM);
  FAILS(msync(at, 4 * PAGE, MS_ASYNC), ENOMEM);
  FAILS(madvise(at, 4 * PAGE, MADV_DONTNEED), ENOMEM);
  EQ(at[0] + at[2 * PAGE] + at[3 * PAGE], 0);  // done all the same
  munmap(at, 4 * PAGE);
}

static void heap(void) {
  char *end = sbrk(0);
  EQ(sbrk(3 * PAGE), end);
  EQ(end[3 * PAGE - 1], 0);
  memset(end, 6, 3 * PAGE);
  EQ(sbrk(-3 * PAGE), end + 3 * PAGE);
  EQ(sbrk(0), end);
  EQ(sbrk(3 * PAGE), end);
  EQ(end[2 * PAGE], 0);
  EQ(brk(end), 0);
  FAILS(brk((void *)(1L << 62)), ENOMEM);
  EQ(sbrk(0), end);
}

static void shared_anonymous(void) {
  char *at = map(NULL, 2 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS);
  CHECK(at != MAP_FAILED);
  at[0] = 7;
  // A second mapping of the same pages.
  char *twin = mremap(at, 0, PAGE, MREMAP_MAYMOVE);
  CHECK(twin != MAP_FAILED && twin != at && twin[0] == 7);
  twin[1] = 8;
  EQ(at[1], 8);
  CHECK(munmap(at, 2 * PAGE) == 0);
  EQ(twin[1], 8);
  munmap(twin, PAGE);
}

static void full(void) {
  // Until nothing is left; then all of it is given back, and works.
  struct rlimit old, few;
  CHECK(getrlimit(RLIMIT_AS, &old) == 0);
  few = old;
  few.rlim_cur = 1 << 30;
  CHECK(setrlimit(RLIMIT_AS, &few) == 0);
  static char *all[64];
  int n = 0;
  size_t size = 64 << 20;
  while (n < 64 && (all[n] = map(NULL, size, RW, ANON)) != MAP_FAILED) all[n++][size - 1] = 1;
  CHECK(n < 64 && n > 8 && errno == ENOMEM);
  for (int i = 0; i < n; i++) CHECK(munmap(all[i], size) == 0);
  CHECK(setrlimit(RLIMIT_AS, &old) == 0);
  char *again = map(NULL, size, RW, ANON);
  CHECK(again != MAP_FAILED && munmap(again, size) == 0);
  // Reserving costs nothing.
  again = map(NULL, 1 << 30, PROT_NONE, ANON | MAP_NORESERVE);
  CHECK(again != MAP_FAILED && munmap(again, 1 << 30) == 0);
}

static void every_flag(void) {
  static const int flags[] = {MAP_PRIVATE | MAP_POPULATE, MAP_PRIVATE | MAP_NORESERVE, MAP_PRIVATE | MAP_STACK,
                              MAP_SHARED, MAP_SHARED | MAP_LOCKED};
  for (unsigned i = 0; i < sizeof flags / sizeof *flags; i++) {
    char *at = map(NULL, 2 * PAGE, RW, flags[i] | MAP_ANONYMOUS);
    CHECK(at != MAP_FAILED && at[0] == 0);
    at[PAGE] = 1;
    CHECK(munmap(at, 2 * PAGE) == 0);
  }
  int zero = open("/dev/zero", O_RDWR);
  char *at = mmap(NULL, PAGE, RW, MAP_PRIVATE, zero, 0);
  CHECK(at != MAP_FAILED && at[5] == 0);
  at[5] = 1;
  CHECK(munmap(at, PAGE) == 0 && close(zero) == 0);
  at = map(NULL, 2 * PAGE, RW, ANON);
  static const int advices[] = {MADV_NORMAL, MADV_RANDOM, MADV_DONTFORK, MADV_DOFORK, MADV_DONTDUMP, MADV_HUGEPAGE, MADV_FREE};
  for (unsigned i = 0; i < sizeof advices / sizeof *advices; i++)
    CHECK(madvise(at, PAGE, advices[i]) == 0 || errno == EINVAL);  // as the machine is configured
  // Writable without readable is readable all the same, as the architectures have it.
  CHECK(mprotect(at, PAGE, PROT_WRITE) == 0);
  at[1] = 3;
  EQ(*(volatile char *)(at + 1), 3);
  munmap(at, 2 * PAGE);
}

static void many(void) {
  char *at = map(NULL, 512 * PAGE, RW, ANON);
  for (int i = 0; i < 512; i += 2) CHECK(mprotect(at + i * PAGE, PAGE, PROT_READ) == 0);
  for (int i = 1; i < 512; i += 2) at[i * PAGE] = (char)i;
  for (int i = 0; i < 512; i += 4) CHECK(munmap(at + i * PAGE, PAGE) == 0);
  for (int i = 1; i < 512; i += 2) EQ(at[i * PAGE], (char)i);
  CHECK(munmap(at, 512 * PAGE) == 0);
}

int main(void) {
  catch_faults();
  places();
  fixed();
  holes();
  protections();
  remap();
  advice();
  heap();
  shared_anonymous();
  full();
  every_flag();
  many();
  return done();
}
