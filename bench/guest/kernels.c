// Single operations of the machine, many times over: sixteen in a row, in a loop. The arguments are the operation and
// how often it is done, in thousands. Its cost is the difference to a run that does it not once.
#include "bench.h"

#define each "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15"

/// A function that does `operation` 16 times a round. In it \at counts from 0 to 15, %0 is memory that can be written,
/// and t0 to t2 and ft0 are free.
#define kernel(name, operation)                                                                         \
  static void name(long rounds, char *memory) {                                                         \
    for (long i = 0; i < rounds; i++)                                                                   \
      asm volatile(".irp at," each "\n" operation "\n.endr" ::"r"(memory + (i & 63) * 64) : "t0", "t1", \
                   "t2", "ra", "ft0", "memory");                                                        \
  }

kernel(nothing, "add t1, t1, t0")
kernel(load1, "lbu t0, \\at(%0)\n xor t1, t1, t0")
kernel(load2, "lhu t0, \\at*2(%0)\n xor t1, t1, t0")
kernel(load4, "lw t0, \\at*4(%0)\n xor t1, t1, t0")
kernel(load8, "ld t0, \\at*8(%0)\n xor t1, t1, t0")
kernel(load8_unaligned, "ld t0, \\at*8+1(%0)\n xor t1, t1, t0")
kernel(load_double, "fld ft0, \\at*8(%0)")
kernel(store1, "sb t0, \\at(%0)")
kernel(store2, "sh t0, \\at*2(%0)")
kernel(store4, "sw t0, \\at*4(%0)")
kernel(store8, "sd t0, \\at*8(%0)")
kernel(store8_unaligned, "sd t0, \\at*8+1(%0)")
kernel(store_double, "fsd ft0, \\at*8(%0)")
kernel(amo4, "amoadd.w.aqrl t0, t1, (%0)")
kernel(amo8, "amoadd.d t0, t1, (%0)")
kernel(reserve, "1: lr.d t0, (%0)\n addi t0, t0, 1\n sc.d t1, t0, (%0)\n bnez t1, 1b")
kernel(fence, "fence rw, rw")
kernel(call, "call nothing_more")
kernel(indirect, "la t0, 1f\n addi t0, t0, (\\at & 1) * 4\n jr t0\n"
                 ".option push\n .option norvc\n 1: nop\n nop\n .option pop")

asm(".text\n.align 2\nnothing_more: ret");

/// Each address is what the load before it found.
static void chase(long rounds, char *memory) {
  void **at = (void **)memory;
  for (int i = 0; i < 512; i++) at[i] = &at[(i * 165 + 1) % 512];
  for (long i = 0; i < rounds; i++)
    asm volatile(".irp at," each "\n ld %0, 0(%0)\n.endr" : "+r"(at)::"memory");
}

static void getpid_call(long rounds, char *memory) {
  (void)memory;
  for (long i = 0; i < rounds; i++)
    asm volatile(".irp at," each "\n li a7, 172\n ecall\n.endr" ::: "a0", "a7", "memory");
}

static const struct {
  const char *name;
  void (*run)(long rounds, char *memory);
} kernels[] = {
    {"nothing", nothing},
    {"load1", load1},
    {"load2", load2},
    {"load4", load4},
    {"load8", load8},
    {"load8-unaligned", load8_unaligned},
    {"load-double", load_double},
    {"chase", chase},
    {"store1", store1},
    {"store2", store2},
    {"store4", store4},
    {"store8", store8},
    {"store8-unaligned", store8_unaligned},
    {"store-double", store_double},
    {"amo4", amo4},
    {"amo8", amo8},
    {"reserve", reserve},
    {"fence", fence},
    {"call", call},
    {"indirect", indirect},
    {"getpid", getpid_call},
};

int main(int argc, char **argv) {
  static char memory[8192] __attribute__((aligned(4096)));
  for (size_t i = 0; argc == 3 && i < sizeof kernels / sizeof *kernels; i++)
    if (strcmp(kernels[i].name, argv[1]) == 0) {
      kernels[i].run(strtol(argv[2], NULL, 10) * 1000 / 16, memory);
      return 0;
    }
  fprintf(stderr, "usage: %s OPERATION THOUSANDS\n", argv[0]);
  return 2;
}
