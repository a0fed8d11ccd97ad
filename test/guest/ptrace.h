// What the programs about ptrace share: registers under one name for both architectures, and waiting with a check.
#include "check.h"

#include <elf.h>
#include <fcntl.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>

#ifndef PTRACE_EVENT_STOP
#define PTRACE_EVENT_STOP 128
#endif

#if defined __riscv
typedef struct {
  uint64_t pc, x[31];
} registers;
#define PC(r) ((r).pc)
#define SP(r) ((r).x[1])
/** Result of a call; its number, as a tracer changes it; its second argument. */
#define RESULT(r) ((r).x[9])
#define NUMBER(r) ((r).x[16])
#define SECOND(r) ((r).x[10])
#define FLOAT_BYTES 264
/** An instruction that stops, where it leaves pc, and one whose effect is visible. */
#define BREAKPOINT 0x00100073u
#define BREAKPOINT_SKIPS 0
#elif defined __x86_64__
typedef struct user_regs_struct registers;
#define PC(r) ((r).rip)
#define SP(r) ((r).rsp)
#define RESULT(r) ((r).rax)
#define NUMBER(r) ((r).orig_rax)
#define SECOND(r) ((r).rsi)
#define FLOAT_BYTES 512
#define BREAKPOINT 0xccu
#define BREAKPOINT_SKIPS 1
#endif

#define ADDRESS(n) ((void *)(uintptr_t)(n))

static inline registers get_registers(pid_t pid) {
  registers r;
  struct iovec v = {&r, sizeof r};
  CHECK(ptrace(PTRACE_GETREGSET, pid, ADDRESS(NT_PRSTATUS), &v) == 0);
  EQ(v.iov_len, sizeof r);
  return r;
}

static inline void set_registers(pid_t pid, registers r) {
  struct iovec v = {&r, sizeof r};
  CHECK(ptrace(PTRACE_SETREGSET, pid, ADDRESS(NT_PRSTATUS), &v) == 0);
}

/** Waits for one thread; answers its status. */
static inline int wait_for(pid_t pid) {
  int status;
  pid_t got;
  do got = waitpid(pid, &status, __WALL);
  while (got < 0 && errno == EINTR);
  EQ(got, pid);
  return status;
}

#define STOPPED(signo) ((signo) << 8 | 0x7f)
#define EVENT(event) (STOPPED(SIGTRAP) | (event) << 16)
#define EVENT_STOPPED(signo) (STOPPED(signo) | PTRACE_EVENT_STOP << 16)
#define SYSCALL_STOPPED STOPPED(SIGTRAP | 0x80)

/** The next thing that becomes of a thread. */
#define NEXT(pid, status) EQ(wait_for(pid), status)

#define GO(how, pid, signo) CHECK(ptrace(how, pid, NULL, ADDRESS(signo)) == 0)

/** The number behind a key in a process's status. */
static inline long status_of(pid_t pid, const char *key) {
  char path[64], line[256];
  long value = -1;
  snprintf(path, sizeof path, "/proc/%d/status", pid);
  FILE *f = fopen(path, "r");
  CHECK(f != NULL);
  while (fgets(line, sizeof line, f))
    if (strncmp(line, key, strlen(key)) == 0 && line[strlen(key)] == ':') value = atol(line + strlen(key) + 1);
  fclose(f);
  return value;
}

static inline siginfo_t info_of(pid_t pid) {
  siginfo_t info;
  memset(&info, 0, sizeof info);
  CHECK(ptrace(PTRACE_GETSIGINFO, pid, NULL, &info) == 0);
  return info;
}

static inline unsigned long message_of(pid_t pid) {
  unsigned long message = -1;
  CHECK(ptrace(PTRACE_GETEVENTMSG, pid, NULL, &message) == 0);
  return message;
}

/** A child that asks to be traced, stops, and then does `body`. */
#define TRACED(...)                                     \
  ({                                                     \
    pid_t child_ = fork();                               \
    CHECK(child_ >= 0);                                  \
    if (child_ == 0) {                                   \
      CHECK(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0); \
      raise(SIGSTOP);                                    \
      __VA_ARGS__;                                       \
      _exit(0);                                          \
    }                                                    \
    NEXT(child_, STOPPED(SIGSTOP));                      \
    child_;                                              \
  })

/** Where Linux is built to ask for that: others than the parent may trace the process. */
static inline void admit_tracers(void) {
  prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
  errno = 0;
}

/** A child that is not traced, and does `body`. */
#define CHILD(...)       \
  ({                      \
    pid_t child_ = fork(); \
    CHECK(child_ >= 0);   \
    if (child_ == 0) {    \
      admit_tracers();    \
      __VA_ARGS__;        \
      _exit(0);           \
    }                     \
    child_;               \
  })

/** Memory that parent and child share. */
static volatile struct {
  int ready, value, signo, code, sigval, sender;
  uint64_t result;
} *shared;

static inline void share(void) {
  shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(shared != MAP_FAILED);
}

/** Sleeps until a thread is in a state, by its letter in /proc/pid/stat. */
static inline void await_state(pid_t pid, char state) {
  char path[64], text[512];
  for (;;) {
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *f = fopen(path, "r");
    CHECK(f != NULL);
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = 0;
    char *close = strrchr(text, ')');
    CHECK(close != NULL);
    if (close[2] == state) return;
    sched_yield();
  }
}
