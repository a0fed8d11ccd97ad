// clone, clone3 and vfork: which flags go together, and what they share.
#include "check.h"
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

extern char **environ;

static char stacks[4][1 << 16] __attribute__((aligned(16)));
#define TOP(i) (stacks[i] + sizeof stacks[i])

static void ended(pid_t child, int code, int options) {
  int status = -1;
  EQ(waitpid(child, &status, options), child);
  EQ(WIFEXITED(status), 1);
  EQ(WEXITSTATUS(status), code);
}

/** clone with the stack of the caller, as fork does it. */
static long copy(unsigned long flags, int *parent, int *child) {
#ifdef __riscv
  return syscall(SYS_clone, flags, 0, parent, 0, child);
#else
  return syscall(SYS_clone, flags, 0, parent, child, 0);
#endif
}

static volatile int value;

// ---- vfork

static void vfork_shares_memory(void) {
  value = 1;
  volatile int on_stack = 1;
  pid_t parent = getpid();
  pid_t child = vfork();
  CHECK(child >= 0);
  if (child == 0) {
    value = 2;
    on_stack = getpid() != parent && getppid() == parent ? 3 : 4;
    _exit(9);
  }
  // It was here before the parent went on.
  EQ(value, 2);
  EQ(on_stack, 3);
  EQ(getpid(), parent);
  ended(child, 9, 0);
}

static void vfork_and_signals(void) {
  int ends[2];
  CHECK(pipe(ends) == 0);
  pid_t child = vfork();
  CHECK(child >= 0);
  if (child == 0) {
    kill(getpid(), SIGKILL);
    _exit(1);
  }
  int status;
  EQ(waitpid(child, &status, 0), child);
  EQ(WTERMSIG(status), SIGKILL);
  // Descriptors are its own.
  child = vfork();
  if (child == 0) {
    close(ends[0]);
    close(ends[1]);
    _exit(0);
  }
  ended(child, 0, 0);
  EQ(write(ends[1], "x", 1), 1);
  close(ends[0]);
  close(ends[1]);
}

static void vfork_in_vfork(void) {
  value = 0;
  pid_t child = vfork();
  CHECK(child >= 0);
  if (child == 0) {
    pid_t grandchild = vfork();
    if (grandchild == 0) {
      value++;
      _exit(3);
    }
    int status;
    if (waitpid(grandchild, &status, 0) != grandchild || status != 3 << 8) _exit(1);
    value++;
    _exit(4);
  }
  ended(child, 4, 0);
  EQ(value, 2);
}

static void fork_in_vfork(void) {
  value = 0;
  pid_t child = vfork();
  CHECK(child >= 0);
  if (child == 0) {
    pid_t grandchild = fork();
    if (grandchild == 0) {
      value = 100;
      _exit(3);
    }
    int status;
    if (waitpid(grandchild, &status, 0) != grandchild || status != 3 << 8) _exit(1);
    value++;
    _exit(4);
  }
  ended(child, 4, 0);
  EQ(value, 1);
}

static void *vforks(void *arg) {
  for (int i = 0; i < 20; i++) {
    pid_t child = vfork();
    CHECK(child >= 0);
    if (child == 0) _exit(i);
    ended(child, i, 0);
  }
  return arg;
}

static void vfork_in_threads(void) {
  pthread_t threads[3];
  for (int i = 0; i < 3; i++) CHECK(pthread_create(&threads[i], NULL, vforks, NULL) == 0);
  vforks(NULL);
  for (int i = 0; i < 3; i++) CHECK(pthread_join(threads[i], NULL) == 0);
}

/** The parent sleeps though it has a memory of its own. */
static void copy_that_waits(void) {
  int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(shared != MAP_FAILED);
  value = 5;
  pid_t child = copy(CLONE_VFORK | SIGCHLD, NULL, NULL);
  CHECK(child >= 0);
  if (child == 0) {
    value = 6;
    struct timespec pause = {.tv_nsec = 20000000};
    nanosleep(&pause, NULL);
    *shared = 1;
    _exit(2);
  }
  EQ(*shared, 1);
  EQ(value, 5);
  ended(child, 2, 0);
  munmap(shared, 4096);
}

