// Signals as a program sees them, one thread. Asserts itself; prints "ok" at the end. Proved on the host's own kernel.
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define CHECK(x)                                                       \
  do {                                                                 \
    if (!(x)) {                                                        \
      printf("line %d: %s (errno %d)\n", __LINE__, #x, errno);         \
      exit(1);                                                         \
    }                                                                  \
  } while (0)

static volatile sig_atomic_t count;
static volatile int values[64];
static volatile siginfo_t last;
static sigjmp_buf back;

static void on(int signo, void (*handler)(int, siginfo_t *, void *), int flags) {
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = flags | SA_SIGINFO};
  sigemptyset(&action.sa_mask);
  CHECK(sigaction(signo, &action, NULL) == 0);
}

static void counts(int signo, siginfo_t *info, void *context) {
  (void)signo, (void)context;
  last = *info;
  values[count++ % 64] = info->si_value.sival_int;
}

static void jumps(int signo, siginfo_t *info, void *context) {
  (void)context;
  last = *info;
  siglongjmp(back, signo);
}

static sigset_t set_of(int signo) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signo);
  return set;
}

static void sent_to_oneself(void) {
  on(SIGUSR1, counts, 0);
  count = 0;
  CHECK(raise(SIGUSR1) == 0 && count == 1);
  CHECK(last.si_signo == SIGUSR1 && last.si_code == SI_TKILL && last.si_pid == getpid() && last.si_uid == getuid());
  CHECK(kill(getpid(), SIGUSR1) == 0 && count == 2 && last.si_code == SI_USER);
  CHECK(kill(getpid(), 0) == 0 && count == 2);
}

static void real_time_queue(void) {
  int low = SIGRTMIN + 1, high = SIGRTMIN + 2;
  on(low, counts, 0);
  on(high, counts, 0);
  sigset_t both = set_of(low), old;
  sigaddset(&both, high);
  CHECK(sigprocmask(SIG_BLOCK, &both, &old) == 0);
  count = 0;
  for (int i = 0; i < 3; i++) {
    CHECK(sigqueue(getpid(), high, (union sigval){.sival_int = 10 + i}) == 0);
    CHECK(sigqueue(getpid(), low, (union sigval){.sival_int = i}) == 0);
  }
  sigset_t pending;
  CHECK(sigpending(&pending) == 0 && sigismember(&pending, low) && sigismember(&pending, high));
  siginfo_t info;
  CHECK(sigwaitinfo(&both, &info) == low && info.si_code == SI_QUEUE && info.si_value.sival_int == 0);
  CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0);
  CHECK(count == 5);
  // Each handler blocks its own signal only, so the higher ones nest over the lower ones.
  int seen_low = 1, seen_high = 10;
  for (int i = 0; i < 5; i++) {
    if (values[i] < 10) CHECK(values[i] == seen_low++);
    else CHECK(values[i] == seen_high++);
  }
  struct timespec none = {0, 0};
  CHECK(sigtimedwait(&both, &info, &none) == -1 && errno == EAGAIN);
}

static volatile double kept = 1.5;
static void spoils_floats(int signo, siginfo_t *info, void *context) {
  (void)signo, (void)info, (void)context;
  volatile double x = kept;
  for (int i = 0; i < 100; i++) x = x * 1.01 + i / 3.0;
  kept = x;
  count++;
}

static void registers_survive(void) {
  on(SIGUSR2, spoils_floats, 0);
  double a = kept * 2, b = kept * 3, c = kept * 5;
  count = 0;
  raise(SIGUSR2);
  CHECK(count == 1 && a == 3 && b == 4.5 && c == 7.5);
}

static void masks_in_handlers(int signo, siginfo_t *info, void *context) {
  (void)info;
  sigset_t now;
  sigprocmask(SIG_SETMASK, NULL, &now);
  values[0] = sigismember(&now, signo);
  values[1] = sigismember(&now, SIGHUP);
  values[2] = sigismember(&((ucontext_t *)context)->uc_sigmask, SIGINT);
  sigaddset(&((ucontext_t *)context)->uc_sigmask, SIGTERM);
}

