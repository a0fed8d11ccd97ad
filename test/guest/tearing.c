// Eight bytes that are aligned are read and written at once, also where it is another process that has them: memory that both have
// mapped, of nobody and of a file, and in a parent that has one thread.
#include "check.h"
#include <sched.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

static long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

enum { milliseconds = 400, times = 2000 };

static void writes(volatile uint64_t *word, long end) {
  do {
    for (int i = 0; i < times; i++) {
      *word = 0;
      *word = ~0ull;
    }
  } while (now() < end);
}

/** How many values are made of two. */
static int reads(volatile uint64_t *word, long end) {
  int torn = 0;
  do {
    for (int i = 0; i < times; i++) {
      uint64_t seen = *word;
      torn += seen != 0 && seen != ~0ull;
    }
  } while (now() < end);
  return torn;
}

static void between(int fd, int childWrites) {
  volatile uint64_t *word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);
  CHECK(word != MAP_FAILED);
  pid_t pid = fork();
  CHECK(pid >= 0);
  // Side by side.
  __atomic_add_fetch(&word[64], 1, __ATOMIC_SEQ_CST);
  while (__atomic_load_n(&word[64], __ATOMIC_SEQ_CST) < 2) sched_yield();
  long end = now() + milliseconds;
  if (pid == 0) {
    if (childWrites) writes(word, end);
    _exit(childWrites ? 0 : reads(word, end) != 0);
  }
  if (childWrites) EQ(reads(word, end), 0);
  else writes(word, end);
  int status;
  EQ(waitpid(pid, &status, 0), pid);
  EQ(status, 0);
  word[64] = 0;
  CHECK(munmap((void *)word, 4096) == 0);
}

int main(void) {
  between(-1, 0);
  between(-1, 1);
  FILE *file = tmpfile();
  CHECK(file != NULL && ftruncate(fileno(file), 4096) == 0);
  between(fileno(file), 0);
  between(fileno(file), 1);
  return done();
}
