// A read sleeps on a pipe that only the handler of a signal writes to: with SA_RESTART the read is made again and finds what
// the handler wrote, without it answers EINTR first. The signal comes from each kind of timer of the process itself.
#include "check.h"

#include <sys/time.h>
#include <time.h>

static int ends[2];
static volatile sig_atomic_t handled;

static void on_alarm(int signo) {
  (void)signo;
  handled++;
  CHECK(write(ends[1], "x", 1) == 1);
}

static timer_t timer;
static const struct itimerspec soon = {.it_value.tv_nsec = 30000000};
static const struct itimerval soon_in_us = {.it_value.tv_usec = 30000};

static void by_alarm(void) { CHECK(alarm(1) == 0); }
static void by_setitimer(void) { CHECK(setitimer(ITIMER_REAL, &soon_in_us, NULL) == 0); }
static void by_timer(void) { CHECK(timer_settime(timer, 0, &soon, NULL) == 0); }
/** At a time of the wall clock. */
static void by_time(void) {
  struct itimerspec at = {0};
  clock_gettime(CLOCK_REALTIME, &at.it_value);
  at.it_value.tv_nsec += 30000000;
  if (at.it_value.tv_nsec >= 1000000000) at.it_value.tv_sec++, at.it_value.tv_nsec -= 1000000000;
  CHECK(timer_settime(timer, TIMER_ABSTIME, &at, NULL) == 0);
}

int main(void) {
  CHECK(pipe(ends) == 0);
  static void (*const arms[])(void) = {by_alarm, by_setitimer, by_timer, by_time};
  for (unsigned i = 0; i < 4; i++)
    for (int restarts = 0; restarts < 2; restarts++) {
      struct sigaction action = {.sa_handler = on_alarm, .sa_flags = restarts ? SA_RESTART : 0};
      struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
      CHECK(sigaction(SIGALRM, &action, NULL) == 0);
      CHECK(timer_create(arms[i] == by_time ? CLOCK_REALTIME : CLOCK_MONOTONIC, &event, &timer) == 0);
      char c = 0;
      handled = 0;
      arms[i]();
      if (!restarts) FAILS(read(ends[0], &c, 1), EINTR);
      EQ(read(ends[0], &c, 1), 1);
      EQ(c, 'x');
      EQ(handled, 1);
      CHECK(timer_delete(timer) == 0);
    }
  return done();
}
