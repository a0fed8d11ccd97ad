// Sockets, polls and timers as a program uses them, through the C library. Asserts itself, prints "ok".
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CHECK(what)                                                                              \
  do {                                                                                           \
    if (!(what)) {                                                                               \
      printf("line %d: %s (errno %d: %s)\n", __LINE__, #what, errno, strerror(errno));           \
      exit(1);                                                                                   \
    }                                                                                            \
  } while (0)

static volatile sig_atomic_t alarms;
static void on_alarm(int signo) { alarms++; }

static void handle(int flags) {
  struct sigaction action = {.sa_handler = on_alarm, .sa_flags = flags};
  CHECK(sigaction(SIGALRM, &action, NULL) == 0);
}

static void alarm_in(long usec) {
  struct itimerval timer = {.it_value = {.tv_usec = usec}};
  CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
}

static void tcp(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  int one = 1;
  int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK(server >= 0);
  CHECK(setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0);
  CHECK(bind(server, (struct sockaddr *)&address, sizeof address) == 0);
  CHECK(getsockname(server, (struct sockaddr *)&address, &length) == 0 && length == sizeof address);
  CHECK(listen(server, 8) == 0);

  int epoll = epoll_create1(0);
  struct epoll_event wanted = {.events = EPOLLIN, .data.u64 = 0x123456789abcdef0}, got[4];
  CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, server, &wanted) == 0);
  CHECK(epoll_wait(epoll, got, 4, 0) == 0);

  int client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  int result = connect(client, (struct sockaddr *)&address, sizeof address);
  CHECK(result == 0 || errno == EINPROGRESS);
  CHECK(epoll_wait(epoll, got, 4, -1) == 1);
  CHECK(got[0].events == EPOLLIN && got[0].data.u64 == 0x123456789abcdef0);
  int peer = accept(server, NULL, NULL);
  CHECK(peer >= 0);

  struct pollfd poll_out = {.fd = client, .events = POLLOUT};
  CHECK(poll(&poll_out, 1, -1) == 1 && (poll_out.revents & POLLOUT));
  CHECK(send(client, "request", 7, MSG_NOSIGNAL) == 7);
  char buffer[16] = {0};
  CHECK(recv(peer, buffer, sizeof buffer, 0) == 7 && strcmp(buffer, "request") == 0);
  CHECK(shutdown(client, SHUT_WR) == 0);
  CHECK(recv(peer, buffer, sizeof buffer, 0) == 0);
  close(client), close(peer), close(server), close(epoll);

  CHECK(connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&address, sizeof address) < 0);
  CHECK(errno == ECONNREFUSED);
}

static void rights(void) {
  int sockets[2], channel[2];
  CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets) == 0);
  CHECK(pipe(channel) == 0);
  char byte = 'x', control[CMSG_SPACE(2 * sizeof(int))];
  memset(control, 0, sizeof control);
  struct iovec vector = {&byte, 1};
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(2 * sizeof(int));
  memcpy(CMSG_DATA(header), channel, sizeof channel);
  CHECK(sendmsg(sockets[0], &message, 0) == 1);
  close(channel[0]), close(channel[1]);

  memset(control, 0, sizeof control);
  message.msg_controllen = sizeof control;
  CHECK(recvmsg(sockets[1], &message, MSG_CMSG_CLOEXEC) == 1);
  header = CMSG_FIRSTHDR(&message);
  CHECK(header && header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN(2 * sizeof(int)));
  memcpy(channel, CMSG_DATA(header), sizeof channel);
  CHECK(fcntl(channel[0], F_GETFD) == FD_CLOEXEC);
  CHECK(write(channel[1], "through", 7) == 7);
  char buffer[8] = {0};
  CHECK(read(channel[0], buffer, 8) == 7 && strcmp(buffer, "through") == 0);
  close(channel[0]), close(channel[1]), close(sockets[0]), close(sockets[1]);
}

static void unix_paths(void) {
  char directory[] = "/tmp/sockets-XXXXXX";
  CHECK(mkdtemp(directory) && chdir(directory) == 0);
  struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "here"}, seen;
  socklen_t length = sizeof seen;
  int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
  CHECK(bind(server, (struct sockaddr *)&address, sizeof address) == 0 && listen(server, 1) == 0);
  CHECK(connect(client, (struct sockaddr *)&address, sizeof address) == 0);
  CHECK(getpeername(client, (struct sockaddr *)&seen, &length) == 0);
  CHECK(strcmp(seen.sun_path, "here") == 0 && length == sizeof(sa_family_t) + 5);
  struct ucred peer;
  length = sizeof peer;
  CHECK(getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 && peer.pid == getpid());
  CHECK(unlink("here") == 0 && chdir("/") == 0 && rmdir(directory) == 0);
  close(server), close(client);
}

