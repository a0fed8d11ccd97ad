// A function's frame loses its rights while the function waits for another one to come back: what it stores then faults
// where it is, however often it did not before.
#include "check.h"

#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>

enum { page = 4096, pages = 64, rounds = 3000, seldom = 1000 };

static char *stack;
static volatile long faults, sum;
/** The page in which the caller's words lie. */
static char *volatile frame;

static void restore(int signo, siginfo_t *info, void *context) {
  (void)signo, (void)context;
  char *at = (char *)info->si_addr;
  CHECK(at >= frame && at < frame + page && info->si_code == SEGV_ACCERR);
  CHECK(mprotect(frame, page, PROT_READ | PROT_WRITE) == 0);
  faults = faults + 1;
}

/** Makes no store to the caller's page behind the change of rights: its own frame is pages away. */
static __attribute__((noinline)) long callee(long i) {
  volatile char room[2 * page];
  room[0] = (char)i;
  if (i % seldom == 7) CHECK(mprotect(frame, page, PROT_READ) == 0);
  return room[0];
}

static __attribute__((noinline)) long caller(long i) {
  volatile long words[512];
  frame = (char *)((uintptr_t)&words[200] & -(uintptr_t)page);
  words[200] = i;
  long before = callee(i);
  words[200] = i + 1;
  before += callee(-i);
  words[201] = before;
  return words[200] + words[201];
}

static void *work(void *unused) {
  char *own = malloc(1 << 16);
  CHECK(sigaltstack(&(stack_t){.ss_sp = own, .ss_size = 1 << 16}, NULL) == 0);
  for (long i = 0; i < rounds; i++) sum = sum + caller(i);
  return unused;
}

int main(void) {
  struct sigaction action = {.sa_sigaction = restore, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
  stack = mmap(NULL, pages * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(stack != MAP_FAILED);
  pthread_attr_t attributes;
  pthread_t thread;
  CHECK(pthread_attr_init(&attributes) == 0 && pthread_attr_setstack(&attributes, stack, pages * page) == 0);
  CHECK(pthread_create(&thread, &attributes, work, NULL) == 0 && pthread_join(thread, NULL) == 0);
  EQ(faults, rounds / seldom);
  return done();
}
