// `sabre gdbserver`: the command line of gdbserver, for tools that were written for it. It relays between debuggers and the emulators
// that it starts, one after the other, and so can start programs when a debugger asks for that.
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Endpoint } from "../gdb/connection.ts";
import { type Inferior, makeInferior } from "../gdb/inferior.ts";
import { type Launch, makeRelay, type Relay } from "../gdb/relay.ts";
import { parseEndpoint, socketFolder } from "./debugger.ts";
import { usageStatus } from "./options.ts";
import { complain, exit } from "./output.ts";

const usage =
  "sabre gdbserver [--once] [--multi] COMM [PROGRAM [ARG…]], or --attach COMM PID: COMM is HOST:PORT, /path/to/socket or -";

/** Options of gdbserver that change nothing here: no shell stands before a program, which is always where it was. */
const ignored = ["--debug", "--no-startup-with-shell", "--startup-with-shell", "--no-disable-randomization"].concat([
  "--disable-randomization",
  "--remote-debug",
  "--event-loop-debug",
]);

interface Asked {
  readonly place: string;
  readonly words: readonly string[];
  readonly once: boolean;
  readonly multi: boolean;
  readonly attach: number | undefined;
}

function misused(problem: string): never {
  complain(`${problem}; ${usage}`);
  return exit(usageStatus);
}

function understand(words: readonly string[]): Asked {
  let at = 0;
  const given = new Set<string>();
  for (; words[at]?.startsWith("--"); at++) {
    const word = words[at]!;
    if (["--once", "--multi", "--attach"].includes(word)) given.add(word);
    else if (word === "--wrapper") misused("--wrapper is not part of this version");
    else if (!ignored.includes(word) && !word.startsWith("--debug-format")) misused(`unknown option ${word}`);
  }
  const [place, ...rest] = words.slice(at);
  const attach = given.has("--attach") ? Number(rest[0]) : undefined;
  if (place === undefined) misused("no place to wait for a debugger was named");
  if (attach !== undefined && !(attach > 0 && rest.length === 1)) misused("--attach takes one process's id");
  if (rest.length === 0 && !given.has("--multi")) misused("no program was named");
  const program = attach === undefined ? rest : [];
  return { place, words: program, once: given.has("--once"), multi: given.has("--multi"), attach };
}

// ---- programs

interface Child {
  readonly process: Bun.Subprocess;
  /** Where its stub listens. */
  readonly path: string;
}

const say = (text: string): void => void process.stderr.write(`${text}\n`);

/** A connection with who listens there; undefined for nobody. */
const reach = (path: string): Promise<Socket | undefined> =>
  new Promise((resolve) => {
    const socket = connect({ path });
    socket.once("connect", () => resolve(socket));
    socket.once("error", () => resolve(undefined));
  });

/** Those that have not ended; and what is told of each end. */
const own: Child[] = [];
let last: Bun.Subprocess | undefined;
let ended = (): void => {};
let made = 0;
const folder = mkdtempSync(join(tmpdir(), "sabre-gdbserver-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

const utf8 = (word: string): string => Buffer.from(word, "latin1").toString();

/** Starts an emulator, whose program stands before its first instruction. `quiet`: it gets no standard streams for input and output. */
async function start(o: Launch, quiet: boolean): Promise<Inferior | string> {
  const path = join(folder, String(made++));
  const changes = [...o.variables].flatMap(([name, set]) => (set === undefined ? ["-U", name] : ["--env", set]));
  const words = ["run", "-g", `${path},quiet,tied`, ...changes, "--", ...o.words].map(utf8);
  if (o.folder !== undefined && !existsSync(utf8(o.folder))) return `there is no folder ${o.folder}`;
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "../main.ts"), ...words], {
    stdin: quiet ? "ignore" : "inherit",
    stdout: quiet ? 2 : "inherit",
    stderr: "inherit",
    ...(o.folder !== undefined && { cwd: utf8(o.folder) }),
  });
  const known: Child = { process: child, path };
  while (child.exitCode === null && child.signalCode === null) {
    const socket = existsSync(path) ? await reach(path) : undefined;
    if (socket === undefined) {
      await Bun.sleep(5);
      continue;
    }
    own.push(known);
    last = child;
    say(`Process ${utf8(o.words[0]!)} created; pid = ${child.pid}`);
    void child.exited.then(() => {
      own.splice(own.indexOf(known), 1);
      rmSync(path, { force: true });
      say(
        child.signalCode === null ? `Child exited with status ${child.exitCode}` : `Child ended by ${child.signalCode}`,
      );
      ended();
    });
    return makeInferior(socket);
  }
  return `the program cannot be started: ${o.words[0]}`;
}

