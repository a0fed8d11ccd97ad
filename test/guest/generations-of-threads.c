// Processes that come and go with threads of their own, in two equal halves: after each it says so and waits for a byte, so
// that what they have left behind can be seen from outside.
#include "check.h"
#include "family.h"

#include <pthread.h>

static void *nothing(void *argument) { return argument; }

static void threads(void) {
  pthread_t all[2];
  for (int i = 0; i < 2; i++) EQ(pthread_create(&all[i], 0, nothing, 0), 0);
  for (int i = 0; i < 2; i++) EQ(pthread_join(all[i], 0), 0);
}

int main(int argc, char **argv) {
  int times = argc > 1 ? atoi(argv[1]) : 2;
  for (int half = 0; half < 2; half++) {
    for (int i = 0; i < times; i++) {
      pid_t child = CHILD(threads());
      GOOD(child);
    }
    puts("half");
    fflush(stdout);
    char c;
    EQ(read(0, &c, 1), 1);
  }
  return done();
}
