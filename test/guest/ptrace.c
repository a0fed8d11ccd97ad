// A tracer and one tracee: stops at signals and system calls, registers, memory, what is told of each stop, and what is
// refused. Events, attaching and threads: ptrace-events.c.
#include "ptrace.h"

#include <linux/ptrace.h>

static volatile long variable = 0x1122334455667788;

static void handler(int signo, siginfo_t *info, void *context) {
  (void)context;
  shared->signo = signo;
  shared->code = info->si_code;
  shared->sigval = info->si_value.sival_int;
  shared->sender = info->si_pid;
  shared->value++;
}

static void handle(int signo, int flags) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO | flags;
  CHECK(sigaction(signo, &action, NULL) == 0);
}

static void stops_and_memory(void) {
  pid_t child = TRACED(_exit(variable == 0x1122334455667789 ? 7 : 8));
  EQ(status_of(child, "TracerPid"), getpid());
  EQ(status_of(getpid(), "TracerPid"), 0);
  await_state(child, 't');
  siginfo_t info = info_of(child);
  EQ(info.si_signo, SIGSTOP);
  EQ(info.si_code, SI_TKILL);
  EQ(info.si_pid, child);
  errno = 0;
  EQ(ptrace(PTRACE_PEEKDATA, child, (void *)&variable, NULL), 0x1122334455667788);
  EQ(errno, 0);
  EQ(ptrace(PTRACE_PEEKTEXT, child, (char *)&variable + 1, NULL) & 0xffffff, 0x667788 >> 8 | 0x550000);
  CHECK(ptrace(PTRACE_POKEDATA, child, (void *)&variable, ADDRESS(0x1122334455667789)) == 0);
  EQ(variable, 0x1122334455667788);
  FAILS(ptrace(PTRACE_PEEKDATA, child, NULL, NULL), EIO);
  FAILS(ptrace(PTRACE_POKEDATA, child, NULL, NULL), EIO);
  FAILS(ptrace(PTRACE_PEEKDATA, child, ADDRESS(-8l), NULL), EIO);
  GO(PTRACE_CONT, child, 0);
  NEXT(child, 7 << 8);
  FAILS(waitpid(child, NULL, 0), ECHILD);
}

static void register_sets(void) {
  pid_t child = TRACED(_exit(3));
  registers r = get_registers(child);
  CHECK(PC(r) != 0 && SP(r) != 0);
  struct {
    registers r;
    uint64_t more;
  } large;
  struct iovec v = {&large, sizeof large};
  CHECK(ptrace(PTRACE_GETREGSET, child, ADDRESS(NT_PRSTATUS), &v) == 0);
  EQ(v.iov_len, sizeof r);
  CHECK(memcmp(&large.r, &r, sizeof r) == 0);
  memset(&large, 0x55, sizeof large);
  v.iov_len = 16;
  CHECK(ptrace(PTRACE_GETREGSET, child, ADDRESS(NT_PRSTATUS), &v) == 0);
  EQ(v.iov_len, 16);
  CHECK(memcmp(&large, &r, 16) == 0);
  EQ(((uint64_t *)&large)[2], 0x5555555555555555);
  v.iov_len = 13;
  FAILS(ptrace(PTRACE_GETREGSET, child, ADDRESS(NT_PRSTATUS), &v), EINVAL);
  v.iov_len = 16;
  FAILS(ptrace(PTRACE_GETREGSET, child, ADDRESS(0x12345), &v), EINVAL);
  FAILS(ptrace(PTRACE_GETREGSET, child, ADDRESS(NT_PRSTATUS), NULL), EFAULT);
  v = (struct iovec){NULL, sizeof r};
  FAILS(ptrace(PTRACE_GETREGSET, child, ADDRESS(NT_PRSTATUS), &v), EFAULT);
  FAILS(ptrace(PTRACE_SETREGSET, child, ADDRESS(NT_PRSTATUS), &v), EFAULT);
  set_registers(child, r);
  char floats[1024];
  v = (struct iovec){floats, sizeof floats};
  CHECK(ptrace(PTRACE_GETREGSET, child, ADDRESS(NT_PRFPREG), &v) == 0);
  EQ(v.iov_len, FLOAT_BYTES);
  CHECK(ptrace(PTRACE_SETREGSET, child, ADDRESS(NT_PRFPREG), &v) == 0);
  GO(PTRACE_CONT, child, 0);
  NEXT(child, 3 << 8);
}

