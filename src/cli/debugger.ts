// Where a debugger is waited for, as the command line says it.

import type { DebugOptions } from "../gdb/begin.ts";
import type { Endpoint } from "../gdb/connection.ts";
import { host } from "../host/syscall.ts";
import { errnoName } from "../linux/errno.ts";
import type { UsageError } from "./options.ts";

const loopback = "127.0.0.1";

/** `PORT`, `HOST:PORT`, `/path`; undefined for none of these. */
export function parseEndpoint(word: string): Endpoint | undefined {
  if (word.includes("/")) return { path: word };
  const match = /^(?:(.*):)?(\d+)$/.exec(word);
  const port = Number(match?.[2]);
  if (match === null || port > 65535) return undefined;
  const name = (match[1] ?? "").replace(/^\[(.*)\]$/, "$1");
  const address = name === "" || name === "localhost" ? loopback : name === "*" ? "0.0.0.0" : name;
  return /^[\d.]+$|:/.test(address) ? { host: address, port } : undefined;
}

/** A socket that listens, and what it is called. */
export interface Listening {
  readonly fd: number;
  readonly name: string;
}

/** Begins to listen. */
export function listenAt(word: string): (Listening & { readonly port: number }) | UsageError {
  const { listen } = require("../gdb/connection.ts") as typeof import("../gdb/connection.ts");
  const endpoint = parseEndpoint(word);
  if (endpoint === undefined)
    return { usage: `${word} is no place to wait for a debugger: give PORT, ADDRESS:PORT or /path/to/socket` };
  const made = listen(endpoint);
  if (typeof made === "number") return { usage: `cannot listen at ${word}: ${errnoName(-made)}` };
  const name = "path" in endpoint ? endpoint.path : `${endpoint.host}:${made.port}`;
  return { fd: made.fd, port: made.port, name };
}

// ---- programs that can be attached to later

/** The folder of the sockets of running programs, each called by its emulator's id. Only the user can look into it. */
export const socketFolder = (): string => `${process.env["XDG_RUNTIME_DIR"] || `/tmp/sabre-${host("getuid")}`}/sabre`;

/** Where this emulator waits for a debugger that may come, as `-g` has it; "", which is no place, where others could come too. */
export function debuggablePlace(): string {
  const { mkdirSync, statSync } = require("node:fs") as typeof import("node:fs");
  mkdirSync(socketFolder(), { recursive: true, mode: 0o700 });
  // In a folder that all can write to somebody else may have been there first.
  const { uid, mode } = statSync(socketFolder());
  if (uid !== host("getuid") || (mode & 0o77) !== 0) return "";
  return `${socketFolder()}/${process.pid},suspend=n,quiet`;
}

/** What may stand behind the place; those without text are for commands of ours. */
const settings = {
  "suspend=y": { suspend: true },
  "suspend=n": { suspend: false },
  /** Ends with the first debugger. */
  once: { once: true },
  /** Ends where a debugger is gone that has not left. */
  tied: { tied: true },
  /** Says nothing. */
  quiet: { quiet: true },
  /** The debugger has the same terminal. */
  together: { together: true },
} as const;

/** What `-g` asks for: `PORT|ADDRESS:PORT|/path/to/socket|-[,suspend=n]`. `note`: what to tell the user. */
export function openDebugger(
  word: string,
): { readonly options: DebugOptions; readonly note: string | undefined } | UsageError {
  const [place = "", ...words] = word.split(",");
  const chosen = { suspend: true, once: false, tied: false, together: false, quiet: false };
  for (const setting of words) {
    const known = settings[setting as keyof typeof settings];
    if (known === undefined) return { usage: `-g takes suspend=y or suspend=n behind the place, not ${setting}` };
    Object.assign(chosen, known);
  }
  const { suspend, once, tied, together, quiet } = chosen;
  if (place === "-") {
    const { takeStandardStreams } = require("../gdb/connection.ts") as typeof import("../gdb/connection.ts");
    const options = { listening: undefined, connection: takeStandardStreams(), once: true, tied, suspend, together };
    return { options, note: undefined };
  }
  const listening = listenAt(place);
  if ("usage" in listening) return listening;
  const options = { listening: listening.fd, connection: undefined, once, tied, suspend, together };
  return { options, note: together || quiet ? undefined : `a debugger may come to ${listening.name}` };
}
