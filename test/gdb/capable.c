// What a user of a debugger does with one thread, while so many others compute and sleep. Arguments: threads, and how it ends.
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

volatile int stop, handled;
char bytes[32];
volatile long chosen, calls;
const char *hidden;
char *end = "";

static void on_signal(int signo) { handled = signo; }

static void *busy(void *arg) {
  for (volatile long spins = 0; !stop; spins++)
    if (spins % 4096 == 0) usleep(2000);
  return arg;
}

__attribute__((noipa)) long square(long n) { return n * n; }

__attribute__((noipa)) long deep(long n) {
  calls++;
  return n == 0 ? 1 : n + deep(n - 1);
}

__attribute__((noipa)) void fill(int fd) {
  long value = 0x0807060504030201;
#ifdef __riscv
  // One store, at an address that is no multiple of eight.
  asm volatile("sd %0, 3(%1)" : : "r"(value), "r"(bytes) : "memory");
#else
  memcpy(bytes + 3, &value, sizeof value);
#endif
  bytes[5] = 77;
  if (read(fd, bytes + 4, 8) != 8) abort();
}

__attribute__((noipa, optimize("O0"))) void choose(void) {
  chosen = 1;
  chosen += 10;
  chosen += 100;  // jump leads here
  chosen += 1000;
}

__attribute__((noipa)) void finished(void) { chosen++; }

static void *leave(void *how) {
  if (!strcmp(how, "exec")) execl("/proc/self/exe", "capable", "0", "", NULL);
  if (!strcmp(how, "exit")) exit(5);
  if (!strcmp(how, "crash")) *(volatile int *)8 = 1;
  return NULL;
}

int main(int argc, char **argv) {
  int count = argc > 1 ? atoi(argv[1]) : 1;
  if (argc > 2) end = argv[2];
  if (count == 0) {
    finished();
    printf("begun again\n");
    return 8;
  }
  pthread_t threads[64], last;
  for (int i = 1; i < count; i++) pthread_create(&threads[i], NULL, busy, NULL);
  struct sigaction act = {.sa_handler = on_signal};
  sigaction(SIGUSR2, &act, NULL);
  char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  strcpy(page, "nobody may read this");
  mprotect(page, 4096, PROT_NONE);
  hidden = page;
  int fds[2];
  if (pipe(fds) || write(fds[1], "ABCDEFGH", 8) != 8) return 1;
  fill(fds[0]);
  choose();
  long sum = deep(5) + square(3);
  raise(SIGUSR2);
  getppid();
  finished();
  printf("sum %ld, chosen %ld, handled %d, calls %ld\n", sum, chosen, handled, calls);
  fflush(stdout);
  if (*end) {
    pthread_create(&last, NULL, leave, end);
    pthread_join(last, NULL);
  }
  stop = 1;
  for (int i = 1; i < count; i++) pthread_join(threads[i], NULL);
  return 7;
}