static void signals(void) {
  pid_t child = TRACED({
    handle(SIGUSR1, 0);
    handle(SIGUSR2, 0);
    handle(SIGRTMIN, 0);
    for (;;) pause();
  });
  GO(PTRACE_CONT, child, 0);
  // Taken away.
  await_state(child, 'S');
  CHECK(kill(child, SIGUSR1) == 0);
  NEXT(child, STOPPED(SIGUSR1));
  siginfo_t info = info_of(child);
  EQ(info.si_signo, SIGUSR1);
  EQ(info.si_code, SI_USER);
  EQ(info.si_pid, getpid());
  GO(PTRACE_CONT, child, 0);
  // Let through.
  CHECK(kill(child, SIGUSR1) == 0);
  NEXT(child, STOPPED(SIGUSR1));
  EQ(shared->value, 0);
  GO(PTRACE_CONT, child, SIGUSR1);
  while (shared->value != 1) sched_yield();
  EQ(shared->signo, SIGUSR1);
  EQ(shared->sender, getpid());
  // Another in its place: it comes from the tracer.
  CHECK(kill(child, SIGUSR1) == 0);
  NEXT(child, STOPPED(SIGUSR1));
  GO(PTRACE_CONT, child, SIGUSR2);
  while (shared->value != 2) sched_yield();
  EQ(shared->signo, SIGUSR2);
  EQ(shared->code, SI_USER);
  // Its siginfo changed.
  CHECK(sigqueue(child, SIGRTMIN, (union sigval){.sival_int = 5}) == 0);
  NEXT(child, STOPPED(SIGRTMIN));
  info = info_of(child);
  EQ(info.si_code, SI_QUEUE);
  EQ(info.si_value.sival_int, 5);
  info.si_value.sival_int = 6;
  CHECK(ptrace(PTRACE_SETSIGINFO, child, NULL, &info) == 0);
  EQ(info_of(child).si_value.sival_int, 6);
  GO(PTRACE_CONT, child, SIGRTMIN);
  while (shared->value != 3) sched_yield();
  EQ(shared->sigval, 6);
  // Ignored ones stop as well.
  CHECK(kill(child, SIGWINCH) == 0);
  NEXT(child, STOPPED(SIGWINCH));
  // Masks, and what is queued behind.
  uint64_t mask = 0;
  FAILS(ptrace(PTRACE_GETSIGMASK, child, ADDRESS(4), &mask), EINVAL);
  CHECK(ptrace(PTRACE_GETSIGMASK, child, ADDRESS(8), &mask) == 0);
  EQ(mask, 0);
  mask = 1ull << (SIGUSR1 - 1) | 1ull << (SIGRTMIN - 1) | 1ull << (SIGKILL - 1);
  CHECK(ptrace(PTRACE_SETSIGMASK, child, ADDRESS(8), &mask) == 0);
  CHECK(ptrace(PTRACE_GETSIGMASK, child, ADDRESS(8), &mask) == 0);
  EQ(mask, 1ull << (SIGUSR1 - 1) | 1ull << (SIGRTMIN - 1));
  for (int i = 0; i < 3; i++) CHECK(sigqueue(child, SIGRTMIN, (union sigval){.sival_int = 10 + i}) == 0);
  siginfo_t queued[4];
  struct __ptrace_peeksiginfo_args peek = {1, PTRACE_PEEKSIGINFO_SHARED, 4};
  EQ(ptrace(PTRACE_PEEKSIGINFO, child, &peek, queued), 2);
  EQ(queued[0].si_value.sival_int, 11);
  EQ(queued[1].si_value.sival_int, 12);
  peek = (struct __ptrace_peeksiginfo_args){0, 0, 4};
  EQ(ptrace(PTRACE_PEEKSIGINFO, child, &peek, queued), 0);
  peek.flags = 4;
  FAILS(ptrace(PTRACE_PEEKSIGINFO, child, &peek, queued), EINVAL);
  peek = (struct __ptrace_peeksiginfo_args){0, 0, -1};
  FAILS(ptrace(PTRACE_PEEKSIGINFO, child, &peek, queued), EINVAL);
  mask = 0;
  CHECK(ptrace(PTRACE_SETSIGMASK, child, ADDRESS(8), &mask) == 0);
  GO(PTRACE_CONT, child, 0);
  for (int i = 0; i < 3; i++) {
    NEXT(child, STOPPED(SIGRTMIN));
    EQ(info_of(child).si_value.sival_int, 10 + i);
    GO(PTRACE_CONT, child, 0);
  }
  // No such signal.
  CHECK(kill(child, SIGUSR1) == 0);
  NEXT(child, STOPPED(SIGUSR1));
  FAILS(ptrace(PTRACE_CONT, child, NULL, ADDRESS(65)), EIO);
  // SIGKILL stops nobody.
  CHECK(kill(child, SIGKILL) == 0);
  NEXT(child, SIGKILL);
}

