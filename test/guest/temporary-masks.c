// Calls that wait under another signal mask: it holds while they wait and while the handlers run that end them.
#include "check.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/time.h>
#include <time.h>

static volatile sig_atomic_t entered, blocked_inside;

static void handler(int signo) {
  sigset_t now;
  sigprocmask(SIG_BLOCK, NULL, &now);
  blocked_inside = sigismember(&now, SIGUSR2);
  entered++;
}

static sigset_t none, usr1, usr2;
static struct timespec none_at_all, long_time = {100, 0};
static int set;

static int by_ppoll(const sigset_t *mask) { return ppoll(NULL, 0, &long_time, mask); }
static int by_pselect(const sigset_t *mask) { return pselect(0, NULL, NULL, NULL, &long_time, mask); }
static int by_epoll(const sigset_t *mask) {
  struct epoll_event e;
  return epoll_pwait(set, &e, 1, 100000, mask);
}
static int by_suspend(const sigset_t *mask) { return sigsuspend(mask); }

static int blocked(int signo) {
  sigset_t now;
  sigprocmask(SIG_BLOCK, NULL, &now);
  return sigismember(&now, signo);
}

static void ends(int (*wait)(const sigset_t *)) {
  CHECK(sigprocmask(SIG_SETMASK, &usr1, NULL) == 0);
  // Pending before: ends the wait at once. The temporary mask, not the one from before, holds in the handler.
  entered = 0;
  raise(SIGUSR1);
  EQ(entered, 0);
  FAILS(wait(&usr2), EINTR);
  EQ(entered, 1);
  EQ(blocked_inside, 1);
  CHECK(blocked(SIGUSR1) && !blocked(SIGUSR2));
  // Pending, but blocked by the temporary mask: only the alarm ends it, then the other is delivered.
  sigprocmask(SIG_SETMASK, &none, NULL);
  sigset_t all_but_alarm;
  sigfillset(&all_but_alarm);
  sigdelset(&all_but_alarm, SIGALRM);
  sigprocmask(SIG_SETMASK, &usr1, NULL);
  raise(SIGUSR1);
  entered = 0;
  struct itimerval soon = {.it_value.tv_usec = 3000};
  CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
  FAILS(wait(&all_but_alarm), EINTR);
  EQ(entered, 1);
  CHECK(blocked(SIGUSR1));
  sigprocmask(SIG_SETMASK, &none, NULL);
  EQ(entered, 2);
  // From a timer, SA_RESTART or not.
  for (int i = 0; i < 2; i++) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = i ? SA_RESTART : 0};
    CHECK(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &soon, NULL) == 0);
    FAILS(wait(&none), EINTR);
  }
}

int main(void) {
  sigemptyset(&none), sigemptyset(&usr1), sigemptyset(&usr2);
  sigaddset(&usr1, SIGUSR1), sigaddset(&usr2, SIGUSR2);
  signal(SIGUSR1, handler), signal(SIGUSR2, handler), signal(SIGALRM, handler);
  set = epoll_create1(0);
  CHECK(set >= 0);
  ends(by_ppoll);
  ends(by_pselect);
  ends(by_epoll);
  ends(by_suspend);
  // Something is ready: the mask comes back although no handler ran.
  int p[2];
  CHECK(pipe(p) == 0 && write(p[1], "x", 1) == 1 && sigprocmask(SIG_SETMASK, &usr2, NULL) == 0);
  struct pollfd one = {p[0], POLLIN};
  EQ(ppoll(&one, 1, NULL, &usr1), 1);
  CHECK(!blocked(SIGUSR1) && blocked(SIGUSR2));
  EQ(ppoll(NULL, 0, &none_at_all, &usr1), 0);
  CHECK(!blocked(SIGUSR1) && blocked(SIGUSR2));
  // Pending and let in, but something is ready: the answer counts, and the handler runs only if it may.
  entered = 0;
  raise(SIGUSR2);
  EQ(ppoll(&one, 1, NULL, &usr2), 1);
  EQ(entered, 0);
  // The sleep that is left, and the one that is made again.
  signal(SIGALRM, handler);
  struct itimerval soon = {.it_value.tv_usec = 3000};
  struct timespec left, twenty = {0, 20000000}, before, after;
  CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
  FAILS(nanosleep(&long_time, &left), EINTR);
  CHECK(left.tv_sec == 99 && left.tv_nsec > 900000000);
  // An ignored signal does not end a sleep.
  signal(SIGALRM, SIG_IGN);
  clock_gettime(CLOCK_MONOTONIC, &before);
  CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0 && nanosleep(&twenty, NULL) == 0);
  clock_gettime(CLOCK_MONOTONIC, &after);
  CHECK((after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec - before.tv_nsec >= 20000000);
  return done();
}
