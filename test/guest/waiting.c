// Descriptors that say when something happens: eventfd, timerfd, inotify, and waiting for them by poll, select, epoll.
#include "check.h"

#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>

static int64_t now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000L + t.tv_nsec / 1000;
}

static void events(void) {
  int fd = eventfd(3, EFD_NONBLOCK), one = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC);
  uint64_t n = 4;
  EQ(write(fd, &n, 8), 8);
  EQ(read(fd, &n, 8), 8);
  EQ(n, 7);
  FAILS(read(fd, &n, 8), EAGAIN);
  FAILS(read(fd, &n, 4), EINVAL);
  n = UINT64_MAX;
  FAILS(write(fd, &n, 8), EINVAL);
  n--;
  EQ(write(fd, &n, 8), 8);
  n = 1;
  FAILS(write(fd, &n, 8), EAGAIN);
  EQ(read(one, &n, 8), 8);
  EQ(n, 1);
  EQ(read(one, &n, 8), 8);
  FAILS(read(one, &n, 8), EAGAIN);
  close(fd), close(one);
}

static void polling(void) {
  int ends[2];
  CHECK(pipe(ends) == 0);
  struct pollfd p[4] = {{ends[0], POLLIN}, {ends[1], POLLOUT}, {-5, POLLIN}, {999, POLLIN}};
  EQ(poll(p, 4, 0), 2);
  EQ(p[0].revents, 0);
  EQ(p[1].revents, POLLOUT);
  EQ(p[2].revents, 0);
  EQ(p[3].revents, POLLNVAL);
  int64_t before = now_us();
  EQ(poll(p, 1, 20), 0);
  CHECK(now_us() - before >= 19000);
  CHECK(write(ends[1], "x", 1) == 1 && poll(p, 1, -1) == 1 && p[0].revents == POLLIN);
  close(ends[1]);
  EQ(poll(p, 1, 0), 1);
  EQ(p[0].revents, POLLIN | POLLHUP);

  fd_set in, out;
  FD_ZERO(&in);
  FD_ZERO(&out);
  FD_SET(ends[0], &in);
  struct timeval limit = {1, 0};
  EQ(select(ends[0] + 1, &in, &out, NULL, &limit), 1);
  CHECK(FD_ISSET(ends[0], &in) && limit.tv_sec == 0 && limit.tv_usec > 900000);  // Linux leaves what remained
  close(ends[0]);
  FAILS(select(ends[0] + 1, &in, NULL, NULL, &limit), EBADF);
  limit = (struct timeval){0, 5000};
  EQ(select(0, NULL, NULL, NULL, &limit), 0);
  FAILS(select(-1, NULL, NULL, NULL, &limit), EINVAL);
  struct timespec wrong = {0, 1000000000};
  FAILS(ppoll(p, 0, &wrong, NULL), EINVAL);
}

static void timers(void) {
  int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  uint64_t n;
  struct itimerspec t = {.it_value.tv_nsec = 100000000, .it_interval.tv_nsec = 2000000}, left;
  CHECK(fd >= 0 && timerfd_settime(fd, 0, &t, NULL) == 0);
  FAILS(read(fd, &n, 8), EAGAIN);
  CHECK(timerfd_gettime(fd, &left) == 0 && left.it_interval.tv_nsec == 2000000 && left.it_value.tv_nsec <= 100000000);
  struct pollfd p = {fd, POLLIN};
  EQ(poll(&p, 1, 1000), 1);
  usleep(7000);
  CHECK(read(fd, &n, 8) == 8 && n >= 4);
  CHECK(timerfd_settime(fd, 0, &(struct itimerspec){{0}}, &left) == 0 && left.it_interval.tv_nsec == 2000000);
  EQ(poll(&p, 1, 5), 0);
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  t = (struct itimerspec){.it_value = {now.tv_sec - 1, 0}};
  CHECK(timerfd_settime(fd, TFD_TIMER_ABSTIME, &t, NULL) == 0 && poll(&p, 1, 1000) == 1 && read(fd, &n, 8) == 8);
  EQ(n, 1);
  t.it_value.tv_nsec = -1;
  FAILS(timerfd_settime(fd, 0, &t, NULL), EINVAL);
  close(fd);
}

