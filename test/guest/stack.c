// The stack grows on demand up to its limit; what lies below is not mapped; arrays larger than a page are probed as
// the program likes, and alloca and recursion go megabytes deep.
#include "check.h"

#include <alloca.h>
#include <sys/mman.h>
#include <sys/resource.h>

__attribute__((noinline)) static long deep(int depth) {
  volatile char frame[1000];
  frame[0] = (char)depth;
  return depth == 0 ? 0 : deep(depth - 1) + (frame[0] == (char)depth);
}

__attribute__((noinline)) static int large(size_t size) {
  volatile char *area = alloca(size);
  area[0] = 1;  // the far end first
  area[size - 1] = 2;
  return area[0] + area[size - 1];
}

static char *lowest;
static volatile int forever = 1;
__attribute__((noinline)) static int endless(int depth) {
  volatile char frame[4096];
  frame[0] = (char)depth;
  lowest = __builtin_frame_address(0);
  return forever ? endless(depth + 1) + frame[0] : 0;
}

static char handler_stack[1 << 16];

int main(void) {
  struct rlimit limit;
  CHECK(getrlimit(RLIMIT_STACK, &limit) == 0);
  EQ(deep(6000), 6000);
  EQ(large(5 << 20), 3);

  stack_t other = {.ss_sp = handler_stack, .ss_size = sizeof handler_stack}, now;
  CHECK(sigaltstack(&other, NULL) == 0 && sigaltstack(NULL, &now) == 0 && now.ss_sp == handler_stack);
  struct sigaction action = {.sa_sigaction = catch_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigemptyset(&action.sa_mask);
  sigaction(SIGSEGV, &action, NULL);
  char here;
  for (int i = 0; i < 2; i++) {
    EQ(CATCH(endless(0)), SIGSEGV);
    // As far down as the limit says, more or less, and the address is near the frame that did not fit.
    long used = &here - caught.addr;
    CHECK(used > (long)limit.rlim_cur * 3 / 4 && used < (long)limit.rlim_cur + (1 << 20));
    CHECK(caught.addr <= lowest && lowest - caught.addr < 4 * 4096);
  }
  EQ(deep(6000), 6000);
  return done();
}
