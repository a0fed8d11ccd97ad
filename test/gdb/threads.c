// Threads for a debugger: each works through `work`, in rounds, and blocks in what its number says.
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

atomic_long rounds;
_Thread_local long own = 41;
volatile int stop;
long most = 100;
long watched;

__attribute__((noipa)) long work(long n) {
  own++;
  atomic_fetch_add(&rounds, 1);
  return n * 3 + 1;
}

static void *body(void *arg) {
  long n = (long)arg, sum = 0;
  char name[16];
  snprintf(name, sizeof name, "worker-%ld", n);
  pthread_setname_np(pthread_self(), name);
  for (long i = 0; i < most && !stop; i++) sum += work(n * 1000 + i);
  watched += n;
  return (void *)sum;
}

int main(int argc, char **argv) {
  int count = argc > 1 ? atoi(argv[1]) : 16;
  if (argc > 2) most = atol(argv[2]);
  pthread_t threads[64];
  for (long i = 0; i < count; i++) pthread_create(&threads[i], NULL, body, (void *)(i + 1));
  long total = 0;
  for (int i = 0; i < count; i++) {
    void *result;
    pthread_join(threads[i], &result);
    total += (long)result;
  }
  printf("rounds %ld, total %ld\n", rounds, total);
  return 0;
}