static void masks(void) {
  struct sigaction action = {.sa_sigaction = masks_in_handlers, .sa_flags = SA_SIGINFO};
  sigemptyset(&action.sa_mask);
  sigaddset(&action.sa_mask, SIGHUP);
  sigaction(SIGUSR1, &action, NULL);
  sigset_t mask = set_of(SIGINT), after;
  sigprocmask(SIG_SETMASK, &mask, NULL);
  raise(SIGUSR1);
  CHECK(values[0] == 1 && values[1] == 1 && values[2] == 1);
  // What the handler put into the frame's mask holds after it.
  sigprocmask(SIG_SETMASK, NULL, &after);
  CHECK(sigismember(&after, SIGINT) && sigismember(&after, SIGTERM) && !sigismember(&after, SIGHUP));
  sigemptyset(&mask);
  sigprocmask(SIG_SETMASK, &mask, NULL);
}

static int fault(volatile char *at, int store) {
  int signo = sigsetjmp(back, 1);
  if (signo == 0) {
    if (store) *at = 1;
    else (void)*at;
  }
  return signo;
}

static void faults(void) {
  on(SIGSEGV, jumps, 0);
  on(SIGBUS, jumps, 0);
  char *pages = mmap(NULL, 3 * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(pages != MAP_FAILED);
  munmap(pages + 4096, 4096);
  mprotect(pages + 8192, 4096, PROT_NONE);
  CHECK(fault(pages + 100, 0) == 0);
  CHECK(fault(pages + 100, 1) == SIGSEGV && last.si_code == SEGV_ACCERR && last.si_addr == pages + 100);
  CHECK(fault(pages + 4096, 0) == SIGSEGV && last.si_code == SEGV_MAPERR && last.si_addr == pages + 4096);
  CHECK(fault(pages + 8192 + 7, 0) == SIGSEGV && last.si_code == SEGV_ACCERR && last.si_addr == pages + 8192 + 7);
  CHECK(fault((char *)8, 1) == SIGSEGV && last.si_code == SEGV_MAPERR && last.si_addr == (char *)8);

  FILE *file = tmpfile();
  CHECK(file != NULL && ftruncate(fileno(file), 100) == 0);
  char *mapped = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(file), 0);
  CHECK(mapped != MAP_FAILED);
  CHECK(fault(mapped + 200, 1) == 0);
  CHECK(fault(mapped + 4096 + 5, 0) == SIGBUS && last.si_code == BUS_ADRERR && last.si_addr == mapped + 4096 + 5);
  fclose(file);

#ifdef __riscv
  on(SIGILL, jumps, 0);
  on(SIGTRAP, jumps, 0);
  static void *at;
  int signo = sigsetjmp(back, 1);
  if (signo == 0) asm volatile("la t0, 1f; sd t0, %0; 1: unimp" : "=m"(at) : : "t0", "memory");
  CHECK(signo == SIGILL && last.si_code == ILL_ILLOPC && last.si_addr == at);
  signo = sigsetjmp(back, 1);
  if (signo == 0) asm volatile("la t0, 1f; sd t0, %0; 1: ebreak" : "=m"(at) : : "t0", "memory");
  CHECK(signo == SIGTRAP && last.si_code == TRAP_BRKPT && last.si_addr == at);
#endif
}

#ifdef __riscv
// Loads through a bad pointer are repaired in the frame: the register gets a good address, and the load is made again.
static long good = 4711;
static void repairs(int signo, siginfo_t *info, void *context) {
  (void)signo;
  ucontext_t *uc = context;
  CHECK((unsigned long)info->si_addr == uc->uc_mcontext.__gregs[REG_A0 + 5]);
  uc->uc_mcontext.__gregs[REG_A0 + 5] = (unsigned long)&good;
}

static void frame_is_writable(void) {
  on(SIGSEGV, repairs, 0);
  long result;
  asm volatile("li a5, 64; ld %0, 0(a5)" : "=r"(result) : : "a5", "memory");
  CHECK(result == 4711);
}
#endif

static char alternate[65536];
static void on_alternate(int signo, siginfo_t *info, void *context) {
  (void)context;
  char here;
  CHECK(&here > alternate && &here < alternate + sizeof alternate);
  stack_t now;
  CHECK(sigaltstack(NULL, &now) == 0 && now.ss_flags == SS_ONSTACK);
  last = *info;
  siglongjmp(back, signo);
}

static volatile int deepest = 1 << 30;
static int overflow(int depth) {
  volatile char room[4096];
  room[0] = depth;
  return depth == deepest ? 0 : overflow(depth + 1) + room[0];
}

