// A debugger for the measurements: packets over a socket, by calls that block, so that what is measured is the other side. It starts
// a program under a stub, and ends it.
import { expandRuns } from "../src/gdb/codec.ts";
import { newScratch, storeU64 } from "../src/host/scratch.ts";
import { addressOf, host } from "../src/host/syscall.ts";
import { takeShortTurns } from "../src/host/turns.ts";

export interface Debugger {
  /** Sends a packet and answers the next that comes. */
  readonly ask: (text: string) => string;
  readonly say: (text: string) => void;
  readonly next: () => string;
  /** Runs the program to its end, and answers what it wrote. */
  readonly finish: () => Promise<string>;
  readonly pid: number;
}

const [AF_INET, SOCK_STREAM, SOL_SOCKET, SO_RCVTIMEO, IPPROTO_TCP, TCP_NODELAY] = [2, 1, 1, 20, 6, 1];
/** Seconds that an answer may take: a run to the end with a hot watchpoint takes minutes with --jit js. */
const patience = 600;

const framed = (text: string): Buffer => {
  const sum = Buffer.from(text, "latin1").reduce((a, b) => (a + b) & 255, 0);
  return Buffer.from(`$${text}#${sum.toString(16).padStart(2, "0")}`, "latin1");
};

/** Connects to a port of this machine; undefined where nobody listens yet. */
function connect(port: number): number | undefined {
  const fd = host("socket", AF_INET, SOCK_STREAM, 0);
  const to = Buffer.from([AF_INET, 0, port >> 8, port & 255, 127, 0, 0, 1, ...Buffer.alloc(8)]);
  if (host("connect", fd, addressOf(to), to.length) < 0) {
    host("close", fd);
    return undefined;
  }
  const time = newScratch(16);
  storeU64(time, 0, patience);
  host("setsockopt", fd, SOL_SOCKET, SO_RCVTIMEO, time.address, 16);
  time.u32[0] = 1;
  host("setsockopt", fd, IPPROTO_TCP, TCP_NODELAY, time.address, 4);
  return fd;
}

function speakOn(fd: number): Pick<Debugger, "ask" | "say" | "next"> {
  const room = newScratch(0x10000);
  const ack = Buffer.from("+");
  let input = "";
  let acks = true;
  const say = (text: string): void => {
    const bytes = framed(text);
    host("sendto", fd, addressOf(bytes), bytes.length);
  };
  const next = (): string => {
    for (;;) {
      const end = input.indexOf("#");
      if (end >= 0 && input.length >= end + 3) {
        const text = input.slice(input.indexOf("$") + 1, end);
        const isNews = input.startsWith("%");
        input = input.slice(end + 3);
        if (acks) host("sendto", fd, addressOf(ack), 1);
        if (!isNews) return expandRuns(text);
        continue;
      }
      const n = host("read", fd, room.address, room.bytes.length);
      if (n <= 0) throw new Error(`no answer within ${patience} s, or nobody there: ${n}`);
      input += Buffer.from(room.bytes.subarray(0, n)).toString("latin1");
      while (input.startsWith("+")) input = input.slice(1);
    }
  };
  const ask = (text: string): string => {
    say(text);
    return next();
  };
  ask("qSupported:swbreak+;hwbreak+;vContSupported+");
  acks = ask("QStartNoAckMode") !== "OK";
  return { say, next, ask };
}

// Threads that compute are to make nobody wait here.
takeShortTurns();

/** Starts a command that waits for a debugger at that port, connects, and ends it after `does`. */
export async function debugging<T>(
  command: readonly string[],
  port: number,
  does: (d: Debugger) => Promise<T>,
): Promise<T> {
  const child = Bun.spawn([...command], { stdin: "ignore", stdout: "pipe", stderr: "ignore" });
  let fd: number | undefined;
  try {
    for (let tries = 0; fd === undefined; tries++) {
      if (tries > 1000 || child.exitCode !== null) throw new Error(`${command.join(" ")} does not wait for a debugger`);
      fd = connect(port);
      if (fd === undefined) await Bun.sleep(10);
    }
    const talk = speakOn(fd);
    return await does({
      ...talk,
      pid: child.pid,
      finish: async () => {
        const end = talk.ask("vCont;c");
        if (!end.startsWith("W")) throw new Error(`not at its end but ${end}`);
        const output = await new Response(child.stdout).text();
        await child.exited;
        return output;
      },
    });
  } finally {
    if (fd !== undefined) host("close", fd);
    child.kill("SIGKILL");
    await child.exited;
  }
}

/** A port of this machine that nobody had a moment ago. */
export function freePort(): number {
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => {} } });
  const { port } = server;
  server.stop(true);
  return port;
}
