// What a terminal sends reaches all processes of its foreground group: one handles it, a child does what the default is.
#include "check.h"
#include "family.h"

int main(void) {
  action(SIGINT, note, SA_RESTART);
  open_gate();
  pid_t child = CHILD(action(SIGINT, (void *)SIG_DFL, 0), pass(), pause());
  pid_t apart = CHILD(setpgid(0, 0), action(SIGINT, (void *)SIG_DFL, 0), pass(), pause());
  await(), await();
  puts("ready");
  fflush(stdout);
  int status;
  EQ(waitpid(child, &status, 0), child);
  while (count == 0) sched_yield();
  EQ(WTERMSIG(status), SIGINT);
  EQ(last.si_code, SI_KERNEL);
  EQ(waitpid(apart, &status, WNOHANG), 0);
  EQ(kill(apart, SIGKILL), 0);
  EQ(waitpid(apart, &status, 0), apart);
  return done();
}
