// A timer's signal comes at a random instant before, into or after a call that blocks: it is handled once, and the call goes
// on, is made again, or answers EINTR, as the call and SA_RESTART say. The handler itself does what the call waits for, so
// that no order of the two leaves the call asleep for good.
// Arguments: rounds, seed, and perhaps the one call to try.
#include "check.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>

static volatile sig_atomic_t handled;
static void (*volatile help)(void);
static const char *volatile doing;
static volatile long round_number;

static void on_alarm(int signo) {
  int before = errno;
  (void)signo;
  handled++;
  if (help) help();
  errno = before;
}

/** The net: a sleep that nobody has ended. */
static void on_watchdog(int signo) {
  char line[200];
  (void)signo;
  int n = snprintf(line, sizeof line, "round %ld: %s sleeps on, %d signals handled\n", round_number, doing, (int)handled);
  (void)!write(1, line, n);
  _exit(2);
}

static uint64_t state;
static unsigned random_below(unsigned n) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return (unsigned)(state % n);
}

/** A call that answers what is good, or EINTR if it may. */
#define EITHER(call, good)                                                                       \
  do {                                                                                           \
    errno = 0;                                                                                   \
    long answer_ = (long)(call);                                                                 \
    int ended_ = answer_ == -1 && errno == EINTR;                                                \
    STOP_UNLESS(ended_ ? may_end : answer_ == (long)(good),                                      \
                "round %ld, %s, %s: %ld (errno %d)", round_number, doing, #call, answer_, errno); \
    interrupted += ended_;                                                                       \
    was_interrupted = ended_;                                                                    \
  } while (0)

static int may_end, was_interrupted;
static long interrupted;

// ---- what the calls work on

static int pipe_in, pipe_out, full_in, full_out, stream[2], datagram[2], full_stream[2], limited[2];
static int listener, full_listener, source, lock_holder, lock_seeker, set, counter, side_in, side_out, queue = -1;
static struct sockaddr_un name, full_name;
static socklen_t name_length;
static char big[80000], sink[1 << 20];
static volatile uint32_t word;

static void nonblocking(int fd, int on) {
  int flags = fcntl(fd, F_GETFL);
  CHECK(fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) == 0);
}

static void drain_pipe(int fd) {
  nonblocking(fd, 1);
  while (read(fd, sink, sizeof sink) > 0) {
  }
  nonblocking(fd, 0);
}

static void fill(int fd) {
  nonblocking(fd, 1);
  while (write(fd, big, 4096) > 0) {
  }
  while (write(fd, big, 1) > 0) {
  }
  nonblocking(fd, 0);
}

// ---- rows: what the handler does, and the call

static void nothing(void) {}

static void feed_pipe(void) { CHECK(write(pipe_out, "x", 1) == 1); }
static void try_read(void) {
  char c = 0;
  EITHER(read(pipe_in, &c, 1), 1);
  if (was_interrupted) CHECK(read(pipe_in, &c, 1) == 1);
  CHECK(c == 'x');
}
static void try_readv(void) {
  char c[2];
  struct iovec v[2] = {{c, 1}, {c + 1, 1}};
  EITHER(readv(pipe_in, v, 2), 1);
  if (was_interrupted) CHECK(read(pipe_in, c, 2) == 1);
}
static void try_splice(void) {
  char c = 0;
  EITHER(splice(pipe_in, NULL, side_out, NULL, 5, 0), 1);
  CHECK(read(was_interrupted ? pipe_in : side_in, &c, 1) == 1 && c == 'x');
}
static void try_tee(void) {
  char c = 0;
  EITHER(tee(pipe_in, side_out, 5, 0), 1);
  if (!was_interrupted) CHECK(read(side_in, &c, 1) == 1 && c == 'x');
  CHECK(read(pipe_in, &c, 1) == 1 && c == 'x');
}

