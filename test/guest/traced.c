// What a debugger is shown: a function that two threads reach in turn, from a caller of its own.
#include <pthread.h>
#include <stdio.h>

static volatile int last;

__attribute__((noinline)) int leaf(int n) {
  last = n;
  return n * 3;
}

__attribute__((noinline)) int middle(int n) {
  int result = leaf(n + 1);
  return result + 1;
}

static void *second(void *arg) { return (void *)(long)middle(*(int *)arg); }

int main(void) {
  int n = 4;
  pthread_t thread;
  void *result;
  printf("%d\n", middle(1));
  fflush(stdout);
  pthread_create(&thread, NULL, second, &n);
  pthread_join(thread, &result);
  printf("%ld\n", (long)result);
  return 5;
}
