// Sessions and their terminals, on pseudoterminals of its own: who gets one and who loses it, job control on reads, writes and
// changes, keys, windows, hang-ups.
#include "check.h"
#include "family.h"

#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <termios.h>

#ifndef TIOCSIG
#define TIOCSIG _IOW('T', 0x36, int)
#endif

static int status, master;
static char slave[64];

static void make_terminal(void) {
  master = posix_openpt(O_RDWR | O_NOCTTY);
  CHECK(master >= 0);
  EQ(grantpt(master), 0);
  EQ(unlockpt(master), 0);
  strcpy(slave, ptsname(master));
}

static int open_slave(int flags) {
  int fd = open(slave, O_RDWR | flags);
  CHECK(fd >= 0);
  return fd;
}

/** Leads a new session, on a new terminal of its own; answers the slave. */
static int begin_session(void) {
  EQ(setsid(), getpid());
  make_terminal();
  return open_slave(0);
}

/** Whether the process has a controlling terminal. */
static bool has_terminal(void) {
  int fd = open("/dev/tty", O_RDWR);
  if (fd < 0) EQ(errno, ENXIO);
  if (fd >= 0) close(fd);
  return fd >= 0;
}

static void press(const char *keys) { EQ(write(master, keys, strlen(keys)), strlen(keys)); }

static void stopped(pid_t pid, int signo) {
  EQ(waitpid(pid, &status, WUNTRACED), pid);
  CHECK(WIFSTOPPED(status));
  EQ(WSTOPSIG(status), signo);
}

static void good(pid_t pid) { GOOD(pid); }

static void killed(pid_t pid, int signo) {
  EQ(waitpid(pid, &status, 0), pid);
  CHECK(WIFSIGNALED(status));
  EQ(WTERMSIG(status), signo);
}

/** Blocks a signal, so that it can be waited for with `comes`. */
static void block(int signo) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signo);
  EQ(sigprocmask(SIG_BLOCK, &set, 0), 0);
}

static siginfo_t comes(int signo) {
  sigset_t set;
  siginfo_t info;
  sigemptyset(&set);
  sigaddset(&set, signo);
  EQ(sigwaitinfo(&set, &info), signo);
  return info;
}

static bool is_pending(int signo) {
  sigset_t set;
  EQ(sigpending(&set), 0);
  return sigismember(&set, signo);
}

/** Fields 7 and 8 of stat(5). */
static void shown(int *tty, int *foreground) {
  char text[512];
  int fd = open("/proc/self/stat", O_RDONLY);
  ssize_t n = read(fd, text, sizeof text - 1);
  CHECK(n > 0);
  text[n] = 0;
  close(fd);
  EQ(sscanf(strrchr(text, ')') + 2, "%*c %*d %*d %*d %d %d", tty, foreground), 2);
}

// ---- who has it

