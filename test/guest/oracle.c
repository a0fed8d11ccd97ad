// Runs instruction sequences and shows the whole state that each leaves: the same program runs here and under the
// reference emulator, and what they write is compared. Freestanding, for the sequences may ruin any register.
//
// Standard input, a record a sequence: x1..x31 and f0..f31 (8 bytes each), fcsr (8), length of the code (8), the code.
// Each sequence runs at CODE and ends by a trap; memory at DATA is filled from a fixed pattern before it, the code's
// other pages are zeros.
// Standard output, a record a trap: signal, si_code, si_addr, pc, the instructions executed (and some more, always as
// many), x1..x31, f0..f31, fcsr (8 bytes each), the data.
//
// A sequence that does not end within LIMIT microseconds leaves SIGALRM and zeros.
// All is done in the signal handler: it writes the state that the kernel saved, and makes it return into the next.
typedef unsigned long u64;
typedef unsigned char u8;

#define CODE 0x40000000ul
#define CODE_SIZE 0x4000ul
#define DATA 0x50000000ul
#define PAGE 0x1000ul // the second page is read-only, the fourth has no access
#define DATA_SIZE 0x3000ul

static long call(long n, long a, long b, long c, long d, long e, long f) {
  register long a0 __asm__("a0") = a, a1 __asm__("a1") = b, a2 __asm__("a2") = c;
  register long a3 __asm__("a3") = d, a4 __asm__("a4") = e, a5 __asm__("a5") = f, a7 __asm__("a7") = n;
  __asm__ volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5), "r"(a7) : "memory");
  return a0;
}

enum { READ = 63, WRITE = 64, EXIT = 93, TIMER = 103, ALTSTACK = 132, ACTION = 134, MMAP = 222, PROTECT = 226 };

static void leave(int status) {
  for (;;) call(EXIT, status, 0, 0, 0, 0, 0);
}

static int fill(void *to, u64 length) {
  for (u64 got = 0; got < length;) {
    long n = call(READ, 0, (long)to + got, length - got, 0, 0, 0);
    if (n <= 0) return 0;
    got += n;
  }
  return 1;
}

static void put(const void *from, u64 length) {
  for (u64 done = 0; done < length;) {
    long n = call(WRITE, 1, (long)from + done, length - done, 0, 0, 0);
    if (n <= 0) leave(3);
    done += n;
  }
}

struct state { u64 x[31], f[32], fcsr; };
struct context {
  u64 flags, link, stack[3], mask[16], pad; // of struct ucontext: what follows is aligned to 16 bytes
  u64 pc, x[31], f[32];
  unsigned fcsr;
};

#define LIMIT 900000
static struct state next;
static u8 stack[65536] __attribute__((aligned(16)));
static int started;

static void prepare(void) {
  call(PROTECT, DATA + PAGE, PAGE, 3, 0, 0, 0);
  for (u64 i = 0; i < DATA_SIZE / 8; i++) ((u64 *)DATA)[i] = i * 0x9e3779b97f4a7c15ul;
  call(PROTECT, DATA + PAGE, PAGE, 1, 0, 0, 0);
}

static void handler(int signal, int *info, struct context *c) {
  static u64 began;
  u64 ended;
  __asm__ volatile("rdinstret %0" : "=r"(ended));
  u64 timer[4] = {0, 0, 0, 0};
  call(TIMER, 0, (long)timer, 0, 0, 0, 0);
  if (started) {
    u64 head[5] = {signal, info[2], signal == 5 ? 0 : *(u64 *)(info + 4), c->pc, ended - began};
    u64 fcsr = c->fcsr;
    if (signal == 14) {
      head[1] = head[2] = head[3] = head[4] = fcsr = 0;
      for (int i = 0; i < 31; i++) c->x[i] = 0;
      for (int i = 0; i < 32; i++) c->f[i] = 0;
      prepare();
    }
    put(head, sizeof head);
    put(c->x, sizeof c->x);
    put(c->f, sizeof c->f);
    put(&fcsr, 8);
    put((void *)DATA, DATA_SIZE);
  }
  started = 1;
  u64 length;
  if (!fill(&next, sizeof next)) leave(0);
  for (u64 i = 0; i < CODE_SIZE / 8; i++) ((u64 *)CODE)[i] = 0;
  if (!fill(&length, 8) || length > CODE_SIZE || !fill((void *)CODE, length)) leave(2);
  prepare();
  timer[3] = LIMIT;
  call(TIMER, 0, (long)timer, 0, 0, 0, 0);
  static int unused;
  // A reservation that the last sequence left must not help this one.
  __asm__ volatile("fence.i\n sc.w zero, zero, (%0)" ::"r"(&unused) : "memory");
  for (int i = 0; i < 31; i++) c->x[i] = next.x[i];
  for (int i = 0; i < 32; i++) c->f[i] = next.f[i];
  c->fcsr = next.fcsr;
  c->pc = CODE;
  __asm__ volatile("rdinstret %0" : "=r"(began) : : "memory");
}

__attribute__((used)) static void run(void) {
  call(MMAP, CODE, CODE_SIZE, 7, 0x32, -1, 0);
  call(MMAP, DATA, DATA_SIZE + PAGE, 3, 0x32, -1, 0);
  call(PROTECT, DATA + DATA_SIZE, PAGE, 0, 0, 0, 0);
  u64 alternate[3] = {(u64)stack, 0, sizeof stack};
  call(ALTSTACK, (long)alternate, 0, 0, 0, 0, 0);
  u64 action[3] = {(u64)handler, 0x08000004 | 0x40000000, 0}; // SA_SIGINFO, SA_ONSTACK, SA_NODEFER
  static const u8 signals[] = {4, 5, 7, 8, 11, 14};
  for (unsigned i = 0; i < sizeof signals; i++) call(ACTION, signals[i], (long)action, 0, 8, 0, 0);
  __asm__ volatile("fcvt.d.w ft0, zero\n ebreak"); // the floating-point state is live from here on
  leave(4);
}

__asm__(".globl _start\n_start: .option push\n.option norelax\n andi sp, sp, -16\n call run\n.option pop");
