// Processes for a debugger: forks, a vfork with exec, and exec in place.
#define _GNU_SOURCE
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

__attribute__((noipa)) int in_child(int n) { return n + 1; }
__attribute__((noipa)) int in_parent(int n) { return n + 2; }
__attribute__((noipa)) int renewed(int n) { return n + 3; }

int main(int argc, char **argv) {
  int status;
  if (argc > 1 && !strcmp(argv[1], "again")) {
    printf("again %d\n", renewed(1));
    return 9;
  }
  if (argc > 1 && !strcmp(argv[1], "exec")) execl(argv[0], argv[0], "again", NULL);
  if (argc > 1 && !strcmp(argv[1], "spawn")) {
    pid_t pid;
    char *words[] = {argv[0], "again", NULL};
    if (posix_spawn(&pid, argv[0], NULL, NULL, words, environ)) return 1;
    waitpid(pid, &status, 0);
    printf("spawned %d %d\n", WEXITSTATUS(status), in_parent(0));
    return 0;
  }
  pid_t pid = fork();
  if (pid == 0) _exit(in_child(4));
  waitpid(pid, &status, 0);
  printf("child %d %d\n", WEXITSTATUS(status), in_parent(0));
  return 0;
}