/** Emulators that may be attached to: their ids, and where their stubs listen. */
function reachable(): Map<number, string> {
  const found = new Map(own.map(({ process: { pid }, path }) => [pid, path]));
  const others = existsSync(socketFolder()) ? readdirSync(socketFolder()) : [];
  for (const name of others) if (existsSync(`/proc/${name}`)) found.set(Number(name), join(socketFolder(), name));
  return found;
}

/** Attaches to an emulator, or to one process of its guests. */
async function attach(pid: number): Promise<Inferior | string> {
  const all = reachable();
  const path = all.get(pid);
  if (path !== undefined) {
    const socket = await reach(path);
    if (socket !== undefined) return makeInferior(socket);
  }
  for (const other of path === undefined ? all.values() : []) {
    const socket = await reach(other);
    if (socket === undefined) continue;
    const inferior = await makeInferior(socket);
    const list = (await inferior.ask("qXfer:osdata:read:processes:0,8000")) ?? "";
    const pids = [...list.matchAll(/name="pid">(\d+)</g)].map((match) => Number(match[1]));
    if (pids.includes(pid)) {
      for (const rest of pids) if (rest !== pid) await inferior.ask(`D;${rest.toString(16)}`);
      return inferior;
    }
    inferior.hangUp();
  }
  return `no program with the id ${pid} runs that was started with --debuggable or by this server`;
}

// ---- debuggers

/** Removes a socket's name that nobody listens at any more. */
async function removeStale(endpoint: Endpoint): Promise<void> {
  if (!("path" in endpoint) || !existsSync(endpoint.path)) return;
  const socket = await reach(endpoint.path);
  if (socket === undefined) rmSync(endpoint.path);
  else socket.destroy();
}

/** Ends as the last program did. */
function leave(child: Bun.Subprocess | undefined): never {
  rmSync(folder, { recursive: true, force: true });
  if (child?.signalCode) process.kill(process.pid, child.signalCode);
  return exit(child?.exitCode ?? 0);
}

/** Does not come back. */
export async function gdbserver(given: readonly string[]): Promise<never> {
  const asked = understand(given);
  const { place, words, multi } = asked;
  const piped = place === "-" || place === "stdio";
  const endpoint = piped ? undefined : parseEndpoint(place);
  if (!piped && endpoint === undefined) misused(`${place} is no place to wait for a debugger`);
  const first =
    asked.attach !== undefined
      ? await attach(asked.attach)
      : words.length > 0
        ? await start({ words, folder: undefined, variables: new Map() }, piped)
        : undefined;
  if (typeof first === "string") {
    complain(first);
    return exit(1);
  }
  if (asked.attach !== undefined) say(`Attached; pid = ${asked.attach}`);
  for (const signal of ["SIGTERM", "SIGHUP"] as const) process.on(signal, () => leave(undefined));
  // Who reads what is said may have gone.
  process.stderr.on("error", () => {});
  let inferior = first;
  const left = Promise.withResolvers<void>();
  let busy = false;
  // Without a program and a debugger there is nothing to wait for, unless programs are to come.
  ended = () => {
    if (!busy && !multi && own.length === 0) left.resolve();
  };

  /** What sits between a debugger and the programs; what runs without one is the debugger's. */
  async function meet(send: (bytes: Uint8Array) => void, hangUp: () => void): Promise<Relay> {
    const running = own.at(-1);
    const socket = inferior === undefined && running !== undefined ? await reach(running.path) : undefined;
    const found = socket === undefined ? inferior : await makeInferior(socket);
    inferior = undefined;
    const launch = (o: Launch): Promise<Inferior | string> => start(o, piped);
    return makeRelay({ programs: { launch, attach }, inferior: found, words, send, hangUp, stays: multi });
  }

  if (endpoint === undefined) {
    busy = true;
    const relay = await meet((bytes) => void process.stdout.write(bytes), left.resolve);
    process.stdin.on("data", (bytes: Buffer) => relay.feed(bytes));
    process.stdin.on("end", () => {
      relay.end();
      left.resolve();
    });
  } else {
    await removeStale(endpoint);
    const server = createServer((socket) => {
      if (busy) return void socket.destroy();
      busy = true;
      socket.setNoDelay(true);
      socket.on("error", () => {});
      const relay = meet(
        (bytes) => void socket.write(bytes),
        () => void socket.end(),
      );
      socket.on("data", (bytes: Buffer) => void relay.then(({ feed }) => feed(bytes)));
      socket.on("close", () => {
        busy = false;
        void relay.then(({ end }) => end());
        if (asked.once) left.resolve();
        ended();
      });
    });
    server.on("error", (e) => {
      complain(`cannot listen at ${place}: ${e.message}`);
      exit(1);
    });
    server.listen(endpoint, () => {
      const at = server.address();
      say(at !== null && typeof at === "object" ? `Listening on port ${at.port}` : `Listening on ${place}`);
    });
  }
  await left.promise;
  if (!multi) await Promise.all(own.map(({ process: running }) => running.exited));
  return leave(multi ? undefined : last);
}
