// A process whose child goes on after its end: what the child says comes too, and the status is the parent's.
#include "check.h"
#include <sched.h>
#include <sys/wait.h>

int main(int argc, char **argv) {
  int ends[2];
  CHECK(pipe(ends) == 0);
  setvbuf(stdout, NULL, _IONBF, 0);
  pid_t parent = getpid();
  pid_t child = fork();
  CHECK(child >= 0);
  if (child != 0) {
    puts("parent");
    if (argc > 1 && strcmp(argv[1], "killed") == 0) raise(SIGKILL);
    return 3;
  }
  close(ends[1]);
  char c;
  EQ(read(ends[0], &c, 1), 0);
  // It closed its descriptors before it was dead.
  while (getppid() == parent) sched_yield();
  // The parent's own parent waits for it, so that it is soon gone altogether.
  while (kill(parent, 0) == 0) sched_yield();
  EQ(errno, ESRCH);
  // Its own child is waited for.
  child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    puts("grandchild");
    return 5;
  }
  int status;
  EQ(waitpid(child, &status, 0), child);
  EQ(WEXITSTATUS(status), 5);
  puts("child");
  return 4;
}
