// Breakpoints and watchpoints. Any number of each: those of "hardware" are like the others.

import { keepExpressions } from "../../debug/agent.ts";
import { BreakpointKind, insertBreakpoint, isWatchpoint, Owner, removeBreakpoint } from "../../debug/breakpoints.ts";
import { bump } from "../../debug/state.ts";
import { addressLimit } from "../../memory/guest-memory.ts";
import { fromHex, parseNumber } from "../codec.ts";
import { type PacketRow, packet } from "../row.ts";
import { currentThread, EFAULT, EINVAL, ESRCH, error, type Session, spaceNumber } from "../session.ts";

const ENOSPC = error(28);

/** `TYPE,ADDR,KIND[;…]`. */
function parse(s: Session, rest: string) {
  const [type, addr, length] = (rest.split(";")[0] ?? "").split(",").map(parseNumber);
  if (type === undefined || addr === undefined || length === undefined) return EINVAL;
  if (type > BreakpointKind.access) return "";
  const t = currentThread(s);
  if (t === undefined) return ESRCH;
  if (addr + (isWatchpoint(type) ? length : 2) > addressLimit) return EFAULT;
  return { space: spaceNumber(s, t), address: addr, kind: type, length, owner: Owner.debugger };
}

/** The expressions behind a breakpoint, `;XLENGTH,BYTES…`, one after the other; undefined where they are none. */
function conditionsOf(rest: string): Uint8Array[] | undefined {
  const part = rest.split(";").find((p) => p.startsWith("X"));
  if (part === undefined) return [];
  const found: Uint8Array[] = [];
  for (const one of part.slice(1).split("X")) {
    const [length, hex = ""] = one.split(",");
    const bytes = fromHex(hex);
    if (bytes === undefined || bytes.length !== parseNumber(length) || bytes.length > 0xffff) return undefined;
    found.push(bytes);
  }
  return found;
}

export const pointPackets: readonly PacketRow[] = [
  packet(
    "Z",
    "insert a breakpoint or watchpoint",
    (s, rest) => {
      const point = parse(s, rest);
      if (typeof point === "string") return point;
      const { d } = s.world;
      const published = (): void => bump(d);
      const conditions = conditionsOf(rest);
      const code = conditions && keepExpressions(d, conditions);
      if (code === undefined) return conditions === undefined ? EINVAL : ENOSPC;
      return insertBreakpoint(d.breakpoints, { ...point, code, reference: 0 }, { published }) ? "OK" : ENOSPC;
    },
    "ConditionalBreakpoints+",
  ),
  packet("z", "remove a breakpoint or watchpoint", (s, rest) => {
    const point = parse(s, rest);
    if (typeof point === "string") return point;
    const { d } = s.world;
    removeBreakpoint(d.breakpoints, point, { published: () => bump(d) });
    return "OK";
  }),
];
