// Loads the modules of a worker. Nobody would hear of it where that fails, for want of memory or of a file: who made the worker
// waits for it without a turn of its event loop. So it is told here, by as little as can be.
import { writeSync } from "node:fs";

/** Loads what makes this worker serve. Where that throws, it answers whoever claims it with -EAGAIN, or ends the emulator. */
export function loadWorker(load: () => unknown): void {
  try {
    load();
  } catch (e) {
    const scope = globalThis as { onmessage?: ((event: MessageEvent) => void) | null };
    scope.onmessage = ({ data }) => {
      scope.onmessage = null;
      try {
        const { refuseAll } = require("./serve.ts") as typeof import("./serve.ts");
        refuseAll(data, e);
      } catch {
        endEmulator(e);
      }
    };
  }
}

/** The text of an exception. */
export const textOf = (e: unknown): string => (e instanceof Error ? (e.stack ?? e.message) : String(e));

/** Ends the emulator, where a guest thread cannot be run that others wait for and nothing else can be done. */
export function endEmulator(e: unknown): never {
  writeSync(2, `sabre: a worker failed: ${textOf(e)}\n`);
  process.kill(process.pid, "SIGKILL");
  throw e;
}
