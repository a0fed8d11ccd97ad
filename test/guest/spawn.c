// Children that execute programs: what their parents see of it, however they were made, and what they share no more.
#include "check.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

extern char **environ;

/** Absolute path of this program. */
static char self[PATH_MAX];

/** Waits for the child, which must exit with that status. */
static void ends(pid_t child, int status) {
  int how;
  CHECK(child > 0);
  EQ(waitpid(child, &how, __WALL), child);
  STOP_UNLESS(WIFEXITED(how) && WEXITSTATUS(how) == status, "the child ends with 0x%x, not status %d", how, status);
}

#define EXEC(...) execl(self, self, __VA_ARGS__, NULL)

// ---- parts that are executed

/** Whether the descriptor is open. */
static int is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

static void say(const char *text) { EQ(write(1, text, strlen(text)), strlen(text)); }

static int part(int argc, char **argv) {
  const char *name = argv[1];
  if (strcmp(name, "exit") == 0) return atoi(argv[2]);
  if (strcmp(name, "open") == 0) return is_open(atoi(argv[2]));
  if (strcmp(name, "say") == 0) say(argv[2]);
  if (strcmp(name, "again") == 0) {
    int left = atoi(argv[2]);
    char text[16];
    snprintf(text, sizeof text, "%d", left - 1);
    if (left > 0) EXEC("again", text);
    return 9;
  }
  // Until standard input ends.
  if (strcmp(name, "linger") == 0) {
    say("!");
    char byte;
    while (read(0, &byte, 1) > 0) {}
    return 5;
  }
  return argc < 2;
}

// ---- the ways to make one

static void ways(void) {
  for (int i = 0; i < 2; i++) {
    pid_t child = fork();
    if (child == 0) EXEC("exit", "3");
    ends(child, 3);
    child = vfork();
    if (child == 0) {
      EXEC("exit", "4");
      _exit(99);
    }
    ends(child, 4);
    char *arguments[] = {self, "exit", "5", NULL};
    EQ(posix_spawn(&child, self, NULL, NULL, arguments, environ), 0);
    ends(child, 5);
    child = fork();
    if (child == 0) EXEC("again", "2");
    ends(child, 9);
  }
}

/** What fails leaves the child as it was, and its parent too. */
static void failures(void) {
  pid_t child = vfork();
  if (child == 0) {
    execl("/nothing/here", "x", NULL);
    _exit(errno);
  }
  ends(child, ENOENT);
  char *arguments[] = {"x", NULL};
  EQ(posix_spawn(&child, "/nothing/here", NULL, NULL, arguments, environ), ENOENT);
  child = fork();
  if (child == 0) {
    FAILS(execl("/", "x", NULL), EACCES);
    EXEC("exit", "7");
  }
  ends(child, 7);
}

/** The parent of a vfork goes on when the child executes, not when it ends. */
static void release(void) {
  int in[2], out[2];
  EQ(pipe2(in, O_CLOEXEC), 0);
  EQ(pipe2(out, O_CLOEXEC), 0);
  pid_t child = vfork();
  if (child == 0) {
    dup2(in[0], 0);
    dup2(out[1], 1);
    EXEC("linger");
    _exit(99);
  }
  char byte;
  EQ(read(out[0], &byte, 1), 1);
  EQ(byte, '!');
  int status;
  EQ(waitpid(child, &status, WNOHANG), 0);
  // Its ends are closed there: nobody else keeps the pipe open.
  close(in[1]);
  ends(child, 5);
  close(out[1]);
  EQ(read(out[0], &byte, 1), 0);
  close(in[0]);
  close(out[0]);
}

// ---- what is shared until then

/** A clone that shares what the flags say, on a stack of its own, and executes `what` for descriptor 50. */
static int clone_part(void *what) {
  EXEC((char *)what, "50");
  return 99;
}

static pid_t clone_with(int flags, const char *what) {
  static char stack[65536] __attribute__((aligned(16)));
  pid_t child = clone(clone_part, stack + sizeof stack, flags, (void *)what);
  CHECK(child > 0);
  return child;
}

static void shared(void) {
  int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  EQ(dup3(fd, 50, O_CLOEXEC), 50);
  close(fd);
  // Closed there, and not here.
  ends(clone_with(SIGCHLD | CLONE_FILES, "open"), 0);
  CHECK(is_open(50));
  ends(clone_with(SIGCHLD | CLONE_FILES | CLONE_FS | CLONE_VM | CLONE_VFORK, "open"), 0);
  CHECK(is_open(50));
  ends(clone_with(SIGCHLD | CLONE_VM, "open"), 0);
  EQ(fcntl(50, F_SETFD, 0), 0);
  ends(clone_with(SIGCHLD | CLONE_VM | CLONE_FILES, "open"), 1);
  EQ(fcntl(50, F_SETFD, FD_CLOEXEC), 0);
  ends(clone_with(SIGCHLD | CLONE_VM | CLONE_VFORK | CLONE_SIGHAND, "open"), 0);
  close(50);
  // Handlers of the parent stay.
  struct sigaction action = {.sa_handler = SIG_IGN}, now;
  EQ(sigaction(SIGUSR1, &action, NULL), 0);
  ends(clone_with(SIGCHLD | CLONE_VM | CLONE_VFORK, "exit"), 50);
  EQ(sigaction(SIGUSR1, NULL, &now), 0);
  CHECK(now.sa_handler == SIG_IGN);
}

