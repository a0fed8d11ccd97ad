// What the programs about processes share: children, a gate on which one process waits for another, handlers.
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

/** A pipe on which one side waits for the other. */
static int gate[2];

static inline void open_gate(void) { EQ(pipe(gate), 0); }
static inline void close_gate(void) { close(gate[0]), close(gate[1]); }
static inline void pass(void) { EQ(write(gate[1], "x", 1), 1); }
static inline void await(void) {
  char c;
  ssize_t n;
  do n = read(gate[0], &c, 1);
  while (n < 0 && errno == EINTR);
  EQ(n, 1);
}

/** A child that does this and exits with 0. */
#define CHILD(...)             \
  ({                           \
    pid_t pid_ = fork();       \
    if (pid_ == 0) {           \
      __VA_ARGS__;             \
      _exit(0);                \
    }                          \
    CHECK(pid_ > 0);           \
    pid_;                      \
  })

/** Waits for a child that exits with 0. */
#define GOOD(pid)                         \
  do {                                    \
    int end_;                             \
    EQ(waitpid(pid, &end_, 0), pid);      \
    EQ(end_, 0);                          \
  } while (0)

/** The handler: of three arguments, or SIG_IGN or SIG_DFL. */
static inline void action(int signo, void *handler, int flags) {
  struct sigaction a;
  memset(&a, 0, sizeof a);
  a.sa_sigaction = handler;
  a.sa_flags = flags | (handler == (void *)SIG_IGN || handler == (void *)SIG_DFL ? 0 : SA_SIGINFO);
  EQ(sigaction(signo, &a, 0), 0);
}

/** The siginfo that `note` saw last, and how often it ran. */
static volatile siginfo_t last __attribute__((unused));
static volatile int count __attribute__((unused));
__attribute__((unused)) static void note(int signo, siginfo_t *info, void *context) {
  (void)signo, (void)context;
  last = *info;
  count++;
}