/** Steps to the next stop at a system call. */
static void to_call(pid_t child) {
  GO(PTRACE_SYSCALL, child, 0);
  NEXT(child, SYSCALL_STOPPED);
}

static struct __ptrace_syscall_info call_info(pid_t child) {
  struct __ptrace_syscall_info info;
  memset(&info, 0x55, sizeof info);
  long n = ptrace(PTRACE_GET_SYSCALL_INFO, child, ADDRESS(sizeof info), &info);
  CHECK(n > 0);
  EQ(n, info.op == PTRACE_SYSCALL_INFO_ENTRY  ? offsetof(struct __ptrace_syscall_info, entry) + sizeof info.entry
        : info.op == PTRACE_SYSCALL_INFO_EXIT ? offsetof(struct __ptrace_syscall_info, exit.is_error) + 1
                                              : offsetof(struct __ptrace_syscall_info, entry));
  return info;
}

static void system_calls(void) {
  shared->result = 0;
  pid_t child = TRACED({
    shared->result = syscall(SYS_getppid);
    syscall(SYS_write, 99, &variable, 5, 4, 5, 6);
    shared->result = syscall(SYS_getpid);
    shared->result = syscall(SYS_getppid);
    errno = 0;
    shared->result = syscall(SYS_getsid, 0);
    shared->code = errno;
    syscall(SYS_exit_group, 5);
  });
  CHECK(ptrace(PTRACE_SETOPTIONS, child, NULL, ADDRESS(PTRACE_O_TRACESYSGOOD)) == 0);
  FAILS(ptrace(PTRACE_SETOPTIONS, child, NULL, ADDRESS(0x80000000u)), EINVAL);
  struct __ptrace_syscall_info info = call_info(child);
  EQ(info.op, PTRACE_SYSCALL_INFO_NONE);
  EQ(info.stack_pointer, SP(get_registers(child)));
  // Out of the call that raised SIGSTOP, perhaps.
  do {
    to_call(child);
    info = call_info(child);
  } while (info.op != PTRACE_SYSCALL_INFO_ENTRY || info.entry.nr != SYS_getppid);
  EQ(message_of(child), PTRACE_EVENTMSG_SYSCALL_ENTRY);
  siginfo_t stop = info_of(child);
  EQ(stop.si_signo, SIGTRAP);
  EQ(stop.si_code, SIGTRAP | 0x80);
  EQ(stop.si_pid, child);
  EQ(NUMBER(get_registers(child)), SYS_getppid);
  EQ(RESULT(get_registers(child)), -ENOSYS);
  EQ(info.instruction_pointer, PC(get_registers(child)));
  to_call(child);
  info = call_info(child);
  EQ(info.op, PTRACE_SYSCALL_INFO_EXIT);
  EQ(info.exit.rval, getpid());
  EQ(info.exit.is_error, 0);
  EQ(message_of(child), PTRACE_EVENTMSG_SYSCALL_EXIT);
  EQ(RESULT(get_registers(child)), getpid());
  // Arguments, and an error.
  to_call(child);
  info = call_info(child);
  EQ(info.entry.nr, SYS_write);
  EQ(info.entry.args[0], 99);
  EQ(info.entry.args[1], (uintptr_t)&variable);
  for (int i = 2; i < 6; i++) EQ(info.entry.args[i], i == 2 ? 5 : i + 1);
  char cut[12];
  EQ(ptrace(PTRACE_GET_SYSCALL_INFO, child, ADDRESS(sizeof cut), cut), 24 + 7 * 8);
  to_call(child);
  info = call_info(child);
  EQ(info.exit.rval, -EBADF);
  EQ(info.exit.is_error, 1);
  // Another result.
  to_call(child);
  EQ(call_info(child).entry.nr, SYS_getpid);
  to_call(child);
  registers r = get_registers(child);
  EQ(RESULT(r), child);
  RESULT(r) = 0x123456789abcdef0;
  set_registers(child, r);
  // Another call.
  to_call(child);
  EQ(shared->result, 0x123456789abcdef0);
  r = get_registers(child);
  NUMBER(r) = SYS_getpid;
  set_registers(child, r);
  to_call(child);
  EQ(call_info(child).exit.rval, child);
  // None at all.
  to_call(child);
  EQ(shared->result, child);
  r = get_registers(child);
  NUMBER(r) = -1;
  RESULT(r) = -EDOM;
  set_registers(child, r);
  to_call(child);
  EQ(call_info(child).exit.rval, -EDOM);
  to_call(child);
  EQ(shared->code, EDOM);
  EQ(shared->result, (uint64_t)-1);
  info = call_info(child);
  EQ(info.entry.nr, SYS_exit_group);
  EQ(info.entry.args[0], 5);
  GO(PTRACE_SYSCALL, child, 0);
  NEXT(child, 5 << 8);
}

