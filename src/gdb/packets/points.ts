// Breakpoints and watchpoints. Any number of each: those of "hardware" are like the others.

import { keepExpressions } from "../../debug/agent.ts";
import { BreakpointKind, insertBreakpoint, isWatchpoint, Owner, removeBreakpoint } from "../../debug/breakpoints.ts";
import { changingQuietly, Head } from "../../debug/state.ts";
import { addressLimit } from "../../memory/guest-memory.ts";
import { fromHex, parseNumber } from "../codec.ts";
import { type PacketRow, packet } from "../row.ts";
import { currentThread, EFAULT, EINVAL, ESRCH, error, type Session, spaceNumber } from "../session.ts";

const ENOSPC = error(28);

/** The reference of breakpoints whose commands go on being executed without a debugger. */
export const persistent = 1;

/** `TYPE,ADDR,KIND[;…]`. */
function parse(s: Session, rest: string) {
  const [type, addr, length] = (rest.split(";")[0] ?? "").split(",").map(parseNumber);
  if (type === undefined || addr === undefined || length === undefined) return EINVAL;
  if (type > BreakpointKind.access) return "";
  if (isWatchpoint(type) && length === 0) return EINVAL;
  const t = currentThread(s);
  if (t === undefined) return ESRCH;
  if (addr + (isWatchpoint(type) ? length : 2) > addressLimit) return EFAULT;
  return { space: spaceNumber(s, t), address: addr, kind: type, length, owner: Owner.debugger };
}

/** Expressions, `XLENGTH,BYTES…`, one after the other; undefined where they are none. */
function expressionsOf(part: string): Uint8Array[] | undefined {
  if (part === "") return [];
  if (!part.startsWith("X")) return undefined;
  const found: Uint8Array[] = [];
  for (const one of part.slice(1).split("X")) {
    const [length, hex = ""] = one.split(",");
    const bytes = fromHex(hex);
    if (bytes === undefined || bytes.length !== parseNumber(length) || bytes.length > 0xffff) return undefined;
    found.push(bytes);
  }
  return found;
}

/** What is behind a breakpoint: `;CONDITIONS`, `;cmds:PERSIST,COMMANDS`. Undefined for what is neither. */
function behind(rest: string) {
  const parts = rest.split(";").slice(1);
  const all = parts.find((part) => part.startsWith("cmds:"));
  const [, persist = "0", commands = ""] = /^cmds:([0-9a-f]+),(.*)$/.exec(all ?? "cmds:0,") ?? [];
  const conditions = expressionsOf(parts.find((part) => part.startsWith("X")) ?? "");
  const does = all !== undefined && commands === "" ? undefined : expressionsOf(commands);
  return conditions && does && { conditions, commands: does, persists: persist !== "0" };
}

export const pointPackets: readonly PacketRow[] = [
  packet(
    "Z",
    "insert a breakpoint or watchpoint",
    (s, rest) => {
      const point = parse(s, rest);
      if (typeof point === "string") return point;
      const { d } = s.world;
      const more = behind(rest);
      if (more === undefined) return EINVAL;
      if (isWatchpoint(point.kind)) d.words[Head.watched] = 1;
      const code = keepExpressions(d, more.conditions, more.commands);
      if (code === undefined) return ENOSPC;
      const reference = more.persists ? persistent : 0;
      return insertBreakpoint(d.breakpoints, { ...point, code, reference }, changingQuietly(d)) ? "OK" : ENOSPC;
    },
    "ConditionalBreakpoints+;BreakpointCommands+",
  ),
  packet("z", "remove a breakpoint or watchpoint", (s, rest) => {
    const point = parse(s, rest);
    if (typeof point === "string") return point;
    const { d } = s.world;
    removeBreakpoint(d.breakpoints, point, changingQuietly(d));
    return "OK";
  }),
];
