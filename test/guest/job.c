// A job for a shell with job control: says when it runs, and when it goes on after a stop. It never ends by itself.
#include "check.h"

static void again(int signo) {
  (void)signo;
  CHECK(write(1, "again\n", 6) == 6);
}

int main(void) {
  signal(SIGCONT, again);
  CHECK(write(1, "on\n", 3) == 3);
  for (;;) pause();
}
