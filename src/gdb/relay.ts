// Between a debugger and emulators, one at a time: what `target extended-remote` needs, which stays when a program has ended. While
// there is a program all packets pass to its stub and back; those that start, find and end programs are this file's, and so
// are all others while there is none. What the debugger has set is said again to the next program's stub.

import { targetXml } from "../debug/registers.ts";
import { encode, fromHex, newDecoder, packetSize, parseNumber } from "./codec.ts";
import type { Inferior } from "./inferior.ts";
import { supported } from "./packets/query.ts";
import { EINVAL, EPERM } from "./session.ts";
import { packetRows } from "./table.ts";

/** How a program is to be started. Strings are latin1. */
export interface Launch {
  /** The program's path, and its arguments. */
  readonly words: readonly string[];
  /** Undefined for that of the relay. */
  readonly folder: string | undefined;
  /** Changes of the environment: a variable as `K=V`, or a name that is to be unset. */
  readonly variables: ReadonlyMap<string, string | undefined>;
}

/** Where programs come from. Both answer a sentence where there is none. */
export interface Programs {
  readonly launch: (o: Launch) => Promise<Inferior | string>;
  readonly attach: (pid: number) => Promise<Inferior | string>;
}

export interface RelayOptions {
  readonly programs: Programs;
  /** A program that runs already. */
  readonly inferior: Inferior | undefined;
  /** Its words, which a restart has too. */
  readonly words: readonly string[];
  /** Sends bytes to the debugger; ends its connection. */
  readonly send: (bytes: Uint8Array) => void;
  readonly hangUp: () => void;
  /** Remains when the last program has ended although the debugger has not asked for that. */
  readonly stays: boolean;
}

export interface Relay {
  /** Bytes from the debugger. */
  readonly feed: (bytes: Uint8Array) => void;
  /** It has gone: so does its program's stub. */
  readonly end: () => void;
}

/** Settings that hold for programs to come, by the packet's name. */
const lasting = ["QNonStop", "QPassSignals", "QProgramSignals", "QCatchSyscalls", "QThreadEvents"];

/** What the relay adds to what a stub says of itself. */
const ownFeatures =
  "QEnvironmentHexEncoded+;QEnvironmentUnset+;QEnvironmentReset+;QSetWorkingDir+;QStartupWithShell+;QDisableRandomization+";

/** Milliseconds that a program has to end after its debugger has ended it. */
const patience = 2000;

const nameOf = (text: string): string => /^[A-Za-z]+/.exec(text)?.[0] ?? text;

