// What a row of the system-call table is: number, name, argument kinds, result kind, class, handler. Argument
// conversion, strace output and the restart after a signal all read the row; nothing else knows a call's shape.
import type { Task } from "./task.ts";

/**
 * How one argument is read from its register and shown in a trace.
 * `load` gets the register's two words and gives what the handler takes; or, through `fault`, an error that ends the call.
 */
export interface Kind<T> {
  readonly load: (t: Task, lo: number, hi: number) => T | Fault;
  /** Text for a trace; "" leaves the argument out. `out` kinds are shown after the call, when `result` is known. */
  readonly show: (t: Task, lo: number, hi: number, call: Shown) => string;
  readonly out?: true;
}

/** What a `show` may look at: all raw arguments of the call (unsigned numbers) and its result, undefined before the call. */
export interface Shown {
  readonly raw: readonly number[];
  readonly result: number | undefined;
}

/** Whether the call has failed, or has not been made: there are no results in memory. */
export const failed = (call: Shown): boolean => call.result === undefined || call.result < 0;

/** An error found while an argument was read. */
export interface Fault {
  readonly errno: number;
}

export type Loaded<K> = K extends Kind<infer T> ? T : never;

/** How a successful result is shown. */
export type ResultKind = "int" | "fd" | "address" | "none" | "never";

/**
 * quick: never blocks. restart: blocks, and after a signal goes on if SA_RESTART says so. eintr: blocks, and a signal
 * always ends it with EINTR (signal(7)).
 */
export type CallClass = "quick" | "restart" | "eintr";

export interface CallRow {
  readonly nr: number;
  readonly name: string;
  readonly args: readonly Kind<unknown>[];
  readonly result: ResultKind;
  readonly class: CallClass;
  // biome-ignore lint/suspicious/noExplicitAny: the kinds type each handler where its row is written, through `call`
  readonly handler: (t: Task, ...args: any[]) => number;
}

/** Writes a row, with the handler's parameters typed by the kinds. Handlers answer a result of at least 0, or -errno. */
export function call<const K extends readonly Kind<unknown>[]>(
  nr: number,
  name: string,
  args: K,
  result: ResultKind,
  callClass: CallClass,
  handler: (t: Task, ...args: { [I in keyof K]: Loaded<K[I]> }) => number,
): CallRow {
  return { nr, name, args, result, class: callClass, handler };
}
