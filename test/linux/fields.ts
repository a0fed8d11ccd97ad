// Fields in a guest thread's memory, for tests that build structures and read them back.
import type { Task } from "../../src/linux/task.ts";

const two32 = 2 ** 32;

export const put16 = (t: Task, addr: number, value: number): void => t.memory.view.setUint16(addr, value, true);
export const put32 = (t: Task, addr: number, value: number): void => t.memory.view.setInt32(addr, value, true);
export const get16 = (t: Task, addr: number): number => t.memory.view.getUint16(addr, true);
export const get32 = (t: Task, addr: number): number => t.memory.view.getInt32(addr, true);

export function put64(t: Task, addr: number, ...values: readonly number[]): void {
  values.forEach((value, i) => {
    t.memory.view.setUint32(addr + 8 * i, value % two32, true);
    t.memory.view.setInt32(addr + 8 * i + 4, Math.floor(value / two32), true);
  });
}
export const get64 = (t: Task, addr: number): number =>
  t.memory.view.getInt32(addr + 4, true) * two32 + t.memory.view.getUint32(addr, true);

/** Stores a latin1 string with its NUL, and answers its address. */
export function putText(t: Task, addr: number, text: string): number {
  t.memory.u8.set(Buffer.from(`${text}\0`, "latin1"), addr);
  return addr;
}
export const getText = (t: Task, addr: number, length: number): string =>
  Buffer.from(t.memory.u8.slice(addr, addr + length)).toString("latin1");
