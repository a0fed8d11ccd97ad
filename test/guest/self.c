// What a program can learn of itself and its machine: arguments, environment, auxiliary vector, /proc, ids, limits, clocks.
// Run with two arguments, "first" and "", and SABRE_TEST=yes in the environment.
#include "check.h"

#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <sched.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <time.h>

extern char **environ;
extern int _end;
static char buffer[65536];

static long slurp(const char *name) {
  int fd = open(name, O_RDONLY | O_CLOEXEC);
  STOP_UNLESS(fd >= 0, "%s: %s", name, strerror(errno));
  long n, total = 0;
  while ((n = read(fd, buffer + total, sizeof buffer - 1 - total)) > 0) total += n;
  CHECK(n == 0 && close(fd) == 0);
  buffer[total] = 0;
  return total;
}

/** The number behind a name at the beginning of a line. */
static long field(const char *name) {
  for (char *line = buffer; line; line = strchr(line, '\n'), line += line != NULL)
    if (strncmp(line, name, strlen(name)) == 0) return atol(line + strlen(name) + strspn(line + strlen(name), ":\t "));
  STOP_UNLESS(0, "no %s", name);
}

static void arguments(int argc, char **argv) {
  EQ(argc, 3);
  SAME(argv[1], "first");
  SAME(argv[2], "");
  EQ(argv[3], 0);
  SAME(getenv("SABRE_TEST"), "yes");
  EQ(environ, argv + argc + 1);
  char **e = environ;
  while (*e) e++;
  ElfW(auxv_t) *aux = (void *)(e + 1);
  int n = 0;  // glibc answers AT_HWCAP of its own knowledge on some machines
  for (; aux[n].a_type != AT_NULL; n++)
    if (aux[n].a_type != AT_HWCAP) EQ(getauxval(aux[n].a_type), aux[n].a_un.a_val);
  EQ(slurp("/proc/self/auxv"), (n + 1) * 16);
  EQ(memcmp(buffer, aux, (n + 1) * 16), 0);
  // The strings lie one after the other, as `ps` and setproctitle expect.
  EQ(argv[1], argv[0] + strlen(argv[0]) + 1);
  EQ(environ[0], argv[2] + 1);
  long size = slurp("/proc/self/cmdline");
  EQ(size, environ[0] - argv[0]);
  EQ(memcmp(buffer, argv[0], size), 0);
  slurp("/proc/self/environ");
  SAME(buffer, environ[0]);
  setenv("ANOTHER", "1", 1);
  CHECK(unsetenv("SABRE_TEST") == 0 && getenv("SABRE_TEST") == NULL && !strcmp(getenv("ANOTHER"), "1"));
}

static void auxiliary(char **argv) {
  EQ(getauxval(AT_PAGESZ), 4096);
  EQ(getauxval(AT_CLKTCK), 100);
  EQ(getauxval(AT_UID), getuid());
  EQ(getauxval(AT_EUID), geteuid());
  EQ(getauxval(AT_GID), getgid());
  EQ(getauxval(AT_SECURE), 0);
  CHECK(getauxval(AT_MINSIGSTKSZ) >= 1000 || getauxval(AT_MINSIGSTKSZ) == 0);
  SAME((char *)getauxval(AT_EXECFN), argv[0]);
  unsigned char *random = (void *)getauxval(AT_RANDOM);
  int sum = 0;
  for (int i = 0; i < 16; i++) sum += random[i];
  CHECK(sum != 0);
  extern int main(int, char **);
  ElfW(Phdr) *p = (void *)getauxval(AT_PHDR);
  EQ(getauxval(AT_PHENT), sizeof *p);
  int loads = 0;
  for (unsigned i = 0; i < getauxval(AT_PHNUM); i++) loads += p[i].p_type == PT_LOAD;
  CHECK(loads >= 2 && getauxval(AT_ENTRY) != 0);
  EQ(sysconf(_SC_PAGESIZE), 4096);
#ifdef __riscv
  EQ(getauxval(AT_HWCAP) & 0x112d, 0x112d);  // IMAFDC
  EQ(getauxval(AT_HWCAP) >> ('v' - 'a') & 1, 0);
#endif
}

