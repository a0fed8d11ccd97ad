// A time full of all that makes and ends things: threads, forks (of any thread), vfork and exec of itself, signals with
// values, process groups, stops, mappings, pipes, futexes, memory that processes share. Several threads do one thing after
// another, chosen at random, and check what comes of it, while signals hit whichever thread there is; so does a child.
// The time has three parts. After each all is given back, it says "quiet", and goes on with the next line of its input:
// whoever runs it looks then at what the emulator holds. In the end it has as many processes and threads at a time as before.
// Arguments: seconds (0 for the end alone), seed, how many threads and processes there are at the same time in the end.
#include "check.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

enum { parts = 3, loops = 4, most = 1000 };

static unsigned below(uint64_t *state, unsigned n) {
  *state ^= *state << 13, *state ^= *state >> 7, *state ^= *state << 17;
  return (unsigned)((*state >> 11) % n);
}

/** Does a call again that no SA_RESTART restarts. */
#define AGAIN(call)                            \
  ({                                           \
    long result_;                              \
    do result_ = (long)(call);                 \
    while (result_ == -1 && errno == EINTR);   \
    result_;                                   \
  })

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void end_is(pid_t pid, int status) {
  int end = -1;
  pid_t answer = waitpid(pid, &end, 0);
  STOP_UNLESS(answer == pid && end == status, "waitpid(%d): %d, status 0x%x, not 0x%x; errno %d", pid, answer, end, status, errno);
}

/** A child that does this and exits with `code`; it does not outlive the thread that makes it, should that end early. */
#define CHILD(code, ...)                   \
  ({                                       \
    pid_t pid_ = fork();                   \
    if (pid_ == 0) {                       \
      prctl(PR_SET_PDEATHSIG, SIGKILL);    \
      __VA_ARGS__;                         \
      _exit(code);                         \
    }                                      \
    CHECK(pid_ > 0);                       \
    pid_;                                  \
  })

static void *shared(size_t size) {
  void *p = mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(p != MAP_FAILED);
  return p;
}

// ---- threads

struct team {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  pthread_barrier_t line;
  int size, sum, turn, rounds;
};
struct member {
  struct team *team;
  int number;
};

static void *work_in_team(void *arg) {
  const struct member *m = arg;
  struct team *t = m->team;
  pthread_barrier_wait(&t->line);
  for (int i = 0; i < 200; i++) {
    pthread_mutex_lock(&t->lock);
    t->sum++;
    pthread_mutex_unlock(&t->lock);
  }
  pthread_mutex_lock(&t->lock);
  for (int i = 0; i < t->rounds; i++) {
    while (t->turn % t->size != m->number) pthread_cond_wait(&t->changed, &t->lock);
    t->turn++;
    pthread_cond_broadcast(&t->changed);
  }
  pthread_mutex_unlock(&t->lock);
  return (void *)(intptr_t)(m->number + 1);
}

static void do_threads(uint64_t *r) {
  struct team t = {.size = 1 + (int)below(r, 8), .rounds = 1 + (int)below(r, 10)};
  struct member members[8];
  pthread_t threads[8];
  pthread_mutex_init(&t.lock, NULL), pthread_cond_init(&t.changed, NULL), pthread_barrier_init(&t.line, NULL, t.size);
  for (int i = 0; i < t.size; i++) {
    members[i] = (struct member){&t, i};
    EQ(pthread_create(&threads[i], NULL, work_in_team, &members[i]), 0);
  }
  for (int i = 0; i < t.size; i++) {
    void *result;
    EQ(pthread_join(threads[i], &result), 0);
    EQ((intptr_t)result, i + 1);
  }
  EQ(t.sum, t.size * 200);
  EQ(t.turn, t.size * t.rounds);
  pthread_barrier_destroy(&t.line);
}

// ---- children