static void fill_pipe(void) { fill(full_out); }
static void make_room(void) { CHECK(read(full_in, sink, 8192) == 8192); }
static void try_write(void) {
  EITHER(write(full_out, big, 100), 100);
}
static void empty_pipe(void) { drain_pipe(full_in); }
enum { there_already = 32768 };
static void fill_half(void) {
  empty_pipe();
  CHECK(write(full_out, big, there_already) == there_already);
}
/** More than there is room for: what went before the signal counts. */
static void try_long_write(void) {
  ssize_t n = write(full_out, big + there_already, 40000), sum = there_already + n;
  STOP_UNLESS(n > 0 && (n == 40000 || handled), "long write: %zd", n);
  static char back[sizeof big];
  ssize_t taken = handled ? 8192 : 0;
  CHECK(memcmp(sink, big, taken) == 0);
  CHECK(read(full_in, back, sizeof back) == sum - taken && memcmp(back, big + taken, sum - taken) == 0);
}
static void try_writev(void) {
  struct iovec v[2] = {{big, 50}, {big, 60}};
  EITHER(writev(full_out, v, 2), 110);
}
static void try_vmsplice(void) {
  struct iovec v = {big, 50};
  EITHER(vmsplice(full_out, &v, 1, 0), 50);
}
static void try_sendfile(void) {
  off_t at = 0;
  EITHER(sendfile(full_out, source, &at, 100), 100);
}

static void feed_stream(void) { CHECK(send(stream[1], "abc", 3, 0) == 3); }
static void try_recv(void) {
  char c[8];
  EITHER(recv(stream[0], c, 8, 0), 3);
  if (was_interrupted) CHECK(recv(stream[0], c, 8, 0) == 3);
}
static void try_socket_read(void) {
  char c[8];
  EITHER(read(stream[0], c, 8), 3);
  if (was_interrupted) CHECK(recv(stream[0], c, 8, 0) == 3);
}
static void try_recv_all(void) {
  char c[8];
  EITHER(recv(stream[0], c, 3, MSG_WAITALL), 3);
  if (was_interrupted) CHECK(recv(stream[0], c, 8, 0) == 3);
}
static void feed_datagram(void) { CHECK(send(datagram[1], "abc", 3, 0) == 3); }
static void try_recvmsg(void) {
  char c[8];
  struct iovec v = {c, 8};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
  EITHER(recvmsg(datagram[0], &m, 0), 3);
  if (was_interrupted) CHECK(recv(datagram[0], c, 8, 0) == 3);
}
static void try_recvmmsg(void) {
  char c[8];
  struct iovec v = {c, 8};
  struct mmsghdr m = {.msg_hdr = {.msg_iov = &v, .msg_iovlen = 1}};
  EITHER(recvmmsg(datagram[0], &m, 1, 0, NULL), 1);
  if (was_interrupted) CHECK(recv(datagram[0], c, 8, 0) == 3);
}
static void feed_limited(void) { CHECK(send(limited[1], "abc", 3, 0) == 3); }
/** With a time limit SA_RESTART means nothing. */
static void try_limited(void) {
  char c[8];
  EITHER(recv(limited[0], c, 8, 0), 3);
  if (was_interrupted) CHECK(recv(limited[0], c, 8, 0) == 3);
}
static void drain_stream(void) {
  while (recv(full_stream[1], sink, sizeof sink, MSG_DONTWAIT) > 0) {
  }
}
static void fill_stream(void) { fill(full_stream[0]); }
static void try_send(void) {
  EITHER(send(full_stream[0], big, 100, 0), 100);
}
static void knock(void) {
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  CHECK(fd >= 0 && connect(fd, (void *)&name, name_length) == 0 && close(fd) == 0);
}
static void try_accept(void) {
  int fd = -1;
  EITHER((fd = accept(listener, NULL, NULL)) >= 0 ? 0 : fd, 0);
  if (was_interrupted) fd = accept(listener, NULL, NULL);
  CHECK(fd >= 0 && close(fd) == 0);
}
static void let_in(void) {
  int fd = accept(full_listener, NULL, NULL);
  CHECK(fd >= 0 && close(fd) == 0);
}
static int waiting[8];
static void crowd(void) {
  int n = 0, result = 0;
  for (; n < 8 && result == 0; n++) {
    waiting[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    result = connect(waiting[n], (void *)&full_name, name_length);
  }
  CHECK(result < 0 && errno == EAGAIN);
  for (; n < 8; n++) waiting[n] = -1;
}
static void try_connect(void) {
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  EITHER(connect(fd, (void *)&full_name, name_length), 0);
  CHECK(close(fd) == 0);
  for (int i = 0; i < 8; i++) close(waiting[i]);
  nonblocking(full_listener, 1);
  while ((fd = accept(full_listener, NULL, NULL)) >= 0) close(fd);
  nonblocking(full_listener, 0);
}

static void take_back(void) {
  char c;
  CHECK(read(pipe_in, &c, 1) == 1);
}
static void try_poll(void) {
  struct pollfd p = {pipe_in, POLLIN, 0};
  EITHER(poll(&p, 1, -1), 1);
  take_back();
}
static void try_ppoll(void) {
  struct pollfd p = {pipe_in, POLLIN, 0};
  struct timespec limit = {100, 0};
  sigset_t none;
  sigemptyset(&none);
  EITHER(ppoll(&p, 1, &limit, &none), 1);
  take_back();
}
static void try_select(void) {
  fd_set in;
  struct timeval limit = {100, 0};
  FD_ZERO(&in);
  FD_SET(pipe_in, &in);
  EITHER(select(pipe_in + 1, &in, NULL, NULL, &limit), 1);
  take_back();
}
static void try_epoll(void) {
  struct epoll_event e;
  EITHER(epoll_wait(set, &e, 1, random_below(2) ? -1 : 100000), 1);
  take_back();
}

static void count_up(void) {
  uint64_t n = 5;
  CHECK(write(counter, &n, 8) == 8);
}
static void try_eventfd(void) {
  uint64_t n = 0;
  EITHER(read(counter, &n, 8), 8);
  if (was_interrupted) CHECK(read(counter, &n, 8) == 8);
  CHECK(n == 5);
}

static void try_nanosleep(void) {
  struct timespec span = {0, 3000000}, left = {0, 0}, before, after;
  clock_gettime(CLOCK_MONOTONIC, &before);
  EITHER(nanosleep(&span, &left), 0);
  clock_gettime(CLOCK_MONOTONIC, &after);
  long passed = (after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec - before.tv_nsec;
  CHECK(passed + left.tv_nsec >= span.tv_nsec && left.tv_sec == 0);
  // The kernel may count in how much late a timer may be.
  if (was_interrupted) CHECK(left.tv_nsec > 0 && left.tv_nsec < span.tv_nsec + 100000);
}
static void try_absolute_sleep(void) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_nsec += 3000000;
  if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
  int result = clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL);
  CHECK(result == 0 || (result == EINTR && may_end));
  interrupted += result != 0;
}