static void stack_overflow(void) {
  stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
  CHECK(sigaltstack(&stack, NULL) == 0);
  on(SIGSEGV, on_alternate, SA_ONSTACK);
  int signo = sigsetjmp(back, 1);
  if (signo == 0) overflow(0);
  CHECK(signo == SIGSEGV);
  stack.ss_flags = SS_DISABLE;
  CHECK(sigaltstack(&stack, NULL) == 0);
}

static int ends[2];
static void writes(int signo, siginfo_t *info, void *context) {
  (void)signo, (void)info, (void)context;
  count++;
  CHECK(write(ends[1], "x", 1) == 1);
}

static void in_ms(int ms) {
  struct itimerval timer = {.it_value = {0, ms * 1000}};
  CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
}

static void interrupted_calls(void) {
  char byte;
  CHECK(pipe(ends) == 0);
  count = 0;
  on(SIGALRM, writes, SA_RESTART);
  in_ms(5);
  CHECK(read(ends[0], &byte, 1) == 1 && byte == 'x' && count == 1);

  on(SIGALRM, counts, 0);
  count = 0;
  in_ms(5);
  CHECK(read(ends[0], &byte, 1) == -1 && errno == EINTR && count == 1);
  CHECK(last.si_code == SI_KERNEL);

  // These never restart.
  on(SIGALRM, counts, SA_RESTART);
  in_ms(5);
  CHECK(pause() == -1 && errno == EINTR && count == 2);
  in_ms(5);
  struct timespec long_time = {100, 0}, left = {0, 0};
  CHECK(nanosleep(&long_time, &left) == -1 && errno == EINTR && left.tv_sec == 99);
  in_ms(5);
  struct pollfd fd = {.fd = ends[0], .events = POLLIN};
  CHECK(poll(&fd, 1, -1) == -1 && errno == EINTR);
  CHECK(count == 4);

  sigset_t alarm_set = set_of(SIGALRM), none;
  sigemptyset(&none);
  sigprocmask(SIG_BLOCK, &alarm_set, NULL);
  in_ms(5);
  CHECK(sigsuspend(&none) == -1 && errno == EINTR && count == 5);
  in_ms(1);
  siginfo_t info;
  CHECK(sigwaitinfo(&alarm_set, &info) == SIGALRM && count == 5);
  sigprocmask(SIG_UNBLOCK, &alarm_set, NULL);

  // A loop that makes no calls is interrupted, too.
  in_ms(5);
  while (count == 5) {
  }
  CHECK(count == 6);
}

static void descriptors(void) {
  sigset_t set = set_of(SIGUSR2);
  sigaddset(&set, SIGCHLD);
  sigprocmask(SIG_BLOCK, &set, NULL);
  int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  CHECK(fd >= 0);
  struct pollfd one = {.fd = fd, .events = POLLIN};
  struct signalfd_siginfo info;
  CHECK(poll(&one, 1, 0) == 0 && read(fd, &info, sizeof info) == -1 && errno == EAGAIN);
  raise(SIGUSR2);
  kill(getpid(), SIGCHLD);
  CHECK(poll(&one, 1, 0) == 1);
  CHECK(read(fd, &info, sizeof info) == sizeof info && info.ssi_signo == SIGUSR2 && info.ssi_code == SI_TKILL);
  CHECK(read(fd, &info, sizeof info) == sizeof info && info.ssi_signo == SIGCHLD && (pid_t)info.ssi_pid == getpid());
  CHECK(poll(&one, 1, 0) == 0);
  close(fd);
  sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void broken_pipe(void) {
  on(SIGPIPE, counts, 0);
  count = 0;
  CHECK(pipe(ends) == 0 && close(ends[0]) == 0);
  CHECK(write(ends[1], "x", 1) == -1 && errno == EPIPE && count == 1);
  CHECK(last.si_code == SI_USER && last.si_pid == getpid());
}

static void once(void) {
  on(SIGUSR1, counts, SA_RESETHAND);
  raise(SIGUSR1);
  struct sigaction now;
  CHECK(sigaction(SIGUSR1, NULL, &now) == 0 && now.sa_handler == SIG_DFL);
}

int main(void) {
  sent_to_oneself();
  real_time_queue();
  registers_survive();
  masks();
  faults();
#ifdef __riscv
  frame_is_writable();
#endif
  stack_overflow();
  interrupted_calls();
  descriptors();
  broken_pipe();
  once();
  puts("ok");
  return 0;
}
