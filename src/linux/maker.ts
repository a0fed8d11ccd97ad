// The maker: a worker that makes all others but the first, and has the engine give back what they had when they have ended. It
// runs no guest code and touches no guest's memory.
import { textOf } from "./load-worker.ts";
import { isRefused, type Order, type Request, settle, start } from "./starting.ts";
import { changesOf, isComing, noteFailure, sleepUntilChanged, tableOf, type Workers } from "./worker-table.ts";

const scope = globalThis as { onmessage?: ((event: MessageEvent) => void) | null };

const ports = new Set<MessagePort>();

function listen(port: MessagePort): void {
  ports.add(port);
  port.onmessage = ({ data }) => obey(data);
}

function hangUp(port: MessagePort): void {
  port.close();
  ports.delete(port);
}

function obey(order: Order): void {
  if ("port" in order) listen(order.port);
  else if ("end" in order) end();
  else make(order);
}

/** Without a listener the event loop ends when the last worker has. */
function end(): void {
  scope.onmessage = null;
  for (const port of ports) hangUp(port);
}

/**
 * Workers that load their modules at a time: as the host has processors. Each has the engine compile what it loads, on threads that serve all, and
 * looks again and again through the list of all that is to be compiled: 128 at once took three times as long.
 */
const together = Math.max(2, navigator.hardwareConcurrency);
/** Slots of workers that may be on their way. */
let coming: readonly number[] = [];

/** Milliseconds that one more waits for those: longer where threads that compute have the processors, which they may for long. */
const patience = 30;

/** Waits until there is a turn for one more worker. */
function awaitTurn(table: Workers): void {
  for (;;) {
    const changes = changesOf(table);
    coming = coming.filter((slot) => isComing(table, slot));
    if (coming.length < together) return;
    if (!sleepUntilChanged(table, changes, patience)) return;
  }
}

function make(order: Request): void {
  try {
    awaitTurn(tableOf(order.bundle));
    const { worker, port } = start(order);
    coming = [...coming, order.slot];
    listen(port);
    worker.addEventListener("close", () => {
      hangUp(port);
      forgetMemories();
    });
    settle(order, true);
  } catch (e) {
    settle(order, false);
    if (!isRefused(e)) noteFailure(tableOf(order.bundle), textOf(e));
  }
}

/** Milliseconds after which no more workers are expected to end at the same time. */
const calm = 200;
let isDue = false;

/** Orders name memories of guests, which last as long as anybody might still know them: here nothing else makes the engine collect. */
function forgetMemories(): void {
  if (isDue) return;
  isDue = true;
  setTimeout(() => {
    isDue = false;
    Bun.gc(true);
  }, calm);
}

scope.onmessage = ({ data }) => obey(data);
