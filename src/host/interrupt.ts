// Host calls that may block, and how another thread ends them without a lost wake-up and without doing a call twice.
// Whoever wants a thread's attention sets the thread's pending word first, and kicks it then, by a signal. The thread makes
// its call through machine code that tests the word in the instructions right before the one that enters the kernel. A kick
// in the kernel ends the call with -EINTR, and one before the test finds the word set. One in between would be lost: so
// the signal's handler moves a pc that lies in that window to where the code answers `notEntered`.
// A kick may arrive late, in whatever the thread does next: a plain `host` call then answers -EINTR if it sleeps.
// It knows no guest and no reason for a kick. Each thread's pending word is the caller's, and is cleared by the caller.
//
// Signals are handled one inside the other: a kick that came while another handler runs over the window would find that
// handler's pc, so all handlers of what may come at any time keep the kick waiting until they are done.
//
// Measured on Bun 1.4.5, two cores, x86-64, getppid: 216 ns through `host`, 218 this way, 20 more with a store before and after to
// say where the thread is: so every call that may block goes this way. A kick out of a read and a wake-up back take 8 to 15 us.
// Of 480,000 kicks at random instants 2 were lost with the handler's move left out, none with it.
import { CFunction, FFIType, type Pointer, toArrayBuffer } from "bun:ffi";
import {
  Action,
  isHandled,
  lastSignal,
  placeCode,
  readAction,
  SA,
  setAction,
  setBytes,
  signalBit,
} from "./machine-code.ts";
import { type HostCall, hostNumbers } from "./numbers.ts";
import { addressOf, arch, host } from "./syscall.ts";

/**
 * The kick: SIGSTKFLT, which Linux never sends. Neither the engine (ILL, TRAP, ABRT, BUS, FPE, SEGV, PWR, SYS) nor a C library
 * (32 to 34) uses it. No real-time signal: those queue up one by one, and are refused where too many are queued.
 */
export const kickSignal = 16;

/**
 * What a blocking call answers that was not made at all, because its thread was wanted. It is -ERESTARTNOINTR, which no call
 * answers itself: the call is to be made again whatever the signal's handler says.
 */
export const notEntered = -513;

/** What the kick of a timer sets in the pending word, by itself. The other bits are the callers'. */
export const timerBit = 32;

/**
 * syscall(number, a, b, c, d, e, f, pendingAddress) at 0; the handler of the kick; x86-64's return from it. Beside them
 * the window, from its first instruction to that which enters the kernel (in which a call that the kernel begins anew is
 * found), and where it is left. The tests have the code in assembly.
 */
export const interruptCode = {
  // mov r11,[rsp+16]; mov rax,rdi; mov rdi,rsi; mov rsi,rdx; mov rdx,rcx; mov r10,r8; mov r8,r9; mov r9,[rsp+8];
  // first: cmp dword [r11],0; jne out; last: syscall; ret; out: mov rax,-513; ret
  // handler: cmp dword [rsi+8],SI_TIMER; jne window; mov rax,[rsi+24]; lock or dword [rax],32; window: lea r8,[first];
  // mov rax,[rdx+168]; sub rax,r8; cmp rax,last-first; ja done; lea r8,[out]; mov [rdx+168],r8; done: ret
  // restorer: mov eax,15; syscall
  x64: {
    code:
      "4c8b5c24104889f84889f74889d64889ca4d89c24d89c84c8b4c240841833b0075030f05c348c7c0fffdffffc366662e0f1f" +
      "8400000000000f1f840000000000837e08fe7508488b4618f08308204c8d05c7ffffff488b82a80000004c29c0483d060000" +
      "00770e4c8d05b7ffffff4c8982a8000000c3662e0f1f840000000000b80f0000000f05",
    first: 0x1c,
    last: 0x22,
    out: 0x25,
    handler: 0x40,
    restorer: 0x80,
  },
  // mov x8,x0; mov x9,x7; mov x0,x1; … mov x5,x6; first: ldar w10,[x9] (ordered after the caller's store to say where it is);
  // cbnz w10,out; last: svc 0; ret; out: mov x0,-513; ret
  // handler: ldr w9,[x1,8]; cmn w9,-SI_TIMER; b.ne window; ldr x9,[x1,24]; again: ldaxr w10,[x9]; orr w10,w10,32;
  // stlxr w11,w10,[x9]; cbnz w11,again; window: ldr x9,[x2,440]; adr x10,first; sub x9,x9,x10; cmp x9,last-first; b.hi done;
  // adr x10,out; str x10,[x2,440]; done: ret
  arm64: {
    code:
      "e80300aae90307aae00301aae10302aae20303aae30304aae40305aae50306aa2afddf886a000035010000d4c0035fd60040" +
      "8092c0035fd61f2003d51f2003d5290840b93f090031c1000054290c40f92afd5f884a011b322afd0b88abffff3549dc40f9" +
      "eafdff1029010acb3f2100f168000054eafdff104adc00f9c0035fd6",
    first: 0x20,
    last: 0x28,
    out: 0x30,
    handler: 0x40,
    restorer: 0,
  },
} as const;

