// Signals, watched memory, system calls and thread storage for a debugger.
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

volatile long handled;
volatile long target = 5;
char buffer[64];
struct { char a; long b __attribute__((packed)); } __attribute__((packed)) odd;
double scale = 1.5;

__attribute__((noipa)) long triple(long n) { return n * 3; }
__attribute__((noipa)) double half(double x) { return x / 2; }

static void on_usr1(int signo, siginfo_t *info, void *context) {
  handled += signo + (info->si_pid == getpid() ? 100 : 0);
}

__attribute__((noipa)) void touch(void) {
  for (int i = 0; i < 3; i++) target += i + 1;
}

__attribute__((noipa)) void count(void) {
  volatile long sum = 0;
  for (long i = 0; i < 1000000; i++) sum += i;
  target = sum;
}

int main(int argc, char **argv) {
  struct sigaction act = {.sa_sigaction = on_usr1, .sa_flags = SA_SIGINFO};
  sigaction(SIGUSR1, &act, NULL);
  raise(SIGUSR1);
  touch();
  odd.b = 7;
  long got = triple(target);
  int pipes[2];
  if (pipe(pipes) || write(pipes[1], "hello", 5) != 5) return 1;
  if (read(pipes[0], buffer, sizeof buffer) != 5) return 2;
  int fd = open("/dev/null", O_RDONLY);
  close(fd);
  count();
  printf("handled %ld, target %ld, got %ld, %s %g\n", handled, target, got, buffer, half(scale));
  if (argc > 1 && !strcmp(argv[1], "crash")) *(volatile int *)8 = 1;
  if (argc > 1 && !strcmp(argv[1], "abort")) abort();
  return 3;
}
