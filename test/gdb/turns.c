// Prints what a thread is told of its scheduling, before and after it asked for turns of its own.
#define _GNU_SOURCE
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static struct {
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime, deadline, period;
} attr;

static void show(void) {
  struct timespec interval;
  memset(&attr, 0, sizeof attr);
  long result = syscall(SYS_sched_getattr, 0, &attr, sizeof attr, 0);
  sched_rr_get_interval(0, &interval);
  printf("%ld: %u %lu %d %u %lu, %ld\n", result, attr.policy, (unsigned long)attr.flags, attr.nice, attr.priority,
         (unsigned long)attr.runtime, (long)interval.tv_nsec);
}

int main(void) {
  show();
  attr.runtime = 12000000;
  printf("%ld\n", syscall(SYS_sched_setattr, 0, &attr, 0));
  show();
  return 0;
}
