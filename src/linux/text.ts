// How a trace writes strings and addresses.

const escapes: ReadonlyMap<string, string> = new Map([
  ["\n", "\\n"],
  ["\t", "\\t"],
  ["\r", "\\r"],
  ["\v", "\\v"],
  ["\f", "\\f"],
  ['"', '\\"'],
  ["\\", "\\\\"],
]);

/** A latin1 string in C's notation. */
export function quote(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must be escaped
  const body = text.replace(/[\x00-\x1f"\\\x7f-\xff]/g, (c, at: number) => {
    const octal = c.charCodeAt(0).toString(8);
    return escapes.get(c) ?? "\\" + (/[0-7]/.test(text[at + 1] ?? "") ? octal.padStart(3, "0") : octal);
  });
  return `"${body}"`;
}

/** Two words as one hexadecimal number, exact. */
export function hexWords(lo: number, hi: number): string {
  const low = (lo >>> 0).toString(16);
  return "0x" + (hi === 0 ? low : (hi >>> 0).toString(16) + low.padStart(8, "0"));
}

/** An address by its words. */
export const pointerText = (lo: number, hi: number): string => ((lo | hi) === 0 ? "NULL" : hexWords(lo, hi));

/** An address as a number: exact below 2**53, and never shown larger than an address can be. */
export const addressText = (address: number): string =>
  address === 0 ? "NULL" : address >= 2 ** 64 ? "0xffffffffffffffff" : "0x" + address.toString(16);