const own = interruptCode[arch];

type Stub = (
  number: number,
  a: number,
  b: number | bigint,
  c: number,
  d: number,
  e: number,
  f: number,
  pendingAddress: number,
) => number;

let stub: Stub = () => {
  throw new Error("this thread has not called useInterrupts");
};
let pid = 0;
/** What this thread gave to `useInterrupts`. */
let usedCode = 0;

/**
 * Makes this process handle the kick, and lets this thread make interruptible calls and be kicked. Answers the address that
 * every other thread gives to `useInterrupts`. May be called again by any thread, once the first call is done. Throws where
 * somebody else handles the signal. `others`: signals whose handlers, if there are any, do not keep the kick waiting yet.
 */
export function installInterrupts(others = all): number {
  if (usedCode !== 0) return usedCode;
  const action = readAction(kickSignal);
  const code = isHandled(action) ? installed(Number(action[Action.handler])) : install(action, others);
  useInterrupts(code);
  return code;
}

/** Lets this thread make interruptible calls and be kicked: with the address that `installInterrupts` answered. */
export function useInterrupts(code: number): void {
  usedCode = code;
  const f = FFIType.i64_fast;
  stub = CFunction({ ptr: code as Pointer, args: [FFIType.i32, f, f, f, f, f, f, f], returns: f }) as unknown as Stub;
  pid = host("getpid");
  // Whoever started the emulator may have blocked it.
  const set = new BigUint64Array(new SharedArrayBuffer(setBytes)).fill(signalBit(kickSignal));
  host("rt_sigprocmask", SIG_UNBLOCK, addressOf(set), 0, setBytes);
}

const SIG_UNBLOCK = 1;
/** Signals that an instruction causes (ILL, TRAP, BUS, FPE, SEGV). None of the window's does. */
const synchronous = [4, 5, 7, 8, 11];
const all: readonly number[] = Array.from({ length: lastSignal }, (_, i) => i + 1);

/** The page of a handler, which must be ours. */
function installed(handler: number): number {
  const page = handler - own.handler;
  if (
    page % 4096 !== 0 ||
    Buffer.from(toArrayBuffer(page as Pointer, 0, own.code.length / 2)).toString("hex") !== own.code
  )
    throw new Error(`signal ${kickSignal}, which interrupts host calls, has another handler`);
  return page;
}

function install(action: BigUint64Array, others: readonly number[]): number {
  const code = placeCode(own.code);
  if (code < 0) throw new Error(`no page for code: errno ${-code}`);
  // Without SA_RESTART. On the stack for signals where the thread has one.
  action[Action.handler] = BigInt(code + own.handler);
  action[Action.flags] = BigInt(SA.SIGINFO | SA.ONSTACK | (own.restorer === 0 ? 0 : SA.RESTORER));
  action[Action.restorer] = BigInt(own.restorer === 0 ? 0 : code + own.restorer);
  action[Action.mask] = 0n;
  const error = setAction(kickSignal, action);
  if (error < 0) throw new Error(`signal ${kickSignal} cannot be handled: errno ${-error}`);
  for (const signal of others) if (!synchronous.includes(signal)) holdKick(signal, action);
  return code;
}

/** Lets the kick wait while the handler of another signal runs, if there is one. Who sets a handler later must do the same. */
function holdKick(signal: number, room: BigUint64Array): void {
  const action = readAction(signal, room);
  if (signal === kickSignal || !isHandled(action)) return;
  action[Action.mask]! |= signalBit(kickSignal);
  setAction(signal, action);
}

/**
 * Makes a host call that may block. `pendingAddress` is the host address of this thread's pending word, 32 bits; the call is
 * not made, and `notEntered` answered, where it is not 0. Else the result is as that of `host`: -EINTR where a signal, a kick
 * or one of the engine's, ended the call.
 */
export function blockingHost(
  name: HostCall,
  a: number,
  b: number | bigint,
  c: number,
  d: number,
  e: number,
  f: number,
  pendingAddress: number,
): number {
  return Number(stub(hostNumbers[name][column], a, b, c, d, e, f, pendingAddress));
}

const column = arch === "x64" ? 0 : 1;

/** The host's number of the calling thread, by which others kick it. */
export const hostTid = (): number => host("gettid");

/**
 * Ends the blocking call that a thread of this process is in or about to make. Its pending word must have been set before.
 * Wherever else the thread is nothing happens. False where there is no such thread.
 */
export const kick = (tid: number): boolean => host("tgkill", pid, tid, kickSignal) === 0;
