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
#define CHECK(x) STOP_UNLESS(x, "%s (errno %d: %s)", #x, errno, strerror(errno))

/** Two integers or pointers of at most 64 bits. */
#define EQ(a, b)                                                                                    \
  do {                                                                                              \
    int errno_before = errno;                                                                       \
    unsigned long long left = (unsigned long long)(a), right = (unsigned long long)(b);             \
    STOP_UNLESS(left == right, "%s is 0x%llx (%lld), not %s = 0x%llx (%lld); errno %d", #a, left,   \
                (long long)left, #b, right, (long long)right, errno_before);                        \
  } while (0)

/** A call that answers -1 and sets errno to `e`. */
#define FAILS(call, e)                                                                                              \
  do {                                                                                                              \
    errno = 0;                                                                                                      \
    long long answer = (long long)(call);                                                                           \
    STOP_UNLESS(answer == -1 && errno == (e), "%s answers %lld with errno %d (%s), not %s", #call, answer, errno,   \
                strerror(errno), #e);                                                                               \
  } while (0)

/** Texts. */
#define SAME(a, b)                                                                            \
  do {                                                                                        \
    const char *left = (a), *right = (b);                                                     \
    STOP_UNLESS(strcmp(left, right) == 0, "%s is \"%s\", not \"%s\"", #a, left, right);       \
  } while (0)

/** The last signal that CATCH saw. */
static struct {
  int signo, code;
  char *addr;
  char *pc;
} caught __attribute__((unused));
static sigjmp_buf catch_point __attribute__((unused));

__attribute__((unused)) static void catch_signal(int signo, siginfo_t *info, void *context) {
  caught.signo = signo;
  caught.code = info->si_code;
  caught.addr = info->si_addr;
#ifdef __riscv
  caught.pc = (char *)((ucontext_t *)context)->uc_mcontext.__gregs[REG_PC];
#else
  (void)context;
#endif
  siglongjmp(catch_point, 1);
}

__attribute__((unused)) static void catch_faults(void) {
  struct sigaction action = {.sa_sigaction = catch_signal, .sa_flags = SA_SIGINFO};
  sigemptyset(&action.sa_mask);
  static const int all[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE};
  for (unsigned i = 0; i < sizeof all / sizeof *all; i++) CHECK(sigaction(all[i], &action, NULL) == 0);
}

/** Does a statement; answers the signal that it raised, or 0. Wants catch_faults() before. */
#define CATCH(statement)                     \
  ({                                         \
    caught.signo = 0;                        \
    caught.addr = caught.pc = NULL;          \
    if (sigsetjmp(catch_point, 1) == 0) {    \
      statement;                             \
    }                                        \
    caught.signo;                            \
  })

/** A fault of `statement` with this signal, code and address. */
#define FAULTS(statement, s, c, a)                                                                                 \
  do {                                                                                                             \
    char *where = (char *)(a);                                                                                     \
    int came = CATCH(statement);                                                                                   \
    STOP_UNLESS(came == (s) && caught.code == (c) && caught.addr == where,                                         \
                "%s: signal %d code %d address %p, not %s, %s, %p", #statement, came, came ? caught.code : 0,      \
                caught.addr, #s, #c, where);                                                                       \
  } while (0)

static inline int done(void) {
  puts("ok");
  return 0;
}