static void controlling(void) {
  EQ(setsid(), getpid());
  CHECK(!has_terminal());
  make_terminal();
  CHECK(!has_terminal());
  int tty, foreground, fd = open_slave(O_NOCTTY);
  CHECK(isatty(fd));
  FAILS(tcgetpgrp(fd), ENOTTY);
  FAILS(tcgetsid(fd), ENOTTY);
  FAILS(tcsetpgrp(fd, getpid()), ENOTTY);
  FAILS(ioctl(fd, TIOCNOTTY), ENOTTY);
  FAILS(tcgetsid(master), ENOTTY);
  int none = 7;
  EQ(ioctl(master, TIOCGPGRP, &none), 0);
  EQ(none, 0);
  shown(&tty, &foreground);
  EQ(tty, 0);
  EQ(foreground, -1);
  CHECK(!has_terminal());

  // Not for one who leads no session.
  good(CHILD(FAILS(ioctl(fd, TIOCSCTTY, 0), EPERM)));
  EQ(ioctl(fd, TIOCSCTTY, 0), 0);
  EQ(ioctl(fd, TIOCSCTTY, 0), 0);
  CHECK(has_terminal());
  EQ(tcgetpgrp(fd), getpid());
  EQ(tcgetsid(fd), getpid());
  EQ(tcgetpgrp(master), getpid());
  EQ(tcgetsid(master), getpid());
  FAILS(ioctl(master, TIOCNOTTY), ENOTTY);
  FAILS(tcsetpgrp(master, -1), EINVAL);
  FAILS(ioctl(fd, TIOCGPGRP, 8), EFAULT);
  FAILS(ioctl(fd, TIOCSPGRP, 8), EFAULT);
  FAILS(tcgetpgrp(open("/dev/null", O_RDONLY)), ENOTTY);
  shown(&tty, &foreground);
  CHECK(tty != 0);
  EQ(foreground, getpid());
  int again = open("/dev/tty", O_RDWR);
  EQ(tcgetpgrp(again), getpid());
  EQ(tcgetsid(again), getpid());

  // One of another session may neither ask nor take it.
  good(CHILD({
    EQ(setsid(), getpid());
    FAILS(tcgetpgrp(fd), ENOTTY);
    FAILS(ioctl(fd, TIOCSCTTY, 0), EPERM);
    int other = open_slave(0);
    CHECK(other >= 0);
    CHECK(!has_terminal());
  }));

  // A member gives it up for itself alone.
  good(CHILD({
    CHECK(has_terminal());
    EQ(ioctl(fd, TIOCNOTTY), 0);
    CHECK(!has_terminal());
    FAILS(tcgetpgrp(fd), ENOTTY);
    EQ(tcgetpgrp(master), getppid());
  }));
  EQ(tcgetpgrp(fd), getpid());

  // The leader, for all of the session. Who is in the foreground is told.
  open_gate();
  block(SIGHUP), block(SIGCONT);
  pid_t member = CHILD({
    pass();
    comes(SIGHUP);
    comes(SIGCONT);
    while (has_terminal()) sched_yield();
  });
  await();
  EQ(ioctl(fd, TIOCNOTTY), 0);
  siginfo_t info = comes(SIGHUP);
  EQ(info.si_code, SI_USER);
  EQ(info.si_pid, getpid());
  comes(SIGCONT);
  good(member);
  CHECK(!has_terminal());
  FAILS(tcgetpgrp(fd), ENOTTY);
  CHECK(isatty(fd));
  EQ(ioctl(fd, TIOCSCTTY, 0), 0);
  EQ(tcgetsid(fd), getpid());
}

static void opening(void) {
  EQ(setsid(), getpid());
  make_terminal();
  int only = open(slave, O_WRONLY);
  CHECK(only >= 0);
  CHECK(!has_terminal());
  int fd = open_slave(0);
  EQ(tcgetsid(fd), getpid());
  // A second one stays as it is.
  make_terminal();
  int second = open_slave(0);
  FAILS(tcgetsid(second), ENOTTY);
  FAILS(ioctl(second, TIOCSCTTY, 0), EPERM);
  EQ(tcgetsid(fd), getpid());
}

static void groups(void) {
  int fd = begin_session();
  FAILS(tcsetpgrp(fd, -1), EINVAL);
  FAILS(tcsetpgrp(fd, 0x3fffffff), ESRCH);
  FAILS(tcsetpgrp(fd, getppid()), EPERM);
  open_gate();
  pid_t job = CHILD(setpgid(0, 0), pass(), pause());
  await();
  EQ(tcsetpgrp(fd, job), 0);
  EQ(tcgetpgrp(fd), job);
  int tty, foreground;
  shown(&tty, &foreground);
  EQ(foreground, job);
  EQ(kill(job, SIGKILL), 0);
  killed(job, SIGKILL);
  // A group without members may still be named.
  EQ(tcgetpgrp(fd), job);
  signal(SIGTTOU, SIG_IGN);
  EQ(tcsetpgrp(fd, getpid()), 0);
  EQ(tcgetpgrp(fd), getpid());
  // Of another session.
  pid_t other = CHILD(setsid(), pass(), pause());
  await();
  FAILS(tcsetpgrp(fd, other), EPERM);
  EQ(kill(other, SIGKILL), 0);
  killed(other, SIGKILL);
}

// ---- the background

