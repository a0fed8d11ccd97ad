// The frame that a signal handler runs on: riscv64's rt_sigframe, a siginfo_t and then a ucontext with all registers.
// Written at delivery, read back by rt_sigreturn; handlers and unwinders read and change it in between.
// Layout: arch/riscv/include/uapi/asm/{ucontext,sigcontext,ptrace}.h.
import { getU64, hart, setX } from "../cpu/hart.ts";
import { readable, writable } from "../memory/guest-memory.ts";
import { errno } from "./errno.ts";
import type { SigInfo } from "./siginfo.ts";
import { setBlocked, TaskWord } from "./signals.ts";
import type { Task } from "./task.ts";

/** Byte offsets into the frame, and its size. */
export const frame = {
  info: 0,
  ucontext: 128,
  link: 136,
  stackPointer: 144,
  stackFlags: 152,
  stackSize: 160,
  sigmask: 168,
  /** pc, then x1..x31. */
  registers: 304,
  /** f0..f31, then fcsr: the D state of the floating-point union. */
  floats: 560,
  fcsr: 816,
  /** Three words that are zero: the header of an extension that is not there. */
  reserved: 1076,
  size: 1088,
} as const;

/** Flags and modes of stack_t. */
export const Ss = { ONSTACK: 1, DISABLE: 2, AUTODISARM: 0x80000000 | 0 } as const;
/** The smallest alternate stack. */
const minStackSize = 2048;

const two32 = 2 ** 32;
const u64 = (words: Int32Array, at: number): number => (words[at + 1]! >>> 0) * two32 + (words[at]! >>> 0);

function within(t: Task, sp: number): boolean {
  const w = t.signals.words;
  const base = u64(w, TaskWord.altStack);
  return sp > base && sp - base <= u64(w, TaskWord.altSize);
}

/** Whether the thread runs on its alternate stack. One that disarms itself is never in use. */
export const onAltStack = (t: Task, sp: number): boolean =>
  (t.signals.words[TaskWord.altFlags]! & Ss.AUTODISARM) === 0 && within(t, sp);

/** No alternate stack. */
function disarm(t: Task): void {
  t.signals.words.fill(0, TaskWord.altStack, TaskWord.altSize + 2);
  t.signals.words[TaskWord.altFlags] = Ss.DISABLE;
}

/**
 * Sets the alternate stack to a stack_t (six words). `sp` is the stack in use. Answers 0, -EPERM while the thread runs
 * on the one that it has, -EINVAL for unknown flags, -ENOMEM where it is too small.
 */
export function setAltStack(t: Task, stack: Int32Array, sp: number): number {
  const mode = stack[2]! & ~Ss.AUTODISARM;
  if (onAltStack(t, sp)) return -errno.EPERM;
  if (mode !== Ss.DISABLE && mode !== Ss.ONSTACK && mode !== 0) return -errno.EINVAL;
  if (mode === Ss.DISABLE) {
    disarm(t);
    t.signals.words[TaskWord.altFlags] = stack[2]!;
    return 0;
  }
  if (u64(stack, 4) < minStackSize) return -errno.ENOMEM;
  t.signals.words.set(stack.subarray(0, 2), TaskWord.altStack);
  t.signals.words.set(stack.subarray(4, 6), TaskWord.altSize);
  t.signals.words[TaskWord.altFlags] = stack[2]!;
  return 0;
}

/** Where the frame goes, or undefined where the alternate stack in use would overflow. */
function frameAddress(t: Task, wantsAltStack: boolean): number | undefined {
  const w = t.signals.words;
  const sp = getU64(t.hart, 2);
  const inUse = onAltStack(t, sp);
  if (inUse && !within(t, sp - frame.size)) return undefined;
  const hasAlt = u64(w, TaskWord.altSize) !== 0;
  const top = wantsAltStack && hasAlt && !inUse ? u64(w, TaskWord.altStack) + u64(w, TaskWord.altSize) : sp;
  return Math.floor((top - frame.size) / 16) * 16;
}

/**
 * Makes the thread run a handler (its address by two words), with the mask to return to. False, and nothing changed,
 * where the frame cannot be written.
 */
export function pushFrame(
  t: Task,
  info: SigInfo,
  handler: { readonly lo: number; readonly hi: number },
  wantsAltStack: boolean,
  maskLo: number,
  maskHi: number,
): boolean {
  const at = frameAddress(t, wantsAltStack);
  const bytes = at === undefined ? undefined : writable(t.memory, at, frame.size);
  if (at === undefined || bytes === undefined) return false;
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, frame.size / 4);
  const h = t.hart.i32;
  const alt = t.signals.words;
  words.fill(0);
  words.set(info, frame.info / 4);
  words.set(alt.subarray(TaskWord.altStack, TaskWord.altStack + 2), frame.stackPointer / 4);
  words[frame.stackFlags / 4] = alt[TaskWord.altFlags]!;
  words.set(alt.subarray(TaskWord.altSize, TaskWord.altSize + 2), frame.stackSize / 4);
  words[frame.sigmask / 4] = maskLo;
  words[frame.sigmask / 4 + 1] = maskHi;
  words.set(h.subarray(hart.pc, hart.pc + 2), frame.registers / 4);
  words.set(h.subarray(hart.x + 2, hart.x + 64), frame.registers / 4 + 2);
  words.set(h.subarray(hart.f, hart.f + 64), frame.floats / 4);
  words[frame.fcsr / 4] = (h[hart.frm]! << 5) | h[hart.fflags]!;
  if (alt[TaskWord.altFlags]! & Ss.AUTODISARM) disarm(t);

  setX(t.hart, 1, t.process.signals.trampoline);
  setX(t.hart, 2, at);
  setX(t.hart, 10, info[0]!);
  setX(t.hart, 11, at + frame.info);
  setX(t.hart, 12, at + frame.ucontext);
  h[hart.pc] = handler.lo;
  h[hart.pc + 1] = handler.hi;
  return true;
}

/** Goes back to what the frame at sp says. False where it is not readable, or says what no kernel wrote. */
export function popFrame(t: Task): boolean {
  const bytes = readable(t.memory, getU64(t.hart, 2), frame.size);
  if (bytes === undefined) return false;
  // A copy: the frame's bytes are the guest's, and need not be aligned.
  const words = new Int32Array(bytes.slice().buffer);
  const h = t.hart.i32;
  setBlocked(t, words[frame.sigmask / 4]!, words[frame.sigmask / 4 + 1]!);
  h.set(words.subarray(frame.registers / 4, frame.registers / 4 + 2), hart.pc);
  h.set(words.subarray(frame.registers / 4 + 2, frame.registers / 4 + 64), hart.x + 2);
  h.set(words.subarray(frame.floats / 4, frame.floats / 4 + 64), hart.f);
  h[hart.fflags] = words[frame.fcsr / 4]! & 31;
  h[hart.frm] = (words[frame.fcsr / 4]! >> 5) & 7;
  if (words.subarray(frame.reserved / 4).some((word) => word !== 0)) return false;
  const stack = words.subarray(frame.stackPointer / 4, frame.sigmask / 4);
  setAltStack(t, stack, getU64(t.hart, 2));
  return true;
}
