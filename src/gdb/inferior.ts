// One emulator, as who relays for a debugger sees it: a socket of its stub. Questions of the relay's own are answered one by one; other
// bytes pass through as they are.
import type { Socket } from "node:net";
import { encode, expandRuns } from "./codec.ts";

export interface Inferior {
  /** Asks it something, and answers the reply; undefined where it has gone. No notifications are looked at. */
  readonly ask: (text: string) => Promise<string | undefined>;
  /** Sends bytes of the debugger's. */
  readonly send: (bytes: Uint8Array) => void;
  /** From now on its bytes go there. */
  readonly pass: (to: (bytes: Buffer) => void) => void;
  readonly hangUp: () => void;
  /** Once it has hung up, or has been left. */
  readonly gone: Promise<void>;
}

const dollar = "$";

/** A connected socket as one, without acknowledgements. */
export async function makeInferior(socket: Socket): Promise<Inferior> {
  let text = "";
  let passTo: ((bytes: Buffer) => void) | undefined;
  let waiting: ((reply: string | undefined) => void) | undefined;
  const gone = new Promise<void>((resolve) => {
    socket.once("close", () => {
      resolve();
      waiting?.(undefined);
    });
  });
  socket.on("error", () => {});
  socket.setNoDelay(true);
  socket.on("data", (bytes: Buffer) => {
    if (passTo !== undefined && waiting === undefined) return passTo(bytes);
    text += bytes.toString("latin1");
    for (;;) {
      const match = /^[^$%]*([$%])([^#]*)#[0-9a-f]{2}/.exec(text);
      if (match === null) return;
      text = text.slice(match[0].length);
      if (match[1] === dollar) waiting?.(expandRuns(match[2]!));
    }
  });
  const inferior: Inferior = {
    ask: (question) =>
      new Promise((resolve) => {
        if (socket.destroyed) return resolve(undefined);
        waiting = (reply) => {
          waiting = undefined;
          resolve(reply);
        };
        socket.write(encode(question, 1));
      }),
    send: (bytes) => void socket.write(bytes),
    pass: (to) => {
      passTo = to;
    },
    hangUp: () => void socket.destroy(),
    gone,
  };
  await inferior.ask("QStartNoAckMode");
  return inferior;
}