static void change_word(void) { word = 1; }
static void clear_word(void) { word = 0; }
static void try_futex(void) {
  errno = 0;
  long result = syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
  CHECK(result == -1 && (errno == EAGAIN || (errno == EINTR && may_end)));
  interrupted += errno == EINTR;
}

static sigset_t alarm_set, old_mask;
static void try_sigsuspend(void) {
  sigset_t none = old_mask;
  sigdelset(&none, SIGALRM);
  FAILS(sigsuspend(&none), EINTR);
  CHECK(handled == 1);
}
static void try_pselect(void) {
  sigset_t none = old_mask;
  sigdelset(&none, SIGALRM);
  FAILS(pselect(0, NULL, NULL, NULL, NULL, &none), EINTR);
  CHECK(handled == 1);
}
static void try_epoll_pwait(void) {
  struct epoll_event e;
  sigset_t none = old_mask;
  sigdelset(&none, SIGALRM);
  // The handler makes the set ready: whichever is seen first.
  int n = epoll_pwait(set, &e, 1, -1, &none);
  CHECK(n == -1 && errno == EINTR && handled == 1);
  take_back();
}
static void try_sigwait(void) {
  siginfo_t info;
  CHECK(sigwaitinfo(&alarm_set, &info) == SIGALRM && handled == 0);
  handled = 1;
}
static void try_signalfd(void) {
  struct signalfd_siginfo info;
  int fd = signalfd(-1, &alarm_set, 0);
  CHECK(fd >= 0 && read(fd, &info, sizeof info) == sizeof info && info.ssi_signo == SIGALRM && close(fd) == 0);
  CHECK(handled == 0);
  handled = 1;
}

static void let_go(void) { CHECK(flock(lock_holder, LOCK_UN) == 0); }
static void hold(void) { CHECK(flock(lock_holder, LOCK_EX | LOCK_NB) == 0); }
static void try_flock(void) {
  EITHER(flock(lock_seeker, LOCK_EX), 0);
  CHECK(flock(lock_seeker, LOCK_UN) == 0);
}
static void set_record(int fd, int command, int type) {
  struct flock l = {.l_type = type};
  CHECK(fcntl(fd, command, &l) == 0);
}
static void let_record_go(void) { set_record(lock_holder, F_OFD_SETLK, F_UNLCK); }
static void hold_record(void) { set_record(lock_holder, F_OFD_SETLK, F_WRLCK); }
static void try_record_lock(void) {
  struct flock l = {.l_type = F_WRLCK};
  EITHER(fcntl(lock_seeker, F_OFD_SETLKW, &l), 0);
  set_record(lock_seeker, F_OFD_SETLK, F_UNLCK);
}

