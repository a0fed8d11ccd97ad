// Dies by the signal of the first argument, in the way of the second.
#include "check.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>

__attribute__((noinline)) static void touch(volatile char *at) { *at = 1; }
__attribute__((noinline)) static void jump(void (*to)(void)) { to(); }

static volatile int forever = 1;
__attribute__((noinline)) static int recurse(int n) {
  volatile char frame[1000];
  frame[0] = (char)n;
  return forever ? recurse(n + 1) + frame[0] : 0;
}

static void *thread(void *unused) {
  touch((char *)16);
  return unused;
}

static void refault(int signo) { touch((char *)24); }

int main(int argc, char **argv) {
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  int signo = atoi(argv[1]);
  const char *how = argv[2];
  printf("%s", "buffered, lost");
  if (!strcmp(how, "raise")) raise(signo);
  if (!strcmp(how, "kill")) kill(getpid(), signo);
  if (!strcmp(how, "abort")) abort();
  if (!strcmp(how, "store")) touch((char *)16);
  if (!strcmp(how, "jump")) jump((void (*)(void))0x20);
  if (!strcmp(how, "alarm")) alarm(0), ualarm(1000, 0), pause(), pause();
  if (!strcmp(how, "in-handler")) {
    // Blocked while its handler runs: nobody can catch it.
    signal(SIGSEGV, refault);
    touch((char *)16);
  }
  if (!strcmp(how, "thread")) {
    pthread_t other;
    pthread_create(&other, 0, thread, 0);
    pthread_join(other, 0);
  }
  if (!strcmp(how, "ignored")) {
    // A fault cannot be ignored.
    signal(SIGSEGV, SIG_IGN);
    touch((char *)16);
  }
  if (!strcmp(how, "blocked")) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    touch((char *)16);
  }
  if (!strcmp(how, "no-stack")) {
    signal(SIGSEGV, refault);
#ifdef __riscv
    asm volatile("li sp, 64; sd zero, 0(sp)" ::: "memory");
#endif
  }
  if (!strcmp(how, "file")) {
    FILE *f = tmpfile();
    touch((char *)mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(f), 0) + 32);
  }
  if (!strcmp(how, "overflow")) recurse(0);
  if (!strcmp(how, "bad-handler")) signal(SIGUSR1, (void (*)(int))0x40), raise(SIGUSR1);
  if (!strcmp(how, "pipe")) {
    int ends[2];
    if (pipe(ends) == 0 && close(ends[0]) == 0 && write(ends[1], "x", 1) == 1) return 1;
  }
  if (!strcmp(how, "file-size")) {
    setrlimit(RLIMIT_FSIZE, &none);
    if (write(fileno(tmpfile()), "x", 1) == 1) return 1;
  }
#ifdef __riscv
  if (!strcmp(how, "illegal")) asm volatile("unimp");
  if (!strcmp(how, "breakpoint")) asm volatile("ebreak");
  if (!strcmp(how, "misaligned")) asm volatile("amoadd.w t0, t0, (%0)" : : "r"(argv[0] + 1 - ((long)argv[0] & 3)) : "t0", "memory");
  if (!strcmp(how, "bad-frame")) asm volatile("li sp, 64; li a7, 139; ecall" ::: "memory");
#else
  if (!strcmp(how, "illegal")) asm volatile("ud2");
  if (!strcmp(how, "breakpoint")) asm volatile("int3");
#endif
  if (!strcmp(how, "survive")) {
    raise(SIGCHLD), raise(SIGURG), raise(SIGWINCH), raise(SIGCONT);
    _exit(3);
  }
  _exit(99);
}