static void maps(void) {
  slurp("/proc/self/maps");
  int stack = 0, heap = 0, text = 0, previous = 0;
  uintptr_t last = 0;
  void *on_heap = malloc(10);
  for (char *line = strtok(buffer, "\n"); line; line = strtok(NULL, "\n")) {
    uintptr_t from, to;
    char rights[5], path[PATH_MAX] = "";
    CHECK(sscanf(line, "%lx-%lx %4s %*x %*x:%*x %*u %s", &from, &to, rights, path) >= 3);
    CHECK(from < to && from >= last && from % 4096 == 0);
    last = to;
    previous++;
    if (!strcmp(path, "[stack]")) {
      stack++;
      CHECK((uintptr_t)&line >= from && (uintptr_t)&line < to && !strncmp(rights, "rw-p", 4));
    }
    if (!strcmp(path, "[heap]")) heap += (uintptr_t)on_heap >= from && (uintptr_t)on_heap < to;
    if ((uintptr_t)&maps >= from && (uintptr_t)&maps < to) {
      text++;
      SAME(rights, "r-xp");
    }
  }
  CHECK(stack == 1 && heap == 1 && text == 1 && previous > 4);
  free(on_heap);
}

static void proc(char **argv) {
  char path[PATH_MAX] = "", wanted[PATH_MAX];
  CHECK(readlink("/proc/self/exe", path, sizeof path) > 0 && realpath(argv[0], wanted));
  SAME(path, wanted);
  struct stat a, b;
  CHECK(stat("/proc/self/exe", &a) == 0 && stat(wanted, &b) == 0 && a.st_ino == b.st_ino);
  int fd = open("/proc/self/exe", O_RDONLY);
  CHECK(fd >= 0 && read(fd, path, 4) == 4 && memcmp(path, ELFMAG, 4) == 0);
  close(fd);

  slurp("/proc/self/status");
  EQ(field("Pid"), getpid());
  EQ(field("Tgid"), getpid());
  EQ(field("PPid"), getppid());
  EQ(field("Uid"), getuid());
  EQ(field("Threads"), 1);
  CHECK(field("VmRSS") > 0);
  slurp("/proc/self/stat");
  char name[32], state;
  int pid, parent;
  EQ(sscanf(buffer, "%d (%31[^)]) %c %d", &pid, name, &state, &parent), 4);
  CHECK(pid == getpid() && parent == getppid() && state == 'R');
  CHECK(prctl(PR_GET_NAME, path) == 0);
  SAME(path, name);
  CHECK(prctl(PR_SET_NAME, "a name that is too long") == 0 && prctl(PR_GET_NAME, path) == 0);
  SAME(path, "a name that is ");
  slurp("/proc/self/comm");
  SAME(buffer, "a name that is \n");

  // Descriptors.
  fd = open("named", O_CREAT | O_RDWR, 0600);
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  memset(path, 0, sizeof path);
  CHECK(readlink(link, path, sizeof path) > 0 && realpath("named", wanted));
  SAME(path, wanted);
  int again = open(link, O_RDONLY);
  CHECK(again >= 0 && fstat(fd, &a) == 0 && fstat(again, &b) == 0 && a.st_ino == b.st_ino && again != fd);
  close(fd), close(again);
  slurp("/proc/cpuinfo");
#ifdef __riscv
  CHECK(strstr(buffer, "isa\t\t: rv64imafdc") && strstr(buffer, "mmu\t\t: sv"));
#endif
  slurp("/proc/meminfo");
  CHECK(field("MemTotal") > 1000);
}

