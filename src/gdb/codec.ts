// Framing of the remote protocol (GDB manual, "Remote Protocol: Overview"): packets with checksums, escapes and run-length
// encoding, and what stands between them. Packets are strings of one character a byte.

/** What comes in: a packet, damaged or whole, or a single byte that means something by itself. */
export type Incoming =
  | { readonly kind: "packet"; readonly text: string }
  | { readonly kind: "damaged" }
  | { readonly kind: "ack" | "nak" | "interrupt" };

/** Most bytes between `$` and `#`, both ways, as a debugger is told by PacketSize. Longer packets are damaged. */
export const packetSize = 0x20000;

const [dollar, hash, escapes, star] = [0x24, 0x23, 0x7d, 0x2a] as const;
const flip = 0x20;
const interruptByte = 3;

/** Where the decoder is. */
const Within = { outside: 0, body: 1, escaped: 2, sum1: 3, sum2: 4 } as const;
type State = (typeof Within)[keyof typeof Within];

export interface Decoder {
  /** Takes bytes as they come, in pieces of any size. */
  readonly feed: (bytes: Uint8Array) => Incoming[];
}

const hexValue = (c: number): number => {
  if (c >= 0x30 && c <= 0x39) return c - 0x30;
  const low = c | flip;
  return low >= 0x61 && low <= 0x66 ? low - 0x57 : -1;
};

export function newDecoder(): Decoder {
  let state: State = Within.outside;
  const body = Buffer.alloc(packetSize);
  let length = 0;
  let [sum, expected, tooLong] = [0, 0, false];
  const begin = (): void => {
    state = Within.body;
    length = 0;
    sum = 0;
    tooLong = false;
  };
  const put = (byte: number): void => {
    if (length < packetSize) body[length++] = byte;
    else tooLong = true;
  };

  function take(byte: number, out: Incoming[]): void {
    switch (state) {
      case Within.outside:
        if (byte === dollar) begin();
        else if (byte === 0x2b) out.push({ kind: "ack" });
        else if (byte === 0x2d) out.push({ kind: "nak" });
        else if (byte === interruptByte) out.push({ kind: "interrupt" });
        return;
      case Within.body:
        // A packet that was cut off, and another begins.
        if (byte === dollar) begin();
        else if (byte === hash) state = Within.sum1;
        else {
          sum = (sum + byte) & 255;
          if (byte === escapes) state = Within.escaped;
          else put(byte);
        }
        return;
      case Within.escaped:
        sum = (sum + byte) & 255;
        put(byte ^ flip);
        state = Within.body;
        return;
      case Within.sum1:
        expected = hexValue(byte);
        state = Within.sum2;
        return;
      default: {
        state = Within.outside;
        const low = hexValue(byte);
        const good = expected >= 0 && low >= 0 && expected * 16 + low === sum && !tooLong;
        out.push(good ? { kind: "packet", text: body.toString("latin1", 0, length) } : { kind: "damaged" });
      }
    }
  }

  return {
    feed: (bytes) => {
      const out: Incoming[] = [];
      for (const byte of bytes) take(byte, out);
      return out;
    },
  };
}

const mustEscape = (byte: number): boolean => byte === dollar || byte === hash || byte === escapes || byte === star;

// A run of n is its byte, `*`, and a byte of n + 28, which is to be printable; those of 6 and 7 would be `#` and `$`.
const runBase = 28;
const longestRun = 126 - runBase;

/** A packet as it is sent: `$`, the body with escapes and runs, `#` and its checksum. Debuggers send no runs: `mostRun` is 1 then. */
export function encode(text: string, mostRun = longestRun): Buffer {
  const to = Buffer.allocUnsafe(2 * text.length + 4);
  let n = 0;
  to[n++] = dollar;
  for (let i = 0; i < text.length; ) {
    const byte = text.charCodeAt(i);
    let run = 1;
    while (run < mostRun && text.charCodeAt(i + run) === byte) run++;
    if (mustEscape(byte)) {
      to[n++] = escapes;
      to[n++] = byte ^ flip;
      i++;
      continue;
    }
    to[n++] = byte;
    if (run < 4) {
      i++;
      continue;
    }
    if (run + runBase === hash || run + runBase === dollar) run = hash - 1 - runBase;
    // `+` and `-` would be taken for acknowledgements by who looks for them anywhere.
    if (run + runBase === 0x2b || run + runBase === 0x2d) run--;
    to[n++] = star;
    to[n++] = run + runBase;
    i += run;
  }
  let sum = 0;
  for (let i = 1; i < n; i++) sum += to[i]!;
  to[n++] = hash;
  for (const digit of [(sum >> 4) & 15, sum & 15]) to[n++] = digit + (digit < 10 ? 0x30 : 0x57);
  return to.subarray(0, n);
}

/** A notification as it is sent. */
export function encodeNotification(text: string): Buffer {
  const packet = encode(text);
  packet[0] = 0x25;
  return packet;
}

/** What a packet's body was before runs were made, for who reads what `encode` wrote: a debugger, and tests. */
export function expandRuns(body: string): string {
  let text = "";
  for (let i = 0; i < body.length; i++) {
    const c = body[i]!;
    if (c === "*" && text !== "") text += text.at(-1)!.repeat(body.charCodeAt(++i) - runBase - 1);
    else if (c === "}") text += String.fromCharCode(body.charCodeAt(++i) ^ flip);
    else text += c;
  }
  return text;
}

// ---- parts of packets

/** Bytes, or a string of one character a byte, as hexadecimal digits. */
export const toHex = (bytes: Uint8Array | string): string =>
  (typeof bytes === "string"
    ? Buffer.from(bytes, "latin1")
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  ).toString("hex");

/** A byte as two digits. */
export const hexByte = (byte: number): string => (byte & 255).toString(16).padStart(2, "0");

/** The bytes of 32 bits, least first, as eight digits. */
export function hexWord(word: number): string {
  const swapped = (word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);
  return (swapped >>> 0).toString(16).padStart(8, "0");
}

/** Bytes of hexadecimal digits; undefined where they are no pairs of digits. */
export function fromHex(text: string): Buffer | undefined {
  return text.length % 2 === 0 && /^[0-9a-fA-F]*$/.test(text) ? Buffer.from(text, "hex") : undefined;
}

/** An unsigned number in hexadecimal; undefined for anything else. Beyond 2**53 it is rounded. */
export const parseNumber = (text: string | undefined): number | undefined =>
  text !== undefined && /^[0-9a-fA-F]{1,16}$/.test(text) ? Number.parseInt(text, 16) : undefined;

/** Binary data behind a packet's name: what the decoder has unescaped. */
export const binary = (text: string): Buffer => Buffer.from(text, "latin1");

/** Text as it stands in documents, ASCII alone. */
export const xmlText = (text: string): string =>
  text.replace(/[<>&'"]/g, (c) => `&#${c.charCodeAt(0)};`).replace(/[^\x20-\x7e]/g, "?");