/** Calls that are interrupted by a stop go on. */
static void restarts(void) {
  int pipes[2];
  CHECK(pipe(pipes) == 0);
  shared->value = 0;
  pid_t child = TRACED({
    handle(SIGUSR1, SA_RESTART);
    char c;
    CHECK(read(pipes[0], &c, 1) == 1);
    struct timespec nap = {0, 100000000};
    CHECK(nanosleep(&nap, NULL) == 0);
    struct timespec longer = {1000, 0};
    FAILS(nanosleep(&longer, NULL), EINTR);
    _exit(c);
  });
  CHECK(ptrace(PTRACE_SETOPTIONS, child, NULL, ADDRESS(PTRACE_O_TRACESYSGOOD)) == 0);
  struct __ptrace_syscall_info info;
  do {
    to_call(child);
    info = call_info(child);
  } while (info.op != PTRACE_SYSCALL_INFO_ENTRY || info.entry.nr != SYS_read);
  GO(PTRACE_SYSCALL, child, 0);
  await_state(child, 'S');
  CHECK(kill(child, SIGUSR1) == 0);
  NEXT(child, SYSCALL_STOPPED);
  EQ(call_info(child).exit.rval, -512);  // ERESTARTSYS
  GO(PTRACE_SYSCALL, child, 0);
  NEXT(child, STOPPED(SIGUSR1));
#ifdef __riscv
  // The call is about to be made again.
  EQ(PC(get_registers(child)), info.instruction_pointer - 4);
  EQ(RESULT(get_registers(child)), pipes[0]);
#endif
  GO(PTRACE_SYSCALL, child, SIGUSR1);
  do {
    NEXT(child, SYSCALL_STOPPED);
    info = call_info(child);
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY && info.entry.nr == SYS_read) break;
    GO(PTRACE_SYSCALL, child, 0);
  } while (1);
  EQ(shared->value, 1);
  EQ(info.entry.args[0], pipes[0]);
  CHECK(write(pipes[1], "\x21", 1) == 1);
  to_call(child);
  EQ(call_info(child).exit.rval, 1);
  // Sleeps: on after a signal that the tracer takes away, over by one that is handled.
  GO(PTRACE_CONT, child, 0);
  await_state(child, 'S');
  CHECK(kill(child, SIGUSR1) == 0);
  NEXT(child, STOPPED(SIGUSR1));
  GO(PTRACE_CONT, child, 0);
  for (int i = 0; i < 3; i++) {
    await_state(child, 'S');
    CHECK(kill(child, SIGUSR2) == 0);
    NEXT(child, STOPPED(SIGUSR2));
    GO(PTRACE_CONT, child, 0);
  }
  struct timespec nap = {0, 150000000};
  CHECK(nanosleep(&nap, NULL) == 0);
  await_state(child, 'S');
  CHECK(kill(child, SIGUSR1) == 0);
  NEXT(child, STOPPED(SIGUSR1));
  GO(PTRACE_CONT, child, SIGUSR1);
  NEXT(child, 0x21 << 8);
  close(pipes[0]);
  close(pipes[1]);
}

