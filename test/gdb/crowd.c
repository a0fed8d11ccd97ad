// A crowd: in each round all threads meet, send each other a queued signal, and come to `hit` at the same moment.
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { most = 64 };

atomic_long hits, handled;
static int count = 16;
static long rounds = 8;
static pthread_t threads[most];
static pthread_barrier_t barrier;

static void on_signal(int signo) { atomic_fetch_add(&handled, 1); }

__attribute__((noipa)) long hit(long n) {
  atomic_fetch_add(&hits, 1);
  long sum = n;
  for (long i = 0; i < 8; i++) sum = sum * 31 + i;
  return sum;
}

static void *body(void *arg) {
  long n = (long)arg, sum = 0;
  pthread_barrier_wait(&barrier);
  for (long round = 0; round < rounds; round++) {
    pthread_kill(threads[(n + 1) % count], SIGRTMIN + 1);
    sum += hit(n * 1000 + round);
    pthread_barrier_wait(&barrier);
  }
  // The last signals have been sent by now, and reach their threads before they end.
  return (void *)sum;
}

int main(int argc, char **argv) {
  if (argc > 1) count = atoi(argv[1]);
  if (argc > 2) rounds = atol(argv[2]);
  struct sigaction act = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  sigaction(SIGRTMIN + 1, &act, NULL);
  pthread_barrier_init(&barrier, NULL, count + 1);
  for (long i = 0; i < count; i++) pthread_create(&threads[i], NULL, body, (void *)i);
  pthread_barrier_wait(&barrier);
  for (long round = 0; round < rounds; round++) pthread_barrier_wait(&barrier);
  for (int i = 0; i < count; i++) pthread_join(threads[i], NULL);
  printf("hits %ld, handled %ld\n", hits, handled);
  return 0;
}
