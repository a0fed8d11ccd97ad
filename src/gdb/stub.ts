// The life of the stub: it waits for debuggers, one after the other, and sits between each of them and the guest's threads.
// It is the only one that reads or writes the connection, and never runs guest code: so nothing that threads do at once can
// tear a packet. It sleeps in one place, for bytes and for the bell that threads ring.
import { addressIn, type DebugState, Head, wakeSettled } from "../debug/state.ts";
import { haltAll, holdNew, isStopped, type World } from "../debug/world.ts";
import { unpark } from "../host/park.ts";
import { newScratch } from "../host/scratch.ts";
import { spin, spinAndYield } from "../host/spin.ts";
import { host } from "../host/syscall.ts";
import { encode, encodeNotification, newDecoder } from "./codec.ts";
import { accept, awaitInput, type Connection, hangUp, receive, receiveSoon, transmit } from "./connection.ts";
import { interruptOne, notify } from "./nonstop.ts";
import { detach, kill } from "./packets/run.ts";
import { pump } from "./running.ts";
import { attachAll, currentThread, debugged, everything, type Session } from "./session.ts";
import { handlePacket, packetRows } from "./table.ts";

export interface StubOptions {
  /** A listening socket. */
  readonly listening: number | undefined;
  /** A connection that is there already. */
  readonly connection: Connection | undefined;
  /** Ends with the first debugger that leaves. */
  readonly once: boolean;
  /** The program ends with a debugger that is gone and has not said that it leaves. */
  readonly tied: boolean;
}

export interface Guests {
  readonly world: World;
  readonly viewer: Session["viewer"];
}

/** Serves debuggers until the guests have ended, or nobody can come any more. */
export function runStub(g: Guests, o: StubOptions): void {
  const { d } = g.world;
  if (o.connection !== undefined) serve(g, o.connection, o.tied);
  while (o.listening !== undefined && !hasEnded(d)) {
    const connection = awaitDebugger(d, o.listening);
    if (connection === undefined) break;
    serve(g, connection, o.tied);
    if (o.once) break;
  }
  finish(d);
}

const hasEnded = ({ words }: DebugState): boolean => Atomics.load(words, Head.ended) !== 0;

/** Lets the emulator end. */
function finish(d: DebugState): void {
  Atomics.store(d.words, Head.done, 1);
  unpark(addressIn(d, Head.done), 1000);
}

/** Undefined where the guests have ended before somebody came. */
function awaitDebugger(d: DebugState, listening: number): Connection | undefined {
  for (;;) {
    const rings = ringsOf(d);
    if (hasEnded(d)) return undefined;
    const [come] = sleep(d, listening, rings, undefined);
    const connection = come ? accept(listening) : undefined;
    if (connection !== undefined) return connection;
  }
}

const drain = newScratch(8);

/** What is to be given to `sleep`, before looking at what threads may have done. */
const ringsOf = ({ words }: DebugState): number => Atomics.load(words, Head.rings);

/** Rounds of looking whether somebody rings, before the stub sleeps: some 50 us. Who steps is soon done, as a rule. */
const mostSpins = 1000;
/** The same where one thread alone runs. */
const yields = 100;
/** The same for the debugger's next packet, behind a step. */
const packetSpins = 100;
/**
 * Milliseconds that threads which gave way to a breakpoint's change stay where they are for the next one: the debugger has its answer before
 * they run again, and what changes many meets threads that have come by already.
 */
const lull = 0.3;

/** Rings in a row for which the descriptor is not looked at. */
const mostRings = 16;
let rungInARow = 0;

function isRungSoon(d: DebugState, rings: number, milliseconds: number | undefined): boolean {
  const isRung = (): boolean => ringsOf(d) !== rings;
  if (milliseconds !== undefined) return isRung();
  return d.words[Head.alone] !== 0 ? spinAndYield(yields, isRung) : spin(mostSpins, isRung);
}

