// A program that executes itself again and again: what each hands on to the next, and what it does not; which files are
// executed, by which names; what is refused, with nothing changed.
#include "check.h"

#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

extern char **environ;

/** Absolute path of this program. */
static char self[PATH_MAX];
static pid_t first;

static int execve_at(int fd, const char *path, const void *argv, const void *envp, int flags) {
  return (int)syscall(SYS_execveat, fd, path, argv, envp, flags);
}

/** Not the C library's, which is known to take no bad pointers. */
static int execute(const char *path, const void *argv, const void *envp) {
  return (int)syscall(SYS_execve, path, argv, envp);
}

static void write_file(const char *name, const char *text, mode_t mode) {
  int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  CHECK(fd >= 0);
  EQ(write(fd, text, strlen(text)), strlen(text));
  EQ(fchmod(fd, mode), 0);
  close(fd);
}

/** A script that this program, or another path, interprets. */
static void write_script(const char *name, const char *interpreter, const char *rest) {
  char text[2 * PATH_MAX];
  snprintf(text, sizeof text, "#!%s%s\nnot read\n", interpreter, rest);
  write_file(name, text, 0755);
}

/** Goes on as the next part. */
static void next(const char *part) {
  execl(self, self, part, NULL);
  STOP_UNLESS(0, "%s is not executed: %s", part, strerror(errno));
}

/** A line of a file of /proc, up to its newline. */
static const char *line_of(const char *path) {
  static char line[PATH_MAX];
  FILE *f = fopen(path, "r");
  CHECK(f != NULL);
  CHECK(fgets(line, sizeof line, f) != NULL);
  line[strcspn(line, "\n")] = 0;
  fclose(f);
  return line;
}

// ---- refusals

static void refused(void) {
  char *const args[] = {"x", NULL};
  char *const none[] = {NULL};
  FAILS(execute("nothing", args, none), ENOENT);
  FAILS(execute("", args, none), ENOENT);
  FAILS(execute("/dev/null/x", args, none), ENOTDIR);
  FAILS(execute("/", args, none), EACCES);
  FAILS(execute("/dev/null", args, none), EACCES);
  FAILS(execute((char *)8, args, none), EFAULT);
  char longest[PATH_MAX + 16];
  memset(longest, 'x', sizeof longest);
  longest[sizeof longest - 1] = 0;
  FAILS(execute(longest, args, none), ENAMETOOLONG);
  FAILS(execute(self, (char **)8, none), EFAULT);
  FAILS(execute(self, args, (char **)8), EFAULT);
  char *const bad[] = {"x", (char *)8, NULL};
  FAILS(execute(self, bad, none), EFAULT);
  FAILS(execute(self, args, bad), EFAULT);

  // Rights, and what is no program.
  write_file("plain", "echo no\n", 0644);
  FAILS(execute("plain", args, none), EACCES);
  FAILS(execute("text", args, none), ENOEXEC);
  write_file("empty", "", 0755);
  FAILS(execute("empty", args, none), ENOEXEC);
  write_script("lost", "/nothing/here", "");
  FAILS(execute("lost", args, none), ENOENT);
  write_script("nameless", "  ", "");
  FAILS(execute("nameless", args, none), ENOEXEC);
  write_script("closed", "plain", "");
  FAILS(execute("closed", args, none), EACCES);
  EQ(mkdir("folder", 0755), 0);
  write_script("folded", "folder", "");
  FAILS(execute("folded", args, none), EACCES);
  EQ(symlink("loop", "loop"), 0);
  FAILS(execute("loop", args, none), ELOOP);
  EQ(mkfifo("fifo", 0755), 0);
  FAILS(execute("fifo", args, none), EACCES);

  // Descriptors and flags.
  int here = open(".", O_PATH | O_DIRECTORY);
  CHECK(here >= 0);
  FAILS(execve_at(here, "text", args, none, 0x800), EINVAL);
  FAILS(execve_at(-5, "text", args, none, 0), EBADF);
  FAILS(execve_at(here, "", args, none, 0), ENOENT);
  FAILS(execve_at(here, "", args, none, AT_EMPTY_PATH), EACCES);
  FAILS(execve_at(AT_FDCWD, "", args, none, AT_EMPTY_PATH), EACCES);
  int file = open("text", O_RDONLY);
  FAILS(execve_at(file, "x", args, none, 0), ENOTDIR);
  FAILS(execve_at(here, "link", args, none, AT_SYMLINK_NOFOLLOW), ELOOP);
  close(file);
  close(here);
  // Its path leads nowhere once the interpreter runs.
  write_script("script", self, " script");
  int secret = open("script", O_RDONLY | O_CLOEXEC);
  FAILS(execve_at(secret, "", args, none, AT_EMPTY_PATH), ENOENT);
  close(secret);
  int hidden = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  FAILS(execve_at(hidden, "script", args, none, 0), ENOENT);
  close(hidden);
}

