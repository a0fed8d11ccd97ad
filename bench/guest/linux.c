// What programs ask of the kernel, and of each other, many times over: system calls, threads that take turns, processes. The
// arguments are what is done and how often, and the command that a new process executes; the cost is the difference to a run that
// does it less often.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

static void must(int holds, const char *what) {
  if (holds) return;
  perror(what);
  exit(1);
}

static long times;

// ---- system calls

static void getpid_call(void) {
  for (long i = 0; i < times; i++) syscall(SYS_getpid);
}

static char page[4096] __attribute__((aligned(4096)));

static int a_file(void) {
  int fd = memfd_create("bench", 0);
  must(fd >= 0 && write(fd, page, sizeof page) == sizeof page, "a file");
  return fd;
}

static void read_page(void) {
  int fd = a_file();
  for (long i = 0; i < times; i++) must(pread(fd, page, sizeof page, 0) == sizeof page, "pread");
}

static void write_page(void) {
  int fd = a_file();
  for (long i = 0; i < times; i++) must(pwrite(fd, page, sizeof page, 0) == sizeof page, "pwrite");
}

// ---- turns by pipes

static int there[2], back[2];

static void *answer(void *unused) {
  char byte;
  for (long i = 0; i < times; i++)
    must(read(there[0], &byte, 1) == 1 && write(back[1], &byte, 1) == 1, "answer");
  return unused;
}

static void ask(void) {
  char byte = 1;
  for (long i = 0; i < times; i++) must(write(there[1], &byte, 1) == 1 && read(back[0], &byte, 1) == 1, "ask");
}

static void pipes(void) { must(pipe(there) == 0 && pipe(back) == 0, "pipe"); }

static pthread_t start(void *(*work)(void *), void *argument) {
  pthread_t t;
  must(pthread_create(&t, NULL, work, argument) == 0, "pthread_create");
  return t;
}

static void pipe_threads(void) {
  pipes();
  pthread_t other = start(answer, NULL);
  ask();
  pthread_join(other, NULL);
}

static void wait_for(pid_t child) {
  int status;
  must(waitpid(child, &status, 0) == child && status == 0, "waitpid");
}

static void pipe_processes(void) {
  pipes();
  pid_t other = fork();
  must(other >= 0, "fork");
  if (other == 0) {
    answer(NULL);
    _exit(0);
  }
  ask();
  wait_for(other);
}

// ---- locks

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turned = PTHREAD_COND_INITIALIZER;
static long counted, turn;

static void *count(void *unused) {
  for (long i = 0; i < times; i++) {
    pthread_mutex_lock(&mutex);
    counted++;
    pthread_mutex_unlock(&mutex);
  }
  return unused;
}

static void uncontended(void) { count(NULL); }

static void contended(void) {
  pthread_t other = start(count, NULL);
  count(NULL);
  pthread_join(other, NULL);
  must(counted == 2 * times, "count");
}

static void *play(void *me) {
  for (long i = 0; i < times; i++) {
    pthread_mutex_lock(&mutex);
    while (turn != (long)me) pthread_cond_wait(&turned, &mutex);
    turn = !turn;
    pthread_cond_signal(&turned);
    pthread_mutex_unlock(&mutex);
  }
  return NULL;
}

static void condition(void) {
  pthread_t other = start(play, (void *)1);
  play((void *)0);
  pthread_join(other, NULL);
}

// ---- threads and processes that come and go

static void *nothing(void *argument) { return argument; }

static void create(void) {
  for (long i = 0; i < times; i++) pthread_join(start(nothing, NULL), NULL);
}

static char **command;

static void execute(void) {
  static char *const none[] = {NULL};
  for (long i = 0; i < times; i++) {
    pid_t child = fork();
    must(child >= 0, "fork");
    if (child == 0) {
      execve(command[0], command, none);
      _exit(1);
    }
    wait_for(child);
  }
}

// ---- both processors

static void *compute(void *rounds) {
  uint64_t sum = 1;
  for (long i = 0; i < (long)rounds; i++)
    for (int k = 0; k < 1000; k++) sum = mix_in(sum, (uint64_t)k);
  return (void *)(uintptr_t)sum;
}

static void one(void) { must(compute((void *)(2 * times)) != NULL, "compute"); }

static void two(void) {
  pthread_t other = start(compute, (void *)times);
  must(compute((void *)times) != NULL, "compute");
  pthread_join(other, NULL);
}

static void nothing_more(void) {}

static const struct {
  const char *name;
  void (*run)(void);
} all[] = {
    {"nothing", nothing_more},
    {"getpid", getpid_call},
    {"read", read_page},
    {"write", write_page},
    {"pipe-threads", pipe_threads},
    {"pipe-processes", pipe_processes},
    {"uncontended", uncontended},
    {"contended", contended},
    {"condition", condition},
    {"create", create},
    {"execute", execute},
    {"one", one},
    {"two", two},
};

int main(int argc, char **argv) {
  for (size_t i = 0; argc >= 3 && i < sizeof all / sizeof *all; i++)
    if (strcmp(all[i].name, argv[1]) == 0) {
      times = strtol(argv[2], NULL, 10);
      command = &argv[3];
      all[i].run();
      return 0;
    }
  fprintf(stderr, "usage: %s WHAT TIMES [COMMAND]\n", argv[0]);
  return 2;
}
