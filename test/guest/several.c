// What a trace of several is shown of: a thread that sleeps in a read of a pipe until the main thread writes, and after it a
// child that does, and ends by a signal. Each write comes when its reader is seen asleep.
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int ends[2];
static _Atomic int tid;

static void *reader(void *unused) {
  char byte;
  tid = syscall(SYS_gettid);
  read(ends[0], &byte, 1);
  return unused;
}

// Until the state in that file of /proc is S.
static void await_sleep(const char *path) {
  for (;;) {
    char text[256] = "";
    int file = open(path, O_RDONLY);
    read(file, text, sizeof text - 1);
    close(file);
    const char *after = strrchr(text, ')');
    if (after && after[2] == 'S') return;
  }
}

int main(void) {
  char path[64];
  pthread_t thread;
  pipe(ends);
  pthread_create(&thread, NULL, reader, NULL);
  while (tid == 0) continue;
  snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
  await_sleep(path);
  write(ends[1], "t", 1);
  pthread_join(thread, NULL);

  pid_t child = fork();
  if (child == 0) {
    reader(NULL);
    raise(SIGTERM);
  }
  snprintf(path, sizeof path, "/proc/%d/stat", child);
  await_sleep(path);
  write(ends[1], "c", 1);
  int status;
  waitpid(child, &status, 0);
  return 3;
}
