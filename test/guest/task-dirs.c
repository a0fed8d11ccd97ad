// What /proc shows of the threads of a process, and of other processes; and limits of another.
#include "check.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/** All of a file, with a NUL behind it; what is too long is cut. */
static const char *slurp(const char *format, ...) {
  static char room[65536];
  char path[128];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(path, sizeof path, format, arguments);
  va_end(arguments);
  int f = open(path, O_RDONLY);
  STOP_UNLESS(f >= 0, "%s: errno %d", path, errno);
  size_t n = 0;
  ssize_t got;
  while ((got = read(f, room + n, sizeof room - 1 - n)) > 0) n += got;
  STOP_UNLESS(got == 0, "%s: errno %d", path, errno);
  close(f);
  room[n] = 0;
  return room;
}

static bool has(const char *directory, long number) {
  char name[32];
  snprintf(name, sizeof name, "%ld", number);
  DIR *d = opendir(directory);
  CHECK(d != NULL);
  bool found = false;
  for (struct dirent *e; (e = readdir(d));)
    if (strcmp(e->d_name, name) == 0) found = true;
  closedir(d);
  return found;
}

/** Names in a directory that are numbers. */
static int count(const char *directory) {
  DIR *d = opendir(directory);
  CHECK(d != NULL);
  int n = 0;
  for (struct dirent *e; (e = readdir(d));) n += e->d_name[0] >= '0' && e->d_name[0] <= '9';
  closedir(d);
  return n;
}

/** The value of a line of status, such as "Tgid:\t12". */
static long line(const char *status, const char *key) {
  char wanted[32];
  snprintf(wanted, sizeof wanted, "\n%s:", key);
  const char *at = strstr(status, wanted);
  STOP_UNLESS(at, "no %s in status", key);
  return atol(at + strlen(wanted));
}

/** A field of stat, counted from 1 as in proc(5); from the third on. */
static const char *field(const char *stat, int n) {
  const char *at = strrchr(stat, ')') + 2;
  for (int i = 3; i < n; i++) at = strchr(at, ' ') + 1;
  return at;
}

static char letter(const char *format, long pid, long tid) {
  char path[64];
  snprintf(path, sizeof path, format, pid, tid);
  return *field(slurp("%s", path), 3);
}

/** Waits until a thread or process is in that state. */
static void until(char wanted, const char *format, long pid, long tid) {
  while (letter(format, pid, tid) != wanted) sched_yield();
}

static sem_t started, release;
static pid_t tid;

static void *sleeper(void *unused) {
  tid = syscall(SYS_gettid);
  CHECK(pthread_setname_np(pthread_self(), "a) sleeper") == 0);
  sem_post(&started);
  sem_wait(&release);
  return unused;
}

#define taskStat "/proc/%ld/task/%ld/stat"
#define processStat "/proc/%ld/stat"

static void threads(void) {
  pid_t pid = getpid();
  char path[128], text[64];
  pthread_t t;
  EQ(count("/proc/self/task"), 1);
  EQ(pthread_create(&t, NULL, sleeper, NULL), 0);
  sem_wait(&started);
  EQ(count("/proc/self/task"), 2);
  CHECK(has("/proc/self/task", pid) && has("/proc/self/task", tid));
  snprintf(path, sizeof path, "/proc/%d/task", tid);
  EQ(count(path), 2);
  // Threads have directories that are not listed.
  CHECK(has("/proc", pid) && !has("/proc", tid));
  SAME(slurp("/proc/self/task/%d/comm", tid), "a) sleeper\n");
  SAME(slurp("/proc/self/comm"), slurp("/proc/self/task/%d/comm", pid));
  until('S', taskStat, pid, tid);
  EQ(letter(taskStat, pid, pid), 'R');
  EQ(letter("/proc/self/stat", 0, 0), 'R');
  const char *status = slurp("/proc/self/task/%d/status", tid);
  EQ(line(status, "Tgid"), pid);
  EQ(line(status, "Pid"), tid);
  EQ(line(status, "PPid"), getppid());
  EQ(line(status, "Threads"), 2);
  CHECK(strstr(status, "\nState:\tS (sleeping)\n"));
  CHECK(strncmp(status, "Name:\ta) sleeper\n", 17) == 0);
  status = slurp("/proc/self/status");
  EQ(line(status, "Pid"), pid);
  CHECK(strstr(status, "\nState:\tR (running)\n"));
  const char *stat = slurp(taskStat, (long)pid, (long)tid);
  EQ(atol(stat), tid);
  EQ(atol(field(stat, 4)), getppid());
  EQ(atol(field(stat, 5)), getpgrp());
  EQ(atol(field(stat, 6)), getsid(0));
  EQ(atol(field(stat, 20)), 2);
  // Those of a thread are reached by its id as by its process's.
  snprintf(text, sizeof text, "%d", tid);
  EQ(atol(slurp("/proc/%d/stat", tid)), tid);
  EQ(line(slurp("/proc/%d/status", tid), "Tgid"), pid);
  snprintf(path, sizeof path, "/proc/self/task/%d/fd", tid);
  CHECK(has(path, 0));
  snprintf(path, sizeof path, "/proc/self/task/%d/task", tid);
  FAILS(open(path, O_RDONLY), ENOENT);
  // A name may be given from outside.
  snprintf(path, sizeof path, "/proc/self/task/%d/comm", tid);
  int comm = open(path, O_WRONLY);
  CHECK(comm >= 0 && write(comm, "renamed", 7) == 7 && close(comm) == 0);
  SAME(slurp("/proc/self/task/%d/comm", tid), "renamed\n");
  CHECK(strncmp(slurp("/proc/thread-self/stat"), slurp("/proc/self/task/%d/stat", pid), 5) == 0);
  sem_post(&release);
  EQ(pthread_join(t, NULL), 0);
  snprintf(path, sizeof path, "/proc/self/task/%d", tid);
  while (access(path, F_OK) == 0) sched_yield();
  EQ(count("/proc/self/task"), 1);
  snprintf(path, sizeof path, "/proc/%d", tid);
  FAILS(access(path, F_OK), ENOENT);
}