static void do_fork(uint64_t *r) {
  volatile int own = 1;
  atomic_int *common = shared(4096);
  int way = (int)below(r, 4);
  pid_t child = CHILD(7, {
    own = 2;
    atomic_fetch_add(common, 5);
    if (way == 1) abort();
    if (way == 2) kill(getpid(), SIGKILL);
    if (way == 3) end_is(CHILD(9, own = 3; atomic_fetch_add(common, 6)), 9 << 8);
    CHECK(own == 2);
  });
  int end = 0;
  CHECK(waitpid(child, &end, 0) == child);
  if (way == 1) CHECK(WIFSIGNALED(end) && WTERMSIG(end) == SIGABRT);
  else EQ(end, way == 2 ? SIGKILL : 7 << 8);
  EQ(*common, way == 3 ? 11 : 5);
  EQ(own, 1);
  EQ(munmap(common, 4096), 0);
}

/**
 * Several at a time, which are found in any order. They do not wait for the end of a pipe, of which children of other threads
 * may have an end too.
 */
static void do_brood(uint64_t *r) {
  pid_t children[6];
  int n = 2 + (int)below(r, 5);
  sem_t *start = shared(4096);
  CHECK(sem_init(start, 1, 0) == 0);
  for (int i = 0; i < n; i++) children[i] = CHILD(i, AGAIN(sem_wait(start)));
  for (int i = 0; i < n; i++) sem_post(start);
  for (int i = n - 1; i >= 0; i--) end_is(children[i], i << 8);
  EQ(munmap(start, 4096), 0);
}

static int executed(char **argv) {
  long fd = atol(argv[2]);
  size_t n = strlen(argv[3]);
  return write((int)fd, argv[3], n) == (ssize_t)n ? 33 : 1;
}

static void do_exec(uint64_t *r) {
  int ends[2];
  char number[16], word[40], back[40] = "";
  CHECK(pipe2(ends, O_CLOEXEC) == 0);
  snprintf(word, sizeof word, "word %u", below(r, 1000000));
  pid_t child;
  if (below(r, 2)) {
    char *args[] = {"soak", "executed", number, word, NULL};
    snprintf(number, sizeof number, "%d", 100);
    child = vfork();
    if (child == 0) {
      if (dup2(ends[1], 100) != 100) _exit(2);
      execve("/proc/self/exe", args, environ);
      _exit(3);
    }
  } else {
    char *args[] = {"soak", "executed", "101", word, NULL};
    posix_spawn_file_actions_t todo;
    posix_spawn_file_actions_init(&todo);
    posix_spawn_file_actions_adddup2(&todo, ends[1], 101);
    EQ(posix_spawn(&child, "/proc/self/exe", &todo, NULL, args, environ), 0);
    posix_spawn_file_actions_destroy(&todo);
  }
  CHECK(child > 0 && close(ends[1]) == 0);
  size_t n = 0;
  for (ssize_t more; (more = read(ends[0], back + n, sizeof back - n)) != 0; n += more) CHECK(more > 0);
  SAME(back, word);
  end_is(child, 33 << 8);
  close(ends[0]);
}

// ---- signals

/** Values come in order, and none is lost. */
static void do_values(uint64_t *r) {
  enum { values = 20 };
  int ends[2], signo = SIGRTMIN + (int)below(r, 4);
  sigset_t all, before;
  sigfillset(&all);
  CHECK(pipe2(ends, O_CLOEXEC) == 0);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  pid_t parent = getpid();
  pid_t child = CHILD(4, {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signo);
    CHECK(write(ends[1], "x", 1) == 1);
    for (int i = 0; i < values; i++) {
      siginfo_t info;
      EQ(AGAIN(sigwaitinfo(&set, &info)), signo);
      EQ(info.si_value.sival_int, i);
      EQ(info.si_pid, parent);
    }
  });
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  char c;
  EQ(read(ends[0], &c, 1), 1);
  for (int i = 0; i < values; i++) CHECK(sigqueue(child, signo, (union sigval){.sival_int = i}) == 0);
  end_is(child, 4 << 8);
  close(ends[0]), close(ends[1]);
}