static void reads(void) {
  int fd = begin_session();
  char line[16];
  press("one\n");
  pid_t job = CHILD({
    setpgid(0, 0);
    EQ(read(fd, line, sizeof line), 4);
    EQ(memcmp(line, "one\n", 4), 0);
  });
  stopped(job, SIGTTIN);
  EQ(kill(job, SIGCONT), 0);
  stopped(job, SIGTTIN);
  EQ(tcsetpgrp(fd, job), 0);
  EQ(kill(-job, SIGCONT), 0);
  EQ(waitpid(job, &status, 0), job);
  EQ(status, 0);
  signal(SIGTTOU, SIG_IGN);
  EQ(tcsetpgrp(fd, getpid()), 0);

  // Ignored or blocked.
  good(CHILD(setpgid(0, 0), signal(SIGTTIN, SIG_IGN), ({ FAILS(read(fd, line, 1), EIO); })));
  good(CHILD(setpgid(0, 0), block(SIGTTIN), ({ FAILS(read(fd, line, 1), EIO); })));
  // A handler, and no SA_RESTART.
  good(CHILD({
    setpgid(0, 0);
    action(SIGTTIN, note, 0);
    FAILS(read(fd, line, 1), EINTR);
    EQ(last.si_code, SI_KERNEL);
    EQ(count, 1);
  }));
  // All of the group stop.
  open_gate();
  job = CHILD(setpgid(0, 0), await(), ({ pid_t second = CHILD(pause()); EQ(read(fd, line, 1), second); }));
  pass();
  stopped(job, SIGTTIN);
  EQ(kill(-job, SIGKILL), 0);
  killed(job, SIGKILL);
}

static void orphan(void) {
  int fd = begin_session();
  open_gate();
  pid_t father = CHILD({
    setpgid(0, 0);
    if (fork() == 0) {
      while (getppid() != 1) sched_yield();
      char c;
      FAILS(read(fd, &c, 1), EIO);
      FAILS(tcsetpgrp(fd, getpgrp()), ENOTTY);
      struct termios modes;
      EQ(tcgetattr(fd, &modes), 0);
      FAILS(tcsetattr(fd, TCSANOW, &modes), EIO);
      pass();
      _exit(0);
    }
  });
  good(father);
  struct pollfd ready = {gate[0], POLLIN, 0};
  EQ(poll(&ready, 1, 10000), 1);
}

static void writes(void) {
  int fd = begin_session();
  struct termios modes;
  EQ(tcgetattr(fd, &modes), 0);
  good(CHILD(setpgid(0, 0), ({ EQ(write(fd, "free", 4), 4); })));
  modes.c_lflag |= TOSTOP;
  EQ(tcsetattr(fd, TCSANOW, &modes), 0);
  pid_t job = CHILD(setpgid(0, 0), ({ EQ(write(fd, "stop", 4), 4); }));
  stopped(job, SIGTTOU);
  EQ(tcsetpgrp(fd, job), 0);
  EQ(kill(job, SIGCONT), 0);
  good(job);
  good(CHILD(signal(SIGTTOU, SIG_IGN), ({ EQ(tcsetpgrp(fd, getppid()), 0); })));
  good(CHILD(setpgid(0, 0), signal(SIGTTOU, SIG_IGN), ({ EQ(write(fd, "free", 4), 4); })));
  good(CHILD(setpgid(0, 0), block(SIGTTOU), ({ EQ(write(fd, "free", 4), 4); })));
  good(CHILD({
    setpgid(0, 0);
    action(SIGTTOU, note, 0);
    FAILS(write(fd, "x", 1), EINTR);
    EQ(count, 1);
    // Changes, whatever TOSTOP says.
    FAILS(tcsetattr(fd, TCSANOW, &modes), EINTR);
    FAILS(tcflush(fd, TCIFLUSH), EINTR);
    FAILS(tcsendbreak(fd, 1), EINTR);
    FAILS(tcsetpgrp(fd, getpid()), EINTR);
    EQ(count, 5);
    // Questions are free.
    EQ(tcgetattr(fd, &modes), 0);
    EQ(tcgetpgrp(fd), getppid());
    action(SIGTTOU, (void *)SIG_IGN, 0);
    EQ(tcsetattr(fd, TCSANOW, &modes), 0);
    EQ(tcsetpgrp(fd, getpid()), 0);
    EQ(tcgetpgrp(fd), getpid());
  }));
  char text[16];
  for (int n = 0; n < 16;) n += (int)read(master, text + n, 16 - n);
  EQ(memcmp(text, "freestopfreefree", 16), 0);
}