static void link_is(const char *name, pid_t pid, const char *wanted) {
  char path[64], text[4096];
  snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
  ssize_t n = readlink(path, text, sizeof text - 1);
  CHECK(n > 0);
  text[n] = 0;
  SAME(text, wanted);
}

static char *self_of(const char *name) {
  static char text[4096];
  ssize_t n = readlink(name, text, sizeof text - 1);
  CHECK(n > 0);
  text[n] = 0;
  return text;
}

static char mark[] = "the memory of a child";

static void others(void) {
  int to[2], from[2], status;
  char x, path[128], start[4096];
  CHECK(pipe(to) == 0 && pipe(from) == 0);
  CHECK(setenv("TASK_DIRS", "set later", 1) == 0);
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    close(to[1]);
    close(from[0]);
    strcpy(mark, "changed by itself");
    if (chdir("/") != 0 || dup2(0, 77) != 77 || setpgid(0, 0) != 0) _exit(1);
    if (write(from[1], "x", 1) != 1 || read(to[0], &x, 1) != 1) _exit(2);
    _exit(3);
  }
  close(to[0]);
  close(from[1]);
  CHECK(read(from[0], &x, 1) == 1);
  CHECK(has("/proc", child) && has("/proc", getpid()));
  until('S', processStat, child, 0);
  link_is("exe", child, self_of("/proc/self/exe"));
  link_is("cwd", child, "/");
  link_is("root", child, "/");
  snprintf(path, sizeof path, "/proc/%d/fd", child);
  CHECK(has(path, 77) && has(path, to[0]) && !has(path, to[1]));
  snprintf(path, sizeof path, "/proc/%d/fd/77", child);
  SAME(strcpy(start, self_of(path)), self_of("/proc/self/fd/0"));
  size_t n = strlen(slurp("/proc/self/cmdline"));
  CHECK(n > 0);
  strcpy(start, slurp("/proc/self/cmdline"));
  SAME(slurp("/proc/%d/cmdline", child), start);
  strcpy(start, slurp("/proc/self/environ"));
  SAME(slurp("/proc/%d/environ", child), start);
  const char *text = slurp("/proc/%d/status", child);
  EQ(line(text, "Pid"), child);
  EQ(line(text, "PPid"), getpid());
  EQ(line(text, "Threads"), 1);
  EQ(line(text, "Uid"), getuid());
  CHECK(line(text, "VmRSS") > 0 && line(text, "VmSize") > line(text, "VmRSS"));
  text = slurp("/proc/%d/stat", child);
  EQ(atol(text), child);
  EQ(atol(field(text, 4)), getpid());
  EQ(atol(field(text, 5)), child);
  EQ(atol(field(text, 6)), getsid(0));
  CHECK(atol(field(text, 23)) > 0 && atol(field(text, 24)) > 0);
  CHECK(atoll(field(text, 22)) >= atoll(field(slurp("/proc/self/stat"), 22)));
  CHECK(atol(slurp("/proc/%d/statm", child)) > 0);
  CHECK(strstr(slurp("/proc/%d/maps", child), "[stack]"));
  EQ(atol(slurp("/proc/self/task/%d/children", getpid())), child);
  struct stat s;
  snprintf(path, sizeof path, "/proc/%d", child);
  CHECK(stat(path, &s) == 0 && S_ISDIR(s.st_mode) && s.st_uid == geteuid());
  // Its memory.
  snprintf(path, sizeof path, "/proc/%d/mem", child);
  int memory = open(path, O_RDWR);
  CHECK(memory >= 0);
  char seen[sizeof mark];
  EQ(pread(memory, seen, sizeof seen, (off_t)(uintptr_t)mark), sizeof seen);
  SAME(seen, "changed by itself");
  SAME(mark, "the memory of a child");
  close(memory);
  // Its limits.
  struct rlimit limit;
  CHECK(prlimit(child, RLIMIT_NOFILE, NULL, &limit) == 0);
  limit.rlim_cur--;
  CHECK(prlimit(child, RLIMIT_NOFILE, &limit, NULL) == 0);
  struct rlimit now, own;
  CHECK(prlimit(child, RLIMIT_NOFILE, NULL, &now) == 0 && now.rlim_cur == limit.rlim_cur);
  CHECK(getrlimit(RLIMIT_NOFILE, &own) == 0 && own.rlim_cur == limit.rlim_cur + 1);
  long soft = atol(strstr(slurp("/proc/%d/limits", child), "Max open files") + 26);
  EQ(soft, limit.rlim_cur);
  // Its states.
  CHECK(kill(child, SIGSTOP) == 0);
  EQ(waitpid(child, &status, WUNTRACED), child);
  EQ(letter(processStat, child, 0), 'T');
  CHECK(kill(child, SIGCONT) == 0);
  until('S', processStat, child, 0);
  CHECK(write(to[1], "x", 1) == 1);
  siginfo_t info;
  CHECK(waitid(P_PID, child, &info, WEXITED | WNOWAIT) == 0);
  EQ(letter(processStat, child, 0), 'Z');
  CHECK(strstr(slurp("/proc/%d/status", child), "\nState:\tZ (zombie)\n"));
  SAME(slurp("/proc/%d/cmdline", child), "");
  SAME(slurp("/proc/%d/maps", child), "");
  snprintf(path, sizeof path, "/proc/%d/exe", child);
  FAILS(readlink(path, start, sizeof start), ENOENT);
  EQ(waitpid(child, &status, 0), child);
  EQ(WEXITSTATUS(status), 3);
  snprintf(path, sizeof path, "/proc/%d", child);
  FAILS(access(path, F_OK), ENOENT);
  CHECK(!has("/proc", child));
  SAME(slurp("/proc/self/task/%d/children", getpid()), "");
  FAILS(prlimit(child, RLIMIT_NOFILE, NULL, &limit), ESRCH);
}

