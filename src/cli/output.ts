// What the command line says, and how it ends.
import { host } from "../host/syscall.ts";
import { writeAll } from "../host/write.ts";

export const print = (text: string): boolean => writeAll(1, text);

/** A message of sabre's own, on one line of stderr. */
export function complain(message: string): void {
  writeAll(2, `sabre: ${message}\n`);
}

/** Ends the process at once. Everything here is written when it is said, so there is nothing to flush. */
export function exit(status: number): never {
  host("exit_group", status);
  throw new Error("exit_group returned");
}