/** A program sees the descriptors that it opened, and no others. */
static void own_descriptors(void) {
  for (int i = 3; i < 300; i++) close(i);
  int open_ones = 0;
  DIR *d = opendir("/proc/self/fd");
  CHECK(d);
  for (struct dirent *e; (e = readdir(d)) != NULL;)
    if (e->d_name[0] != '.') {
      open_ones++;
      CHECK(atoi(e->d_name) <= 3);
    }
  EQ(open_ones, 4);
  EQ(dirfd(d), 3);
  closedir(d);
  for (int i = 3; i < 1000; i++) FAILS(fcntl(i, F_GETFD), EBADF);
  FAILS(open("/proc/self/fd/77", O_RDONLY), ENOENT);
  EQ(open("named", O_RDONLY), 3);
  int fd = open("/dev/fd/3", O_RDONLY);
  EQ(fd, 4);
  close(fd), close(3);
  char link[64], exe[PATH_MAX] = "", self[PATH_MAX] = "";
  snprintf(link, sizeof link, "/proc/%d/exe", getpid());
  CHECK(readlink(link, exe, sizeof exe) > 0 && readlink("/proc/self/exe", self, sizeof self) > 0);
  SAME(exe, self);
  // Memory as a file.
  int here = 42, there = 0;
  fd = open("/proc/self/mem", O_RDWR);
  CHECK(fd >= 0 && pread(fd, &there, sizeof there, (long)&here) == sizeof there);
  EQ(there, 42);
  close(fd);
}

static void identity(void) {
  struct utsname u;
  CHECK(uname(&u) == 0);
  SAME(u.sysname, "Linux");
#ifdef __riscv
  SAME(u.machine, "riscv64");
#endif
  int major_version;
  CHECK(sscanf(u.release, "%d.", &major_version) == 1 && major_version >= 4);
  uid_t r, e, s;
  CHECK(getresuid(&r, &e, &s) == 0 && r == getuid() && e == geteuid());
  CHECK(setresuid(-1, -1, -1) == 0 && setuid(getuid()) == 0 && setgid(getgid()) == 0);
  gid_t groups[256];
  int n = getgroups(256, groups);
  EQ(getgroups(0, NULL), n);
  CHECK(getpid() > 0 && getpid() == (int)syscall(SYS_gettid) && getppid() > 0 && getpgrp() == getpgid(0));
  // The leader of the session can be outside of the namespace of processes: it has no number here then.
  CHECK(getsid(0) >= 0 && getsid(getpid()) == getsid(0));
  struct sysinfo info;
  CHECK(sysinfo(&info) == 0 && info.totalram > 0 && info.mem_unit > 0 && info.procs > 0);
  cpu_set_t set;
  CHECK(sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) >= 1 && sched_setaffinity(0, sizeof set, &set) == 0);
  CHECK(sysconf(_SC_NPROCESSORS_ONLN) >= 1 && sched_yield() == 0 && sched_getscheduler(0) == SCHED_OTHER);
  errno = 0;
  CHECK(getpriority(PRIO_PROCESS, 0) >= -20 && errno == 0);
  CHECK(prctl(PR_GET_DUMPABLE) >= 0 && prctl(PR_SET_PDEATHSIG, 0) == 0);
  FAILS(prctl(123456789, 0, 0, 0, 0), EINVAL);
  char host[65];
  CHECK(gethostname(host, sizeof host) == 0);
  SAME(host, u.nodename);
  unsigned char bytes[32] = {0};
  CHECK(syscall(SYS_getrandom, bytes, 32, 0) == 32 && (bytes[0] | bytes[1] | bytes[2] | bytes[3] | bytes[4]) != 0);
  FAILS(syscall(4095), ENOSYS);
  FAILS(syscall(-1), ENOSYS);
#ifdef __riscv
  FAILS(syscall(1L << 32 | SYS_getpid), ENOSYS);  // all of the register counts
#endif
}

static void limits(void) {
  struct rlimit l, m;
  CHECK(getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur >= 20 && l.rlim_cur <= l.rlim_max);
  m = l;
  m.rlim_cur = 100;
  CHECK(setrlimit(RLIMIT_NOFILE, &m) == 0 && prlimit(0, RLIMIT_NOFILE, &l, &m) == 0 && m.rlim_cur == 100);
  m.rlim_cur = m.rlim_max + 1;
  if (m.rlim_cur) FAILS(setrlimit(RLIMIT_NOFILE, &m), EINVAL);
  FAILS(getrlimit(99, &l), EINVAL);
  CHECK(getrlimit(RLIMIT_CORE, &l) == 0);
  l.rlim_cur = 0;
  CHECK(setrlimit(RLIMIT_CORE, &l) == 0);
  CHECK(getrlimit(RLIMIT_STACK, &l) == 0 && l.rlim_cur >= 1 << 20);
}

