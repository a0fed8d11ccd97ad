// System V semaphores, message queues and shared memory, within a process and between several.
#include "check.h"
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#define CHILD(...)                 \
  ({                               \
    fflush(stdout);                \
    pid_t child_ = fork();         \
    CHECK(child_ >= 0);            \
    if (child_ == 0) {             \
      __VA_ARGS__;                 \
      _exit(0);                    \
    }                              \
    child_;                        \
  })

static void joined(pid_t child) {
  int status;
  EQ(waitpid(child, &status, 0), child);
  EQ(status, 0);
}

static int operate(int set, int number, int by, int flags) {
  struct sembuf op = {(unsigned short)number, (short)by, (short)flags};
  return semop(set, &op, 1);
}

union argument {
  int val;
  struct semid_ds *buf;
  unsigned short *array;
};
static int value(int set, int number) { return semctl(set, number, GETVAL); }
static int set_value(int set, int number, int to) { return semctl(set, number, SETVAL, (union argument){.val = to}); }

static volatile sig_atomic_t alarms;
static void on_alarm(int signo) {
  (void)signo;
  alarms++;
}

/** SIGALRM again and again from now on, whether what it is to end has begun or not; or no more. */
static void alarm_every(int milliseconds) {
  struct itimerval often = {{0, milliseconds * 1000}, {0, milliseconds * 1000}};
  CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
}

static void semaphores(void) {
  int set = semget(IPC_PRIVATE, 3, IPC_CREAT | 0600);
  CHECK(set >= 0);
  struct semid_ds about;
  CHECK(semctl(set, 0, IPC_STAT, (union argument){.buf = &about}) == 0);
  EQ(about.sem_nsems, 3);
  EQ(about.sem_perm.mode & 0777, 0600);
  EQ(about.sem_otime, 0);
  CHECK(about.sem_ctime > 0 && about.sem_ctime <= time(NULL));
  unsigned short values[3] = {4, 5, 6};
  CHECK(semctl(set, 0, SETALL, (union argument){.array = values}) == 0);
  struct sembuf two[] = {{0, -4, 0}, {1, -6, IPC_NOWAIT}};
  FAILS(semop(set, two, 2), EAGAIN);
  EQ(value(set, 0), 4);
  two[1].sem_op = -5;
  CHECK(semop(set, two, 2) == 0);
  memset(values, 0xff, sizeof values);
  CHECK(semctl(set, 0, GETALL, (union argument){.array = values}) == 0);
  EQ(values[0], 0);
  EQ(values[1], 0);
  EQ(values[2], 6);
  EQ(semctl(set, 1, GETPID), getpid());
  FAILS(operate(set, 3, 1, 0), EFBIG);
  FAILS(operate(set, 2, 32767, 0), ERANGE);
  FAILS(semctl(set, 3, GETVAL), EINVAL);

  // Waits: for a value, for zero, for so long, until a signal.
  pid_t child = CHILD({
    CHECK(operate(set, 0, -2, 0) == 0);
    CHECK(operate(set, 2, 0, 0) == 0);
  });
  CHECK(operate(set, 0, 1, 0) == 0);
  CHECK(operate(set, 0, 1, 0) == 0);
  CHECK(operate(set, 2, -6, 0) == 0);
  joined(child);
  EQ(value(set, 0), 0);
  EQ(semctl(set, 0, GETPID), child);
  struct timespec span = {0, 20000000};
  struct sembuf down = {0, -1, 0};
  FAILS(semtimedop(set, &down, 1, &span), EAGAIN);
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_alarm;
  action.sa_flags = SA_RESTART;
  CHECK(sigaction(SIGALRM, &action, NULL) == 0);
  alarm_every(20);
  FAILS(semop(set, &down, 1), EINTR);
  alarm_every(0);
  CHECK(alarms > 0);

  // What is undone.
  CHECK(set_value(set, 0, 3) == 0 && set_value(set, 1, 0) == 0);
  child = CHILD({
    CHECK(operate(set, 0, -2, SEM_UNDO) == 0);
    CHECK(operate(set, 1, 5, SEM_UNDO) == 0);
    CHECK(operate(set, 1, -1, SEM_UNDO) == 0);
    // A child of its own undoes nothing of this.
    joined(CHILD(_exit(0)));
    EQ(value(set, 0), 1);
    EQ(value(set, 1), 4);
  });
  joined(child);
  EQ(value(set, 0), 3);
  EQ(value(set, 1), 0);
  EQ(semctl(set, 1, GETPID), child);
  // A killed process too; and somebody who waits is woken.
  int ready[2];
  CHECK(pipe(ready) == 0);
  child = CHILD({
    CHECK(operate(set, 0, -3, SEM_UNDO) == 0);
    CHECK(write(ready[1], "x", 1) == 1);
    for (;;) pause();
  });
  char c;
  CHECK(read(ready[0], &c, 1) == 1);
  EQ(value(set, 0), 0);
  pid_t waiter = CHILD(CHECK(operate(set, 0, -1, 0) == 0));
  CHECK(kill(child, SIGKILL) == 0);
  int status;
  EQ(waitpid(child, &status, 0), child);
  joined(waiter);
  EQ(value(set, 0), 2);
  CHECK(close(ready[0]) == 0 && close(ready[1]) == 0);

  // A set that is removed wakes who waits.
  child = CHILD(FAILS(operate(set, 1, -1, 0), EIDRM));
  while (semctl(set, 1, GETNCNT) == 0) usleep(1000);
  CHECK(semctl(set, 0, IPC_RMID) == 0);
  joined(child);
  FAILS(value(set, 0), EINVAL);
}

