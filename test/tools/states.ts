// What goes between a test and oracle.c: a sequence as that program reads it, the state that it writes, and what differs.
import { codeBytes, type Sequence } from "./sequence.ts";

const heads = ["signal", "si_code", "si_addr", "pc", "instret"] as const;
const names = [
  ...heads,
  ...Array.from({ length: 31 }, (_, i) => `x${i + 1}`),
  ...Array.from({ length: 32 }, (_, i) => `f${i}`),
  "fcsr",
];

/** A sequence as oracle.c reads it. */
export function record(s: Sequence): Uint8Array {
  const code = codeBytes(s);
  const words = new BigUint64Array([...s.x, ...s.f, BigInt(s.fcsr), BigInt(code.length)]);
  return Buffer.concat([new Uint8Array(words.buffer), code]);
}

/** The state that a sequence left, as oracle.c writes it: words with these names, then three pages of data. */
export const stateBytes = names.length * 8 + 0x3000;

/** One word of a state. */
export const wordOf = (state: Uint8Array, name: (typeof heads)[number]): bigint =>
  new DataView(state.buffer, state.byteOffset).getBigUint64(8 * heads.indexOf(name), true);

/** Names and values of what differs between two states; `apart` names what need not agree. */
export function difference(a: Uint8Array, b: Uint8Array, apart: readonly string[]): string[] {
  const [va, vb] = [a, b].map((s) => new DataView(s.buffer, s.byteOffset, s.byteLength));
  const found: string[] = [];
  for (let at = 0; at + 8 <= stateBytes; at += 8) {
    if (at + 8 > a.length || at + 8 > b.length) return [...found, "one of them ended early"];
    const [wa, wb] = [va!.getBigUint64(at, true), vb!.getBigUint64(at, true)];
    const name = names[at / 8] ?? `data+0x${(at - names.length * 8).toString(16)}`;
    if (wa !== wb && !apart.includes(name)) found.push(`${name}: ${wa.toString(16)} and ${wb.toString(16)}`);
  }
  return found;
}
