// Code made at run time: written, executed, rewritten, moved, taken away. What was executed last must not linger.
#include "check.h"

#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define PAGE 4096
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

typedef long function(void);

/** li a0, value; ret */
static void emit(void *at, int value) {
  uint32_t code[2] = {0x00000513u | (uint32_t)value << 20, 0x00008067};
  memcpy(at, code, sizeof code);
}

static void flush(char *at, long length) { __builtin___clear_cache(at, at + length); }
static long call(void *at) { return ((function *)at)(); }

static char *map(int prot, long pages) {
  char *at = mmap(NULL, pages * PAGE, prot, ANON, -1, 0);
  CHECK(at != MAP_FAILED);
  return at;
}

static void rewritten(void) {
  char *at = map(PROT_READ | PROT_WRITE | PROT_EXEC, 2);
  for (int i = 0; i < 2000; i++) {
    emit(at + 16 * (i % 5), i % 2000);
    asm volatile("fence.i" ::: "memory");
    EQ(call(at + 16 * (i % 5)), i % 2000);
  }
  // By the system call.
  emit(at, 77);
  EQ(syscall(259, at, at + 8, 0), 0);
  EQ(call(at), 77);
  // One halfword of it, across two pages.
  char *edge = at + PAGE - 2;
  emit(edge, 1);
  flush(edge, 8);
  EQ(call(edge), 1);
  edge[3] = 0x20;  // the upper byte of the immediate, in the second page
  flush(edge, 8);
  EQ(call(edge), 0x201);
  // Written by the kernel.
  int ends[2];
  uint32_t code[2];
  emit(code, 99);
  CHECK(pipe(ends) == 0 && write(ends[1], code, 8) == 8 && read(ends[0], at, 8) == 8);
  flush(at, 8);
  EQ(call(at), 99);
  munmap(at, 2 * PAGE);
}

static void write_or_execute(void) {
  char *at = map(PROT_READ | PROT_WRITE, 1);
  for (int i = 0; i < 50; i++) {
    CHECK(mprotect(at, PAGE, PROT_READ | PROT_WRITE) == 0);
    emit(at, i);
    FAULTS(call(at), SIGSEGV, SEGV_ACCERR, at);
    EQ(caught.pc, at);
    CHECK(mprotect(at, PAGE, PROT_READ | PROT_EXEC) == 0);
    flush(at, 8);
    EQ(call(at), i);
    FAULTS(emit(at, 1), SIGSEGV, SEGV_ACCERR, at);
  }
  // Only to be executed.
  CHECK(mprotect(at, PAGE, PROT_EXEC) == 0);
  EQ(call(at), 49);
  munmap(at, PAGE);
  FAULTS(call(at), SIGSEGV, SEGV_MAPERR, at);
  EQ(caught.pc, at);
}

static void replaced(void) {
  // Other pages come to the same place.
  char *at = map(PROT_READ | PROT_WRITE | PROT_EXEC, 1);
  emit(at, 1);
  flush(at, 8);
  EQ(call(at), 1);
  CHECK(mmap(at, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, ANON | MAP_FIXED, -1, 0) == at);
  EQ(CATCH(call(at)), SIGILL);
  emit(at, 2);
  flush(at, 8);
  EQ(call(at), 2);
  char *moved = mremap(at, PAGE, 2 * PAGE, MREMAP_MAYMOVE);
  EQ(call(moved), 2);
  CHECK(madvise(moved, PAGE, MADV_DONTNEED) == 0);
  EQ(CATCH(call(moved)), SIGILL);
  munmap(moved, 2 * PAGE);

  // Two views of one page: written through one, executed through the other.
  int m = memfd_create("code", 0);
  CHECK(m >= 0 && ftruncate(m, PAGE) == 0);
  char *write_view = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, m, 0);
  char *code_view = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, m, 0);
  CHECK(write_view != MAP_FAILED && code_view != MAP_FAILED);
  for (int i = 0; i < 20; i++) {
    emit(write_view, i);
    flush(code_view, 8);
    EQ(call(code_view), i);
  }
  uint32_t code[2];
  emit(code, 123);
  CHECK(pwrite(m, code, 8, 0) == 8);
  flush(code_view, 8);
  EQ(call(code_view), 123);
  close(m);
}

static void edges(void) {
  char *at = map(PROT_READ | PROT_WRITE | PROT_EXEC, 2);
  static const uint16_t c_ret = 0x8082;
  // The last halfword of the mapping is enough for a short instruction, not for a long one.
  memcpy(at + 2 * PAGE - 2, &c_ret, 2);
  CHECK(mprotect(at + PAGE, PAGE, PROT_READ | PROT_EXEC) == 0);
  EQ(CATCH(call(at + 2 * PAGE - 2)), 0);
  CHECK(munmap(at + PAGE, PAGE) == 0);
  uint32_t code[2];
  emit(code, 5);
  memcpy(at + PAGE - 6, code, 6);
  flush(at, PAGE);
  FAULTS(call(at + PAGE - 6), SIGSEGV, SEGV_MAPERR, at + PAGE);
  EQ(caught.pc, at + PAGE - 2);
  // Falling off the end.
  uint32_t nop = 0x13;
  memcpy(at + PAGE - 4, &nop, 4);
  flush(at, PAGE);
  FAULTS(call(at + PAGE - 4), SIGSEGV, SEGV_MAPERR, at + PAGE);
  EQ(caught.pc, at + PAGE);
  // Nowhere; an odd target loses its last bit.
  FAULTS(call(NULL), SIGSEGV, SEGV_MAPERR, NULL);
  EQ(caught.pc, 0);
  FAULTS(call((void *)(1L << 40)), SIGSEGV, SEGV_MAPERR, 1L << 40);
  emit(at, 6);
  flush(at, 8);
  EQ(call(at + 1), 6);
  munmap(at, PAGE);
}

/** A loop that rewrites its own next instruction each time around. */
static void modifies_itself(void) {
  char *at = map(PROT_READ | PROT_WRITE | PROT_EXEC, 1);
  // a0 = address of the slot, a1 = count: add what the slot says, increment its immediate.
  static const uint32_t program[] = {
      0x00050293,  // mv t0, a0
      0x00000513,  // li a0, 0
      0x00150513,  // slot: addi a0, a0, 1
      0x0002a303,  // lw t1, 0(t0)
      0x001003b7,  // lui t2, 0x100: one in the immediate
      0x00730333,  // add t1, t1, t2
      0x0062a023,  // sw t1, 0(t0)
      0x0000100f,  // fence.i
      0xfff58593,  // addi a1, a1, -1
      0xfe0592e3,  // bnez a1, slot
      0x00008067,  // ret
  };
  memcpy(at, program, sizeof program);
  flush(at, sizeof program);
  EQ(((long (*)(void *, long))at)(at + 8, 100), 5050);
  munmap(at, PAGE);
}

int main(void) {
  catch_faults();
  rewritten();
  write_or_execute();
  replaced();
  edges();
  modifies_itself();
  return done();
}
