// A compiler at run time: makes code, runs it until it is hot, makes other code in its place, so many times as the
// argument says, in each of the ways that such compilers have. What was made last must be what runs.
#include "check.h"

#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define PAGE 4096
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define RWX (PROT_READ | PROT_WRITE | PROT_EXEC)

typedef uint64_t function(uint64_t times);

static uint32_t addi(int rd, int rs1, int imm) { return 0x13 | rd << 7 | rs1 << 15 | (uint32_t)imm << 20; }
static uint32_t add(int rd, int rs1, int rs2) { return 0x33 | rd << 7 | rs1 << 15 | rs2 << 20; }
static uint32_t bnez(int rs1, int by) {
  return 0x1063 | rs1 << 15 | (by >> 11 & 1) << 7 | (by >> 1 & 15) << 8 | (by >> 5 & 63) << 25 | (uint32_t)(by >> 12 & 1) << 31;
}
enum { ZERO, RA, A0 = 10, A1, A2, A3 };

/** Writes a loop whose form and constants are the generation's. Its length in bytes; `*answer` is what 50 rounds give. */
static long make(uint32_t *to, unsigned generation, uint64_t *answer) {
  uint32_t *at = to;
  int k = generation % 1999, more = generation % 7;
  uint64_t a = k, sum = 0;
  *at++ = addi(A1, ZERO, 0);
  *at++ = addi(A2, ZERO, k);
  uint32_t *head = at;
  *at++ = add(A1, A1, A2);
  for (int i = 0; i < more; i++) *at++ = i % 2 ? add(A1, A1, A0) : addi(A2, A2, i + 1);
  *at++ = addi(A0, A0, -1);
  *at = bnez(A0, (head - at) * 4);
  at++;
  *at++ = addi(A0, A1, 0);
  *at++ = 0x00008067;  // ret
  for (uint64_t n = 50; n > 0; n--) {
    sum += a;
    for (int i = 0; i < more; i++)
      if (i % 2) sum += n;
      else a += i + 1;
  }
  *answer = sum;
  return (at - to) * 4;
}

static uint32_t code[64];

static void run(void *at, uint64_t answer) {
  EQ(((function *)at)(50), answer);
  EQ(((function *)at)(50), answer);
}

static void fence(void) { asm volatile("fence.i" ::: "memory"); }

/** Always in the same place of one page that may be written and executed. */
static void rewritten(char *page, unsigned g, int by_call) {
  uint64_t answer;
  long length = make(code, g, &answer);
  memcpy(page, code, length);
  if (by_call) EQ(syscall(259, page, page + length, 0), 0);
  else fence();
  run(page, answer);
}

/** One place after the other, around and around. */
static void appended(char *pages, long size, unsigned g) {
  uint64_t answer;
  long length = make(code, g, &answer), at = (long)g * 128 % size;
  memcpy(pages + at, code, length);
  fence();
  run(pages + at, answer);
}

static void write_or_execute(char *page, unsigned g) {
  uint64_t answer;
  CHECK(mprotect(page, PAGE, PROT_READ | PROT_WRITE) == 0);
  long length = make((uint32_t *)page, g, &answer);
  CHECK(mprotect(page, PAGE, PROT_READ | PROT_EXEC) == 0);
  if (g % 2) __builtin___clear_cache(page, page + length);
  run(page, answer);
}

static char *mapped_anew(char *page, unsigned g) {
  uint64_t answer;
  CHECK(munmap(page, PAGE) == 0);
  CHECK(mmap(page, PAGE, RWX, ANON | MAP_FIXED, -1, 0) == page);
  long length = make((uint32_t *)page, g, &answer);
  __builtin___clear_cache(page, page + length);
  run(page, answer);
  return page;
}

/** Written through one view of a file, executed through another. */
static void by_two_views(char *writes, char *executes, unsigned g) {
  uint64_t answer;
  long length = make((uint32_t *)writes, g, &answer);
  __builtin___clear_cache(executes, executes + length);
  run(executes, answer);
}

/** By the kernel. */
static void read_in(char *page, int fd, unsigned g) {
  uint64_t answer;
  long length = make(code, g, &answer);
  CHECK(pwrite(fd, code, length, 0) == length && pread(fd, page, length, 0) == length);
  fence();
  run(page, answer);
}

int main(int argc, char **argv) {
  unsigned generations = argc > 1 ? atoi(argv[1]) : 300;
  catch_faults();
  char *page = mmap(NULL, 16 * PAGE, RWX, ANON, -1, 0), *other = mmap(NULL, PAGE, RWX, ANON, -1, 0);
  int file = memfd_create("code", 0), plain = memfd_create("plain", 0);
  CHECK(page != MAP_FAILED && other != MAP_FAILED && file >= 0 && plain >= 0 && ftruncate(file, PAGE) == 0);
  char *writes = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  char *executes = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, file, 0);
  CHECK(writes != MAP_FAILED && executes != MAP_FAILED);
  for (unsigned g = 0; g < generations; g++) {
    rewritten(page, g, 0);
    rewritten(page, g + 1, 1);
    appended(page + PAGE, 15 * PAGE, g);
    write_or_execute(other, g);
    mapped_anew(other, g + 2);
    by_two_views(writes, executes, g);
    read_in(page, plain, g + 3);
  }
  return done();
}
