// Stops itself, and goes on where it was when it is continued. With an argument it has a child meanwhile.
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
  (void)argv;
  puts("before");
  fflush(stdout);
  pid_t child = argc > 1 ? fork() : -1;
  if (child == 0)
    for (;;) pause();
  raise(SIGSTOP);
  puts("after");
  if (child > 0) {
    kill(child, SIGTERM);
    waitpid(child, 0, 0);
  }
  return 3;
}
