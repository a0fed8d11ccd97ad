// Memory and registers of stopped guests, for a thread that has no views of their memories: by the host addresses at which they
// lie. What the guest may not touch a debugger may: pages without rights can be read, and pages of code written.
import { type Pointer, toArrayBuffer } from "bun:ffi";
import { hart } from "../cpu/hart.ts";
import { addressOf } from "../host/syscall.ts";
import { ProcessField, processAt } from "../linux/processes.ts";
import { readMemory as readForced, writeMemory as writeForced } from "../linux/remote-memory.ts";
import { TaskField } from "../linux/tasks.ts";
import { guestBase, hartOffset } from "../memory/guest-memory.ts";
import { type GuestThread, recordOf, type World } from "./world.ts";

/** The bytes of a process from an address on, as many as there are. */
export function readMemory({ kernel }: World, process: number, address: number, length: number): Uint8Array {
  const bytes = new Uint8Array(new ArrayBuffer(length));
  if (length === 0) return bytes;
  return bytes.subarray(0, readForced(processAt(kernel, process), address, addressOf(bytes), length, "forced"));
}

/** Writes bytes; what was made of code there is dropped by every thread before it goes on. False where not all could be written. */
export function writeMemory({ kernel }: World, process: number, address: number, bytes: Uint8Array): boolean {
  const from = new Uint8Array(new ArrayBuffer(bytes.length));
  from.set(bytes);
  const { length } = from;
  return (
    length === 0 ||
    writeForced(kernel, processAt(kernel, process), address, addressOf(from), length, "forced") === length
  );
}

const views = new Map<number, Int32Array>();

/** The words of a stopped thread's hart, to be read and changed. */
export function hartOf(w: World, t: GuestThread): Int32Array {
  const hostBase = processAt(w.kernel, t.process).f64[ProcessField.hostBase / 2]!;
  const address = hostBase - guestBase + hartOffset(recordOf(w, t).i32[TaskField.hart]!);
  let found = views.get(address);
  if (found === undefined) {
    found = new Int32Array(toArrayBuffer(address as Pointer, 0, hart.words * 4));
    views.set(address, found);
  }
  return found;
}