// ---- exec

static void exec_in_vfork(const char *self) {
  value = 1;
  pid_t child = vfork();
  CHECK(child >= 0);
  if (child == 0) {
    value = 2;
    execl(self, self, "17", NULL);
    _exit(1);
  }
  EQ(value, 2);
  ended(child, 17, 0);
  child = vfork();
  if (child == 0) {
    execl("/nonexistent", "x", NULL);
    _exit(errno == ENOENT ? 18 : 1);
  }
  ended(child, 18, 0);
}

static void spawning(const char *self) {
  char *args[] = {(char *)self, "19", NULL};
  pid_t child;
  EQ(posix_spawn(&child, self, NULL, NULL, args, environ), 0);
  ended(child, 19, 0);
  EQ(posix_spawn(&child, "/nonexistent", NULL, NULL, args, environ), ENOENT);
  FAILS(waitpid(-1, NULL, 0), ECHILD);
  // What is asked of the child is done there.
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  CHECK(posix_spawn_file_actions_init(&actions) == 0 && posix_spawnattr_init(&attributes) == 0);
  int ends[2];
  CHECK(pipe(ends) == 0);
  CHECK(posix_spawn_file_actions_adddup2(&actions, ends[1], 1) == 0);
  CHECK(posix_spawn_file_actions_addclose(&actions, ends[0]) == 0);
  CHECK(posix_spawn_file_actions_addclose(&actions, ends[1]) == 0);
  sigset_t all;
  sigfillset(&all);
  CHECK(posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK) == 0);
  CHECK(posix_spawnattr_setsigmask(&attributes, &all) == 0);
  args[1] = "say";
  EQ(posix_spawn(&child, self, &actions, &attributes, args, environ), 0);
  close(ends[1]);
  char text[100];
  int n = 0, got;
  while ((got = read(ends[0], text + n, sizeof text - 1 - n)) > 0) n += got;
  text[n] = 0;
  char wanted[100];
  snprintf(wanted, sizeof wanted, "group %d blocked 1\n", child);
  SAME(text, wanted);
  close(ends[0]);
  ended(child, 0, 0);
}

// ---- what is shared

static int child_of_shared(void *arg) {
  (void)arg;
  value = 42;
  close(100);
  if (chdir("/") != 0) return 1;
  umask(0);
  return 7;
}

/** A process in the same memory that runs beside its parent. */
static void shared_memory(void) {
  value = 0;
  EQ(dup2(0, 100), 100);
  pid_t child = clone(child_of_shared, TOP(0), CLONE_VM | SIGCHLD, NULL);
  CHECK(child > 0);
  ended(child, 7, 0);
  EQ(value, 42);
  CHECK(fcntl(100, F_GETFD) >= 0);
  char here[1000];
  CHECK(getcwd(here, sizeof here) != NULL && strcmp(here, "/") != 0);
  child = clone(child_of_shared, TOP(0), CLONE_VM | CLONE_FILES | CLONE_FS | SIGCHLD, NULL);
  CHECK(child > 0);
  ended(child, 7, 0);
  FAILS(fcntl(100, F_GETFD), EBADF);
  SAME(getcwd(here, sizeof here), "/");
  EQ(umask(022), 0);
}

