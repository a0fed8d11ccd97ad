// How handlers are entered: flags, masks, nesting, other stacks, faults inside of them, ways out, real-time order.
#include "check.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>

static volatile sig_atomic_t depth, deepest, entered;
static int order[64];

static void install(int signo, void (*f)(int, siginfo_t *, void *), int flags, int masked) {
  struct sigaction action = {.sa_sigaction = f, .sa_flags = SA_SIGINFO | flags}, back;
  sigemptyset(&action.sa_mask);
  if (masked) sigaddset(&action.sa_mask, masked);
  CHECK(sigaction(signo, &action, NULL) == 0 && sigaction(signo, NULL, &back) == 0);
  CHECK(back.sa_sigaction == f && (back.sa_flags & (SA_SIGINFO | flags)) == (SA_SIGINFO | flags));
  CHECK(!masked || sigismember(&back.sa_mask, masked));
}

static void nests(int signo, siginfo_t *info, void *context) {
  order[entered++ % 64] = signo;
  depth++;
  if (depth > deepest) deepest = depth;
  if (entered < 5) raise(SIGUSR1);
  depth--;
}

static void deferring(void) {
  entered = deepest = 0;
  install(SIGUSR1, nests, 0, 0);
  raise(SIGUSR1);
  EQ(deepest, 1);  // one after the other
  EQ(entered, 5);
  entered = deepest = 0;
  install(SIGUSR1, nests, SA_NODEFER, 0);
  raise(SIGUSR1);
  EQ(deepest, 5);
  EQ(entered, 5);
  install(SIGUSR1, nests, SA_RESETHAND, 0);
  entered = 10;
  raise(SIGUSR1);
  struct sigaction now;
  CHECK(sigaction(SIGUSR1, NULL, &now) == 0 && now.sa_handler == SIG_DFL && entered == 11);
}

static void notes(int signo, siginfo_t *info, void *context) {
  order[entered++ % 64] = info->si_code == SI_QUEUE ? info->si_value.sival_int : signo;
}

static void queued(void) {
  sigset_t all, old, pending;
  sigfillset(&all);
  for (int i = 0; i < 4; i++) install(SIGRTMIN + i, notes, 0, 0);
  install(SIGUSR2, notes, 0, 0);
  CHECK(sigprocmask(SIG_SETMASK, &all, &old) == 0);
  for (int i = 0; i < 12; i++) CHECK(sigqueue(getpid(), SIGRTMIN + 3 - i % 4, (union sigval){.sival_int = 1000 + i}) == 0);
  for (int i = 0; i < 3; i++) CHECK(kill(getpid(), SIGUSR2) == 0);
  CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGUSR2) && sigismember(&pending, SIGRTMIN) &&
        !sigismember(&pending, SIGUSR1));
  // Taken by waiting: the lowest number first, each number in its order, standard signals once.
  siginfo_t info;
  EQ(sigwaitinfo(&all, &info), SIGUSR2);
  for (int n = 0; n < 4; n++)
    for (int i = 0; i < 3; i++) {
      EQ(sigwaitinfo(&all, &info), SIGRTMIN + n);
      EQ(info.si_value.sival_int, 1000 + 3 - n + 4 * i);
      EQ(info.si_pid, getpid());
    }
  struct timespec now = {0, 0}, soon = {0, 2000000};
  FAILS(sigtimedwait(&all, &info, &now), EAGAIN);
  FAILS(sigtimedwait(&all, &info, &soon), EAGAIN);
  // A blocked signal waits although it is ignored; to ignore it from now on forgets it.
  signal(SIGUSR1, SIG_IGN);
  raise(SIGUSR1);
  EQ(sigtimedwait(&all, &info, &now), SIGUSR1);
  raise(SIGUSR1);
  signal(SIGUSR1, SIG_IGN);
  FAILS(sigtimedwait(&all, &info, &now), EAGAIN);
  // The queue has a bound.
  struct rlimit limit, few;
  CHECK(getrlimit(RLIMIT_SIGPENDING, &limit) == 0);
  few = limit;
  few.rlim_cur = 0;
  CHECK(setrlimit(RLIMIT_SIGPENDING, &few) == 0);
  FAILS(sigqueue(getpid(), SIGRTMIN, (union sigval)((void *)0)), EAGAIN);
  CHECK(kill(getpid(), SIGUSR2) == 0 && sigwaitinfo(&all, &info) == SIGUSR2);
  CHECK(setrlimit(RLIMIT_SIGPENDING, &limit) == 0);
  CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0);
}

static void suspended(void) {
  sigset_t one, none, old;
  sigemptyset(&one), sigemptyset(&none);
  sigaddset(&one, SIGUSR2);
  CHECK(sigprocmask(SIG_BLOCK, &one, &old) == 0);
  entered = 0;
  raise(SIGUSR2);
  EQ(entered, 0);
  FAILS(sigsuspend(&none), EINTR);
  EQ(entered, 1);
  sigset_t now;
  CHECK(sigprocmask(SIG_SETMASK, &old, &now) == 0 && sigismember(&now, SIGUSR2));
  // KILL and STOP cannot be blocked, caught or ignored.
  sigfillset(&now);
  CHECK(sigprocmask(SIG_SETMASK, &now, NULL) == 0 && sigprocmask(SIG_SETMASK, &old, &now) == 0);
  CHECK(!sigismember(&now, SIGKILL) && !sigismember(&now, SIGSTOP) && sigismember(&now, SIGTERM));
  FAILS(signal(SIGKILL, SIG_IGN) == SIG_ERR ? -1 : 0, EINVAL);
  FAILS(signal(SIGSTOP, SIG_DFL) == SIG_ERR ? -1 : 0, EINVAL);
  FAILS(sigaction(65, NULL, NULL), EINVAL);
  FAILS(kill(getpid(), 65), EINVAL);
  FAILS(kill(getpid(), -1), EINVAL);
  FAILS(kill(0x3fffffff, 0), ESRCH);
}

