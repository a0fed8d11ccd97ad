// The state in which a program begins, seen before any C library: registers, stack, vector of arguments, control and
// status registers. Needs nothing but system calls. Prints "ok", or what is wrong.
typedef unsigned long u64;

static long call(long nr, long a, long b, long c) {
  register long a0 asm("a0") = a, a1 asm("a1") = b, a2 asm("a2") = c, a7 asm("a7") = nr;
  asm volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a7) : "memory");
  return a0;
}

static void say(const char *text) {
  long length = 0;
  while (text[length]) length++;
  call(64, 1, (long)text, length);
}

static void must(int holds, const char *what) {
  if (holds) return;
  say(what);
  say("\n");
  call(93, 1, 0, 0);
}

static int data = 4711, zeroed[5000];
static int *relocated = &data;

struct state {
  u64 x[32], f[32], fcsr;
};

__attribute__((used)) void begin(struct state *s) {
  u64 *stack = (u64 *)s->x[2];
  must(s->x[2] % 16 == 0, "sp is not a multiple of 16");
  for (int i = 1; i < 32; i++) must(i == 2 || s->x[i] == 0, "an integer register is not 0");
  for (int i = 0; i < 32; i++) must(s->f[i] == 0, "a floating-point register is not 0");
  must(s->fcsr == 0, "fcsr is not 0");
  must(stack[0] == 2, "argc");
  char **argv = (char **)(stack + 1);
  must(argv[1][0] == 'a' && argv[1][1] == 0 && argv[2] == 0, "argv");
  u64 *aux = stack + 4;
  while (*aux) aux++;
  aux++;
  u64 seen = 0, entry = 0, headers = 0, count = 0, last = 0;
  for (; aux[0]; aux += 2) {
    if (aux[0] < 64) seen |= 1UL << aux[0];
    if (aux[0] == 9) entry = aux[1];
    if (aux[0] == 3) headers = aux[1];
    if (aux[0] == 5) count = aux[1];
    if (aux[0] == 31) last = aux[1];
  }
  // PHDR PHENT PHNUM PAGESZ BASE FLAGS ENTRY UID EUID GID EGID HWCAP CLKTCK SECURE RANDOM EXECFN
  u64 wanted = 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 9 | 1 << 11 | 1 << 12 | 1 << 13 | 1 << 14 |
               1 << 16 | 1 << 17 | 1 << 23 | 1 << 25 | 1UL << 31;
  must((seen & wanted) == wanted, "an entry of the auxiliary vector is missing");
  extern void _start(void);
  must(entry == (u64)_start, "AT_ENTRY");
  int loads = 0;
  for (u64 i = 0; i < count; i++) loads += *(unsigned *)(headers + i * 56) == 1;
  must(loads > 0 && *(char *)last == '/', "AT_PHDR or AT_EXECFN");
  must(data == 4711 && *relocated == 4711, "data");
  for (int i = 0; i < 5000; i++) must(zeroed[i] == 0, "what the file leaves out is not zero");
  data = zeroed[4999] = 1;
  must(call(172, 0, 0, 0) > 0, "getpid");
  must(call(214, 0, 0, 0) > 0, "brk");
  say("ok\n");
  call(94, 0, 0, 0);
}

asm(".globl _start\n_start:\n"
    "addi sp, sp, -528\n"
    "sd x1, 8(sp); sd x3, 24(sp); sd x4, 32(sp); sd x5, 40(sp); sd x6, 48(sp); sd x7, 56(sp); sd x8, 64(sp)\n"
    "sd x9, 72(sp); sd x10, 80(sp); sd x11, 88(sp); sd x12, 96(sp); sd x13, 104(sp); sd x14, 112(sp); sd x15, 120(sp)\n"
    "sd x16, 128(sp); sd x17, 136(sp); sd x18, 144(sp); sd x19, 152(sp); sd x20, 160(sp); sd x21, 168(sp)\n"
    "sd x22, 176(sp); sd x23, 184(sp); sd x24, 192(sp); sd x25, 200(sp); sd x26, 208(sp); sd x27, 216(sp)\n"
    "sd x28, 224(sp); sd x29, 232(sp); sd x30, 240(sp); sd x31, 248(sp)\n"
    "addi t0, sp, 528; sd t0, 16(sp)\n"
    "fsd f0, 256(sp); fsd f1, 264(sp); fsd f2, 272(sp); fsd f3, 280(sp); fsd f4, 288(sp); fsd f5, 296(sp)\n"
    "fsd f6, 304(sp); fsd f7, 312(sp); fsd f8, 320(sp); fsd f9, 328(sp); fsd f10, 336(sp); fsd f11, 344(sp)\n"
    "fsd f12, 352(sp); fsd f13, 360(sp); fsd f14, 368(sp); fsd f15, 376(sp); fsd f16, 384(sp); fsd f17, 392(sp)\n"
    "fsd f18, 400(sp); fsd f19, 408(sp); fsd f20, 416(sp); fsd f21, 424(sp); fsd f22, 432(sp); fsd f23, 440(sp)\n"
    "fsd f24, 448(sp); fsd f25, 456(sp); fsd f26, 464(sp); fsd f27, 472(sp); fsd f28, 480(sp); fsd f29, 488(sp)\n"
    "fsd f30, 496(sp); fsd f31, 504(sp); frcsr t0; sd t0, 512(sp)\n"
    "mv a0, sp; call begin\n");