// ---- how large arguments may be

static void limits(void) {
  enum { longest = 32 * 4096 };
  static char text[longest + 1];
  memset(text, 'x', longest);
  char *const one[] = {text, NULL};
  char *const none[] = {NULL};
  FAILS(execute(self, one, none), E2BIG);
  FAILS(execute(self, none, one), E2BIG);
  text[longest - 1] = 0;
  static char *many[65];
  for (int i = 0; i < 64; i++) many[i] = text;
  FAILS(execute(self, many, none), E2BIG);
  struct rlimit stack;
  EQ(getrlimit(RLIMIT_STACK, &stack), 0);
  struct rlimit small = {1 << 20, stack.rlim_max};
  EQ(setrlimit(RLIMIT_STACK, &small), 0);
  many[3] = NULL;
  FAILS(execute(self, many, none), E2BIG);
  EQ(setrlimit(RLIMIT_STACK, &stack), 0);
  // The addresses count.
  static char *short_ones[1 << 20];
  for (int i = 0; i < (1 << 20) - 1; i++) short_ones[i] = "";
  FAILS(execute(self, short_ones, none), E2BIG);

  static char large[100000];
  memset(large, 'l', sizeof large - 1);
  execl(self, self, "large", large, "", large, NULL);
  CHECK(0);
}

static void large(int argc, char **argv) {
  EQ(argc, 5);
  EQ(strlen(argv[2]), 99999);
  EQ(strspn(argv[2], "l"), 99999);
  SAME(argv[3], "");
  SAME(argv[4], argv[2]);
}

// ---- what goes on and what does not

static void handler(int signo) { (void)signo; }