static int64_t nanoseconds(clockid_t clock) {
  struct timespec t;
  CHECK(clock_gettime(clock, &t) == 0 && t.tv_nsec >= 0 && t.tv_nsec < 1000000000);
  return t.tv_sec * 1000000000L + t.tv_nsec;
}

static void clocks(void) {
  static const clockid_t all[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME,
                                  CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID, CLOCK_REALTIME_COARSE};
  struct timespec t;
  for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
    int64_t a = nanoseconds(all[i]);
    CHECK(nanoseconds(all[i]) >= a && clock_getres(all[i], &t) == 0 && t.tv_nsec > 0);
  }
  FAILS(clock_gettime(77, &t), EINVAL);
  int64_t before = nanoseconds(CLOCK_MONOTONIC);
  t = (struct timespec){0, 10000000};
  CHECK(nanosleep(&t, NULL) == 0 && nanoseconds(CLOCK_MONOTONIC) - before >= 10000000);
  before = nanoseconds(CLOCK_MONOTONIC) + 5000000;
  t = (struct timespec){before / 1000000000, before % 1000000000};
  CHECK(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == 0 && nanoseconds(CLOCK_MONOTONIC) >= before);
  t.tv_nsec = 1000000000;
  FAILS(nanosleep(&t, NULL), EINVAL);
  struct timeval v;
  CHECK(gettimeofday(&v, NULL) == 0 && v.tv_sec >= time(NULL) - 1 && v.tv_sec > 1600000000);
  // The time that work takes is counted.
  before = nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
  struct tms begin, end;
  clock_t began = times(&begin);
  volatile long n = 0;
  // An emulator may work on several processors at once: its CPU time can be ahead of the clock.
  long start = nanoseconds(CLOCK_MONOTONIC);
  while (nanoseconds(CLOCK_PROCESS_CPUTIME_ID) - before < 30000000 || nanoseconds(CLOCK_MONOTONIC) - start < 30000000) n++;
  // The kernel may count ticks by sampling: it gets more of them to see.
  clock_t ended = times(&end);
  while (end.tms_utime + end.tms_stime == begin.tms_utime + begin.tms_stime &&
         nanoseconds(CLOCK_PROCESS_CPUTIME_ID) - before < 2000000000)
    ended = times(&end);
  CHECK(ended - began >= 2 && end.tms_utime + end.tms_stime - begin.tms_utime - begin.tms_stime >= 1);
  struct rusage usage;
  CHECK(getrusage(RUSAGE_SELF, &usage) == 0 && usage.ru_utime.tv_usec + usage.ru_stime.tv_usec > 5000);
  CHECK(usage.ru_maxrss > 100 && getrusage(RUSAGE_CHILDREN, &usage) == 0 && clock() > 0);
}

#ifdef __riscv
static void hardware(void) {
  struct {
    int64_t key;
    uint64_t value;
  } pairs[] = {{3, 0}, {4, 0}, {6, 0}, {1 << 20, 0}};
  EQ(syscall(258, pairs, 4, 0, NULL, 0), 0);
  EQ(pairs[0].value, 1);
  EQ(pairs[1].value & 0x1b, 0x1b);  // FD, C, Zba, Zbb
  EQ(pairs[1].value >> 2 & 1, 0);   // no vector
  EQ(pairs[2].value, 64);
  EQ(pairs[3].key, -1);
  EQ(pairs[3].value, 0);
  FAILS(syscall(258, 8, 1, 0, NULL, 0), EFAULT);
  FAILS(syscall(258, pairs, 1, 0, NULL, 99), EINVAL);
}
#endif

int main(int argc, char **argv) {
  arguments(argc, argv);
  auxiliary(argv);
  maps();
  proc(argv);
  own_descriptors();
  identity();
  limits();
  clocks();
#ifdef __riscv
  hardware();
#endif
  return done();
}
