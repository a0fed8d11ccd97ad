// The emitters are large functions that run some thousand times in a program's life. The engine's last tier took half a
// second of processor time over them in a run of Lua, more than it saved: they do without.
import { noFTL } from "bun:jsc";

/** Keeps functions from the engine's last tier. */
export function sparing(functions: object): void {
  for (const f of Object.values(functions)) if (typeof f === "function") noFTL(f as Parameters<typeof noFTL>[0]);
}
