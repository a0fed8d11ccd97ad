// Makes children as its input says, a command at a time: for tests of what they cost. `many N`: N of them, one after the other;
// `large M`: one that changes M MiB, and ends at the next command. Answers each command with a line.
#include "check.h"
#include <sys/wait.h>

static void ended(pid_t child) {
  int status;
  EQ(waitpid(child, &status, 0), child);
  EQ(status, 0);
}

int main(void) {
  char command[100];
  int ends[2] = {-1, -1};
  pid_t large = 0;
  setvbuf(stdout, NULL, _IONBF, 0);
  while (fgets(command, sizeof command, stdin) != NULL) {
    int number = 0;
    if (large != 0) {
      close(ends[1]);
      ended(large);
      large = 0;
    }
    if (sscanf(command, "many %d", &number) == 1) {
      for (int i = 0; i < number; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) _exit(0);
        ended(child);
      }
    } else if (sscanf(command, "large %d", &number) == 1) {
      int back[2];
      char c;
      CHECK(pipe(ends) == 0 && pipe(back) == 0);
      large = fork();
      CHECK(large >= 0);
      if (large == 0) {
        close(ends[1]);
        size_t size = (size_t)number << 20;
        char *bytes = malloc(size);
        CHECK(bytes != NULL);
        for (size_t at = 0; at < size; at += 4096) *(volatile char *)(bytes + at) = 1;
        close(back[1]);
        EQ(read(ends[0], &c, 1), 0);
        _exit(0);
      }
      close(ends[0]);
      close(back[1]);
      EQ(read(back[0], &c, 1), 0);
      close(back[0]);
    }
    puts(command);
  }
  return 0;
}
