// Makes random system calls with random arguments, by a seed: `hostile SEED CALLS`, in an empty directory. Whatever they
// answer, the program goes on: faults and signals have a handler, and at the end it exits with a status made from its
// arguments. It writes nothing.
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <unistd.h>

static uint64_t state;
static uint64_t next(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state * 0x2545f4914f6cdd1dull;
}
static unsigned below(unsigned n) { return (next() >> 33) % n; }

// Its own code, data and stack must survive: calls that take memory away are made by `aside` alone.
static unsigned char *area;
enum { areaSize = 1 << 20 };

static sigjmp_buf back;
static void caught(int signo) {
  (void)signo;
  siglongjmp(back, 1);
}

static long raw(long nr, const uint64_t *a) {
  register long a7 __asm__("a7") = nr;
  register long a0 __asm__("a0") = a[0];
  register long a1 __asm__("a1") = a[1];
  register long a2 __asm__("a2") = a[2];
  register long a3 __asm__("a3") = a[3];
  register long a4 __asm__("a4") = a[4];
  register long a5 __asm__("a5") = a[5];
  __asm__ volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5) : "memory");
  return a0;
}

static const char *const names[] = {"a", "b", "b/c", "a/", ".", "", "b/../a", "/proc/self/maps", "/proc/self/fd/3",
                                    "/proc/self/mem", "/proc/self/comm", "/proc/self/fdinfo/0"};

// Not into the program itself, which lies low.
static uint64_t wild(uint64_t at) { return at < (1 << 16) || at >= ((uint64_t)1 << 31) ? at : 0; }

static uint64_t pointer(void) {
  switch (below(8)) {
  case 0: return 0;
  case 1: return wild(next());
  case 2: return wild((uint64_t)1 << below(64));
  case 3: return (uint64_t)area + areaSize - below(64);
  case 4: return (uint64_t)names[below(sizeof names / sizeof *names)];
  default: return (uint64_t)area + below(areaSize / 4096) * 4096 + below(2) * below(4096);
  }
}
static uint64_t number(void) {
  switch (below(6)) {
  case 0: return below(64);
  case 1: return below(4096);
  case 2: return wild(next());
  case 3: return -(uint64_t)below(4096);
  case 4: return wild((uint64_t)1 << below(64));
  default: return below(8);
  }
}
static uint64_t argument(void) {
  switch (below(4)) {
  case 0: return below(8) ? below(24) : (uint64_t)AT_FDCWD;
  case 1: return number();
  default: return pointer();
  }
}

// Something for the calls to work on; they also close it.
static void open_some(void) {
  int fds[2];
  mkdir("b", 0777);
  open("a", O_RDWR | O_CREAT, 0666);
  open("b/c", O_WRONLY | O_CREAT | O_APPEND, 0666);
  open(".", O_RDONLY | O_DIRECTORY);
  open("a", O_PATH);
  open("/proc/self/mem", O_RDWR);
  open("/proc/self/task", O_RDONLY | O_DIRECTORY);
  if (pipe2(fds, O_NONBLOCK) == 0 && write(fds[1], "0123456789", 10) == 10) {
    socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
    socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds);
  }
  socket(AF_INET, SOCK_STREAM, 0);
  epoll_create1(0);
  eventfd(3, 0);
  timerfd_create(CLOCK_MONOTONIC, 0);
  inotify_init1(0);
  memfd_create("memory", MFD_ALLOW_SEALING);
}