static void watching(void) {
  int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  char buffer[4096] __attribute__((aligned(8)));
  CHECK(fd >= 0 && mkdir("watched", 0700) == 0);
  FAILS(read(fd, buffer, sizeof buffer), EAGAIN);
  int w = inotify_add_watch(fd, "watched", IN_CREATE | IN_DELETE | IN_MOVE);
  CHECK(w >= 0);
  close(open("watched/a", O_CREAT | O_WRONLY, 0600));
  CHECK(rename("watched/a", "watched/b") == 0 && unlink("watched/b") == 0);
  int waiting;
  CHECK(ioctl(fd, FIONREAD, &waiting) == 0 && waiting == 4 * 32);
  EQ(read(fd, buffer, sizeof buffer), 4 * 32);
  static const uint32_t wanted[] = {IN_CREATE, IN_MOVED_FROM, IN_MOVED_TO, IN_DELETE};
  for (int i = 0; i < 4; i++) {
    struct inotify_event *e = (void *)(buffer + 32 * i);
    EQ(e->mask, wanted[i]);
    EQ(e->wd, w);
    SAME(e->name, i < 2 ? "a" : "b");
  }
  CHECK(inotify_rm_watch(fd, w) == 0 && read(fd, buffer, sizeof buffer) == 16);
  EQ(((struct inotify_event *)buffer)->mask, IN_IGNORED);
  FAILS(inotify_rm_watch(fd, w), EINVAL);
  close(fd);
}

static void sets(void) {
  int set = epoll_create1(EPOLL_CLOEXEC), a = eventfd(0, EFD_NONBLOCK), b = eventfd(1, EFD_NONBLOCK), ends[2];
  struct epoll_event e = {EPOLLIN, {.u64 = 0x1122334455667788}}, got[8];
  CHECK(set >= 0 && epoll_ctl(set, EPOLL_CTL_ADD, a, &e) == 0);
  FAILS(epoll_ctl(set, EPOLL_CTL_ADD, a, &e), EEXIST);
  FAILS(epoll_ctl(set, EPOLL_CTL_ADD, set, &e), EINVAL);
  FAILS(epoll_ctl(set, EPOLL_CTL_MOD, b, &e), ENOENT);
  FAILS(epoll_ctl(set, EPOLL_CTL_ADD, 999, &e), EBADF);
  FAILS(epoll_wait(set, got, 0, 0), EINVAL);
  int file = open("plain", O_CREAT | O_RDWR, 0600);
  FAILS(epoll_ctl(set, EPOLL_CTL_ADD, file, &e), EPERM);
  EQ(epoll_wait(set, got, 8, 0), 0);
  e.data.u64 = UINT64_MAX;
  e.events = EPOLLIN | EPOLLET;
  CHECK(epoll_ctl(set, EPOLL_CTL_ADD, b, &e) == 0);
  EQ(epoll_wait(set, got, 8, -1), 1);
  EQ(got[0].data.u64, UINT64_MAX);
  EQ(got[0].events, EPOLLIN);
  EQ(epoll_wait(set, got, 8, 5), 0);  // an edge is told once
  uint64_t n = 1;
  CHECK(write(a, &n, 8) == 8 && write(b, &n, 8) == 8);
  EQ(epoll_wait(set, got, 8, 100), 2);
  CHECK((got[0].data.u64 ^ got[1].data.u64) == (0x1122334455667788 ^ UINT64_MAX));
  EQ(epoll_wait(set, got, 8, 100), 1);
  EQ(got[0].data.u64, 0x1122334455667788);
  e.events = EPOLLIN | EPOLLONESHOT;
  CHECK(epoll_ctl(set, EPOLL_CTL_MOD, a, &e) == 0 && epoll_wait(set, got, 8, 0) == 1 && epoll_wait(set, got, 8, 0) == 0);
  CHECK(epoll_ctl(set, EPOLL_CTL_DEL, a, NULL) == 0);
  // A set within a set; a closed descriptor leaves it.
  int outer = epoll_create1(0);
  e = (struct epoll_event){EPOLLIN, {.fd = set}};
  CHECK(epoll_ctl(outer, EPOLL_CTL_ADD, set, &e) == 0 && pipe(ends) == 0);
  e = (struct epoll_event){EPOLLIN | EPOLLRDHUP, {.fd = ends[0]}};
  CHECK(epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &e) == 0 && write(ends[1], "x", 1) == 1);
  EQ(epoll_wait(outer, got, 8, 1000), 1);
  EQ(got[0].data.fd, set);
  close(ends[0]);
  EQ(epoll_wait(set, got, 8, 0), 0);
  close(ends[1]), close(outer), close(set), close(a), close(b), close(file);
}

int main(void) {
  events();
  polling();
  timers();
  watching();
  sets();
  return done();
}