/** A process of another user shows what anybody may see. */
static void strangers(void) {
  int status;
  char path[64], text[64];
  if (getuid() != 0) return;
  pid_t parent = getpid(), child = fork();
  if (child == 0) {
    if (setgid(12321) != 0 || setuid(12321) != 0) _exit(1);
    EQ(line(slurp("/proc/%d/status", parent), "Uid"), 0);
    CHECK(*slurp("/proc/%d/cmdline", parent) != 0);
    snprintf(path, sizeof path, "/proc/%d/environ", parent);
    FAILS(open(path, O_RDONLY), EACCES);
    snprintf(path, sizeof path, "/proc/%d/exe", parent);
    FAILS(readlink(path, text, sizeof text), EACCES);
    snprintf(path, sizeof path, "/proc/%d/fd", parent);
    FAILS(open(path, O_RDONLY | O_DIRECTORY), EACCES);
    struct rlimit limit;
    FAILS(prlimit(parent, RLIMIT_NOFILE, NULL, &limit), EPERM);
    _exit(0);
  }
  EQ(waitpid(child, &status, 0), child);
  EQ(status, 0);
}

/** The directory of all processes has the other names too, and can be worked in. */
static void root(void) {
  char *name, here[64];
  CHECK(chdir("/proc") == 0);
  CHECK(access("self/stat", R_OK) == 0 && access("version", R_OK) == 0 && access("sys/kernel", X_OK) == 0);
  CHECK((name = getcwd(here, sizeof here)) && strcmp(name, "/proc") == 0);
  int all = open(".", O_RDONLY | O_DIRECTORY);
  CHECK(all >= 0 && faccessat(all, "meminfo", R_OK, 0) == 0);
  FAILS(openat(all, "4194304", O_RDONLY), ENOENT);
  FAILS(openat(all, "nothing", O_RDONLY), ENOENT);
  FAILS(mkdirat(all, "x", 0777) == -1 ? -1 : 0, errno);
  close(all);
}

int main(void) {
  CHECK(sem_init(&started, 0, 0) == 0 && sem_init(&release, 0, 0) == 0);
  threads();
  others();
  strangers();
  root();
  return done();
}