// ---- keys

static void keys(void) {
  int fd = begin_session();
  open_gate();
  block(SIGINT), block(SIGQUIT), block(SIGTSTP);
  pid_t job = CHILD({
    setpgid(0, 0);
    pass();
    siginfo_t info = comes(SIGINT);
    EQ(info.si_code, SI_KERNEL);
    EQ(info.si_pid, 0);
    pass();
    comes(SIGQUIT);
    pass();
    comes(SIGTSTP);
    pass();
    pause();
  });
  await();
  EQ(tcsetpgrp(fd, job), 0);
  for (int i = 0; i < 3; i++) press(&"\003\0\034\0\032"[2 * i]), await();
  CHECK(!is_pending(SIGINT) && !is_pending(SIGQUIT) && !is_pending(SIGTSTP));
  EQ(kill(job, SIGKILL), 0);
  killed(job, SIGKILL);
  block(SIGTTOU);
  EQ(tcsetpgrp(fd, getpid()), 0);

  // What was typed before is forgotten, and the keys are no input.
  press("lost\003kept\n");
  comes(SIGINT);
  char line[16];
  EQ(read(fd, line, sizeof line), 5);
  EQ(memcmp(line, "kept\n", 5), 0);
  // Behind ^V they are, also by several writes.
  press("\026\003");
  press("\026");
  press("\003\n");
  EQ(read(fd, line, sizeof line), 3);
  EQ(memcmp(line, "\003\003\n", 3), 0);
  CHECK(!is_pending(SIGINT));

  struct termios modes, before;
  EQ(tcgetattr(fd, &modes), 0);
  before = modes;
  modes.c_lflag |= NOFLSH;
  modes.c_cc[VINTR] = 'i';
  modes.c_cc[VQUIT] = 0;
  EQ(tcsetattr(fd, TCSANOW, &modes), 0);
  press("keit\003\n");
  comes(SIGINT);
  EQ(read(fd, line, sizeof line), 5);
  EQ(memcmp(line, "ket\003\n", 5), 0);
  CHECK(!is_pending(SIGQUIT));
  modes = before;
  modes.c_lflag &= ~ISIG;
  EQ(tcsetattr(fd, TCSANOW, &modes), 0);
  press("\003\032\n");
  EQ(read(fd, line, sizeof line), 3);
  CHECK(!is_pending(SIGINT) && !is_pending(SIGTSTP));
  // Without lines there is no ^V.
  modes = before;
  modes.c_lflag &= ~ICANON;
  EQ(tcsetattr(fd, TCSANOW, &modes), 0);
  press("\026\003");
  comes(SIGINT);

  EQ(tcsetattr(fd, TCSAFLUSH, &before), 0);
  // Sent by the other side, without a key.
  EQ(ioctl(master, TIOCSIG, SIGQUIT), 0);
  EQ(comes(SIGQUIT).si_code, SI_KERNEL);
  FAILS(ioctl(master, TIOCSIG, SIGTERM), EINVAL);
  FAILS(ioctl(fd, TIOCSIG, SIGINT), ENOTTY);
}

static void interrupted(void) {
  int fd = begin_session();
  open_gate();
  pid_t job = CHILD({
    setpgid(0, 0);
    pass();
    while (tcgetpgrp(fd) != getpid()) sched_yield();
    char line[16];
    EQ(read(fd, line, sizeof line), 4);
    EQ(memcmp(line, "end\n", 4), 0);
  });
  await();
  EQ(tcsetpgrp(fd, job), 0);
  // It sleeps in read, or will.
  press("\032");
  stopped(job, SIGTSTP);
  EQ(kill(job, SIGCONT), 0);
  press("end\n");
  good(job);
}

