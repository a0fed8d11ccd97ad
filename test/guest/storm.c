// Signals that come at any moment of a computation change nothing of it: integers, floats, rounding, system calls,
// the other stack, and a handler that uses all of them itself.
#include "check.h"

#include <fenv.h>
#include <math.h>
#include <stdint.h>
#include <sys/time.h>
#include <time.h>

static volatile sig_atomic_t count;
static volatile double used = 1;

static uint64_t mix(uint64_t x, int rounds) {
  double d = 1;
  for (int i = 0; i < rounds; i++) {
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    x = x * 6364136223846793005u + (x >> 32) / ((x & 255) + 1);
    d = d * 1.0000001 + (double)(int32_t)x / 3.0;
    if ((i & 1023) == 0) d = sqrt(fabs(d));
  }
  uint64_t bits;
  memcpy(&bits, &d, 8);
  return x ^ bits;
}

static void handler(int signo, siginfo_t *info, void *context) {
  count++;
  fesetround(FE_UPWARD);
  used = used / 3 + (double)(mix(count, 50) & 15);
  feraiseexcept(FE_DIVBYZERO);
  char text[64];
  snprintf(text, sizeof text, "%d %g", (int)count, used);
}

static char other[1 << 16];

int main(void) {
  uint64_t wanted = mix(42, 20000);
  stack_t stack = {.ss_sp = other, .ss_size = sizeof other};
  CHECK(sigaltstack(&stack, NULL) == 0);
  for (int pass = 0; pass < 2; pass++) {
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART | (pass ? SA_ONSTACK : 0)};
    sigemptyset(&action.sa_mask);
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    struct itimerval often = {{0, 2000}, {0, 2000}}, never = {{0, 0}, {0, 0}};
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
    feclearexcept(FE_ALL_EXCEPT);
    count = 0;
    do {
      uint64_t now = mix(42, 20000);
      EQ(now, wanted);
      EQ(fegetround(), FE_TONEAREST);
      EQ(fetestexcept(FE_DIVBYZERO), 0);
    } while (count < 15);
    // In and around system calls.
    for (int i = 0; i < 300; i++) {
      CHECK(getppid() > 0);
      struct timespec t;
      CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    }
    int ends[2];
    char text[100];
    CHECK(pipe(ends) == 0);
    for (int i = 0; i < 200; i++) {
      EQ(write(ends[1], "0123456789", 10), 10);
      EQ(read(ends[0], text, 100), 10);
    }
    close(ends[0]), close(ends[1]);
    CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
  }
  return done();
}
