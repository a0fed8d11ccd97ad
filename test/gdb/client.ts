// A debugger for tests, which speaks the protocol itself: packets in, packets out, over a socket to a sabre that it starts.
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expandRuns } from "../../src/gdb/codec.ts";
import { sabreCommand } from "../tools/sabre.ts";

export interface Client {
  /** Sends a packet and answers the reply, notifications left out. Rejects after `patience`. */
  readonly ask: (text: string, patience?: number) => Promise<string>;
  /** Sends a packet without waiting. */
  readonly say: (text: string) => void;
  /** Sends bytes as they are. */
  readonly raw: (bytes: Uint8Array | string) => void;
  /** The next packet that comes. */
  readonly next: (patience?: number) => Promise<string>;
  /** What came and was not taken. */
  readonly pending: () => readonly string[];
  readonly notifications: string[];
  /** All that ever came, as it came, latin1. */
  readonly received: () => string;
  readonly closed: () => boolean;
  readonly end: () => void;
}

const checksum = (text: string): string =>
  [...Buffer.from(text, "latin1")]
    .reduce((a, b) => (a + b) & 255, 0)
    .toString(16)
    .padStart(2, "0");

const escaped = (text: string): string =>
  text.replace(/[#$}*]/g, (c) => `}${String.fromCharCode(c.charCodeAt(0) ^ 0x20)}`);

/** Packets with right sums one behind the other, acknowledgements between them, and nothing else: throws where it is not so. Answers the packets' texts. */
export function packetsIn(received: string): string[] {
  const found: string[] = [];
  let at = 0;
  for (const match of received.matchAll(/([+-]*)[$%]([^$#]*)#([0-9a-f]{2})/g)) {
    const [whole, , body = "", sum] = match;
    if (match.index !== at || checksum(body) !== sum) throw new Error(`not a packet: ${received.slice(at, at + 100)}`);
    at += whole.length;
    found.push(expandRuns(body));
  }
  if (!/^[+-]*$/.test(received.slice(at))) throw new Error(`half a packet: ${received.slice(at)}`);
  return found;
}

/** A packet as bytes. */
export const framed = (text: string): Buffer => {
  const body = escaped(text);
  return Buffer.from(`$${body}#${checksum(body)}`, "latin1");
};

const usualPatience = 10_000;

/** Connects, with acknowledgements off unless `acks`. */
export async function connectTo(path: string, acks = false): Promise<Client> {
  const socket = await connected(path);
  let input = "";
  const received: string[] = [];
  const packets: string[] = [];
  const notifications: string[] = [];
  const waiting: ((text: string) => void)[] = [];
  let isClosed = false;
  const failures: (() => void)[] = [];
  socket.on("data", (data) => {
    input += data.toString("latin1");
    received.push(data.toString("latin1"));
    for (;;) {
      const match = /^[+-]*([$%])([^#]*)#([0-9a-f]{2})/.exec(input);
      if (match === null) return;
      input = input.slice(match[0].length);
      const [, kind, body = "", sum] = match;
      if (checksum(body) !== sum) throw new Error(`a packet with a wrong checksum: ${match[0]}`);
      if (acks) socket.write("+");
      const text = expandRuns(body);
      if (kind === "%") notifications.push(text);
      else {
        const first = waiting.shift();
        if (first) first(text);
        else packets.push(text);
      }
    }
  });
  socket.on("close", () => {
    isClosed = true;
    for (const fail of failures.splice(0)) fail();
  });
  socket.on("error", () => {});
  const next = (patience = usualPatience): Promise<string> => {
    const ready = packets.shift();
    if (ready !== undefined) return Promise.resolve(ready);
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => give(new Error(`no packet within ${patience} ms`)), patience);
      const fail = (): void => give(new Error("the connection is closed"));
      const take = (text: string): void => give(text);
      const give = (outcome: string | Error): void => {
        clearTimeout(late);
        for (const [list, item] of [
          [waiting, take],
          [failures, fail],
        ] as [unknown[], unknown][]) {
          const at = list.indexOf(item);
          if (at >= 0) list.splice(at, 1);
        }
        if (typeof outcome === "string") resolve(outcome);
        else reject(outcome);
      };
      if (isClosed) return fail();
      failures.push(fail);
      waiting.push(take);
    });
  };
  const say = (text: string): void => void socket.write(framed(text));
  const client: Client = {
    next,
    say,
    raw: (bytes) => void socket.write(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes),
    ask: (text, patience) => {
      say(text);
      return next(patience);
    },
    pending: () => packets,
    received: () => received.join(""),
    notifications,
    closed: () => isClosed,
    end: () => void socket.destroy(),
  };
  if (!acks) await client.ask("QStartNoAckMode");
  return client;
}

/** Connects as soon as somebody listens. */
async function connected(path: string): Promise<Socket> {
  for (let tries = 0; ; tries++) {
    const socket = connect({ path });
    const error = await new Promise<Error | undefined>((resolve) => {
      socket.once("connect", () => resolve(undefined));
      socket.once("error", resolve);
    });
    if (error === undefined) return socket;
    if (tries > 400) throw error;
    await Bun.sleep(25);
  }
}

/** A guest under a debugger's control. */
export interface Debugged {
  readonly client: Client;
  readonly connect: () => Promise<Client>;
  readonly path: string;
  readonly process: Bun.Subprocess<"pipe", "pipe", "pipe">;
  /** The next line of its standard output; undefined at the end. */
  readonly line: () => Promise<string | undefined>;
}

/** Starts a program that waits for a debugger, connects, and ends all of it after `does`. */
export async function debugging<T>(
  program: readonly string[],
  does: (d: Debugged) => Promise<T>,
  o: {
    readonly suspend?: boolean;
    readonly options?: readonly string[];
    readonly acks?: boolean;
    readonly env?: Record<string, string>;
    /** A descriptor for its standard error. */
    readonly stderr?: number;
  } = {},
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "sabre-gdb-"));
  const path = join(folder, "socket");
  const place = o.suspend === false ? `${path},suspend=n` : path;
  const child = Bun.spawn(sabreCommand("run", ...(o.options ?? []), "-g", place, ...program), {
    stdin: "pipe",
    stdout: "pipe",
    stderr: (o.stderr ?? "pipe") as "pipe",
    env: { PATH: "/usr/bin:/bin", HOME: "/", LC_ALL: "C.UTF-8", ...o.env },
  });
  let client: Client | undefined;
  try {
    client = await connectTo(path, o.acks);
    return await does({
      client,
      path,
      process: child,
      connect: () => connectTo(path),
      line: linesOf(child.stdout),
    });
  } finally {
    client?.end();
    child.kill("SIGKILL");
    await child.exited;
    rmSync(folder, { recursive: true });
  }
}

function linesOf(stream: ReadableStream<Uint8Array>): () => Promise<string | undefined> {
  const reader = stream.getReader();
  let text = "";
  return async () => {
    for (;;) {
      const end = text.indexOf("\n");
      if (end >= 0) {
        const line = text.slice(0, end);
        text = text.slice(end + 1);
        return line;
      }
      const { value, done } = await reader.read();
      if (done) return text === "" ? undefined : text;
      text += Buffer.from(value).toString("latin1");
    }
  };
}

/** The address of a symbol of a program. */
export function symbolOf(program: string, name: string): number {
  const table = Bun.spawnSync(["riscv64-linux-gnu-nm", program]).stdout.toString();
  const line = table.split("\n").find((l) => l.endsWith(` ${name}`));
  if (line === undefined) throw new Error(`${program} has no ${name}`);
  return Number.parseInt(line, 16);
}

/** A little-endian number of hexadecimal digits. */
export const number = (hex: string): bigint => BigInt(`0x${Buffer.from(hex, "hex").reverse().toString("hex")}`);

export const hex = (n: number): string => n.toString(16);