static void queues(void) {
  int queue = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
  CHECK(queue >= 0);
  struct message {
    long type;
    char text[16];
  } m = {2, "two"};
  CHECK(msgsnd(queue, &m, 4, 0) == 0);
  m.type = 1;
  memcpy(m.text, "one", 4);
  CHECK(msgsnd(queue, &m, 4, 0) == 0);
  EQ(msgrcv(queue, &m, 16, 1, 0), 4);
  SAME(m.text, "one");
  FAILS(msgrcv(queue, &m, 2, 0, 0), E2BIG);
  EQ(msgrcv(queue, &m, 2, 0, MSG_NOERROR), 2);
  EQ(m.type, 2);
  FAILS(msgrcv(queue, &m, 16, 0, IPC_NOWAIT), ENOMSG);
  m.type = 0;
  FAILS(msgsnd(queue, &m, 4, 0), EINVAL);

  pid_t child = CHILD({
    struct message got;
    for (int i = 0; i < 100; i++) {
      EQ(msgrcv(queue, &got, sizeof got.text, 7, 0), sizeof i);
      int number;
      memcpy(&number, got.text, sizeof number);
      EQ(number, i);
      got.type = 8;
      CHECK(msgsnd(queue, &got, sizeof i, 0) == 0);
    }
  });
  for (int i = 0; i < 100; i++) {
    m.type = 7;
    memcpy(m.text, &i, sizeof i);
    CHECK(msgsnd(queue, &m, sizeof i, 0) == 0);
    EQ(msgrcv(queue, &m, sizeof m.text, -8, 0), sizeof i);
    if (m.type == 7) {
      // Its own, which the other has not come to yet: back, and wait for the answer alone.
      CHECK(msgsnd(queue, &m, sizeof i, 0) == 0);
      EQ(msgrcv(queue, &m, sizeof m.text, 8, 0), sizeof i);
    }
  }
  joined(child);
  struct msqid_ds about;
  CHECK(msgctl(queue, IPC_STAT, &about) == 0);
  EQ(about.msg_qnum, 0);
  EQ(about.msg_lspid, child);
  EQ(about.msg_lrpid, getpid());
  alarms = 0;
  alarm_every(20);
  FAILS(msgrcv(queue, &m, 16, 0, 0), EINTR);
  alarm_every(0);
  CHECK(alarms > 0);
  // Whether the child sleeps already or not.
  child = CHILD(CHECK(msgrcv(queue, &m, 16, 0, 0) == -1 && (errno == EIDRM || errno == EINVAL)));
  CHECK(msgctl(queue, IPC_RMID, NULL) == 0);
  joined(child);
}

static unsigned long attachments(int id) {
  struct shmid_ds about;
  CHECK(shmctl(id, IPC_STAT, &about) == 0);
  return about.shm_nattch;
}

