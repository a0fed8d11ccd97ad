// The maker: a worker that makes all others but the first, and has the engine give back what they had when they have ended. It
// runs no guest code and touches no guest's memory.
import { textOf } from "./load-worker.ts";
import { isRefused, type Order, type Request, settle, start } from "./starting.ts";
import { noteFailure, tableOf } from "./worker-table.ts";

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

function make(order: Request): void {
  try {
    const { worker, port } = start(order);
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
