// A child that has stopped by SIGSTOP, until its parent has read a byte.
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
  pid_t pid = fork();
  if (pid == 0) {
    raise(SIGSTOP);
    _exit(6);
  }
  int status;
  char byte;
  waitpid(pid, &status, WUNTRACED);
  printf("%s\n", WIFSTOPPED(status) ? "stopped" : "not so");
  fflush(stdout);
  if (read(0, &byte, 1) != 1) return 1;
  kill(pid, SIGCONT);
  waitpid(pid, &status, 0);
  printf("ended %d\n", WEXITSTATUS(status));
  return 0;
}
