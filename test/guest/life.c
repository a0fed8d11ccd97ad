// How a program begins and ends: constructors and destructors in their order, atexit, quick exits, flushed streams,
// thread-local variables. Prints what the test compares; the argument says how it ends.
#include "check.h"

#include <sys/syscall.h>

static __thread int zeroed[100];
static __thread int started = 4711;
__thread long exported = -1;

static void say(const char *what) { printf("%s\n", what); }
__attribute__((constructor(102))) static void second(void) { say("constructor 102"); }
__attribute__((constructor(101))) static void first(int argc) { printf("constructor 101, %d arguments\n", argc); }
__attribute__((constructor)) static void last(void) { say("constructor"); }
__attribute__((destructor(101))) static void finally(void) { say("destructor 101"); }
__attribute__((destructor)) static void before(void) { say("destructor"); }
static void one(void) { say("atexit 1"); }
static void two(void) { say("atexit 2"); }
static void quick(void) { (void)!write(1, "quick\n", 6); }

int main(int argc, char **argv) {
  for (int i = 0; i < 100; i++) EQ(zeroed[i], 0);
  EQ(started++, 4711);
  EQ(started, 4712);
  EQ(exported--, -1);
  CHECK(&started != (int *)&exported);
  CHECK(atexit(one) == 0 && atexit(two) == 0 && at_quick_exit(quick) == 0);
  printf("main %s", argv[1]);
  if (!strcmp(argv[1], "return")) return argc + 40;
  if (!strcmp(argv[1], "exit")) exit(256 + 7);
  if (!strcmp(argv[1], "_exit")) _exit(8);
  if (!strcmp(argv[1], "quick_exit")) quick_exit(9);
  if (!strcmp(argv[1], "thread-exit")) syscall(SYS_exit, 10);
  abort();
}
