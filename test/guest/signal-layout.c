// Prints the layout of what a signal handler gets, as this architecture's kernel headers have it.
#include <asm/siginfo.h>
#include <asm/signal.h>
#include <asm/sigcontext.h>
#include <asm/ucontext.h>

struct rt_sigframe {
  siginfo_t info;
  struct ucontext uc;
};

int printf(const char *, ...);
#define AT(name, field) printf(#name " %d\n", (int)__builtin_offsetof(struct rt_sigframe, field))

int main(void) {
  AT(info, info);
  AT(ucontext, uc);
  AT(link, uc.uc_link);
  AT(stackPointer, uc.uc_stack.ss_sp);
  AT(stackFlags, uc.uc_stack.ss_flags);
  AT(stackSize, uc.uc_stack.ss_size);
  AT(sigmask, uc.uc_sigmask);
  AT(registers, uc.uc_mcontext.sc_regs);
  AT(floats, uc.uc_mcontext.sc_fpregs.d.f);
  AT(fcsr, uc.uc_mcontext.sc_fpregs.d.fcsr);
  AT(reserved, uc.uc_mcontext.sc_fpregs.q.reserved);
  printf("size %d\n", (int)sizeof(struct rt_sigframe));
  return 0;
}
