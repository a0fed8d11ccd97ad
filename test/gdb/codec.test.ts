// The framing, against what it means: whatever is encoded is decoded again, in pieces of any size, among any noise.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { encode, expandRuns, type Incoming, newDecoder, packetSize } from "../../src/gdb/codec.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text, "latin1");
const packetsOf = (incoming: readonly Incoming[]): string[] =>
  incoming.flatMap((i) => (i.kind === "packet" ? [i.text] : []));
/** Lengths that make runs likely. */
const texts = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 1, max: 300 })), { maxLength: 8 })
  .map((runs) => runs.map(([c, n]) => String.fromCharCode(c).repeat(n)).join(""));

/** The body of an encoded packet, whose checksum must be right. */
function bodyOf(packet: Buffer): string {
  const text = packet.toString("latin1");
  const body = text.slice(1, -3);
  const sum = [...bytes(body)].reduce((a, b) => (a + b) & 255, 0);
  expect(text).toBe(`$${body}#${sum.toString(16).padStart(2, "0")}`);
  return body;
}

describe("a packet", () => {
  test("that is sent means its text, and has no byte that begins or ends one inside", () => {
    fc.assert(
      fc.property(texts, (text) => {
        const body = bodyOf(encode(text));
        expect(body).not.toMatch(/[#$]/);
        expect(expandRuns(body)).toBe(text);
      }),
    );
  });

  test("that comes in is found however its bytes are cut", () => {
    const escaped = (text: string): string =>
      text.replace(/[#$}*]/g, (c) => `}${String.fromCharCode(c.charCodeAt(0) ^ 0x20)}`);
    fc.assert(
      fc.property(fc.array(texts, { maxLength: 4 }), fc.array(fc.integer({ min: 1, max: 40 })), (sent, cuts) => {
        const stream = sent
          .map((text) => {
            const body = escaped(text);
            const sum = [...bytes(body)].reduce((a, b) => (a + b) & 255, 0);
            return `+$${body}#${sum.toString(16).padStart(2, "0")}`;
          })
          .join("");
        const decoder = newDecoder();
        const found: Incoming[] = [];
        let at = 0;
        for (const cut of [...cuts, stream.length]) {
          found.push(...decoder.feed(bytes(stream.slice(at, at + cut))));
          at += cut;
        }
        expect(packetsOf(found)).toEqual(sent);
      }),
    );
  });

  test("with a wrong checksum, or too long, is damaged, and the next one is not", () => {
    const decoder = newDecoder();
    expect(decoder.feed(bytes("$g#00$g#67"))).toEqual([{ kind: "damaged" }, { kind: "packet", text: "g" }]);
    expect(decoder.feed(bytes("$g#zz$g#67"))).toEqual([{ kind: "damaged" }, { kind: "packet", text: "g" }]);
    const long = decoder.feed(bytes(`$${"a".repeat(packetSize + 1)}#61$g#67`));
    expect(long).toEqual([{ kind: "damaged" }, { kind: "packet", text: "g" }]);
  });

  test("that was cut off ends where the next one begins", () => {
    expect(newDecoder().feed(bytes("$qSupp$g#67"))).toEqual([{ kind: "packet", text: "g" }]);
  });
});

test("random bytes never stop the decoder", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 500 }), (noise) => {
      const decoder = newDecoder();
      decoder.feed(noise);
      expect(packetsOf(decoder.feed(bytes("$#00$g#67"))).at(-1)).toBe("g");
    }),
  );
});

test("between packets acknowledgements and interrupts are heard, and nothing else", () => {
  expect(newDecoder().feed(bytes("x+\x03-y"))).toEqual([{ kind: "ack" }, { kind: "interrupt" }, { kind: "nak" }]);
});