static void shared_descriptors(const char *home) {
  CHECK(chdir(home) == 0);
  int fd = dup(0);
  value = 0;
  pid_t child = copy(CLONE_FILES | SIGCHLD, NULL, NULL);
  CHECK(child >= 0);
  if (child == 0) {
    value = 1;
    close(fd);
    if (chdir("/") != 0) _exit(1);
    _exit(open("/dev/null", O_RDONLY) == fd ? 0 : 1);
  }
  ended(child, 0, 0);
  EQ(value, 0);
  CHECK(fcntl(fd, F_GETFD) >= 0);
  close(fd);
  char here[1000];
  SAME(getcwd(here, sizeof here), home);
  child = copy(CLONE_FS | SIGCHLD, NULL, NULL);
  if (child == 0) _exit(chdir("/"));
  ended(child, 0, 0);
  SAME(getcwd(here, sizeof here), "/");
  CHECK(chdir(home) == 0);
}

/** What is shared can be given up. */
static int unsharing(void *arg) {
  (void)arg;
  if (unshare(CLONE_FILES | CLONE_FS) != 0) return 1;
  if (close(101) != 0 || chdir("/") != 0) return 2;
  return unshare(CLONE_VM) == -1 && errno == EINVAL ? 6 : 3;
}

static void unshared(const char *home) {
  EQ(dup2(0, 101), 101);
  pid_t child = clone(unsharing, TOP(3), CLONE_VM | CLONE_FILES | CLONE_FS | SIGCHLD, NULL);
  CHECK(child > 0);
  ended(child, 6, 0);
  CHECK(fcntl(101, F_GETFD) >= 0);
  close(101);
  char here[1000];
  SAME(getcwd(here, sizeof here), home);
  CHECK(unshare(0) == 0 && unshare(CLONE_FILES | CLONE_SYSVSEM | CLONE_VM) == 0);
  FAILS(unshare(CLONE_PARENT), EINVAL);
}

/** execve in a process that shares all of it leaves the others what they had. */
static int exec_shared(void *arg) {
  execl(arg, arg, "20", NULL);
  return 1;
}

static void exec_in_shared_memory(char *self) {
  int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  value = 3;
  pid_t child = clone(exec_shared, TOP(1), CLONE_VM | CLONE_FILES | SIGCHLD, self);
  CHECK(child > 0);
  ended(child, 20, 0);
  EQ(value, 3);
  CHECK(fcntl(fd, F_GETFD) >= 0);
  close(fd);
}

// ---- ids

static void ids_are_stored(void) {
  int parent = -1, child = -1;
  pid_t pid = copy(CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, &parent, &child);
  CHECK(pid >= 0);
  if (pid == 0) _exit(child == getpid() && parent == -1 ? 0 : 1);
  EQ(parent, pid);
  EQ(child, -1);
  ended(pid, 0, 0);
}

static int cleared;
static int nothing(void *arg) {
  (void)arg;
  return 0;
}

static void id_is_cleared(void) {
  cleared = 1;
  pid_t pid = clone(nothing, TOP(2), CLONE_VM | CLONE_CHILD_CLEARTID | SIGCHLD, NULL, NULL, NULL, &cleared);
  CHECK(pid > 0);
  ended(pid, 0, 0);
  EQ(cleared, 0);
}

static void exit_signals(void) {
  pid_t child = copy(0, NULL, NULL);
  if (child == 0) _exit(1);
  // It tells nobody, and only who asks for such children finds it.
  FAILS(waitpid(child, NULL, 0), ECHILD);
  ended(child, 1, __WCLONE);
  child = copy(SIGURG, NULL, NULL);
  if (child == 0) _exit(2);
  ended(child, 2, __WALL);
}

static volatile int usr1;
static void on_usr1(int signo, siginfo_t *info, void *context) {
  (void)context;
  usr1 = signo == SIGUSR1 && info->si_code == CLD_EXITED && info->si_status == 8 ? info->si_pid : -1;
}

static void exit_signal_comes(void) {
  struct sigaction action = {.sa_sigaction = on_usr1, .sa_flags = SA_SIGINFO | SA_RESTART};
  CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
  pid_t child = copy(SIGUSR1, NULL, NULL);
  CHECK(child >= 0);
  if (child == 0) _exit(8);
  ended(child, 8, __WALL);
  EQ(usr1, child);
}

