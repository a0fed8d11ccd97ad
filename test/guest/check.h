// What the programs here share: checks that name their line and values and end the program, and a net for faults.
// A program that reaches its end prints "ok".
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#define STOP_UNLESS(holds, ...)                     \
  do {                                              \
    if (!(holds)) {                                 \
      printf("%s:%d: ", __FILE__, __LINE__);        \
      printf(__VA_ARGS__);                          \
      putchar('\n');                                \
      exit(1);                                      \
    }                                               \
  } while (0)

/** A condition. */
#define CHECK(...) STOP_UNLESS((__VA_ARGS__), "%s (errno %d: %s)", #__VA_ARGS__, errno, strerror(errno))

/** Two integers or pointers of at most 64 bits. */
#define EQ(a, b)                                                                                       \
  do {                                                                                                 \
    unsigned long long is_ = (unsigned long long)(a), wanted_ = (unsigned long long)(b);               \
    STOP_UNLESS(is_ == wanted_, "%s is 0x%llx (%lld), not %s = 0x%llx (%lld); errno %d", #a, is_,      \
                (long long)is_, #b, wanted_, (long long)wanted_, errno);                               \
  } while (0)

/** A call that answers -1 and sets errno to `e`. */
#define FAILS(call, e)                                                                                              \
  do {                                                                                                              \
    errno = 0;                                                                                                      \
    long long answer_ = (long long)(call);                                                                           \
    STOP_UNLESS(answer_ == -1 && errno == (e), "%s answers %lld with errno %d (%s), not %s", #call, answer_, errno,   \
                strerror(errno), #e);                                                                               \
  } while (0)

/** Texts. */
#define SAME(a, b)                                                                            \
  do {                                                                                        \
    const char *is_ = (a), *wanted_ = (b);                                                     \
    STOP_UNLESS(strcmp(is_, wanted_) == 0, "%s is \"%s\", not \"%s\"", #a, is_, wanted_);       \
  } while (0)

/** The last signal that CATCH saw. */
static struct {
  int signo, code;
  char *addr;
  char *pc;
  volatile int wanted;
} caught __attribute__((unused));
static sigjmp_buf catch_point __attribute__((unused));

__attribute__((unused)) static void catch_signal(int signo, siginfo_t *info, void *context) {
  caught.signo = signo;
  caught.code = info->si_code;
  caught.addr = (char *)info->si_addr;
#ifdef __riscv
  caught.pc = (char *)((ucontext_t *)context)->uc_mcontext.__gregs[REG_PC];
#else
  (void)context;
#endif
  STOP_UNLESS(caught.wanted, "unexpected signal %d, code %d, address %p, pc %p", signo, caught.code, caught.addr, caught.pc);
  caught.wanted = 0;
  siglongjmp(catch_point, 1);
}

__attribute__((unused)) static void catch_faults(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = catch_signal;
  action.sa_flags = SA_SIGINFO;
  static const int all[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE};
  for (unsigned i = 0; i < sizeof all / sizeof *all; i++) CHECK(sigaction(all[i], &action, NULL) == 0);
}

/** Does a statement; answers the signal that it raised, or 0. Wants catch_faults() before. */
#define CATCH(statement)                     \
  ({                                         \
    caught.signo = 0;                        \
    caught.addr = caught.pc = NULL;          \
    if (sigsetjmp(catch_point, 1) == 0) {    \
      caught.wanted = 1;                     \
      statement;                             \
      asm volatile("" ::: "memory");         \
      caught.wanted = 0;                     \
    }                                        \
    caught.signo;                            \
  })

/** A fault of `statement` with this signal, code and address. */
#define FAULTS(statement, s, c, a)                                                                                 \
  do {                                                                                                             \
    char *where_ = (char *)(a);                                                                                     \
    int came_ = CATCH(statement);                                                                                   \
    STOP_UNLESS(came_ == (s) && caught.code == (c) && caught.addr == where_,                                         \
                "%s: signal %d code %d address %p, not %s, %s, %p", #statement, came_, came_ ? caught.code : 0,      \
                caught.addr, #s, #c, where_);                                                                       \
  } while (0)

static inline int done(void) {
  puts("ok");
  return 0;
}
