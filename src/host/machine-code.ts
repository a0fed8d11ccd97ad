// Machine code of our own beyond the stub of `syscall.ts`: pages that hold it, and the kernel's table of signal handlers, by
// raw calls. The engine and the C library do not know of handlers set here; who sets one keeps what was there in mind.
import { type Pointer, toArrayBuffer } from "bun:ffi";
import { addressOf, host } from "./syscall.ts";

/** Bytes of a page that holds code. */
export const codeBytes = 4096;
const [readWrite, readExec, privateAnonymous] = [3, 5, 0x22];

/** Puts code (hexadecimal) at the start of a page of its own, what `fill` adds behind it, and makes it executable. Its host address, or -errno. */
export function placeCode(code: string, fill: (page: Buffer) => void = () => {}): number {
  const address = host("mmap", 0, codeBytes, readWrite, privateAnonymous, -1, 0);
  if (address < 0) return address;
  const page = Buffer.from(toArrayBuffer(address as Pointer, 0, codeBytes));
  page.write(code, "hex");
  fill(page);
  const error = host("mprotect", address, codeBytes, readExec);
  if (error < 0) host("munmap", address, codeBytes);
  return error < 0 ? error : address;
}

/** Places in the kernel's struct sigaction, 8 bytes each. A handler of 0 is the default action, of 1 to ignore. */
export const Action = { handler: 0, flags: 1, restorer: 2, mask: 3 } as const;
const actionBytes = 32;

export const SA = {
  SIGINFO: 0x4,
  /** x86-64 only: `restorer` is where a handler returns to. */
  RESTORER: 0x4000000,
  ONSTACK: 0x8000000,
} as const;

/** Of a signal set, in the kernel. */
export const setBytes = 8;
export const lastSignal = 64;
/** The bit of a signal in a set. */
export const signalBit = (signal: number): bigint => 1n << BigInt(signal - 1);

/** A struct sigaction that says: the default action. */
export const newAction = (): BigUint64Array => new BigUint64Array(new SharedArrayBuffer(actionBytes));

/** What the process does at a signal, in a new struct or that one. */
export function readAction(signal: number, action = newAction()): BigUint64Array {
  host("rt_sigaction", signal, 0, addressOf(action), setBytes);
  return action;
}

/** From now on the process does that at a signal. 0 or -errno. */
export const setAction = (signal: number, action: BigUint64Array): number =>
  host("rt_sigaction", signal, addressOf(action), 0, setBytes);

/** Whether an action is a handler. */
export const isHandled = (action: BigUint64Array): boolean => action[Action.handler]! > 1n;