/** A group ends by one signal. */
static void do_group(uint64_t *r) {
  pid_t members[3];
  int n = 1 + (int)below(r, 3);
  for (int i = 0; i < n; i++) {
    members[i] = CHILD(1, {
      signal(SIGTERM, SIG_DFL);
      for (;;) pause();
    });
    EQ(setpgid(members[i], members[0]), 0);
  }
  if (below(r, 2)) {
    siginfo_t info;
    CHECK(kill(-members[0], SIGSTOP) == 0);
    for (int i = 0; i < n; i++) {
      CHECK(waitid(P_PID, members[i], &info, WSTOPPED) == 0 && info.si_code == CLD_STOPPED && info.si_status == SIGSTOP);
    }
    CHECK(kill(-members[0], SIGCONT) == 0);
    for (int i = 0; i < n; i++)
      CHECK(waitid(P_PID, members[i], &info, WCONTINUED) == 0 && info.si_code == CLD_CONTINUED);
  }
  CHECK(kill(-members[0], below(r, 2) ? SIGTERM : SIGKILL) == 0);
  for (int i = 0; i < n; i++) {
    int end = 0;
    CHECK(waitpid(members[i], &end, 0) == members[i] && WIFSIGNALED(end));
  }
}

// ---- memory

static void do_mappings(uint64_t *r) {
  enum { pages = 16, page = 4096 };
  for (int round = 0; round < 10; round++) {
    char *p = mmap(0, pages * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    char mark = (char)below(r, 256);
    for (int i = 0; i < pages; i++) EQ(p[i * page], 0);
    memset(p, mark, pages * page);
    unsigned hole = below(r, pages);
    CHECK(mprotect(p + hole * page, page, PROT_READ) == 0);
    EQ((uint8_t)p[hole * page + 5], (uint8_t)mark);
    CHECK(munmap(p + hole * page, page) == 0);
    if (hole > 1) {
      size_t size = hole * page;
      char *q = mremap(p, size, size * 4, MREMAP_MAYMOVE);
      CHECK(q != MAP_FAILED);
      EQ((uint8_t)q[size - 1], (uint8_t)mark);
      EQ(q[size * 4 - 1], 0);
      CHECK(munmap(q, size * 4) == 0);
    } else if (hole == 1) CHECK(munmap(p, page) == 0);
    CHECK(hole == pages - 1 || munmap(p + (hole + 1) * page, (pages - 1 - hole) * page) == 0);
  }
  int fd = memfd_create("soak", MFD_CLOEXEC);
  CHECK(fd >= 0 && ftruncate(fd, 65536) == 0);
  uint32_t *a = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  uint32_t *b = mmap(0, 65536, PROT_READ, MAP_SHARED, fd, 0);
  CHECK(a != MAP_FAILED && b != MAP_FAILED && close(fd) == 0);
  for (int i = 0; i < 20; i++) {
    unsigned at = below(r, 16384);
    a[at] = at * 7;
    EQ(b[at], at * 7);
  }
  CHECK(munmap(a, 65536) == 0 && munmap(b, 65536) == 0);
}

// ---- between processes

static void do_transfer(uint64_t *r) {
  int ends[2];
  static const size_t sizes[] = {1, 100, 4096, 70000};
  size_t total = 200000, piece = sizes[below(r, 4)];
  if (piece < 4096) total = 100 * piece;
  CHECK((below(r, 2) ? pipe2(ends, O_CLOEXEC) : socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)) == 0);
  uint8_t *buffer = malloc(70000);
  pid_t child = CHILD(11, {
    close(ends[0]);
    for (size_t sent = 0; sent < total;) {
      size_t n = total - sent < piece ? total - sent : piece;
      for (size_t i = 0; i < n; i++) buffer[i] = (uint8_t)((sent + i) % 251);
      ssize_t done = write(ends[1], buffer, n);
      CHECK(done > 0);
      sent += done;
    }
  });
  close(ends[1]);
  size_t got = 0;
  for (ssize_t n; (n = read(ends[0], buffer, 70000)) != 0; got += n) {
    CHECK(n > 0);
    for (ssize_t i = 0; i < n; i++) EQ(buffer[i], (got + i) % 251);
  }
  EQ(got, total);
  close(ends[0]);
  free(buffer);
  end_is(child, 11 << 8);
}

