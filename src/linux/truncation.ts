// Files that are about to become shorter: the address space is told first, so that no page past the new end is touched.
import { fileResized } from "../memory/address-space.ts";
import { fileStatus } from "../memory/backing.ts";
import type { Task } from "./task.ts";

/** Says that the open host file will end at `size` bytes. */
export function beforeResize(t: Task, h: number, size: number): void {
  const file = fileStatus(h);
  if (typeof file !== "number" && file.regular && size < file.size) fileResized(t.process.space, file, size);
}
