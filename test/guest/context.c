// What a signal handler sees of the registers, and what it changes: all of them, fcsr included, hold after it returns.
#include "check.h"

#include <stdint.h>
#include <sys/syscall.h>

static ucontext_t seen;
static int change;

static void handler(int signo, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  seen = *uc;
  if (!change) return;
  for (int i = 5; i < 32; i++)
    if (i != 8) uc->uc_mcontext.__gregs[i] = 1000 + i;
  for (int i = 0; i < 32; i++) uc->uc_mcontext.__fpregs.__d.__f[i] = 0x4000000000000000 + i;
  uc->uc_mcontext.__fpregs.__d.__fcsr = 0x2 << 5 | 0x11;
  // All that the handler itself does with them goes.
  asm volatile("fsrmi 3; fsflagsi 0; fmv.d.x fa0, zero; fmv.d.x fs0, zero; li s2, -1; li t6, -1" ::: "fa0", "fs0", "s2", "t6");
}

uint64_t integers[32], floats[32], fcsr;

/** Sets every register to a known value, makes the system call, stores every register. */
__attribute__((noinline, naked)) static void all_registers(long number, long a, long b, long c) {
  asm volatile(
      "addi sp, sp, -256; sd ra, 0(sp); sd s0, 8(sp); sd s1, 16(sp); sd s2, 24(sp); sd s3, 32(sp); sd s4, 40(sp);"
      "sd s5, 48(sp); sd s6, 56(sp); sd s7, 64(sp); sd s8, 72(sp); sd s9, 80(sp); sd s10, 88(sp); sd s11, 96(sp);"
      "fsd fs0, 104(sp); fsd fs1, 112(sp); fsd fs2, 120(sp); fsd fs3, 128(sp); fsd fs4, 136(sp); fsd fs5, 144(sp);"
      "fsd fs6, 152(sp); fsd fs7, 160(sp); fsd fs8, 168(sp); fsd fs9, 176(sp); fsd fs10, 184(sp); fsd fs11, 192(sp);"
      "frcsr t0; sd t0, 200(sp);"
      "mv a7, a0; mv a0, a1; mv a1, a2; mv a2, a3;"
      "li t0, 105; li t1, 106; li t2, 107; li s0, 108; li s1, 109; li a3, 113; li a4, 114; li a5, 115; li a6, 116;"
      "li s2, 118; li s3, 119; li s4, 120; li s5, 121; li s6, 122; li s7, 123; li s8, 124; li s9, 125; li s10, 126;"
      "li s11, 127; li t3, 128; li t4, 129; li t5, 130; li t6, 131;"
      "fmv.d.x f0, t0; fmv.d.x f1, t1; fmv.w.x f31, t6; fmv.d.x f30, t5; fmv.d.x f8, s0; fscsr t0;"
      "ecall;"
      "addi sp, sp, -16; sd t0, 0(sp); la t0, integers; sd t1, 48(t0); ld t1, 0(sp); sd t1, 40(t0); addi sp, sp, 16;"
      "sd ra, 8(t0); sd t2, 56(t0); sd s0, 64(t0); sd s1, 72(t0); sd a0, 80(t0); sd a1, 88(t0); sd a2, 96(t0);"
      "sd a3, 104(t0); sd a4, 112(t0); sd a5, 120(t0); sd a6, 128(t0); sd a7, 136(t0); sd s2, 144(t0); sd s3, 152(t0);"
      "sd s4, 160(t0); sd s5, 168(t0); sd s6, 176(t0); sd s7, 184(t0); sd s8, 192(t0); sd s9, 200(t0); sd s10, 208(t0);"
      "sd s11, 216(t0); sd t3, 224(t0); sd t4, 232(t0); sd t5, 240(t0); sd t6, 248(t0);"
      "la t0, floats;"
      "fsd f0, 0(t0); fsd f1, 8(t0); fsd f2, 16(t0); fsd f3, 24(t0); fsd f4, 32(t0); fsd f5, 40(t0); fsd f6, 48(t0);"
      "fsd f7, 56(t0); fsd f8, 64(t0); fsd f9, 72(t0); fsd f10, 80(t0); fsd f11, 88(t0); fsd f12, 96(t0);"
      "fsd f13, 104(t0); fsd f14, 112(t0); fsd f15, 120(t0); fsd f16, 128(t0); fsd f17, 136(t0); fsd f18, 144(t0);"
      "fsd f19, 152(t0); fsd f20, 160(t0); fsd f21, 168(t0); fsd f22, 176(t0); fsd f23, 184(t0); fsd f24, 192(t0);"
      "fsd f25, 200(t0); fsd f26, 208(t0); fsd f27, 216(t0); fsd f28, 224(t0); fsd f29, 232(t0); fsd f30, 240(t0);"
      "fsd f31, 248(t0); frcsr t1; la t0, fcsr; sd t1, 0(t0);"
      "ld t0, 200(sp); fscsr t0;"
      "ld ra, 0(sp); ld s0, 8(sp); ld s1, 16(sp); ld s2, 24(sp); ld s3, 32(sp); ld s4, 40(sp);"
      "ld s5, 48(sp); ld s6, 56(sp); ld s7, 64(sp); ld s8, 72(sp); ld s9, 80(sp); ld s10, 88(sp); ld s11, 96(sp);"
      "fld fs0, 104(sp); fld fs1, 112(sp); fld fs2, 120(sp); fld fs3, 128(sp); fld fs4, 136(sp); fld fs5, 144(sp);"
      "fld fs6, 152(sp); fld fs7, 160(sp); fld fs8, 168(sp); fld fs9, 176(sp); fld fs10, 184(sp); fld fs11, 192(sp);"
      "addi sp, sp, 256; ret");
}