struct common {
  pthread_mutex_t lock;
  sem_t turns[2];
  int sum, deaths;
};

static void locked(struct common *c) {
  int result = pthread_mutex_lock(&c->lock);
  if (result == EOWNERDEAD) {
    c->deaths++;
    EQ(pthread_mutex_consistent(&c->lock), 0);
  } else EQ(result, 0);
}

static void do_common(uint64_t *r) {
  struct common *c = shared(sizeof *c);
  pthread_mutexattr_t kind;
  pthread_mutexattr_init(&kind);
  pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
  EQ(pthread_mutex_init(&c->lock, &kind), 0);
  CHECK(sem_init(&c->turns[0], 1, 0) == 0 && sem_init(&c->turns[1], 1, 0) == 0);
  pid_t children[3];
  int n = 1 + (int)below(r, 3), dies = (int)below(r, 2);
  for (int i = 0; i < n; i++)
    children[i] = CHILD(0, {
      for (int j = 0; j < 300; j++) {
        locked(c);
        c->sum++;
        pthread_mutex_unlock(&c->lock);
      }
      for (int j = 0; i == 0 && j < 10; j++) {
        AGAIN(sem_wait(&c->turns[0]));
        sem_post(&c->turns[1]);
      }
      if (dies) {
        locked(c);
        _exit(0);
      }
    });
  for (int j = 0; j < 10; j++) {
    sem_post(&c->turns[0]);
    AGAIN(sem_wait(&c->turns[1]));
  }
  for (int i = 0; i < n; i++) end_is(children[i], 0);
  locked(c);
  EQ(c->sum, n * 300);
  EQ(c->deaths, dies ? n : 0);
  pthread_mutex_unlock(&c->lock);
  EQ(munmap(c, sizeof *c), 0);
}

// ---- all at a time

static const struct thing {
  const char *name;
  void (*act)(uint64_t *);
} things[] = {
    {"threads", do_threads}, {"fork", do_fork},         {"brood", do_brood},       {"exec", do_exec},     {"values", do_values},
    {"group", do_group},     {"mappings", do_mappings}, {"transfer", do_transfer}, {"common", do_common},
};
enum { thing_count = sizeof things / sizeof *things };

static atomic_int stopping, hits;
static double until;
static long counts[thing_count];
static const char *_Atomic doing[loops];

struct loop {
  int number;
  uint64_t random;
};

static void *loop(void *arg) {
  struct loop *l = arg;
  while (now() < until) {
    unsigned which = below(&l->random, thing_count);
    doing[l->number] = things[which].name;
    things[which].act(&l->random);
    __atomic_fetch_add(&counts[which], 1, __ATOMIC_RELAXED);
  }
  doing[l->number] = "nothing";
  return NULL;
}

static void on_hit(int signo) {
  (void)signo;
  atomic_fetch_add(&hits, 1);
}

/** Hits whichever thread the kernel finds. */
static void *pester(void *arg) {
  uint64_t random = (uintptr_t)arg;
  for (int sent = 0; !stopping; sent++) {
    static const int signals[] = {SIGUSR1, SIGCHLD, SIGURG};
    CHECK(kill(getpid(), signals[below(&random, 3)]) == 0);
    usleep(below(&random, 20000));
  }
  return NULL;
}