static void window(void) {
  int fd = begin_session();
  block(SIGWINCH);
  struct winsize size = {24, 80, 0, 0}, seen;
  EQ(ioctl(master, TIOCSWINSZ, &size), 0);
  EQ(comes(SIGWINCH).si_code, SI_KERNEL);
  EQ(ioctl(fd, TIOCGWINSZ, &seen), 0);
  EQ(memcmp(&seen, &size, sizeof size), 0);
  EQ(ioctl(master, TIOCSWINSZ, &size), 0);
  CHECK(!is_pending(SIGWINCH));
  size.ws_col = 81;
  EQ(ioctl(fd, TIOCSWINSZ, &size), 0);
  comes(SIGWINCH);
  FAILS(ioctl(fd, TIOCSWINSZ, 8), EFAULT);
}

// ---- ends

static void hang_up(void) {
  int fd = begin_session();
  open_gate();
  block(SIGHUP), block(SIGCONT), block(SIGTTOU);
  pid_t job = CHILD({
    setpgid(0, 0);
    close(master);
    pass();
    // When its leader ends.
    comes(SIGHUP);
    comes(SIGCONT);
    pass();
  });
  await();
  EQ(tcsetpgrp(fd, job), 0);
  int copy = dup(master);
  close(master);
  CHECK(has_terminal());
  CHECK(!is_pending(SIGHUP));
  close(copy);
  EQ(comes(SIGHUP).si_code, SI_KERNEL);
  comes(SIGCONT);
  CHECK(!has_terminal());
  char c;
  EQ(read(fd, &c, 1), 0);
  FAILS(write(fd, "x", 1), EIO);
  FAILS(tcgetpgrp(fd), EIO);
  FAILS(tcsetpgrp(fd, getpid()), ENOTTY);
}

static void last_master(void) {
  // The last one ends with a process.
  EQ(setsid(), getpid());
  make_terminal();
  open_gate();
  pid_t holder = CHILD(pass(), pause());
  await();
  open_slave(0);
  block(SIGHUP);
  close(master);
  CHECK(!is_pending(SIGHUP));
  EQ(kill(holder, SIGKILL), 0);
  comes(SIGHUP);
  killed(holder, SIGKILL);
}

static void leader_ends(void) {
  open_gate();
  int back[2];
  EQ(pipe(back), 0);
  make_terminal();
  pid_t leader = CHILD({
    EQ(setsid(), getpid());
    int fd = open_slave(0);
    signal(SIGTTOU, SIG_IGN);
    block(SIGHUP);
    pid_t job = CHILD({
      setpgid(0, 0);
      EQ(tcsetpgrp(fd, getpid()), 0);
      pass();
      comes(SIGHUP);
      while (has_terminal()) sched_yield();
      FAILS(tcgetpgrp(fd), ENOTTY);
      EQ(write(back[1], "j", 1), 1);
    });
    CHECK(job > 0);
    await();
    CHILD({
      setpgid(0, 0);
      pass();
      while (getppid() != 1) sched_yield();
      while (has_terminal()) sched_yield();
      CHECK(!is_pending(SIGHUP));
      EQ(write(back[1], "b", 1), 1);
    });
    await();
  });
  good(leader);
  close(back[1]);
  char got[4] = {0};
  for (int n = 0; n < 2;) n += (int)read(back[0], got + n, 2 - n);
  EQ(got[0] + got[1], 'j' + 'b');
  // The terminal itself is there for another session.
  good(CHILD({
    EQ(setsid(), getpid());
    int fd = open_slave(0);
    EQ(tcgetsid(fd), getpid());
  }));
}

/** In a process of its own: each begins a session. */
static void apart(void (*part)(void)) { good(CHILD(alarm(60), part())); }

int main(void) {
  apart(controlling);
  apart(opening);
  apart(groups);
  apart(reads);
  apart(orphan);
  apart(writes);
  apart(keys);
  apart(interrupted);
  apart(window);
  apart(hang_up);
  apart(last_master);
  apart(leader_ends);
  return done();
}