static void siblings(void) {
  int ends[2];
  CHECK(pipe(ends) == 0);
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    pid_t sibling = copy(CLONE_PARENT | SIGCHLD, NULL, NULL);
    if (sibling == 0) _exit(33);
    if (write(ends[1], &sibling, sizeof sibling) != sizeof sibling) _exit(1);
    if (waitpid(sibling, NULL, 0) != -1) _exit(1);
    _exit(0);
  }
  pid_t sibling;
  EQ(read(ends[0], &sibling, sizeof sibling), sizeof sibling);
  ended(child, 0, 0);
  ended(sibling, 33, 0);
  close(ends[0]);
  close(ends[1]);
}

// ---- clone3

static long clone3(struct clone_args *args) { return syscall(SYS_clone3, args, sizeof *args); }

static void descriptor_of_a_process(void) {
  int fd = -1;
  struct clone_args args = {.flags = CLONE_PIDFD, .pidfd = (uintptr_t)&fd, .exit_signal = SIGCHLD};
  pid_t child = clone3(&args);
  CHECK(child >= 0);
  if (child == 0) _exit(fd == -1 ? 5 : 1);
  CHECK(fd >= 0);
  EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
  struct pollfd poller = {.fd = fd, .events = POLLIN};
  EQ(poll(&poller, 1, -1), 1);
  siginfo_t info;
  CHECK(waitid(P_PIDFD, fd, &info, WEXITED) == 0);
  EQ(info.si_pid, child);
  EQ(info.si_status, 5);
  close(fd);
  // Before there is a process, nothing is left of what fails.
  args.pidfd = 8;
  FAILS(clone3(&args), EFAULT);
  EQ(dup(0), fd);
  close(fd);
}

static void handler(int signo) { (void)signo; }

static void handlers_are_cleared(void) {
  signal(SIGUSR1, handler);
  signal(SIGUSR2, SIG_IGN);
  struct clone_args args = {.flags = CLONE_CLEAR_SIGHAND, .exit_signal = SIGCHLD};
  pid_t child = clone3(&args);
  CHECK(child >= 0);
  if (child == 0) {
    struct sigaction now;
    if (sigaction(SIGUSR1, NULL, &now) != 0 || now.sa_handler != SIG_DFL) _exit(1);
    if (sigaction(SIGUSR2, NULL, &now) != 0 || now.sa_handler != SIG_IGN) _exit(2);
    _exit(0);
  }
  ended(child, 0, 0);
  signal(SIGUSR1, SIG_DFL);
  signal(SIGUSR2, SIG_DFL);
}

static void *shared_stack(int n) { return stacks[n] + sizeof stacks[n]; }

static void *handler_of(int signo) {
  struct sigaction now;
  return sigaction(signo, NULL, &now) == 0 ? (void *)now.sa_handler : NULL;
}

static int changes_handlers(void *arg) {
  (void)arg;
  return signal(SIGUSR1, SIG_IGN) == handler && signal(SIGUSR2, handler) == SIG_DFL ? 0 : 1;
}

static int keeps_handlers(void *arg) {
  char c;
  if (handler_of(SIGUSR1) != (void *)handler || read(*(int *)arg, &c, 1) != 1) return 1;
  // Who had them first is gone.
  return handler_of(SIGUSR1) == (void *)handler && signal(SIGUSR1, SIG_IGN) == handler &&
                 handler_of(SIGUSR1) == (void *)SIG_IGN
             ? 0
             : 2;
}

static int says(void *self) {
  execl(self, self, "0", (char *)0);
  return 1;
}