static void interrupted(void) {
  int ends[2];
  char byte;
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  alarms = 0;
  handle(0);
  alarm_in(2000);
  CHECK(recv(ends[0], &byte, 1, 0) < 0 && errno == EINTR && alarms == 1);
  alarm_in(2000);
  CHECK(read(ends[0], &byte, 1) < 0 && errno == EINTR && alarms == 2);
  struct timespec second = {.tv_sec = 1000}, left;
  alarm_in(2000);
  CHECK(nanosleep(&second, &left) < 0 && errno == EINTR && left.tv_sec == 999 && alarms == 3);
  handle(SA_RESTART);
  alarm_in(2000);
  CHECK(poll(NULL, 0, -1) < 0 && errno == EINTR && alarms == 4);
  alarm_in(2000);
  CHECK(select(0, NULL, NULL, NULL, NULL) < 0 && errno == EINTR && alarms == 5);

  // Only ppoll's mask lets the signal in.
  sigset_t blocked, open;
  sigemptyset(&open), sigemptyset(&blocked), sigaddset(&blocked, SIGALRM);
  CHECK(sigprocmask(SIG_BLOCK, &blocked, NULL) == 0);
  CHECK(raise(SIGALRM) == 0 && alarms == 5);
  CHECK(ppoll(NULL, 0, NULL, &open) < 0 && errno == EINTR && alarms == 6);
  sigset_t now;
  CHECK(sigprocmask(SIG_SETMASK, NULL, &now) == 0 && sigismember(&now, SIGALRM));

  int fd = signalfd(-1, &blocked, 0);
  struct pollfd poll_in = {.fd = fd, .events = POLLIN};
  CHECK(fd >= 0 && poll(&poll_in, 1, 0) == 0);
  alarm_in(2000);
  struct signalfd_siginfo info;
  CHECK(poll(&poll_in, 1, -1) == 1 && read(fd, &info, sizeof info) == sizeof info);
  CHECK(info.ssi_signo == SIGALRM && alarms == 6);
  CHECK(sigprocmask(SIG_UNBLOCK, &blocked, NULL) == 0);
  close(fd), close(ends[0]), close(ends[1]);
}

static volatile sig_atomic_t ticks, last_value;
static void on_tick(int signo, siginfo_t *info, void *context) {
  ticks++;
  last_value = info->si_value.sival_int;
}

static void timers(void) {
  struct sigaction action = {.sa_sigaction = on_tick, .sa_flags = SA_SIGINFO};
  CHECK(sigaction(SIGRTMIN, &action, NULL) == 0);
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 42};
  timer_t timer;
  CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
  struct itimerspec every = {.it_value.tv_nsec = 500000, .it_interval.tv_nsec = 500000}, old;
  CHECK(timer_settime(timer, 0, &every, NULL) == 0);
  while (ticks < 5) continue; // a running loop is interrupted
  while (ticks < 10) pause();
  CHECK(last_value == 42);
  memset(&every, 0, sizeof every);
  CHECK(timer_settime(timer, 0, &every, &old) == 0 && old.it_interval.tv_nsec == 500000);
  CHECK(timer_delete(timer) == 0);
  CHECK(timer_delete(timer) < 0 && errno == EINVAL);

  int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
  struct itimerspec soon = {.it_value.tv_nsec = 1000000};
  uint64_t count;
  CHECK(timerfd_settime(fd, 0, &soon, NULL) == 0);
  CHECK(read(fd, &count, sizeof count) == sizeof count && count == 1);
  close(fd);

  // CPU time passes in a loop, and ITIMER_PROF counts it.
  struct itimerval busy = {.it_value.tv_usec = 2000};
  alarms = 0;
  struct sigaction prof = {.sa_handler = on_alarm};
  CHECK(sigaction(SIGPROF, &prof, NULL) == 0 && setitimer(ITIMER_PROF, &busy, NULL) == 0);
  while (alarms == 0) continue;
}

int main(void) {
  tcp();
  rights();
  unix_paths();
  interrupted();
  timers();
  puts("ok");
  return 0;
}