static void segments(void) {
  long page = sysconf(_SC_PAGESIZE);
  int id = shmget(IPC_PRIVATE, (size_t)(4 * page), IPC_CREAT | 0600);
  CHECK(id >= 0);
  volatile int *words = (volatile int *)shmat(id, NULL, 0);
  CHECK(words != (void *)-1);
  EQ(words[0], 0);
  words[0] = 1;
  EQ(attachments(id), 1);
  volatile int *again = (volatile int *)shmat(id, NULL, SHM_RDONLY);
  CHECK(again != (void *)-1 && again != words);
  EQ(again[0], 1);
  catch_faults();
  FAULTS(again[0] = 2, SIGSEGV, SEGV_ACCERR, again);
  FAILS(mprotect((void *)again, (size_t)page, PROT_READ | PROT_WRITE), EACCES);

  int ready[2];
  CHECK(pipe(ready) == 0);
  pid_t parent = getpid();
  pid_t child = CHILD({
    EQ(attachments(id), 4);
    words[1] = getpid();
    EQ(again[1], getpid());
    CHECK(shmdt((void *)words) == 0);
    EQ(attachments(id), 3);
    struct shmid_ds about;
    CHECK(shmctl(id, IPC_STAT, &about) == 0);
    EQ(about.shm_cpid, parent);
    EQ(about.shm_lpid, getpid());
    FAULTS(words[0] = 2, SIGSEGV, SEGV_MAPERR, words);
  });
  joined(child);
  EQ(words[1], child);
  EQ(attachments(id), 2);
  struct shmid_ds about;
  CHECK(shmctl(id, IPC_STAT, &about) == 0);
  EQ(about.shm_lpid, child);
  EQ(about.shm_segsz, 4 * page);

  // At a place of one's own.
  char *there = (char *)mmap(NULL, (size_t)(8 * page), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(there != MAP_FAILED);
  FAILS(shmat(id, there, 0), EINVAL);
  FAILS(shmat(id, there + 1, 0), EINVAL);
  FAILS(shmat(id, NULL, SHM_REMAP), EINVAL);
  EQ(shmat(id, there + page + 5, SHM_REMAP | SHM_RND), there + page);
  EQ(*(int *)(there + page), 1);
  FAILS(shmdt(there), EINVAL);
  CHECK(shmdt(there + page) == 0);
  FAILS(shmdt(there + page), EINVAL);

  // It is there until all have gone, whoever removed it.
  CHECK(shmctl(id, IPC_RMID, NULL) == 0);
  CHECK(shmdt((void *)again) == 0);
  words[2] = 3;
  child = CHILD({
    EQ(words[2], 3);
    words[2] = 4;
  });
  joined(child);
  EQ(words[2], 4);
  CHECK(shmdt((void *)words) == 0);
  CHECK(shmctl(id, IPC_STAT, &about) == -1 && (errno == EINVAL || errno == EIDRM));
  FAILS(shmat(id, NULL, 0), EINVAL);
  CHECK(close(ready[0]) == 0 && close(ready[1]) == 0);
}

/** By a key, as programs that do not know each other find them. */
static void keys(void) {
  key_t key = (key_t)(0x5ab00000 + getpid());
  int id = shmget(key, 100, IPC_CREAT | IPC_EXCL | 0600);
  CHECK(id >= 0);
  FAILS(shmget(key, 100, IPC_CREAT | IPC_EXCL | 0600), EEXIST);
  FAILS(shmget(key, 10000, 0), EINVAL);
  joined(CHILD({
    EQ(shmget(key, 100, IPC_CREAT | 0600), id);
    char *at = (char *)shmat(id, NULL, 0);
    CHECK(at != (void *)-1);
    strcpy(at, "hello");
  }));
  char *at = (char *)shmat(id, NULL, 0);
  CHECK(at != (void *)-1);
  SAME(at, "hello");
  EQ(attachments(id), 1);
  CHECK(shmdt(at) == 0 && shmctl(id, IPC_RMID, NULL) == 0);
  FAILS(shmget(key, 100, 0), ENOENT);
}

int main(void) {
  semaphores();
  queues();
  segments();
  keys();
  return done();
}