/** The word that is cleared at the end of a thread, in memory that is left. */
static void cleared(void) {
  static char stack[65536] __attribute__((aligned(16)));
  static _Atomic pid_t tid = 1;
  pid_t child = clone(clone_part, stack + sizeof stack, SIGCHLD | CLONE_VM | CLONE_VFORK | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID,
                      "exit", NULL, NULL, &tid);
  CHECK(child > 0);
  EQ(tid, 0);
  ends(child, 50);
}

// ---- relations

static volatile sig_atomic_t came;
static void note(int signo) { came = signo; }

static void relations(void) {
  // Its group can be set until it executes.
  int in[2], out[2];
  EQ(pipe2(in, O_CLOEXEC), 0);
  EQ(pipe2(out, O_CLOEXEC), 0);
  pid_t child = fork();
  if (child == 0) {
    dup2(in[0], 0);
    dup2(out[1], 1);
    EXEC("linger");
  }
  char byte;
  EQ(read(out[0], &byte, 1), 1);
  FAILS(setpgid(child, child), EACCES);
  // What it is can be read.
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/%d/exe", child);
  ssize_t n = readlink(link, path, sizeof path - 1);
  CHECK(n > 0);
  path[n] = 0;
  SAME(path, self);
  close(in[1]);
  ends(child, 5);
  close(in[0]);
  close(out[0]);
  close(out[1]);
  // A program that was executed ends with SIGCHLD, whatever was asked for.
  struct sigaction action = {.sa_handler = note};
  EQ(sigaction(SIGCHLD, &action, NULL), 0);
  EQ(sigaction(SIGUSR2, &action, NULL), 0);
  child = clone_with(SIGUSR2 | CLONE_VM | CLONE_VFORK, "exit");
  ends(child, 50);
  EQ(came, SIGCHLD);
  signal(SIGCHLD, SIG_DFL);
}

// ---- posix_spawn with all that it can do

static void spawned(void) {
  int tube[2];
  EQ(pipe(tube), 0);
  posix_spawn_file_actions_t actions;
  EQ(posix_spawn_file_actions_init(&actions), 0);
  EQ(posix_spawn_file_actions_adddup2(&actions, tube[1], 1), 0);
  EQ(posix_spawn_file_actions_addclose(&actions, tube[0]), 0);
  posix_spawnattr_t attributes;
  EQ(posix_spawnattr_init(&attributes), 0);
  EQ(posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK), 0);
  sigset_t set;
  sigemptyset(&set);
  EQ(posix_spawnattr_setsigmask(&attributes, &set), 0);
  sigaddset(&set, SIGUSR1);
  EQ(posix_spawnattr_setsigdefault(&attributes, &set), 0);
  pid_t child;
  EQ(posix_spawnp(&child, self, &actions, &attributes, (char *[]){self, "say", "from the child", NULL}, environ), 0);
  close(tube[1]);
  char text[64] = "";
  for (ssize_t n, all = 0; (n = read(tube[0], text + all, sizeof text - 1 - all)) > 0; all += n) {}
  SAME(text, "from the child");
  ends(child, 0);
  close(tube[0]);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
}

// ---- threads

static void *waits(void *unused) {
  pause();
  return unused;
}

static void *executes(void *unused) {
  EXEC("exit", "11");
  return unused;
}

/** A thread of a child executes: the parent waits for one process, with one id. */
static void threads(void) {
  pid_t child = fork();
  if (child == 0) {
    pthread_t t;
    EQ(pthread_create(&t, NULL, waits, NULL), 0);
    EQ(pthread_create(&t, NULL, executes, NULL), 0);
    pthread_join(t, NULL);
    _exit(98);
  }
  ends(child, 11);
  child = fork();
  if (child == 0) {
    pthread_t t;
    EQ(pthread_create(&t, NULL, executes, NULL), 0);
    pthread_exit(NULL);
  }
  ends(child, 11);
}

/** Several threads make children at once. */
static void *makes(void *unused) {
  for (int i = 0; i < 2; i++) {
    pid_t child;
    char *arguments[] = {self, "exit", "12", NULL};
    EQ(posix_spawn(&child, self, NULL, NULL, arguments, environ), 0);
    ends(child, 12);
  }
  return unused;
}

static void together(void) {
  pthread_t t[3];
  for (int i = 0; i < 3; i++) EQ(pthread_create(&t[i], NULL, makes, NULL), 0);
  for (int i = 0; i < 3; i++) pthread_join(t[i], NULL);
}

int main(int argc, char **argv) {
  CHECK(realpath("/proc/self/exe", self) != NULL);
  if (argc > 1) return part(argc, argv);
  ways();
  failures();
  release();
  shared();
  cleared();
  relations();
  spawned();
  threads();
  together();
  return done();
}