// What ends, stops or multiplies the program, waits without end, or is about other processes.
static int left_out(long nr) {
  switch (nr) {
  case SYS_exit: case SYS_exit_group: case SYS_clone: case SYS_clone3: case SYS_execve: case SYS_execveat:
  case SYS_rt_sigreturn: case SYS_rt_sigaction: case SYS_rt_sigprocmask: case SYS_sigaltstack: case SYS_kill: case SYS_tkill: case SYS_tgkill:
  case SYS_rt_sigqueueinfo: case SYS_rt_tgsigqueueinfo: case SYS_pidfd_send_signal: case SYS_pidfd_open:
  case SYS_setpriority: case SYS_ioprio_set: case SYS_sched_setscheduler: case SYS_sched_setattr: case SYS_sched_setparam: case SYS_sched_setaffinity:
  case SYS_prlimit64: case SYS_setpgid: case SYS_setsid: case SYS_sync: case SYS_syncfs: case SYS_mknodat: case SYS_ptrace:
  case SYS_rt_sigsuspend: case SYS_rt_sigtimedwait: case SYS_ppoll: case SYS_pselect6: case SYS_epoll_pwait: case SYS_epoll_pwait2:
  case SYS_timer_create: case SYS_setitimer: case SYS_signalfd4:
  case SYS_munmap: case SYS_mremap: case SYS_mprotect: case SYS_mmap: case SYS_madvise: case SYS_brk:
  case SYS_process_vm_writev: case SYS_chroot: case SYS_setrlimit:
    return 1;
  }
  return 0;
}

// The same for calls on memory, within the area.
static void aside(uint64_t *a) {
  static const long calls[] = {SYS_munmap, SYS_mprotect, SYS_madvise, SYS_mremap, SYS_mmap};
  uint64_t at = (uint64_t)area + below(areaSize / 4096) * 4096;
  uint64_t bytes = below(16) * 4096 + below(2) * below(4096);
  uint64_t most = (uint64_t)area + areaSize - at;
  uint64_t b[6] = {at, bytes < most ? bytes : most, below(8), a[3], a[4], a[5]};
  long nr = calls[below(5)];
  if (nr == SYS_madvise) b[2] = below(30);
  if (nr == SYS_mremap) b[2] = below(8) * 4096, b[3] = below(2);
  if (nr == SYS_mmap) b[3] = 0x10 | (1 + below(2)) | (below(2) ? 0x20 : 0), b[4] = below(24), b[5] = below(8) * 4096;
  raw(nr, b);
}

static void restore(void) {
  mmap(area, areaSize, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  unsigned seed = atoi(argv[1]);
  state = 0x9e3779b97f4a7c15ull * (seed + 1);
  volatile int left = atoi(argv[2]);
  area = mmap(NULL, areaSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  // Whatever the standard streams are, such as /dev/null: the calls would change its mode and its owner.
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends)) return 2;
  for (int fd = 0; fd < 3; fd++) dup2(ends[0], fd);
  close(ends[1]);
  // A file may ask for all memory there is.
  struct rlimit small = {1 << 20, 1 << 20};
  setrlimit(RLIMIT_FSIZE, &small);
  static unsigned char stack[65536];
  stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
  sigaltstack(&alternate, NULL);
  for (int n = 1; n < 65; n++) {
    struct sigaction action = {.sa_handler = caught, .sa_flags = SA_ONSTACK | SA_NODEFER};
    sigaction(n, &action, NULL);
  }
  if (sigsetjmp(back, 1)) restore();
  while (left-- > 0) {
    // Calls that wait are ended.
    struct itimerval soon = {.it_interval = {0, 2000}, .it_value = {0, 2000}};
    setitimer(ITIMER_REAL, &soon, NULL);
    for (int i = 0; i < 8; i++) {
      unsigned char *at = (unsigned char *)((uint64_t)area + below(areaSize - 8));
      uint64_t word = below(2) ? pointer() : number();
      memcpy(at, &word, 8);
    }
    if (left % 100 == 0) open_some();
    uint64_t a[6];
    for (int i = 0; i < 6; i++) a[i] = argument();
    if (below(8) == 0) {
      aside(a);
      continue;
    }
    long nr = below(8) == 0 ? (long)next() : (long)below(460);
    if (!left_out((int)nr)) raw(nr, a);
  }
  struct itimerval never = {{0, 0}, {0, 0}};
  setitimer(ITIMER_REAL, &never, NULL);
  _exit(seed % 100 + 3);
}
