// Threads that compute, block, signal each other, come and go, and children that come and go, until they are killed.
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

atomic_long counter;
volatile long shared;
static pthread_t threads[4];
static pthread_barrier_t begun;

static void on_signal(int signo) { atomic_fetch_add(&counter, signo); }

__attribute__((noipa)) long leaf(long n) { return n * 3 + 1; }

__attribute__((noipa)) long step_here(long n) {
  long sum = 0;
  for (long i = 0; i < 20; i++) sum += leaf(n + i);
  shared = sum;
  return sum;
}

static void *brief(void *arg) { return (void *)leaf((long)arg); }

static void *body(void *arg) {
  long n = (long)arg;
  // Each needs the others' ids.
  pthread_barrier_wait(&begun);
  for (long round = 0;; round++) {
    step_here(round);
    if (round % 8 == n) pthread_kill(threads[(n + 1) % 4], SIGUSR1);
    if (round % 16 == n) {
      struct timespec span = {0, 200000};
      nanosleep(&span, NULL);
    }
    if (round % 64 == n) {
      pthread_t t;
      if (!pthread_create(&t, NULL, brief, arg)) pthread_join(t, NULL);
    }
    if (n == 0 && round % 256 == 0) {
      pid_t pid = fork();
      if (pid == 0) _exit((int)leaf(2));
      waitpid(pid, NULL, 0);
    }
  }
  return NULL;
}

int main(void) {
  struct sigaction act = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  sigaction(SIGUSR1, &act, NULL);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
  pthread_barrier_init(&begun, NULL, 5);
  for (long i = 0; i < 4; i++) pthread_create(&threads[i], NULL, body, (void *)i);
  pthread_sigmask(SIG_UNBLOCK, &set, NULL);
  pthread_barrier_wait(&begun);
  pthread_join(threads[0], NULL);
  return 0;
}
