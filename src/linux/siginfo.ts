// Signal numbers, what each does where the program says nothing, and the siginfo records that travel with them.
// A siginfo is kept as the 48 bytes that Linux keeps: the head of the guest's siginfo_t, whose other bytes are zero.

export const Sig = {
  HUP: 1,
  INT: 2,
  QUIT: 3,
  ILL: 4,
  TRAP: 5,
  ABRT: 6,
  BUS: 7,
  FPE: 8,
  KILL: 9,
  USR1: 10,
  SEGV: 11,
  USR2: 12,
  PIPE: 13,
  ALRM: 14,
  TERM: 15,
  STKFLT: 16,
  CHLD: 17,
  CONT: 18,
  STOP: 19,
  TSTP: 20,
  TTIN: 21,
  TTOU: 22,
  URG: 23,
  XCPU: 24,
  XFSZ: 25,
  VTALRM: 26,
  PROF: 27,
  WINCH: 28,
  IO: 29,
  PWR: 30,
  SYS: 31,
} as const;
/** The first real-time signal, and the last signal. */
export const sigRtMin = 32;
export const sigMax = 64;

const names = new Map<number, string>(Object.entries(Sig).map(([name, n]) => [n, "SIG" + name]));
/** SIGSEGV, SIGRTMIN, SIGRT_3, or the number as text. */
export const signalName = (signo: number): string =>
  names.get(signo) ??
  (signo === sigRtMin ? "SIGRTMIN" : signo > sigRtMin && signo <= sigMax ? `SIGRT_${signo - sigRtMin}` : String(signo));

export type DefaultAction = "terminate" | "core" | "ignore" | "stop" | "continue";
const ignored: readonly number[] = [Sig.CHLD, Sig.URG, Sig.WINCH];
const stopping: readonly number[] = [Sig.STOP, Sig.TSTP, Sig.TTIN, Sig.TTOU];
const dumping: readonly number[] = [
  ...[Sig.QUIT, Sig.ILL, Sig.TRAP, Sig.ABRT, Sig.BUS, Sig.FPE, Sig.SEGV, Sig.XCPU, Sig.XFSZ, Sig.SYS],
];

export function defaultAction(signo: number): DefaultAction {
  if (signo === Sig.CONT) return "continue";
  if (ignored.includes(signo)) return "ignore";
  if (stopping.includes(signo)) return "stop";
  return dumping.includes(signo) ? "core" : "terminate";
}

/** Words of a siginfo. Indices: signo 0, errno 1, code 2, then fields from word 4 on, by the kind of signal. */
export const infoWords = 12;
export type SigInfo = Int32Array;

/** si_code values. */
export const Code = {
  SI_USER: 0,
  SI_KERNEL: 128,
  SI_QUEUE: -1,
  SI_TIMER: -2,
  SI_MESGQ: -3,
  SI_ASYNCIO: -4,
  SI_SIGIO: -5,
  SI_TKILL: -6,
  ILL_ILLOPC: 1,
  SEGV_MAPERR: 1,
  SEGV_ACCERR: 2,
  BUS_ADRALN: 1,
  BUS_ADRERR: 2,
  TRAP_BRKPT: 1,
  TRAP_TRACE: 2,
  CLD_EXITED: 1,
  CLD_KILLED: 2,
  CLD_DUMPED: 3,
  CLD_TRAPPED: 4,
  CLD_STOPPED: 5,
  CLD_CONTINUED: 6,
} as const;

const two32 = 2 ** 32;

const info = (signo: number, code: number, ...fields: readonly number[]): SigInfo => {
  const words = new Int32Array(infoWords);
  words.set([signo, 0, code, 0, ...fields]);
  return words;
};

/** From the kernel, with nothing more to say: SI_KERNEL. */
export const kernelInfo = (signo: number): SigInfo => info(signo, Code.SI_KERNEL);
/** From a process: SI_USER of kill, SI_TKILL of tgkill. */
export const userInfo = (signo: number, code: number, pid: number, uid: number): SigInfo => info(signo, code, pid, uid);
/** Sent with a value, by its two words: SI_QUEUE, SI_MESGQ, SI_ASYNCIO. */
export const valueInfo = (signo: number, code: number, pid: number, uid: number, lo: number, hi: number): SigInfo =>
  info(signo, code, pid, uid, lo, hi);
/** From a POSIX timer, with its value by two words: SI_TIMER. */
export const timerInfo = (signo: number, timer: number, overrun: number, lo: number, hi: number): SigInfo =>
  info(signo, Code.SI_TIMER, timer, overrun, lo, hi);
/** About a child: what became of it, its exit code or signal, and its times in user mode and in the kernel, in ticks of a hundredth of a second. */
export const childInfo = (
  signo: number,
  code: number,
  pid: number,
  uid: number,
  status: number,
  [user, system]: readonly [user: number, system: number],
): SigInfo =>
  info(signo, code, pid, uid, status, 0, user | 0, Math.floor(user / two32), system | 0, Math.floor(system / two32));
/** A fault at an address (an unsigned number exact below 2**53, or its words). */
export const faultInfo = (signo: number, code: number, lo: number, hi = Math.floor(lo / two32)): SigInfo =>
  info(signo, code, (lo % two32) | 0, hi);

/** The timer and overrun count of a SI_TIMER record. */
export const timerWord = 4;
export const overrunWord = 5;
