// Runs a command and writes what it cost to a file: seconds of wall clock, of the CPU in user mode and in the kernel,
// and the most memory held in bytes. A process is charged with the memory of the one that starts it, so that has to be
// small.
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double seconds(struct timeval t) { return (double)t.tv_sec + (double)t.tv_usec / 1e6; }

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: %s REPORT COMMAND [ARGUMENT...]\n", argv[0]);
    return 2;
  }
  double began = now();
  pid_t child = fork();
  if (child == 0) {
    execvp(argv[2], argv + 2);
    perror(argv[2]);
    _exit(127);
  }
  int status;
  struct rusage usage;
  if (child < 0 || wait4(child, &status, 0, &usage) < 0) {
    perror(argv[0]);
    return 1;
  }
  double wall = now() - began;
  FILE *report = fopen(argv[1], "w");
  if (report == NULL) {
    perror(argv[1]);
    return 1;
  }
  fprintf(report, "%.6f %.6f %.6f %.0f\n", wall, seconds(usage.ru_utime), seconds(usage.ru_stime),
          (double)usage.ru_maxrss * 1024);
  fclose(report);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
