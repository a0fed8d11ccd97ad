// The first process has much memory, and ends before its child: "large" is said before that, "child" when only that is left.
#include "check.h"
#include "family.h"

#include <sys/mman.h>

enum { bytes = 160 << 20 };

static void say(const char *what) {
  char c;
  puts(what);
  fflush(stdout);
  EQ(read(0, &c, 1), 1);
}

int main(void) {
  char *private = mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  char *shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(private != MAP_FAILED && shared != MAP_FAILED);
  // Its children do not have that.
  EQ(madvise(private, bytes, MADV_DONTFORK), 0);
  memset(private, 1, bytes);
  say("large");
  pid_t parent = getpid();
  pid_t child = fork();
  CHECK(child >= 0);
  if (child > 0) {
    strcpy(shared, "of the parent");
    return 0;
  }
  while (getppid() == parent) usleep(1000);
  say("child");
  SAME(shared, "of the parent");
  return 0;
}
