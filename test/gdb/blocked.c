// Threads that block in different ways, or run, for a debugger to interrupt.
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile long spins;
static int word;

static void *spin(void *arg) {
  for (;;) spins++;
  return arg;
}

static void *wait_word(void *arg) {
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
  return arg;
}

int main(int argc, char **argv) {
  const char *how = argc > 1 ? argv[1] : "loop";
  pthread_t t;
  char byte;
  setvbuf(stdout, NULL, _IOLBF, 4096);
  printf("ready\n");
  if (!strcmp(how, "loop")) spin(NULL);
  if (!strcmp(how, "read")) {
    long n = read(0, &byte, 1);
    printf("read %ld %c\n", n, byte);
  }
  if (!strcmp(how, "futex")) {
    wait_word(NULL);
    printf("woken\n");
  }
  if (!strcmp(how, "sleep")) {
    struct timespec before, after, span = {1, 0}, left = {0, 0};
    clock_gettime(CLOCK_MONOTONIC, &before);
    int result = nanosleep(&span, &left);
    clock_gettime(CLOCK_MONOTONIC, &after);
    double took = after.tv_sec - before.tv_sec + (after.tv_nsec - before.tv_nsec) / 1e9;
    printf("slept %d %d\n", result, took > 0.95);
  }
  if (!strcmp(how, "threads")) {
    for (int i = 0; i < 4; i++) pthread_create(&t, NULL, i % 2 ? spin : wait_word, NULL);
    read(0, &byte, 1);
    printf("done\n");
  }
  return 0;
}
