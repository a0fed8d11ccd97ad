// How often one thread maps and unmaps memory while another forks for the first time: the number is printed.
#include "check.h"
#include "family.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

static atomic_int mapped, ended;

static void *maps(void *unused) {
  while (!ended) {
    void *at = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(at != MAP_FAILED && munmap(at, 65536) == 0);
    mapped++;
  }
  return unused;
}

int main(void) {
  pthread_t thread;
  EQ(pthread_create(&thread, 0, maps, 0), 0);
  while (mapped < 100) sched_yield();
  int before = mapped;
  pid_t child = fork();
  if (child == 0) _exit(0);
  int during = mapped - before;
  GOOD(child);
  ended = 1;
  EQ(pthread_join(thread, 0), 0);
  printf("%d\n", during);
  return 0;
}