export function makeRelay(o: RelayOptions): Relay {
  const { programs, send } = o;
  const decoder = newDecoder();
  const settings = new Map<string, string>();
  const variables = new Map<string, string | undefined>();
  let [noAck, extended, busy, ended] = [false, false, false, false];
  let folder: string | undefined;
  let { words, inferior } = o;
  let features = "";
  let sent: Buffer = Buffer.alloc(0);
  /** A packet that the stub has not answered yet; whether it is about to leave. */
  let asked: string | undefined;
  let leaving = false;
  const waiting: string[] = [];

  const reply = (text: string): void => {
    sent = encode(text);
    send(sent);
  };
  const failure = (sentence: string): string => (features.includes("error-message+") ? `E.${sentence}` : EPERM);

  /** Has the bytes of a stub pass to the debugger. */
  function bind(found: Inferior): void {
    inferior = found;
    [leaving, asked] = [false, undefined];
    found.pass((bytes) => {
      // A dollar sign begins packets, and stands in none.
      const at = bytes.indexOf(0x24);
      if (at >= 0) {
        asked = undefined;
        const first = bytes[at + 1];
        if (first === 0x57 || first === 0x58) leaving = true;
      }
      send(bytes);
    });
    void found.gone.then(() => {
      if (inferior !== found) return;
      inferior = undefined;
      const question = asked;
      asked = undefined;
      if (ended) return;
      if (!extended && !o.stays) return finish();
      if (question !== undefined) alone(question);
    });
  }

  function finish(): void {
    ended = true;
    o.hangUp();
  }

  /** What a new program's stub says when it has been told all that holds. */
  async function welcome(found: Inferior): Promise<string | undefined> {
    if (features !== "") await found.ask(features);
    for (const text of settings.values()) await found.ask(text);
    const stop = await found.ask("?");
    if (settings.get("QNonStop") === "QNonStop:1") while (((await found.ask("vStopped")) ?? "OK") !== "OK");
    return stop;
  }

  /** Takes another program, and answers what it stands at, or why there is none. */
  async function take(make: () => Promise<Inferior | string>): Promise<string> {
    if (leaving && inferior !== undefined) await Promise.race([inferior.gone, Bun.sleep(patience)]);
    if (inferior !== undefined) return failure("one program at a time");
    const found = await make();
    if (typeof found === "string") return failure(found);
    const stop = await welcome(found);
    if (stop === undefined) return failure("the program has ended");
    bind(found);
    return stop;
  }

  const begin = async (make: () => Promise<Inferior | string>): Promise<void> => reply(await take(make));

  const launch = (): Promise<Inferior | string> => programs.launch({ words, folder, variables });

  /** `vRun;FILE[;ARG]…`: without a file the last one. */
  async function run(rest: string): Promise<void> {
    const [file, ...args] = rest.split(";").slice(1).map(fromHex);
    const name = file !== undefined && file.length > 0 ? file.toString("latin1") : words[0];
    if (file === undefined || args.includes(undefined) || name === undefined) {
      reply(name === undefined ? failure("no program was named") : EINVAL);
      return;
    }
    words = [name, ...args.map((arg) => arg!.toString("latin1"))];
    await begin(launch);
  }

  /** Ends the program and begins it anew; whoever asked looks by `?` what came of it. */
  async function restart(): Promise<void> {
    const old = inferior;
    if (old !== undefined) {
      inferior = undefined;
      old.send(encode("k"));
      await old.gone;
    }
    const found = words.length === 0 ? "" : await launch();
    if (typeof found === "string" || (await welcome(found)) === undefined) return;
    bind(found);
  }

  function variable(text: string): string {
    const [name = "", hex = ""] = text.split(":");
    const word = fromHex(hex)?.toString("latin1");
    if (name === "QEnvironmentReset") variables.clear();
    else if (word === undefined || word === "") return EINVAL;
    else if (name === "QEnvironmentUnset") variables.set(word, undefined);
    else variables.set(word.slice(0, word.indexOf("=")), word);
    return "OK";
  }

  /** Packets that are the relay's, with or without a program; answers false for others. */
  function own(text: string): boolean {
    const name = nameOf(text);
    switch (name) {
      case "QStartNoAckMode":
        reply("OK");
        noAck = true;
        return true;
      case "QEnvironmentHexEncoded":
      case "QEnvironmentUnset":
      case "QEnvironmentReset":
        reply(variable(text));
        return true;
      case "QSetWorkingDir":
        folder = fromHex(text.slice(name.length + 1))?.toString("latin1") || undefined;
        reply("OK");
        return true;
      case "QStartupWithShell":
      case "QDisableRandomization":
        reply(/:[01]$/.test(text) ? "OK" : EINVAL);
        return true;
      case "qSupported":
        features = text;
        if (inferior === undefined) reply(`${supported(features, packetRows)};${ownFeatures}`);
        else
          work(async () => {
            reply(`${(await inferior?.ask(text)) ?? supported(features, packetRows)};${ownFeatures}`);
          });
        return true;
      case "vRun":
        work(() => run(text.slice(name.length)));
        return true;
      case "vAttach": {
        const pid = parseNumber(text.slice(name.length + 1));
        if (pid === undefined) reply(EINVAL);
        else work(() => begin(() => programs.attach(pid)));
        return true;
      }
      case "R":
        if (!/^R[0-9a-fA-F]{2}$/.test(text)) return false;
        if (extended) work(restart);
        return true;
      default:
        if (text !== "!") return false;
        extended = true;
        reply("OK");
        return true;
    }
  }

  /** What is answered while there is no program; undefined for nothing. */
  function answerAlone(text: string): string | undefined {
    const name = nameOf(text);
    if (text === "?") return "W00";
    if (text === "k") return undefined;
    if (lasting.includes(name) || /^H[cg]/.test(text) || name === "qSymbol" || text === "vCtrlC") return "OK";
    if (/^q[fs]ThreadInfo/.test(text)) return "l";
    if (text.startsWith("qXfer:features:read:target.xml:")) {
      const [from = 0, length = 0] = text.split(":")[4]!.split(",").map(parseNumber);
      const xml = targetXml();
      const end = from + Math.min(length, packetSize / 4);
      return `${end < xml.length ? "m" : "l"}${xml.slice(from, end)}`;
    }
    if (text.startsWith("qXfer:threads:")) return "l<threads></threads>";
    if (text.startsWith("vFile:setfs:")) return "F0";
    if (text.startsWith("vFile:")) return "F-1,2";
    if (text.startsWith("vCont?")) return "vCont;c;C;s;S;t;r";
    // Known, but about a program.
    return packetRows.some((row) => text.startsWith(row.name)) ? EPERM : "";
  }

  function alone(text: string): void {
    const answer = answerAlone(text);
    if (answer !== undefined) reply(answer);
    else if (!extended) finish();
  }

  function packet(text: string): void {
    const name = nameOf(text);
    if (lasting.includes(name)) settings.set(name, text);
    if (own(text)) return;
    if (inferior === undefined) {
      alone(text);
      return;
    }
    if (text === "k" || name === "vKill" || name === "D") leaving = true;
    asked = text === "k" ? undefined : text;
    inferior.send(encode(text, 1));
  }

  /** Does what takes time; packets that come meanwhile wait. */
  function work(does: () => Promise<void>): void {
    busy = true;
    void does().finally(() => {
      busy = false;
      while (!busy && waiting.length > 0) packet(waiting.shift()!);
    });
  }

  if (inferior !== undefined) bind(inferior);
  return {
    feed: (bytes) => {
      for (const incoming of decoder.feed(bytes)) {
        if (incoming.kind === "interrupt") inferior?.send(Buffer.of(3));
        else if (incoming.kind === "nak" && !noAck) send(sent);
        else if (incoming.kind === "damaged" && !noAck) send(Buffer.from("-"));
        else if (incoming.kind === "packet") {
          if (!noAck) send(Buffer.from("+"));
          if (busy) waiting.push(incoming.text);
          else packet(incoming.text);
        }
      }
    },
    end: () => {
      ended = true;
      // Nobody has ended it: it goes on.
      if (!leaving) inferior?.send(encode("D"));
      inferior?.hangUp();
    },
  };
}