static int other_end;
static void open_other_end(void) { CHECK((other_end = open("fifo", O_RDWR)) >= 0); }
static void try_open(void) {
  int fd = -1;
  EITHER((fd = open("fifo", O_RDONLY)) >= 0 ? 0 : fd, 0);
  if (fd >= 0) close(fd);
  CHECK(close(other_end) == 0);
}

struct message {
  long type;
  char text[8];
};
static void post(void) {
  struct message m = {1, "message"};
  CHECK(msgsnd(queue, &m, 8, IPC_NOWAIT) == 0);
}
static void try_msgrcv(void) {
  struct message m;
  EITHER(msgrcv(queue, &m, 8, 0, 0), 8);
  if (was_interrupted) CHECK(msgrcv(queue, &m, 8, 0, 0) == 8);
}

/** RESTARTS: again with SA_RESTART. ENDS: never again. BLOCKED: the signal is, but for the call. LATE: it may come after the call. */
enum { RESTARTS, ENDS, BLOCKED, LATE };
static const struct row {
  const char *name;
  /** Before the timer runs; in the handler; the call. */
  void (*before)(void), (*help)(void), (*call)(void);
  int kind;
} rows[] = {
    {"read", nothing, feed_pipe, try_read, RESTARTS},
    {"readv", nothing, feed_pipe, try_readv, RESTARTS},
    {"splice", nothing, feed_pipe, try_splice, RESTARTS},
    {"tee", nothing, feed_pipe, try_tee, RESTARTS},
    {"write", fill_pipe, make_room, try_write, RESTARTS},
    {"long write", fill_half, make_room, try_long_write, LATE},
    {"writev", fill_pipe, make_room, try_writev, RESTARTS},
    {"vmsplice", fill_pipe, make_room, try_vmsplice, RESTARTS},
    {"sendfile", fill_pipe, make_room, try_sendfile, RESTARTS},
    {"recv", nothing, feed_stream, try_recv, RESTARTS},
    {"read of a socket", nothing, feed_stream, try_socket_read, RESTARTS},
    {"recv of all", nothing, feed_stream, try_recv_all, RESTARTS},
    {"recvmsg", nothing, feed_datagram, try_recvmsg, RESTARTS},
    {"recvmmsg", nothing, feed_datagram, try_recvmmsg, RESTARTS},
    {"recv with a time limit", nothing, feed_limited, try_limited, ENDS},
    {"send", fill_stream, drain_stream, try_send, RESTARTS},
    {"accept", nothing, knock, try_accept, RESTARTS},
    {"connect", crowd, let_in, try_connect, RESTARTS},
    {"poll", nothing, feed_pipe, try_poll, ENDS},
    {"ppoll", nothing, feed_pipe, try_ppoll, ENDS},
    {"select", nothing, feed_pipe, try_select, ENDS},
    {"epoll_wait", nothing, feed_pipe, try_epoll, ENDS},
    {"read of an eventfd", nothing, count_up, try_eventfd, RESTARTS},
    {"nanosleep", nothing, nothing, try_nanosleep, LATE},
    {"clock_nanosleep", nothing, nothing, try_absolute_sleep, LATE},
    {"futex", clear_word, change_word, try_futex, RESTARTS},
    {"sigsuspend", nothing, nothing, try_sigsuspend, BLOCKED},
    {"pselect", nothing, nothing, try_pselect, BLOCKED},
    {"epoll_pwait", nothing, feed_pipe, try_epoll_pwait, BLOCKED},
    {"sigwaitinfo", nothing, nothing, try_sigwait, BLOCKED},
    {"signalfd", nothing, nothing, try_signalfd, BLOCKED},
    {"flock", hold, let_go, try_flock, RESTARTS},
    {"F_OFD_SETLKW", hold_record, let_record_go, try_record_lock, RESTARTS},
    {"open of a FIFO", nothing, open_other_end, try_open, RESTARTS},
    {"msgrcv", nothing, post, try_msgrcv, ENDS},
};
enum { row_count = sizeof rows / sizeof *rows };

static void bind_to(int *fd, struct sockaddr_un *address, const char *path, int backlog) {
  address->sun_family = AF_UNIX;
  strcpy(address->sun_path, path);
  name_length = sizeof *address;
  CHECK((*fd = socket(AF_UNIX, SOCK_STREAM, 0)) >= 0);
  CHECK(bind(*fd, (void *)address, name_length) == 0 && listen(*fd, backlog) == 0);
}