__attribute__((noinline)) static int target(int n) {
  asm volatile("" : "+r"(n));
  return n + 1;
}

static void breakpoints_and_steps(void) {
  shared->value = 0;
  pid_t child = TRACED({
    int (*volatile f)(int) = target;
    shared->value = f(1);
    shared->value = f(5);
    *(volatile int *)8 = 0;
  });
  long text = ptrace(PTRACE_PEEKTEXT, child, target, NULL);
  long mask = BREAKPOINT > 0xff ? 0xffffffffl : 0xff;
  CHECK(ptrace(PTRACE_POKETEXT, child, target, ADDRESS((text & ~mask) | BREAKPOINT)) == 0);
  GO(PTRACE_CONT, child, 0);
  NEXT(child, STOPPED(SIGTRAP));
  CHECK(info_of(child).si_code > 0);
  registers r = get_registers(child);
  EQ(PC(r), (uintptr_t)target + BREAKPOINT_SKIPS);
  EQ(shared->value, 0);
  PC(r) = (uintptr_t)target;
  set_registers(child, r);
  CHECK(ptrace(PTRACE_POKETEXT, child, target, ADDRESS(text)) == 0);
  // Over it by steps, back into the caller.
  uint64_t before = PC(r);
  int steps = 0;
  do {
    GO(PTRACE_SINGLESTEP, child, 0);
    NEXT(child, STOPPED(SIGTRAP));
    EQ(info_of(child).si_code, TRAP_TRACE);
    r = get_registers(child);
    CHECK(PC(r) != before);
    before = PC(r);
    CHECK(++steps < 100);
  } while (PC(r) - (uintptr_t)target < 64);
  EQ(shared->value, 0);
  CHECK(ptrace(PTRACE_POKETEXT, child, target, ADDRESS((text & ~mask) | BREAKPOINT)) == 0);
  GO(PTRACE_CONT, child, 0);
  NEXT(child, STOPPED(SIGTRAP));
  EQ(shared->value, 2);
  CHECK(ptrace(PTRACE_POKETEXT, child, target, ADDRESS(text)) == 0);
  r = get_registers(child);
  PC(r) = (uintptr_t)target;
  set_registers(child, r);
  GO(PTRACE_CONT, child, 0);
  NEXT(child, STOPPED(SIGSEGV));
  EQ(shared->value, 6);
  siginfo_t info = info_of(child);
  EQ(info.si_code, SEGV_MAPERR);
  EQ(info.si_addr, ADDRESS(8));
  GO(PTRACE_CONT, child, SIGSEGV);
  EQ(wait_for(child) & 0x7f, SIGSEGV);
}

static void refusals(void) {
  FAILS(ptrace(PTRACE_CONT, getpid(), NULL, NULL), ESRCH);
  FAILS(ptrace(PTRACE_ATTACH, getpid(), NULL, NULL), EPERM);
  FAILS(ptrace(PTRACE_PEEKDATA, 0x3fffff, NULL, NULL), ESRCH);
  FAILS(ptrace(PTRACE_ATTACH, 0x3fffff, NULL, NULL), ESRCH);
  pid_t child = CHILD(for (;;) pause());
  FAILS(ptrace(PTRACE_CONT, child, NULL, NULL), ESRCH);
  FAILS(ptrace(PTRACE_SEIZE, child, ADDRESS(1), NULL), EIO);
  FAILS(ptrace(PTRACE_SEIZE, child, NULL, ADDRESS(0x80000000u)), EIO);
  CHECK(ptrace(PTRACE_SEIZE, child, NULL, NULL) == 0);
  FAILS(ptrace(PTRACE_SEIZE, child, NULL, NULL), EPERM);
  FAILS(ptrace(PTRACE_ATTACH, child, NULL, NULL), EPERM);
  // It runs.
  registers r;
  struct iovec v = {&r, sizeof r};
  FAILS(ptrace(PTRACE_GETREGSET, child, ADDRESS(NT_PRSTATUS), &v), ESRCH);
  FAILS(ptrace(PTRACE_PEEKDATA, child, (void *)&variable, NULL), ESRCH);
  FAILS(ptrace(PTRACE_DETACH, child, NULL, NULL), ESRCH);
  CHECK(ptrace(PTRACE_KILL, child, NULL, NULL) == 0);
  NEXT(child, SIGKILL);
  child = TRACED({
    FAILS(ptrace(PTRACE_TRACEME, 0, NULL, NULL), EPERM);
    _exit(1);
  });
  FAILS(ptrace((enum __ptrace_request)0x7777, child, NULL, NULL), EIO);
  FAILS(ptrace(PTRACE_INTERRUPT, child, NULL, NULL), EIO);
  FAILS(ptrace(PTRACE_LISTEN, child, NULL, NULL), EIO);
  FAILS(ptrace(PTRACE_GETEVENTMSG, child, NULL, NULL), EFAULT);
  FAILS(ptrace(PTRACE_GETSIGINFO, child, NULL, NULL), EFAULT);
  FAILS(ptrace(PTRACE_DETACH, child, NULL, ADDRESS(65)), EIO);
  struct {
    uint64_t pointer;
    uint32_t size, signature, flags, pad;
  } rseq;
  EQ(ptrace((enum __ptrace_request)PTRACE_GET_RSEQ_CONFIGURATION, child, ADDRESS(sizeof rseq), &rseq), sizeof rseq);
  EQ(rseq.pad, 0);
  GO(PTRACE_CONT, child, 0);
  NEXT(child, 1 << 8);
}