static char second_stack[1 << 16];
static void on_second(int signo, siginfo_t *info, void *context) {
  stack_t s;
  char here;
  CHECK(&here >= second_stack && &here < second_stack + sizeof second_stack);
  CHECK(sigaltstack(NULL, &s) == 0 && s.ss_flags == SS_ONSTACK);
  s.ss_flags = SS_DISABLE;
  FAILS(sigaltstack(&s, NULL), EPERM);
  EQ(((ucontext_t *)context)->uc_stack.ss_sp, second_stack);
  if (entered++ == 0) raise(SIGUSR2);  // still the same stack, deeper
}

static void other_stack(void) {
  stack_t s = {.ss_sp = second_stack, .ss_size = 100}, old;
  FAILS(sigaltstack(&s, NULL), ENOMEM);
  s.ss_flags = 77;
  FAILS(sigaltstack(&s, NULL), EINVAL);
  s = (stack_t){.ss_sp = second_stack, .ss_size = sizeof second_stack};
  CHECK(sigaltstack(&s, &old) == 0 && old.ss_flags == SS_DISABLE);
  install(SIGUSR1, on_second, SA_ONSTACK, 0);
  install(SIGUSR2, on_second, SA_ONSTACK, 0);
  entered = 0;
  raise(SIGUSR1);
  EQ(entered, 2);
  CHECK(sigaltstack(NULL, &old) == 0 && old.ss_flags == 0);
  s.ss_flags = SS_DISABLE;
  CHECK(sigaltstack(&s, NULL) == 0);
}

static char *volatile bad;
static void faults_inside(int signo, siginfo_t *info, void *context) {
  entered++;
  FAULTS((void)*(volatile char *)(bad + 4), SIGSEGV, SEGV_MAPERR, bad + 4);
}

static void ways_out(void) {
  catch_faults();
  bad = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(bad, 4096);
  install(SIGUSR1, faults_inside, 0, 0);
  entered = 0;
  raise(SIGUSR1);
  EQ(entered, 1);
  // Thousands of jumps out of handlers leave nothing behind.
  for (int i = 0; i < 2000; i++) FAULTS(*(volatile char *)bad = 1, SIGSEGV, SEGV_MAPERR, bad);
  sigset_t now;
  CHECK(sigprocmask(SIG_BLOCK, NULL, &now) == 0 && !sigismember(&now, SIGSEGV));
  // longjmp without a mask keeps the handler's.
  static jmp_buf plain;
  volatile int passes = 0;
  if (_setjmp(plain) == 0) {
    passes = 1;
    _longjmp(plain, 5);
  }
  EQ(passes, 1);
}

static void timer_expires(int signo, siginfo_t *info, void *context) {
  entered++;
  order[0] = info->si_code;
  order[1] = info->si_value.sival_int;
}

static void timers(void) {
  install(SIGRTMIN, timer_expires, 0, 0);
  install(SIGVTALRM, timer_expires, 0, 0);
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 321};
  timer_t timer;
  CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
  struct itimerspec soon = {.it_value.tv_nsec = 2000000, .it_interval.tv_nsec = 1000000}, left;
  entered = 0;
  CHECK(timer_settime(timer, 0, &soon, NULL) == 0 && timer_gettime(timer, &left) == 0);
  CHECK(left.it_interval.tv_nsec == 1000000 && left.it_value.tv_nsec <= 2000000);
  while (entered < 3) continue;
  EQ(order[0], SI_TIMER);
  EQ(order[1], 321);
  CHECK(timer_settime(timer, 0, &(struct itimerspec){0}, &left) == 0 && timer_gettime(timer, &left) == 0);
  EQ(left.it_value.tv_nsec, 0);
  // Blocked, its expirations are counted.
  sigset_t one;
  sigemptyset(&one);
  sigaddset(&one, SIGRTMIN);
  sigprocmask(SIG_BLOCK, &one, NULL);
  CHECK(timer_settime(timer, 0, &soon, NULL) == 0);
  struct timespec pause_for = {0, 10000000};
  CHECK(clock_nanosleep(CLOCK_MONOTONIC, 0, &pause_for, NULL) == 0);
  siginfo_t info;
  EQ(sigwaitinfo(&one, &info), SIGRTMIN);
  CHECK(info.si_overrun >= 3 && timer_getoverrun(timer) == info.si_overrun);
  CHECK(timer_delete(timer) == 0);
  FAILS(timer_delete(timer), EINVAL);
  sigprocmask(SIG_UNBLOCK, &one, NULL);
  // Time that the program itself uses.
  entered = 0;
  struct itimerval used = {.it_value.tv_usec = 5000}, now;
  CHECK(setitimer(ITIMER_VIRTUAL, &used, NULL) == 0);
  while (entered == 0) continue;
  CHECK(getitimer(ITIMER_VIRTUAL, &now) == 0 && now.it_value.tv_usec == 0);
  install(SIGALRM, timer_expires, 0, 0);
  entered = 0;
  EQ(alarm(100), 0);
  EQ(alarm(0), 100);
  EQ(ualarm(1000, 0), 0);
  while (entered == 0) pause_for.tv_nsec = 1;
}

int main(void) {
  deferring();
  queued();
  suspended();
  other_stack();
  ways_out();
  timers();
  return done();
}
