// One process sleeps in calls, another signals it at a random instant before, in or after each: by kill or sigqueue, or by
// SIGSTOP and SIGCONT; and does later what the call waits for. Each signal is handled once, with its value; the call goes on, is
// made again, or answers EINTR, as the call, SA_RESTART and the stop say; and what it moves arrives once.
// Arguments: rounds, seed, and perhaps the one call to try. In an empty directory.
#include "check.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <poll.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

static uint64_t state;
static unsigned below(unsigned n) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return (unsigned)((state >> 11) % n);
}

/** A call, made again where it was interrupted: for what is not tried. */
#define SURELY(call, good)                                                                                  \
  do {                                                                                                      \
    long result_;                                                                                           \
    do result_ = (long)(call);                                                                              \
    while (result_ == -1 && errno == EINTR);                                                                \
    STOP_UNLESS(result_ == (long)(good), "%s: %ld (errno %d: %s)", #call, result_, errno, strerror(errno)); \
  } while (0)

/** A call that is tried: leaves the function with -1 where it is interrupted. */
#define TRY(call, good)                                                                                      \
  do {                                                                                                       \
    long result_ = (long)(call);                                                                             \
    if (result_ == -1 && errno == EINTR) return -1;                                                          \
    STOP_UNLESS(result_ == (long)(good), "%s: %ld (errno %d: %s)", #call, result_, errno, strerror(errno));  \
  } while (0)

// ---- what both have

static int commands[2], answers[2], tokens[2], full[2], stream[2], limited[2], child_tokens[2];
static int queue, full_queue, semaphores, counter, set, lock_file, watch;
static mqd_t mail, full_mail;
static pid_t sleeper, patient;
static struct {
  uint32_t word;
  pid_t child;
} *common;
/** The round; what the call is to bring. */
static int32_t number;
static char block[4096];

struct letter {
  long type;
  int32_t number;
  char rest[60];
};
static struct letter letter_of(int32_t n) { return (struct letter){.type = 1, .number = n}; }

// ---- rows: a call; what the other process does before, and later for it to end

static void nothing(void) {}

static void send_token(void) { SURELY(write(tokens[1], &number, 4), 4); }
static void take_token(void) {
  int32_t n = -1;
  SURELY(read(tokens[0], &n, 4), 4);
  EQ(n, number);
}
static int try_read(void) {
  int32_t n = -1;
  TRY(read(tokens[0], &n, 4), 4);
  EQ(n, number);
  return 0;
}
static int try_poll(void) {
  struct pollfd p = {tokens[0], POLLIN, 0};
  TRY(poll(&p, 1, number % 2 ? -1 : 100000), 1);
  take_token();
  return 0;
}
static int try_ppoll(void) {
  struct pollfd p = {tokens[0], POLLIN, 0};
  struct timespec limit = {100, 0};
  sigset_t none;
  sigemptyset(&none);
  TRY(ppoll(&p, 1, number % 2 ? NULL : &limit, &none), 1);
  take_token();
  return 0;
}
static int try_select(void) {
  fd_set in;
  FD_ZERO(&in);
  FD_SET(tokens[0], &in);
  TRY(select(tokens[0] + 1, &in, NULL, NULL, NULL), 1);
  take_token();
  return 0;
}
static int try_epoll(void) {
  struct epoll_event e;
  TRY(epoll_wait(set, &e, 1, number % 2 ? -1 : 100000), 1);
  take_token();
  return 0;
}

static void nonblocking(int fd, int on) {
  int flags = fcntl(fd, F_GETFL);
  CHECK(fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) == 0);
}
static void fill_pipe(void) {
  nonblocking(full[1], 1);
  while (write(full[1], block, sizeof block) > 0) {
  }
  nonblocking(full[1], 0);
}
static void make_room(void) { SURELY(read(full[0], block, sizeof block), sizeof block); }
static int try_write(void) {
  TRY(write(full[1], &number, 4), 4);
  // It is the last in the pipe, and once.
  static char all[1 << 20];
  nonblocking(full[0], 1);
  long sum = 0;
  for (long n; (n = read(full[0], all + sum, sizeof all - sum)) > 0;) sum += n;
  nonblocking(full[0], 0);
  EQ(sum % sizeof block, 4);
  EQ(memcmp(all + sum - 4, &number, 4), 0);
  return 0;
}

static void send_stream(void) { SURELY(send(stream[1], &number, 4, 0), 4); }
static int try_recv(void) {
  int32_t n = -1;
  TRY(recv(stream[0], &n, 4, 0), 4);
  EQ(n, number);
  return 0;
}
static void send_limited(void) { SURELY(send(limited[1], &number, 4, 0), 4); }
/** With a time limit neither SA_RESTART nor a stop lets it begin anew. */
static int try_limited(void) {
  int32_t n = -1;
  TRY(recv(limited[0], &n, 4, 0), 4);
  EQ(n, number);
  return 0;
}

static void count_up(void) {
  uint64_t n = (uint64_t)number + 1;
  SURELY(write(counter, &n, 8), 8);
}
static int try_eventfd(void) {
  uint64_t n = 0;
  TRY(read(counter, &n, 8), 8);
  EQ(n, number + 1);
  return 0;
}

static void touch(void) {
  int fd = open("watched", O_CREAT | O_WRONLY, 0600);
  CHECK(fd >= 0 && write(fd, "x", 1) == 1 && close(fd) == 0);
}
static int try_inotify(void) {
  char events[512];
  long n = read(watch, events, sizeof events);
  if (n < 0 && errno == EINTR) return -1;
  EQ(n, sizeof(struct inotify_event));
  return 0;
}

static void clear_word(void) { __atomic_store_n(&common->word, 0, __ATOMIC_SEQ_CST); }
static void set_word(void) {
  __atomic_store_n(&common->word, 1, __ATOMIC_SEQ_CST);
  CHECK(syscall(SYS_futex, &common->word, FUTEX_WAKE, 1, NULL, NULL, 0) >= 0);
}
static int futex(const struct timespec *limit) {
  while (__atomic_load_n(&common->word, __ATOMIC_SEQ_CST) == 0) {
    int result = (int)syscall(SYS_futex, &common->word, FUTEX_WAIT, 0, limit, NULL, 0);
    if (result == -1 && errno == EINTR) return -1;
    CHECK(result == 0 || errno == EAGAIN);
  }
  return 0;
}
static int try_futex(void) { return futex(NULL); }
static int try_limited_futex(void) {
  struct timespec limit = {100, 0};
  return futex(&limit);
}

static void post(void) {
  struct letter m = letter_of(number);
  SURELY(msgsnd(queue, &m, sizeof m - sizeof(long), 0), 0);
}
static int try_msgrcv(void) {
  struct letter m = letter_of(-1);
  TRY(msgrcv(queue, &m, sizeof m - sizeof(long), 0, 0), sizeof m - sizeof(long));
  EQ(m.number, number);
  return 0;
}
static void fill_queue(void) {
  struct letter m = letter_of(-2);
  while (msgsnd(full_queue, &m, sizeof m - sizeof(long), IPC_NOWAIT) == 0) {
  }
  CHECK(errno == EAGAIN);
}
static void fetch(void) {
  struct letter m;
  SURELY(msgrcv(full_queue, &m, sizeof m - sizeof(long), 0, 0), sizeof m - sizeof(long));
  EQ(m.number, -2);
}
static int try_msgsnd(void) {
  struct letter m = letter_of(number);
  TRY(msgsnd(full_queue, &m, sizeof m - sizeof(long), 0), 0);
  int own = 0;
  while (msgrcv(full_queue, &m, sizeof m - sizeof(long), 0, IPC_NOWAIT) >= 0) own += m.number == number;
  EQ(own, 1);
  return 0;
}

static void raise_semaphore(void) {
  struct sembuf up = {0, 1, 0};
  SURELY(semop(semaphores, &up, 1), 0);
}
static int try_semop(void) {
  struct sembuf down = {0, -1, 0};
  TRY(semop(semaphores, &down, 1), 0);
  EQ(semctl(semaphores, 0, GETVAL), 0);
  return 0;
}
static int try_semtimedop(void) {
  struct sembuf down = {0, -1, 0};
  struct timespec limit = {100, 0};
  TRY(semtimedop(semaphores, &down, 1, &limit), 0);
  EQ(semctl(semaphores, 0, GETVAL), 0);
  return 0;
}

static struct timespec *far(void) {
  static struct timespec at;
  clock_gettime(CLOCK_REALTIME, &at);
  at.tv_sec += 100;
  return number % 2 ? &at : NULL;
}
static void mail_it(void) { SURELY(mq_send(mail, (char *)&number, 4, 0), 0); }
static int try_mq_receive(void) {
  int32_t n = -1;
  TRY(mq_timedreceive(mail, (char *)&n, 4, NULL, far()), 4);
  EQ(n, number);
  return 0;
}
static void fill_mail(void) {
  int32_t other = -3;
  struct timespec past = {0, 0};
  while (mq_timedsend(full_mail, (char *)&other, 4, 0, &past) == 0) {
  }
  CHECK(errno == ETIMEDOUT);
}
static void fetch_mail(void) {
  int32_t n;
  SURELY(mq_receive(full_mail, (char *)&n, 4, NULL), 4);
  EQ(n, -3);
}
static int try_mq_send(void) {
  TRY(mq_timedsend(full_mail, (char *)&number, 4, 0, far()), 0);
  int own = 0;
  struct timespec past = {0, 0};
  for (int32_t n; mq_timedreceive(full_mail, (char *)&n, 4, NULL, &past) == 4;) own += n == number;
  EQ(own, 1);
  return 0;
}

static void record(int command, int type) {
  struct flock l = {.l_type = (short)type};
  SURELY(fcntl(lock_file, command, &l), 0);
}
static void hold_record(void) { record(F_SETLK, F_WRLCK); }
static void let_record_go(void) { record(F_SETLK, F_UNLCK); }
static int try_record(void) {
  struct flock l = {.l_type = F_WRLCK};
  TRY(fcntl(lock_file, F_SETLKW, &l), 0);
  record(F_SETLK, F_UNLCK);
  return 0;
}
/** Of its own: what is inherited is the same open file. */
static int own_file(void) {
  static int fd = -1;
  if (fd < 0) fd = open("lock", O_RDWR | O_CLOEXEC);
  CHECK(fd >= 0);
  return fd;
}
static void hold(void) { SURELY(flock(own_file(), LOCK_EX | LOCK_NB), 0); }
static void let_go(void) { SURELY(flock(own_file(), LOCK_UN), 0); }
static int try_flock(void) {
  TRY(flock(own_file(), LOCK_EX), 0);
  let_go();
  return 0;
}

static void open_to_write(void) {
  int fd = open("fifo", O_WRONLY);
  CHECK(fd >= 0 && write(fd, &number, 4) == 4 && close(fd) == 0);
}
static int try_open(void) {
  int fd = open("fifo", O_RDONLY);
  if (fd == -1 && errno == EINTR) return -1;
  int32_t n = -1;
  CHECK(fd >= 0);
  SURELY(read(fd, &n, 4), 4);
  EQ(n, number);
  close(fd);
  return 0;
}
static void open_to_read(void) {
  int fd = open("fifo", O_RDONLY);
  int32_t n = -1;
  CHECK(fd >= 0 && read(fd, &n, 4) == 4 && close(fd) == 0);
  EQ(n, number);
}
static int try_open_to_write(void) {
  int fd = open("fifo", O_WRONLY);
  if (fd == -1 && errno == EINTR) return -1;
  CHECK(fd >= 0);
  SURELY(write(fd, &number, 4), 4);
  close(fd);
  return 0;
}

// `patient` is a child of the sleeper that does nothing; it stops and goes on.
static void stop_patient(void) { CHECK(kill(common->child, SIGSTOP) == 0); }
static void continue_patient(void) {
  int status = 0;
  CHECK(kill(patient, SIGCONT) == 0);
  SURELY(waitpid(patient, &status, WCONTINUED), patient);
  CHECK(WIFCONTINUED(status));
}
static int try_wait_for_stop(void) {
  int status = 0;
  TRY(wait4(patient, &status, WUNTRACED, NULL), patient);
  CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
  continue_patient();
  return 0;
}
static int try_waitid(void) {
  siginfo_t info;
  TRY(waitid(number % 2 ? P_ALL : P_PID, patient, &info, WSTOPPED | WEXITED), 0);
  CHECK(info.si_pid == patient && info.si_code == CLD_STOPPED);
  continue_patient();
  return 0;
}

/** A child that ends when it is told to. */
static pid_t mortal;
static void let_child_end(void) { SURELY(write(child_tokens[1], &number, 4), 4); }
static void end_when_told(void) {
  int32_t n = -1;
  SURELY(read(child_tokens[0], &n, 4), 4);
  _exit(n == number ? 5 : 6);
}
static int try_wait_for_end(void) {
  int status = 0;
  if (mortal == 0 && (mortal = fork()) == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    end_when_told();
  }
  CHECK(mortal > 0);
  TRY(waitpid(mortal, &status, 0), mortal);
  EQ(status, 5 << 8);
  mortal = 0;
  return 0;
}
static int try_vfork(void) {
  static volatile int result;
  result = 0;
  pid_t child = vfork();
  if (child == 0) {
    int32_t n;
    result = (int)read(child_tokens[0], &n, 4) == 4 && n == number ? 1 : -1;
    _exit(7);
  }
  CHECK(child > 0);
  EQ(result, 1);
  int status = 0;
  SURELY(waitpid(child, &status, 0), child);
  EQ(status, 7 << 8);
  return 0;
}

enum { awaited = 40, ending = 41, fetched = 42 };
static void queue_awaited(void) { CHECK(sigqueue(sleeper, awaited, (union sigval){.sival_int = number}) == 0); }
static int try_sigwait(void) {
  sigset_t these;
  siginfo_t info;
  struct timespec limit = {100, 0};
  sigemptyset(&these);
  sigaddset(&these, awaited);
  TRY(sigtimedwait(&these, &info, number % 2 ? NULL : &limit), awaited);
  EQ(info.si_value.sival_int, number);
  return 0;
}
static void queue_fetched(void) { CHECK(sigqueue(sleeper, fetched, (union sigval){.sival_int = number}) == 0); }
static int try_signalfd(void) {
  static int fd = -1;
  struct signalfd_siginfo info;
  sigset_t these;
  sigemptyset(&these);
  sigaddset(&these, fetched);
  if (fd < 0) fd = signalfd(-1, &these, SFD_CLOEXEC);
  TRY(read(fd, &info, sizeof info), sizeof info);
  CHECK(info.ssi_signo == fetched && info.ssi_int == number);
  return 0;
}
/** Only a signal that is handled ends it: the last one. */
static volatile sig_atomic_t ended;
static void on_ending(int signo) { ended = signo; }
static void send_ending(void) { CHECK(kill(sleeper, ending) == 0); }
static int try_sigsuspend(void) {
  sigset_t mask;
  sigprocmask(SIG_BLOCK, NULL, &mask);
  sigdelset(&mask, ending);
  FAILS(sigsuspend(&mask), EINTR);
  if (!ended) return -1;
  ended = 0;
  return 0;
}

static int try_nanosleep(void) {
  static struct timespec left;
  struct timespec span = {0, 3000000};
  TRY(nanosleep(left.tv_nsec ? &left : &span, &left), 0);
  left.tv_nsec = 0;
  return 0;
}

/**
 * What ends a call with EINTR: a handler without SA_RESTART; NEVER: nothing; HANDLER: with SA_RESTART too; ANY: a stop as well.
 */
enum { AS_ASKED, NEVER, HANDLER, ANY };
static const struct row {
  const char *name;
  void (*before)(void), (*help)(void);
  int (*call)(void);
  int ends;
} rows[] = {
    {"read", nothing, send_token, try_read, AS_ASKED},
    {"write", fill_pipe, make_room, try_write, AS_ASKED},
    {"recv", nothing, send_stream, try_recv, AS_ASKED},
    {"recv with a time limit", nothing, send_limited, try_limited, ANY},
    {"poll", nothing, send_token, try_poll, HANDLER},
    {"ppoll", nothing, send_token, try_ppoll, HANDLER},
    {"select", nothing, send_token, try_select, HANDLER},
    {"epoll_wait", nothing, send_token, try_epoll, ANY},
    {"read of an eventfd", nothing, count_up, try_eventfd, AS_ASKED},
    {"read of inotify", nothing, touch, try_inotify, ANY},
    {"futex", clear_word, set_word, try_futex, AS_ASKED},
    {"futex with a time limit", clear_word, set_word, try_limited_futex, HANDLER},
    {"msgrcv", nothing, post, try_msgrcv, HANDLER},
    {"msgsnd", fill_queue, fetch, try_msgsnd, HANDLER},
    {"semop", nothing, raise_semaphore, try_semop, ANY},
    {"semtimedop", nothing, raise_semaphore, try_semtimedop, ANY},
    {"mq_timedreceive", nothing, mail_it, try_mq_receive, AS_ASKED},
    {"mq_timedsend", fill_mail, fetch_mail, try_mq_send, AS_ASKED},
    {"F_SETLKW", hold_record, let_record_go, try_record, AS_ASKED},
    {"flock", hold, let_go, try_flock, AS_ASKED},
    {"open of a FIFO", nothing, open_to_write, try_open, AS_ASKED},
    {"open of a FIFO to write", nothing, open_to_read, try_open_to_write, AS_ASKED},
    {"wait4", nothing, stop_patient, try_wait_for_stop, AS_ASKED},
    {"waitid", nothing, stop_patient, try_waitid, AS_ASKED},
    {"waitpid", nothing, let_child_end, try_wait_for_end, AS_ASKED},
    {"vfork", nothing, let_child_end, try_vfork, NEVER},
    {"sigtimedwait", nothing, queue_awaited, try_sigwait, ANY},
    {"read of a signalfd", nothing, queue_fetched, try_signalfd, AS_ASKED},
    {"sigsuspend", nothing, send_ending, try_sigsuspend, HANDLER},
    {"nanosleep", nothing, nothing, try_nanosleep, HANDLER},
};
enum { row_count = sizeof rows / sizeof *rows };

// ---- the two processes

/** What is sent besides: the signals of a round. */
enum { KILL, QUEUE, SEVERAL, IGNORED, STOP, STOP_AND_KILL, ways };
static const int signals_of[ways] = {1, 1, 3, 0, 0, 1};
enum { plain = SIGUSR1, valued = 43 };

struct command {
  int number, row, way;
  unsigned first, second, third;
};

static volatile sig_atomic_t handled, sum;
static void on_signal(int signo, siginfo_t *info, void *context) {
  (void)context;
  handled++;
  if (signo != plain) sum += info->si_value.sival_int;
}

static void spin(unsigned microseconds) {
  struct timespec begin, t;
  clock_gettime(CLOCK_MONOTONIC, &begin);
  do clock_gettime(CLOCK_MONOTONIC, &t);
  while ((t.tv_sec - begin.tv_sec) * 1000000 + (t.tv_nsec - begin.tv_nsec) / 1000 < microseconds);
}

static void put_signal(const struct command *c) {
  switch (c->way) {
    case QUEUE:
    case SEVERAL:
      for (int i = 0; i < signals_of[c->way]; i++)
        CHECK(sigqueue(sleeper, valued, (union sigval){.sival_int = c->number + i}) == 0);
      break;
    case IGNORED:
      CHECK(kill(sleeper, SIGURG) == 0 && kill(sleeper, SIGCONT) == 0);
      break;
    case STOP:
    case STOP_AND_KILL:
      CHECK(kill(sleeper, SIGSTOP) == 0);
      spin(c->third);
      if (c->way == STOP_AND_KILL) CHECK(kill(sleeper, plain) == 0);
      CHECK(kill(sleeper, SIGCONT) == 0);
      break;
    default:
      CHECK(kill(sleeper, plain) == 0);
  }
}

static struct command current;
static void on_watchdog(int signo) {
  char line[200];
  (void)signo;
  int n = snprintf(line, sizeof line, "round %d: %s, way %d: hangs\n", current.number, rows[current.row].name, current.way);
  (void)!write(1, line, n);
  kill(sleeper, SIGKILL);
  _exit(2);
}

/** The process that signals. Answers the program's status. */
static int signal_others(void) {
  close(commands[1]), close(answers[0]);
  CHECK(signal(SIGALRM, on_watchdog) != SIG_ERR);
  for (;;) {
    alarm(30);
    long n = read(commands[0], &current, sizeof current);
    if (n == 0) break;
    EQ(n, sizeof current);
    const struct row *row = &rows[current.row];
    number = current.number;
    row->before();
    CHECK(write(answers[1], "b", 1) == 1);
    spin(current.first);
    if (current.second % 4 == 0) {
      row->help();
      spin(current.second);
      put_signal(&current);
    } else {
      put_signal(&current);
      spin(current.second);
      row->help();
    }
    CHECK(write(answers[1], "d", 1) == 1);
  }
  int status;
  CHECK(waitpid(sleeper, &status, 0) == sleeper);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void await_answer(char wanted) {
  char c = 0;
  SURELY(read(answers[0], &c, 1), 1);
  EQ(c, wanted);
}

/** Mostly while the call begins. */
static unsigned some_time(void) { return below(below(4) ? 100 : 2000); }

static void sleep_and_check(long rounds, const char *only) {
  static long counts[row_count][2];
  sleeper = getpid();
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  close(commands[0]), close(answers[1]);
  if ((patient = fork()) == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(commands[1]), close(answers[0]);
    for (;;) pause();
  }
  CHECK((common->child = patient) > 0);
  CHECK(signal(ending, on_ending) != SIG_ERR);
  sigset_t kept;
  sigemptyset(&kept);
  sigaddset(&kept, awaited), sigaddset(&kept, ending), sigaddset(&kept, fetched);
  CHECK(sigprocmask(SIG_BLOCK, &kept, NULL) == 0);
  for (long i = 0; i < rounds; i++) {
    struct command c = {(int)i, (int)below(row_count), (int)below(ways), some_time(), some_time(), some_time()};
    const struct row *row = &rows[c.row];
    if (only && strcmp(row->name, only) != 0) continue;
    int restarts = (int)below(2), interrupted = 0;
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | (restarts ? SA_RESTART : 0)};
    CHECK(sigaction(plain, &action, NULL) == 0 && sigaction(valued, &action, NULL) == 0);
    handled = 0, sum = 0, number = c.number;
    SURELY(write(commands[1], &c, sizeof c), sizeof c);
    await_answer('b');
    errno = 0;
    while (row->call() < 0) interrupted++;
    await_answer('d');
    int signals = signals_of[c.way], wanted = 0;
    for (int j = 0; (c.way == QUEUE || c.way == SEVERAL) && j < signals; j++) wanted += c.number + j;
    STOP_UNLESS(handled == signals && sum == wanted, "round %ld: %s, way %d: %d signals handled, not %d; sum %d, not %d", i,
                row->name, c.way, (int)handled, signals, (int)sum, wanted);
    int most = row->ends == NEVER || (row->ends == AS_ASKED && restarts) ? 0 : signals;
    if (row->ends == ANY && (c.way == STOP || c.way == STOP_AND_KILL)) most++;
    STOP_UNLESS(interrupted <= most, "round %ld: %s, way %d, restart %d: EINTR %d times", i, row->name, c.way, restarts, interrupted);
    counts[c.row][interrupted != 0]++;
  }
  kill(patient, SIGKILL);
  SURELY(waitpid(patient, NULL, 0), patient);
  if (getenv("COUNTS"))
    for (int i = 0; i < row_count; i++)
      printf("%-24s %6ld went on, %6ld EINTR\n", rows[i].name, counts[i][0], counts[i][1]);
}

static void prepare(void) {
  CHECK(pipe(commands) == 0 && pipe(answers) == 0 && pipe(tokens) == 0 && pipe(full) == 0 && pipe(child_tokens) == 0);
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, stream) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, limited) == 0);
  struct timeval limit = {100, 0};
  CHECK(setsockopt(limited[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
  CHECK((queue = msgget(IPC_PRIVATE, 0600)) >= 0 && (full_queue = msgget(IPC_PRIVATE, 0600)) >= 0);
  struct msqid_ds about;
  CHECK(msgctl(full_queue, IPC_STAT, &about) == 0);
  about.msg_qbytes = 1024;
  CHECK(msgctl(full_queue, IPC_SET, &about) == 0);
  CHECK((semaphores = semget(IPC_PRIVATE, 1, 0600)) >= 0 && semctl(semaphores, 0, SETVAL, 0) == 0);
  struct mq_attr attributes = {.mq_maxmsg = 4, .mq_msgsize = 4};
  char name[40];
  snprintf(name, sizeof name, "/crossings-%d", getpid());
  CHECK((mail = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attributes)) >= 0 && mq_unlink(name) == 0);
  CHECK((full_mail = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attributes)) >= 0 && mq_unlink(name) == 0);
  CHECK((counter = eventfd(0, 0)) >= 0 && (set = epoll_create1(0)) >= 0);
  struct epoll_event e = {EPOLLIN, {.fd = tokens[0]}};
  CHECK(epoll_ctl(set, EPOLL_CTL_ADD, tokens[0], &e) == 0 && mkfifo("fifo", 0600) == 0);
  CHECK((lock_file = open("lock", O_RDWR | O_CREAT, 0600)) >= 0);
  touch();
  CHECK((watch = inotify_init1(0)) >= 0 && inotify_add_watch(watch, "watched", IN_CLOSE_WRITE) >= 0);
  common = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(common != MAP_FAILED);
}

int main(int argc, char **argv) {
  CHECK(argc >= 3);
  state = strtoull(argv[2], NULL, 10) * 0x9e3779b97f4a7c15 + 1;
  prepare();
  fflush(stdout);
  sleeper = fork();
  if (sleeper == 0) {
    sleep_and_check(atol(argv[1]), argc > 3 ? argv[3] : NULL);
    fflush(stdout);
    _exit(0);
  }
  CHECK(sleeper > 0);
  int status = signal_others();
  msgctl(queue, IPC_RMID, NULL), msgctl(full_queue, IPC_RMID, NULL), semctl(semaphores, 0, IPC_RMID);
  return status == 0 ? done() : status;
}