static void state(void) {
  // Descriptors: 20 goes on, 21 and 22 do not.
  int fd = open("text", O_RDONLY | O_CLOEXEC);
  EQ(dup2(fd, 20), 20);
  EQ(dup3(fd, 21, O_CLOEXEC), 21);
  EQ(dup2(fd, 22), 22);
  EQ(fcntl(22, F_SETFD, FD_CLOEXEC), 0);
  EQ(lseek(fd, 3, SEEK_SET), 3);
  // Signals: a handler, one that is ignored, the mask, what is pending; an alternate stack.
  struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK | SA_RESTART};
  sigaddset(&action.sa_mask, SIGUSR2);
  EQ(sigaction(SIGUSR1, &action, NULL), 0);
  EQ(sigaction(SIGRTMIN, &action, NULL), 0);
  action.sa_handler = SIG_IGN;
  EQ(sigaction(SIGUSR2, &action, NULL), 0);
  EQ(sigaction(SIGCHLD, &action, NULL), 0);
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGUSR1);
  sigaddset(&mask, SIGRTMIN + 3);
  sigaddset(&mask, SIGRTMIN + 4);
  EQ(sigprocmask(SIG_SETMASK, &mask, NULL), 0);
  EQ(kill(getpid(), SIGUSR1), 0);
  EQ(sigqueue(getpid(), SIGRTMIN + 3, (union sigval){.sival_int = 77}), 0);
  stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};
  EQ(sigaltstack(&stack, NULL), 0);
  // Timers: those of setitimer go on, those of timer_create do not, nor what they have sent.
  struct itimerval interval = {{0, 0}, {1000, 0}};
  EQ(setitimer(ITIMER_REAL, &interval, NULL), 0);
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 4};
  timer_t timer;
  EQ(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
  struct itimerspec soon = {{0, 0}, {0, 1}};
  EQ(timer_settime(timer, 0, &soon, NULL), 0);
  sigset_t pending;
  do sigpending(&pending);
  while (!sigismember(&pending, SIGRTMIN + 4));
  // The rest.
  EQ(mkdir("work", 0755), 0);
  EQ(chdir("work"), 0);
  umask(031);
  errno = 0;
  CHECK(nice(3) >= 0);
  struct rlimit files;
  EQ(getrlimit(RLIMIT_NOFILE, &files), 0);
  files.rlim_cur = 100;
  EQ(setrlimit(RLIMIT_NOFILE, &files), 0);
  EQ(prctl(PR_SET_DUMPABLE, 0), 0);
  EQ(prctl(PR_SET_KEEPCAPS, 1), 0);
  EQ(prctl(PR_SET_PDEATHSIG, SIGHUP), 0);
  EQ(prctl(PR_SET_TIMERSLACK, 70000), 0);
  EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  EQ(prctl(PR_SET_NAME, "another"), 0);
  // Memory, also shared, where the next program may have something.
  CHECK(mmap((void *)0x20000000, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED);
  memset((void *)0x20000000, 1, 1 << 20);
  CHECK(mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
  CHECK(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 20, 0) != MAP_FAILED);
  EQ(mlockall(MCL_FUTURE), 0);
  char *env[] = {"A=1", "EMPTY=", "no equals sign", NULL};
  execute(self, (char *[]){"zero", "found", "", "two words", NULL}, env);
  CHECK(0);
}

static bool is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

static void found(int argc, char **argv) {
  EQ(argc, 4);
  SAME(argv[0], "zero");
  SAME(argv[2], "");
  SAME(argv[3], "two words");
  CHECK(argv[4] == NULL);
  SAME(environ[0], "A=1");
  SAME(environ[1], "EMPTY=");
  SAME(environ[2], "no equals sign");
  CHECK(environ[3] == NULL);
  SAME((char *)getauxval(AT_EXECFN), self);

  CHECK(is_open(20));
  CHECK(!is_open(21));
  CHECK(!is_open(22));
  EQ(lseek(20, 0, SEEK_CUR), 3);

  struct sigaction action;
  for (int signo = 1; signo <= 64; signo++) {
    if (syscall(SYS_rt_sigaction, signo, NULL, &action, 8) != 0) continue;
    bool ignored = signo == SIGUSR2 || signo == SIGCHLD;
    STOP_UNLESS((action.sa_handler == SIG_IGN) == ignored || signo == SIGPIPE, "handler of signal %d: %p", signo, (void *)action.sa_handler);
  }
  EQ(sigaction(SIGUSR1, NULL, &action), 0);
  CHECK(action.sa_handler == SIG_DFL);
  EQ(action.sa_flags & (SA_ONSTACK | SA_RESTART), 0);
  EQ(sigaction(SIGUSR2, NULL, &action), 0);
  EQ(action.sa_flags & (SA_ONSTACK | SA_RESTART), 0);
  CHECK(!sigismember(&action.sa_mask, SIGUSR2));
  sigset_t mask, pending;
  EQ(sigprocmask(SIG_SETMASK, NULL, &mask), 0);
  sigpending(&pending);
  for (int signo = 1; signo <= SIGRTMAX; signo++) {
    bool sent = signo == SIGUSR1 || signo == SIGRTMIN + 3;
    STOP_UNLESS(sigismember(&pending, signo) == sent || signo == 32 || signo == 33, "signal %d is pending: %d", signo, !sent);
    STOP_UNLESS(sigismember(&mask, signo) == (sent || signo == SIGRTMIN + 4) || signo == 32 || signo == 33, "signal %d in the mask", signo);
  }
  siginfo_t info;
  sigset_t real_time;
  sigemptyset(&real_time);
  sigaddset(&real_time, SIGRTMIN + 3);
  EQ(sigwaitinfo(&real_time, &info), SIGRTMIN + 3);
  EQ(info.si_value.sival_int, 77);
  stack_t stack;
  EQ(sigaltstack(NULL, &stack), 0);
  EQ(stack.ss_flags, SS_DISABLE);

  struct itimerval interval;
  EQ(getitimer(ITIMER_REAL, &interval), 0);
  CHECK(interval.it_value.tv_sec > 900);
  EQ(syscall(SYS_timer_gettime, 0, &(struct itimerspec){0}), -1);
  EQ(errno, EINVAL);

  char folder[PATH_MAX];
  CHECK(getcwd(folder, sizeof folder) != NULL);
  SAME(strrchr(folder, '/'), "/work");
  EQ(chdir(".."), 0);
  EQ(umask(022), 031);
  CHECK(getpriority(PRIO_PROCESS, 0) >= 3);
  struct rlimit files;
  EQ(getrlimit(RLIMIT_NOFILE, &files), 0);
  EQ(files.rlim_cur, 100);
  EQ(prctl(PR_GET_DUMPABLE), 1);
  EQ(prctl(PR_GET_KEEPCAPS), 0);
  int value = 0;
  EQ(prctl(PR_GET_PDEATHSIG, &value), 0);
  EQ(value, SIGHUP);
  EQ(prctl(PR_SET_PDEATHSIG, 0), 0);
  EQ(prctl(PR_GET_TIMERSLACK), 70000);
  EQ(prctl(PR_GET_CHILD_SUBREAPER, &value), 0);
  EQ(value, 1);
  const char *comm = strrchr(self, '/') + 1;
  char name[16] = "";
  EQ(prctl(PR_GET_NAME, name), 0);
  CHECK(strncmp(name, comm, 15) == 0);
  CHECK(strncmp(line_of("/proc/self/comm"), comm, 15) == 0);

  // Nothing of the memory before is there, nor are new mappings locked.
  FAILS(madvise((void *)0x20000000, 4096, MADV_NORMAL), ENOMEM);
  FILE *f = fopen("/proc/self/status", "r");
  CHECK(f != NULL);
  char line[256];
  int locked = -1;
  while (fgets(line, sizeof line, f)) sscanf(line, "VmLck: %d", &locked);
  fclose(f);
  EQ(locked, 0);
  char path[PATH_MAX];
  ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
  CHECK(n > 0);
  path[n] = 0;
  SAME(path, self);
  int arguments = open("/proc/self/cmdline", O_RDONLY);
  static char all[64];
  EQ(read(arguments, all, sizeof all), 22);
  CHECK(memcmp(all, "zero\0found\0\0two words", 22) == 0);
  close(arguments);
}

// ---- names of the file

/** Each way to name the program, one after the other, by a number. */
static void names(int n) {
  char number[16];
  snprintf(number, sizeof number, "%d", n + 1);
  char *args[] = {"name", "named", number, NULL};
  int here = open(".", O_PATH | O_DIRECTORY), program = open(self, O_RDONLY), path = open(self, O_PATH | O_CLOEXEC);
  switch (n) {
    case 0: execve_at(here, "link", args, environ, 0); break;
    case 1: execve_at(AT_FDCWD, "./link", args, environ, 0); break;
    case 2: execve_at(-1, self, args, environ, AT_SYMLINK_NOFOLLOW); break;
    case 3: fexecve(program, args, environ); break;
    case 4: execve_at(path, "", args, environ, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW); break;
    case 5: execute("/proc/self/exe", args, environ); break;
    case 6: {
      // A copy that has no name.
      int memory = memfd_create("unnamed", MFD_CLOEXEC);
      static char buffer[1 << 16];
      for (ssize_t got; (got = read(program, buffer, sizeof buffer)) > 0;) EQ(write(memory, buffer, got), got);
      // While it can be written to, no kernel lets it be executed.
      char again[64];
      snprintf(again, sizeof again, "/proc/self/fd/%d", memory);
      int readable = open(again, O_RDONLY | O_CLOEXEC);
      close(memory);
      execve_at(readable, "", args, environ, AT_EMPTY_PATH);
      break;
    }
  }
  CHECK(0);
}

static void named(char **argv) {
  int n = atoi(argv[2]);
  const char *execfn = (char *)getauxval(AT_EXECFN);
  char path[PATH_MAX];
  ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  CHECK(length > 0);
  path[length] = 0;
  if (n < 7) SAME(path, self);
  else SAME(path, "/memfd:unnamed (deleted)");
  switch (n) {
    case 1: CHECK(strncmp(execfn, "/dev/fd/", 8) == 0 && strcmp(strrchr(execfn, '/'), "/link") == 0); break;
    case 2: SAME(execfn, "./link"); break;
    case 3: SAME(execfn, self); break;
    case 4:
    case 5:
    case 7: CHECK(strncmp(execfn, "/dev/fd/", 8) == 0 && strspn(execfn + 8, "0123456789") == strlen(execfn + 8)); break;
    case 6: SAME(execfn, "/proc/self/exe"); break;
  }
  if (n == 2) SAME(line_of("/proc/self/comm"), "link");
  for (int fd = 3; fd < 20; fd++) close(fd);
  if (n < 7) names(n);
}

// ---- scripts

static void scripts(void) {
  char rest[PATH_MAX];
  write_script("one", self, " \t script one \t ");
  write_script("two", "./one", " script two");
  EQ(mkdir("deep", 0755), 0);
  // Five are followed, and no more.
  for (int i = 1; i <= 6; i++) {
    char name[16], before[PATH_MAX];
    snprintf(name, sizeof name, "deep/%d", i);
    snprintf(before, sizeof before, "%s", i == 1 ? self : rest);
    write_script(name, before, i == 1 ? " script" : "");
    snprintf(rest, sizeof rest, "deep/%d", i);
  }
  FAILS(execl("deep/6", "x", NULL), ELOOP);
  execl("one", "lost", "1", "x y", NULL);
  CHECK(0);
}

/** As the interpreter of a script: `argv[1]` is the argument of its first line. */
static void script(int argc, char **argv) {
  SAME(argv[0], self);
  const char *last = argv[argc - 1];
  if (strcmp(last, "x y") == 0) {
    EQ(argc, 5);
    SAME(argv[1], "script one");
    SAME(argv[2], "one");
    SAME((char *)getauxval(AT_EXECFN), "one");
    SAME(line_of("/proc/self/comm"), "one");
    execl("two", "lost", "2", NULL);
  } else if (strcmp(last, "2") == 0) {
    EQ(argc, 6);
    SAME(argv[1], "script one");
    SAME(argv[2], "./one");
    SAME(argv[3], "script two");
    SAME(argv[4], "two");
    execl("deep/5", "lost", "3", NULL);
  } else if (strcmp(last, "3") == 0) {
    EQ(argc, 8);
    SAME(argv[1], "script");
    SAME(argv[2], "deep/1");
    SAME(argv[6], "deep/5");
    // By a descriptor: the interpreter gets a path to that.
    int fd = open("one", O_RDONLY);
    execve_at(fd, "", (char *[]){"lost", "4", NULL}, environ, AT_EMPTY_PATH);
  } else if (strcmp(last, "4") == 0) {
    EQ(argc, 4);
    CHECK(strncmp(argv[2], "/dev/fd/", 8) == 0);
    FILE *f = fopen(argv[2], "r");
    CHECK(f != NULL && fgetc(f) == '#');
    fclose(f);
    int here = open("deep", O_PATH | O_DIRECTORY);
    execve_at(here, "1", (char *[]){"lost", "5", NULL}, environ, 0);
  } else {
    SAME(last, "5");
    CHECK(strncmp(argv[2], "/dev/fd/", 8) == 0 && strcmp(strrchr(argv[2], '/'), "/1") == 0);
    for (int fd = 3; fd < 20; fd++) close(fd);
    // No arguments at all.
    write_script("bare", self, " bare");
    execute("bare", NULL, NULL);
  }
  CHECK(0);
}

static void bare(int argc) {
  EQ(argc, 3);
  CHECK(environ == NULL || environ[0] == NULL);
}

// ---- from threads: all others end, whatever they do, and the one is the first

static atomic_int ready;
static int tube[2];

static void *reads(void *unused) {
  ready++;
  char byte;
  CHECK(read(tube[0], &byte, 1) < 0);
  return unused;
}

static void *spins(void *unused) {
  ready++;
  for (;;) atomic_signal_fence(memory_order_seq_cst);
  return unused;
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void *locks(void *unused) {
  ready++;
  pthread_mutex_lock(&mutex);
  return unused;
}

static void *executes(void *part) {
  while (ready < 3) sched_yield();
  CHECK(gettid() != getpid());
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGUSR1);
  sigaddset(&mask, SIGHUP);
  pthread_sigmask(SIG_SETMASK, &mask, NULL);
  EQ(syscall(SYS_tgkill, getpid(), gettid(), SIGHUP), 0);
  next(part);
  return NULL;
}

static void threads(const char *part, bool leaves) {
  EQ(pipe2(tube, O_CLOEXEC), 0);
  pthread_mutex_lock(&mutex);
  pthread_t t;
  void *(*const work[])(void *) = {reads, spins, locks, executes};
  for (int i = 0; i < 4; i++) EQ(pthread_create(&t, NULL, work[i], (void *)part), 0);
  if (leaves) pthread_exit(NULL);
  pthread_join(t, NULL);
  CHECK(0);
}

static void after_threads(void) {
  int count = 0;
  char line[256];
  FILE *f = fopen("/proc/self/status", "r");
  CHECK(f != NULL);
  while (fgets(line, sizeof line, f)) sscanf(line, "Threads: %d", &count);
  fclose(f);
  EQ(count, 1);
  // Mask and signals are those of the thread.
  sigset_t pending;
  sigpending(&pending);
  CHECK(sigismember(&pending, SIGHUP));
  siginfo_t info;
  sigset_t hup;
  sigemptyset(&hup);
  sigaddset(&hup, SIGHUP);
  EQ(sigwaitinfo(&hup, &info), SIGHUP);
  EQ(info.si_pid, getpid());
}

/** Two at once: one of them succeeds. */
static void *races(void *unused) {
  ready++;
  while (ready < 2) {}
  next("raced");
  return unused;
}

static void race(void) {
  pthread_t t[2];
  for (int i = 0; i < 2; i++) EQ(pthread_create(&t[i], NULL, races, NULL), 0);
  pthread_join(t[0], NULL);
  pthread_join(t[1], NULL);
  CHECK(0);
}

/** Begins one of the parts; the others follow from these. */
static void begin(const char *path, const char *part) {
  CHECK(realpath(path, self) != NULL);
  char note[PATH_MAX + 32];
  snprintf(note, sizeof note, "%d %s", getpid(), self);
  write_file("note", note, 0600);
  write_file("text", "echo no\n", 0755);
  EQ(symlink(self, "link"), 0);
  if (strcmp(part, "arguments") == 0) {
    refused();
    limits();
  }
  if (strcmp(part, "state") == 0) state();
  if (strcmp(part, "names") == 0) names(0);
  if (strcmp(part, "scripts") == 0) scripts();
  if (strcmp(part, "threads") == 0) threads("joined", false);
  CHECK(0);
}

int main(int argc, char **argv) {
  const char *part = argv[1];
  FILE *f = fopen(strcmp(part, "found") == 0 ? "../note" : "note", "r");
  if (f == NULL) begin(argv[0], part);
  CHECK(fscanf(f, "%d %s", &first, self) == 2);
  fclose(f);
  EQ(getpid(), first);
  EQ(gettid(), first);
  if (strcmp(part, "large") == 0) large(argc, argv);
  if (strcmp(part, "found") == 0) found(argc, argv);
  if (strcmp(part, "named") == 0) named(argv);
  if (strncmp(part, "script", 6) == 0) script(argc, argv);
  if (strcmp(part, "bare") == 0) bare(argc);
  if (strcmp(part, "joined") == 0) {
    after_threads();
    threads("left", true);
  }
  if (strcmp(part, "left") == 0) {
    after_threads();
    race();
  }
  return done();
}