static void prepare(void) {
  int ends[2];
  for (unsigned i = 0; i < sizeof big; i++) big[i] = (char)(i % 251);
  CHECK(pipe(ends) == 0);
  pipe_in = ends[0], pipe_out = ends[1];
  CHECK(pipe(ends) == 0);
  full_in = ends[0], full_out = ends[1];
  CHECK(pipe(ends) == 0);
  side_in = ends[0], side_out = ends[1];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, stream) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, full_stream) == 0);
  CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, datagram) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, limited) == 0);
  struct timeval limit = {100, 0};
  CHECK(setsockopt(limited[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
  bind_to(&listener, &name, "listener", 100);
  bind_to(&full_listener, &full_name, "full-listener", 1);
  CHECK((lock_holder = open("lock", O_CREAT | O_RDWR, 0600)) >= 0 && (lock_seeker = open("lock", O_RDWR)) >= 0);
  CHECK((counter = eventfd(0, 0)) >= 0 && (set = epoll_create1(0)) >= 0);
  CHECK((source = open("source", O_RDWR | O_CREAT, 0600)) >= 0 && write(source, big, 100) == 100);
  struct epoll_event e = {EPOLLIN, {.fd = pipe_in}};
  CHECK(epoll_ctl(set, EPOLL_CTL_ADD, pipe_in, &e) == 0 && mkfifo("fifo", 0600) == 0);
  queue = msgget(IPC_PRIVATE, 0600);
  CHECK(queue >= 0 || errno == ENOSYS);
  sigemptyset(&alarm_set);
  sigaddset(&alarm_set, SIGALRM);
}

/** Arms one of the two kinds of timers. */
static timer_t posix_timer;
static void arm(unsigned microseconds) {
  if (random_below(2)) {
    struct itimerval soon = {.it_value.tv_usec = microseconds};
    CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
  } else {
    struct itimerspec soon = {.it_value.tv_nsec = 1000L * microseconds - random_below(1000)};
    CHECK(timer_settime(posix_timer, 0, &soon, NULL) == 0);
  }
}

int main(int argc, char **argv) {
  CHECK(argc >= 3);
  long rounds = atol(argv[1]);
  state = strtoull(argv[2], NULL, 10) * 0x9e3779b97f4a7c15 + 1;
  prepare();
  struct sigevent watch = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
  timer_t watchdog;
  CHECK(signal(SIGUSR1, on_watchdog) != SIG_ERR && timer_create(CLOCK_MONOTONIC, &watch, &watchdog) == 0);
  CHECK(timer_create(CLOCK_MONOTONIC, &event, &posix_timer) == 0);
  const struct itimerspec bite = {.it_value.tv_sec = 30};
  long counts[row_count][2] = {0};
  for (long i = 0; i < rounds; i++) {
    const struct row *row = &rows[random_below(row_count)];
    if (argc > 3 && strcmp(row->name, argv[3]) != 0) continue;
    if (row->call == try_msgrcv && queue < 0) continue;
    int restarts = (int)random_below(2);
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = restarts ? SA_RESTART : 0};
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    round_number = i, doing = row->name, help = row->help;
    may_end = row->kind == ENDS || row->kind == LATE || !restarts;
    handled = 0, interrupted = 0;
    CHECK(timer_settime(watchdog, 0, &bite, NULL) == 0);
    if (row->kind == BLOCKED) CHECK(sigprocmask(SIG_BLOCK, &alarm_set, &old_mask) == 0);
    row->before();
    // Most come while the call begins.
    arm(1 + random_below(random_below(4) ? 150 : 2500));
    row->call();
    if (row->kind == BLOCKED) CHECK(sigprocmask(SIG_SETMASK, &old_mask, NULL) == 0);
    while (row->kind == LATE && !handled) usleep(100);
    STOP_UNLESS(handled == 1, "round %ld: %s: %d signals handled", i, doing, (int)handled);
    empty_pipe();
    counts[row - rows][interrupted != 0]++;
  }
  if (queue >= 0) msgctl(queue, IPC_RMID, NULL);
  if (getenv("COUNTS"))
    for (int i = 0; i < row_count; i++)
      printf("%-24s %6ld went on, %6ld EINTR\n", rows[i].name, counts[i][0], counts[i][1]);
  return done();
}