/** What waitid tells of a stop, and waiting without taking. */
static void waiting(void) {
  pid_t child = CHILD({
    CHECK(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
    raise(SIGUSR1);
    _exit(4);
  });
  siginfo_t info;
  memset(&info, 0, sizeof info);
  CHECK(waitid(P_PID, child, &info, WSTOPPED | WNOWAIT) == 0);
  EQ(info.si_signo, SIGCHLD);
  EQ(info.si_code, CLD_TRAPPED);
  EQ(info.si_status, SIGUSR1);
  EQ(info.si_pid, child);
  // Without WUNTRACED, as it is traced.
  EQ(waitpid(-1, NULL, 0), child);
  EQ(waitpid(-1, NULL, WNOHANG), 0);
  GO(PTRACE_CONT, child, 0);
  NEXT(child, 4 << 8);
}

static void other_memory(void) {
  static char own[3 * 4096];
  int pipes[2];
  CHECK(pipe(pipes) == 0);
  memset(own, 'a', sizeof own);
  pid_t child = CHILD({
    char c;
    own[0] = 'b';
    own[5000] = 'c';
    CHECK(mprotect((char *)((uintptr_t)(own + 8191) & ~4095ul), 4096, PROT_NONE) == 0 || 1);
    shared->ready = 1;
    CHECK(read(pipes[0], &c, 1) == 1);
    _exit(own[1] == 'x' && own[2] == 'y' ? 6 : 9);
  });
  while (!shared->ready) sched_yield();
  char buffer[64];
  struct iovec local[2] = {{buffer, 2}, {buffer + 8, 3}};
  struct iovec remote[2] = {{own, 3}, {(void *)&variable, 8}};
  EQ(process_vm_readv(child, local, 2, remote, 2, 0), 5);
  CHECK(memcmp(buffer, "ba", 2) == 0 && buffer[8] == 'a' && memcmp(buffer + 9, (void *)&variable, 2) == 0);
  struct iovec one = {(void *)"xy", 2}, there = {own + 1, 2};
  EQ(process_vm_writev(child, &one, 1, &there, 1, 0), 2);
  EQ(own[1], 'a');
  struct iovec nowhere = {ADDRESS(16), 8};
  FAILS(process_vm_readv(child, local, 1, &nowhere, 1, 0), EFAULT);
  struct iovec code = {(void *)(uintptr_t)target, 2};
  FAILS(process_vm_writev(child, &one, 1, &code, 1, 0), EFAULT);
  FAILS(process_vm_readv(0x3fffff, local, 1, remote, 1, 0), ESRCH);
  CHECK(write(pipes[1], "", 1) == 1);
  NEXT(child, 6 << 8);
  close(pipes[0]);
  close(pipes[1]);
}

int main(void) {
  share();
  stops_and_memory();
  register_sets();
  signals();
  system_calls();
  restarts();
  breakpoints_and_steps();
  refusals();
  waiting();
  other_memory();
  FAILS(wait(NULL), ECHILD);
  return done();
}