/** Handlers that processes have in common, until one executes a program. */
static void shared_handlers(char *self) {
  int flags = CLONE_VM | CLONE_SIGHAND | SIGCHLD;
  signal(SIGUSR1, handler);
  ended(clone(changes_handlers, shared_stack(0), flags, NULL), 0, 0);
  EQ(handler_of(SIGUSR1), SIG_IGN);
  EQ(handler_of(SIGUSR2), handler);
  ended(clone(says, shared_stack(0), flags, self), 0, 0);
  EQ(handler_of(SIGUSR2), handler);
  // Of one that ends before the other, a child of this process too.
  int gates[2];
  EQ(pipe(gates), 0);
  signal(SIGUSR1, handler);
  int *other = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(other != MAP_FAILED);
  pid_t first = fork();
  CHECK(first >= 0);
  if (first == 0) {
    *other = clone(keeps_handlers, shared_stack(1), flags | CLONE_PARENT, &gates[0]);
    _exit(*other > 0 ? 0 : 1);
  }
  ended(first, 0, 0);
  EQ(write(gates[1], "x", 1), 1);
  ended(*other, 0, 0);
  EQ(handler_of(SIGUSR1), handler);
  close(gates[0]), close(gates[1]);
  munmap(other, 4096);
  signal(SIGUSR1, SIG_DFL);
  signal(SIGUSR2, SIG_DFL);
}

static void what_clone3_refuses(void) {
  struct clone_args args = {.flags = 0, .exit_signal = 65};
  FAILS(clone3(&args), EINVAL);
  args = (struct clone_args){.stack_size = 4096};
  FAILS(clone3(&args), EINVAL);
  args = (struct clone_args){.stack = (uintptr_t)stacks};
  FAILS(clone3(&args), EINVAL);
  args = (struct clone_args){.stack = (uintptr_t)stacks, .stack_size = (uint64_t)1 << 62};
  FAILS(clone3(&args), EINVAL);
  args = (struct clone_args){.flags = CLONE_SIGHAND};
  FAILS(clone3(&args), EINVAL);
  args = (struct clone_args){.flags = CLONE_VM | CLONE_SIGHAND | CLONE_CLEAR_SIGHAND};
  FAILS(clone3(&args), EINVAL);
  args = (struct clone_args){.flags = CLONE_PARENT, .exit_signal = SIGCHLD};
  FAILS(clone3(&args), EINVAL);
  args = (struct clone_args){.flags = 0x40};
  FAILS(clone3(&args), EINVAL);
  FAILS(syscall(SYS_clone3, &args, 63), EINVAL);
  FAILS(syscall(SYS_clone3, &args, 5000), E2BIG);
  FAILS(syscall(SYS_clone3, 8, sizeof args), EFAULT);
  FAILS(copy(CLONE_THREAD, NULL, NULL), EINVAL);
  FAILS(copy(CLONE_SIGHAND, NULL, NULL), EINVAL);
  FAILS(copy(CLONE_FS | CLONE_NEWNS, NULL, NULL), EINVAL);
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "say") == 0) {
    sigset_t now;
    sigprocmask(SIG_BLOCK, NULL, &now);
    printf("group %d blocked %d\n", getpgid(0), sigismember(&now, SIGUSR1));
    return 0;
  }
  if (argc == 2) return atoi(argv[1]);
  char home[1000], self[2000];
  CHECK(getcwd(home, sizeof home) != NULL);
  ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
  CHECK(n > 0);
  self[n] = 0;
  vfork_shares_memory();
  vfork_and_signals();
  vfork_in_vfork();
  fork_in_vfork();
  vfork_in_threads();
  copy_that_waits();
  exec_in_vfork(self);
  spawning(self);
  shared_memory();
  CHECK(chdir(home) == 0);
  shared_descriptors(home);
  exec_in_shared_memory(self);
  unshared(home);
  ids_are_stored();
  id_is_cleared();
  exit_signals();
  exit_signal_comes();
  siblings();
  descriptor_of_a_process();
  handlers_are_cleared();
  shared_handlers(self);
  what_clone3_refuses();
  FAILS(waitpid(-1, NULL, __WALL), ECHILD);
  return done();
}