static void kill_self(void) { all_registers(SYS_kill, getpid(), SIGUSR1, 0); }

static void kept(void) {
  change = 0;
  kill_self();
  for (int i = 5; i < 32; i++) {
    if (i >= 10 && i <= 12) continue;
    uint64_t wanted = i == 17 ? SYS_kill : 100 + i;
    EQ(seen.uc_mcontext.__gregs[i], wanted);
    EQ(integers[i], wanted);
  }
  EQ(integers[10], 0);
  EQ(seen.uc_mcontext.__gregs[10], 0);
  EQ(seen.uc_mcontext.__gregs[11], SIGUSR1);
  EQ(seen.uc_mcontext.__gregs[3], ({ long gp; asm("mv %0, gp" : "=r"(gp)); gp; }));
  EQ(seen.uc_mcontext.__gregs[4], ({ long tp; asm("mv %0, tp" : "=r"(tp)); tp; }));
  EQ(seen.uc_mcontext.__fpregs.__d.__f[0], 105);
  EQ(seen.uc_mcontext.__fpregs.__d.__f[31], 0xffffffff00000083);
  EQ(seen.uc_mcontext.__fpregs.__d.__fcsr, 105);
  EQ(floats[0], 105);
  EQ(floats[8], 108);
  EQ(floats[31], 0xffffffff00000083);
  EQ(fcsr, 105);
  EQ(*(uint32_t *)(seen.uc_mcontext.__gregs[REG_PC] - 4), 0x00000073);  // behind the ecall
}

static void changed(void) {
  change = 1;
  kill_self();
  for (int i = 5; i < 32; i++)
    if (i != 8) EQ(integers[i], 1000 + i);
  for (int i = 0; i < 32; i++) EQ(floats[i], 0x4000000000000000 + i);
  EQ(fcsr, 0x51);
}

static void advances(int signo, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  uint16_t low = *(uint16_t *)uc->uc_mcontext.__gregs[REG_PC];
  uc->uc_mcontext.__gregs[REG_PC] += (low & 3) == 3 ? 4 : 2;
  uc->uc_mcontext.__gregs[REG_A0]++;
}

/** Faulting instructions are stepped over; nothing of them happened. */
static void stepped_over(void) {
  struct sigaction action = {.sa_sigaction = advances, .sa_flags = SA_SIGINFO};
  sigemptyset(&action.sa_mask);
  static const int faults[] = {SIGSEGV, SIGILL, SIGTRAP, SIGBUS};
  for (int i = 0; i < 4; i++) CHECK(sigaction(faults[i], &action, NULL) == 0);
  long count, loaded, stored, address;
  asm volatile(
      "li a0, 0; li a4, 64; li t1, 7; li t2, 1001;"
      "ld t1, 0(a4); sd t1, 0(a4); c.lw a5, 0(a4); ebreak; c.ebreak; unimp; amoadd.d t1, t2, (t2); fld ft0, 8(a4);"
      "mv %0, a0; mv %1, t1; mv %2, t2; mv %3, a4"
      : "=&r"(count), "=&r"(loaded), "=&r"(stored), "=&r"(address)
      :
      : "a0", "a4", "a5", "t0", "t1", "t2", "ft0", "memory");
  EQ(count, 8);
  EQ(loaded, 7);
  EQ(stored, 1001);
  EQ(address, 64);
  for (int i = 0; i < 3000; i++) asm volatile("ebreak" ::: "a0");
}

/** A system call is what the handler makes of it: the program counter moved back makes it again. */
static int again;
static void repeats(int signo, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  if (again++ == 3) return;
  uc->uc_mcontext.__gregs[REG_PC] -= 4;
  uc->uc_mcontext.__gregs[REG_A0] = getpid();
}

static void made_again(void) {
  struct sigaction action = {.sa_sigaction = repeats, .sa_flags = SA_SIGINFO};
  sigemptyset(&action.sa_mask);
  CHECK(sigaction(SIGUSR2, &action, NULL) == 0);
  all_registers(SYS_kill, getpid(), SIGUSR2, 0);
  EQ(again, 4);
}

/** setcontext and swapcontext of the C library. */
static ucontext_t here, there;
static char other_stack[1 << 16];
static double result;
static void coroutine(int a, int b) {
  for (int i = 0; i < 10; i++) {
    result = result * 1.5 + a + b;
    swapcontext(&there, &here);
  }
}

static void coroutines(void) {
  CHECK(getcontext(&there) == 0);
  there.uc_stack.ss_sp = other_stack;
  there.uc_stack.ss_size = sizeof other_stack;
  there.uc_link = &here;
  makecontext(&there, (void (*)(void))coroutine, 2, 3, 4);
  double wanted = 0;
  for (int i = 0; i < 10; i++) {
    CHECK(swapcontext(&here, &there) == 0);
    wanted = wanted * 1.5 + 7;
    CHECK(result == wanted);
  }
}

int main(void) {
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
  sigemptyset(&action.sa_mask);
  CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
  kept();
  changed();
  stepped_over();
  made_again();
  coroutines();
  return done();
}
