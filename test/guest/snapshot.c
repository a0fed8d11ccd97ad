// A fork sees memory as it was at one moment: of what other threads write in an order, no later part without an earlier one.
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { pages = 512, page = 4096, forks = 40 };

static _Atomic long *words[pages];
static atomic_bool over;

/** Writes the number of the round into a word of each page, first to last. */
static void *write_on(void *unused) {
  for (long round = 1; !over; round++)
    for (int i = 0; i < pages; i++) atomic_store_explicit(words[i], round, memory_order_release);
  return unused;
}

int main(void) {
  alarm(100);
  char *memory = mmap(0, (size_t)pages * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(memory != MAP_FAILED);
  // In an order that is not that of the addresses.
  for (int i = 0; i < pages; i++) words[i] = (_Atomic long *)(memory + (size_t)(i * 211 % pages) * page);
  pthread_t writer;
  EQ(pthread_create(&writer, 0, write_on, 0), 0);
  for (int i = 0; i < forks; i++) {
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
      for (int k = 1; k < pages; k++) CHECK(*words[k] == *words[k - 1] || *words[k] == *words[k - 1] - 1);
      for (int k = 1; k < pages; k++) CHECK(*words[k] <= *words[0] && *words[k] >= *words[0] - 1);
      _exit(7);
    }
    int status;
    EQ(waitpid(child, &status, 0), child);
    EQ(status, 7 << 8);
  }
  over = true;
  EQ(pthread_join(writer, 0), 0);
  return done();
}
