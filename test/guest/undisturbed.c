// A signal that is ignored comes every millisecond: no call that sleeps ends for it, moves less, or waits longer.
// Standard output is a pipe of which nothing is read for 300 ms.
#include "check.h"

#include <poll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>

enum { megabyte = 1 << 20 };
static char bytes[megabyte];

static int64_t now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000L + t.tv_nsec / 1000000;
}

#define TAKES(call, result, milliseconds)                                                      \
  do {                                                                                         \
    int64_t before_ = now_ms();                                                                \
    EQ(call, result);                                                                          \
    int64_t passed_ = now_ms() - before_;                                                      \
    /* A busy machine may be late. */                                                          \
    STOP_UNLESS(passed_ >= (milliseconds) - 1 && passed_ < (milliseconds) * 2 + 2000, "%s took %ld ms", #call, (long)passed_); \
  } while (0)

int main(void) {
  signal(SIGALRM, SIG_IGN);
  struct itimerval often = {.it_value.tv_usec = 1000, .it_interval.tv_usec = 1000};
  CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
  struct iovec halves[2] = {{bytes, megabyte / 2}, {bytes + megabyte / 2, megabyte / 2}};
  EQ(write(1, bytes, megabyte), megabyte);
  EQ(writev(1, halves, 2), megabyte);

  int pair[2], ends[2];
  char c;
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && pipe(ends) == 0);
  struct timeval limit = {0, 200000};
  CHECK(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
  TAKES(recv(pair[0], &c, 1, 0), -1, 200);
  EQ(errno, EAGAIN);
  TAKES(read(pair[0], &c, 1), -1, 200);
  EQ(errno, EAGAIN);
  CHECK(setsockopt(pair[1], SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0);
  while (send(pair[1], bytes, 65536, 0) == 65536) {
  }
  TAKES(send(pair[1], bytes, 65536, 0), -1, 200);
  EQ(errno, EAGAIN);

  struct pollfd p = {ends[0], POLLIN, 0};
  TAKES(poll(&p, 1, 100), 0, 100);
  struct timeval wait = {0, 100000};
  TAKES(select(0, NULL, NULL, NULL, &wait), 0, 100);
  struct timespec span = {0, 100000000};
  TAKES(nanosleep(&span, NULL), 0, 100);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  TAKES(sigtimedwait(&set, NULL, &span), -1, 100);
  EQ(errno, EAGAIN);
  fputs("ok\n", stderr);
  return 0;
}