/** Sleeps until a descriptor has something, somebody rings who has not since, or the time is over. `soon`: somebody is expected to ring. */
function sleep(
  d: DebugState,
  fd: number,
  rings: number,
  milliseconds: number | undefined,
  soon = false,
): readonly [boolean, boolean] {
  const { words } = d;
  if (soon && isRungSoon(d, rings, milliseconds) && ++rungInARow < mostRings) return [false, true];
  rungInARow = 0;
  Atomics.store(words, Head.asleep, 1);
  const late = ringsOf(d) !== rings;
  const [input, rung] = awaitInput(fd, words[Head.bell]!, late ? 0 : milliseconds);
  Atomics.store(words, Head.asleep, 0);
  if (rung) host("read", words[Head.bell]!, drain.address, 8);
  return [input, rung];
}

function newSession(g: Guests, send: Session["send"], sendNotification: Session["sendNotification"]): Session {
  return {
    ...g,
    send,
    sendNotification,
    ...{ nonStop: false, notified: false, stops: [], running: false },
    features: new Set(),
    ...{ multiprocess: false, noAck: false, mode: "stopped", interrupted: false, leaving: false, stepped: false },
    ...{
      general: undefined,
      last: undefined,
      endsWithDebugger: false,
      ended: false,
      attached: Atomics.load(g.world.d.words, Head.halted) === 0,
      programSignals: undefined,
      extended: false,
      lastEnd: undefined,
    },
    forContinue: everything,
    ...{ listed: [], held: [] },
    files: new Map(),
    documents: new Map(),
    packets: packetRows,
  };
}

/** From a debugger's coming to its leaving. */
function serve(g: Guests, connection: Connection, tied: boolean): void {
  const { d } = g.world;
  const decoder = newDecoder();
  let there = true;
  let sent: Buffer = Buffer.alloc(0);
  const out = (bytes: Buffer): void => {
    there = there && transmit(connection, bytes);
  };
  const s = newSession(
    g,
    (text) => {
      sent = encode(text);
      out(sent);
    },
    (text) => out(encodeNotification(text)),
  );
  attachAll(s);
  Atomics.store(d.words, Head.attached, 1);
  haltAll(g.world);
  standStill(s);
  while (there && !s.leaving) {
    const rings = ringsOf(d);
    const again = s.nonStop ? notify(s) : pump(s);
    if (!there) break;
    if (s.ended && !s.extended) break;
    let bytes = s.mode === "stopped" && s.stepped && !s.nonStop ? receiveSoon(connection, packetSpins) : undefined;
    if (bytes === undefined) {
      const limit = d.gaveWay ? Math.min(again ?? lull, lull) : again;
      const [input] = sleep(d, connection.input, rings, limit, s.mode === "running" && !s.nonStop);
      if (!input) {
        wakeSettled(d);
        continue;
      }
      bytes = receive(connection);
    }
    if (bytes.length === 0) break;
    for (const incoming of decoder.feed(bytes)) {
      if (incoming.kind === "interrupt") interrupt(s);
      else if (incoming.kind === "nak") {
        if (!s.noAck) out(sent);
      } else if (incoming.kind === "damaged") {
        if (!s.noAck) out(Buffer.from("-"));
      } else if (incoming.kind === "packet") {
        if (!s.noAck) out(Buffer.from("+"));
        const reply = handlePacket(s, incoming.text);
        if (reply !== undefined) s.send(reply);
        if (!/^z/i.test(incoming.text) || s.mode === "stopped") wakeSettled(d);
      }
    }
  }
  for (const fd of s.files.keys()) host("close", fd);
  if (s.endsWithDebugger || (tied && !s.leaving)) kill(s);
  else detach(s);
  hangUp(connection);
}

/** The debugger's Ctrl-C. */
function interrupt(s: Session): void {
  if (s.nonStop) interruptOne(s, currentThread(s));
  else s.interrupted = s.mode !== "stopped";
}

/** Sleeps until all threads stand still. */
function standStill(s: Session): void {
  const { d } = s.world;
  for (;;) {
    const rings = ringsOf(d);
    for (const t of debugged(s)) holdNew(s.world, t);
    if (hasEnded(d) || debugged(s).every((t) => isStopped(s.world, t))) return;
    sleep(d, -1, rings, 2);
  }
}