static void on_watchdog(int signo) {
  char line[300];
  (void)signo;
  int n = snprintf(line, sizeof line, "process %d hangs in:", getpid());
  for (int i = 0; i < loops; i++) n += snprintf(line + n, sizeof line - n, " %s", doing[i] ? doing[i] : "nothing");
  line[n++] = '\n';
  (void)!write(1, line, n);
  _exit(2);
}

/** One part of the time: `n` threads, and one that sends signals. */
static void spend(double seconds, int n, uint64_t seed) {
  pthread_t threads[loops], pest;
  struct loop state[loops];
  until = now() + seconds;
  stopping = 0;
  alarm((unsigned)seconds + 100);
  for (int i = 0; i < n; i++) {
    state[i] = (struct loop){i, (seed + i + 1) * 0x9e3779b97f4a7c15};
    EQ(pthread_create(&threads[i], NULL, loop, &state[i]), 0);
  }
  EQ(pthread_create(&pest, NULL, pester, (void *)(uintptr_t)(seed + 77)), 0);
  for (int i = 0; i < n; i++) EQ(pthread_join(threads[i], NULL), 0);
  stopping = 1;
  EQ(pthread_join(pest, NULL), 0);
  alarm(0);
}

static sem_t arrived, leave;
static void *stand(void *arg) {
  sem_post(&arrived);
  AGAIN(sem_wait(&leave));
  return arg;
}

/** So many threads, and so many processes, at a time. */
static void crowd(int most_threads, int most_processes) {
  static pthread_t threads[most];
  pthread_attr_t small;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 65536);
  sem_init(&arrived, 0, 0), sem_init(&leave, 0, 0);
  for (int i = 0; i < most_threads; i++) EQ(pthread_create(&threads[i], &small, stand, NULL), 0);
  for (int i = 0; i < most_threads; i++) AGAIN(sem_wait(&arrived));
  for (int i = 0; i < most_threads; i++) sem_post(&leave);
  for (int i = 0; i < most_threads; i++) EQ(pthread_join(threads[i], NULL), 0);
  static pid_t children[most];
  int ends[2], back[2];
  char c;
  CHECK(pipe(ends) == 0 && pipe(back) == 0);
  for (int i = 0; i < most_processes; i++)
    children[i] = CHILD(i, {
      close(ends[1]);
      CHECK(write(back[1], "x", 1) == 1 && read(ends[0], &c, 1) == 0);
    });
  for (int i = 0; i < most_processes; i++) EQ(read(back[0], &c, 1), 1);
  close(ends[0]), close(ends[1]), close(back[0]), close(back[1]);
  for (int i = 0; i < most_processes; i++) end_is(children[i], i << 8);
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "executed") == 0) return executed(argv);
  CHECK(argc == 5);
  double seconds = atof(argv[1]);
  uint64_t seed = strtoull(argv[2], NULL, 10);
  setvbuf(stdout, NULL, _IOLBF, 0);
  struct sigaction hit = {.sa_handler = on_hit, .sa_flags = SA_RESTART};
  CHECK(sigaction(SIGUSR1, &hit, NULL) == 0 && sigaction(SIGCHLD, &hit, NULL) == 0 && sigaction(SIGURG, &hit, NULL) == 0);
  CHECK(signal(SIGALRM, on_watchdog) != SIG_ERR);
  for (int part = 0; seconds > 0 && part < parts; part++) {
    pid_t other = CHILD(0, spend(seconds / parts, loops / 2, seed * 100 + part * 10));
    spend(seconds / parts, loops / 2, seed * 100 + part * 10 + 5);
    end_is(other, 0);
    CHECK(wait(NULL) == -1 && errno == ECHILD && hits > 0);
    puts("quiet");
    char line[8];
    CHECK(fgets(line, sizeof line, stdin) != NULL);
  }
  alarm(400);
  crowd(atoi(argv[3]), atoi(argv[4]));
  if (getenv("COUNTS"))
    for (int i = 0; i < thing_count; i++) printf("%-10s %ld\n", things[i].name, counts[i]);
  return done();
}
