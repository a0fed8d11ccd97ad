// How the host thread of a worker is started, by the maker or in its place, and whoever asked for it is told. The maker loads this,
// and should be there soon: it has no more to it than that.
import { leave, Made, setIdle, setMade, tableOf } from "./worker-table.ts";
import type { Introduction } from "./workers.ts";

/** What a worker is told, but for its way to the maker; and whether nobody waits for it, so that it is idle at first. */
export interface Request extends Omit<Introduction, "maker"> {
  readonly isSpare: boolean;
}

/** What the maker is told: to make a worker; where it may hear of more to make; that there will be no more. */
export type Order = Request | { readonly port: MessagePort } | { readonly end: true };

/** Whether that is what the engine throws where it cannot start a thread. */
export const isRefused = (e: unknown): boolean => e instanceof TypeError;

/** Starts a worker, which can send orders through the other end of the port. Throws where that cannot be. */
export function start({ isSpare: _, ...told }: Request): { readonly worker: Worker; readonly port: MessagePort } {
  const worker = new Worker(told.script, { smol: true });
  const { port1, port2 } = new MessageChannel();
  worker.postMessage({ ...told, maker: port2 } satisfies Introduction, [port2]);
  return { worker, port: port1 };
}

/** Tells whoever asked for a worker what came of it. */
export function settle({ bundle, slot, isSpare }: Request, isMade: boolean): void {
  const table = tableOf(bundle);
  setMade(table, slot, isMade ? Made.yes : Made.failed);
  if (!isSpare) return;
  if (isMade) setIdle(table, slot);
  else leave(table, slot);
}
