// What a debugger slows down: loops that breakpoints, watchpoints and steps are put into. Each part prints the nanoseconds that it
// took, of the processor and by the clock, after a first round that does not count, and a checksum.
#include "bench.h"
#include <pthread.h>
#include <time.h>

#define APART __attribute__((noipa))

static uint64_t now(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

volatile long sink;

// The hot code begins a page, and what never runs lies in the same one.
APART __attribute__((section(".text.hot_page"), aligned(4096))) uint64_t mix(long n) {
  uint64_t a = 1, b = 2, sum = 0;
  for (long i = 0; i < n; i++) {
    a = a * 6364136223846793005 + 1442695040888963407;
    b ^= a >> 33;
    sum += (b & 1) ? a ^ i : b + (sum >> 7);
  }
  return sum;
}

#define TEN(x) x x x x x x x x x x
APART __attribute__((section(".text.hot_page"))) void never(void) { TEN(TEN(sink = 1;)) }

APART long work(long n) {
  sink = n;
  return n ^ 5;
}

static uint64_t hits(long n) {
  uint64_t sum = 0;
  for (long i = 0; i < n; i++) sum += (uint64_t)work(i);
  return sum;
}

// Neighbours of what is watched, and a page that nobody writes.
long hot[512] __attribute__((aligned(4096)));
long cold[512] __attribute__((aligned(4096)));
struct {
  long before[4], watched, behind[4];
} fields __attribute__((aligned(4096)));

APART uint64_t stores(long n) {
  uint64_t sum = 0;
  for (long i = 0; i < n; i++) {
    hot[16 + (i & 255)] += i;
    sum ^= (uint64_t)hot[300 - (i & 127)] + sum * 3;
  }
  return sum;
}

APART uint64_t members(long n) {
  for (long i = 0; i < n; i++) {
    fields.before[1] += i;
    fields.before[2] ^= fields.before[1];
    fields.behind[1] += fields.before[2];
    fields.behind[3] = i;
    __asm__ volatile("" ::: "memory");
  }
  return (uint64_t)fields.behind[1];
}

// One line is the whole loop.
APART uint64_t line(long n) {
  uint64_t a = 1;
  for (long i = 0; i < n; i++) a = (a ^ (a >> 29)) * 0x9e3779b97f4a7c15 + (uint64_t)i;
  return a;
}

static void *busy(void *argument) {
  (void)argument;
  for (;;) sink += (long)mix(100000);
  return NULL;
}

typedef uint64_t (*Part)(long);

int main(int argc, char **argv) {
  const char *names[] = {"mix", "hits", "stores", "members"};
  const Part parts[] = {mix, hits, stores, members};
  const char *name = argc > 1 ? argv[1] : "";
  long n = argc > 2 ? strtol(argv[2], NULL, 10) : 1;
  for (int i = 0; i < 4; i++)
    if (strcmp(name, names[i]) == 0) {
      parts[i](n / 4);
      const uint64_t begun = now(CLOCK_MONOTONIC), processor = now(CLOCK_THREAD_CPUTIME_ID);
      const uint64_t sum = parts[i](n);
      const uint64_t used = now(CLOCK_THREAD_CPUTIME_ID) - processor, took = now(CLOCK_MONOTONIC) - begun;
      printf("%" PRIu64 " %" PRIu64 " %016" PRIx64 "\n", used, took, sum);
      return 0;
    }
  if (strcmp(name, "lines") == 0)
    for (;;) sink = (long)line(n);
  if (strcmp(name, "threads") == 0) {
    pthread_t thread;
    for (long i = 1; i < n; i++) pthread_create(&thread, NULL, busy, NULL);
    busy(NULL);
  }
  if (argc > 2 && sink == 1) never();
  return 2;
}
