// A module of WebAssembly that is made once for all harts: where an offset of the hart's state stands in it is known, so
// that it can be made another hart's. Such an offset takes four bytes, whatever its value.

export interface Relocatable {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Where offsets begin. */
  readonly places: Uint32Array<ArrayBuffer>;
}

/** Offsets that take four bytes, and differ in their last byte alone. */
const [one, other] = [2 ** 27, 2 ** 26];

/** What `make` makes for the hart whose state lies at a byte offset. */
export function relocatable(make: (hart: number) => Uint8Array<ArrayBuffer>, hart: number): Relocatable {
  const [bytes, second] = [make(one), make(other)];
  const places: number[] = [];
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== second[i]) places.push(i - 3);
  const made = { bytes, places: Uint32Array.from(places) };
  relocate(made, hart - one);
  return made;
}

/** Adds to all offsets. */
export function relocate({ bytes, places }: Relocatable, by: number): void {
  for (let i = 0; i < places.length; i++) {
    const at = places[i]!;
    const old =
      (bytes[at]! & 127) | ((bytes[at + 1]! & 127) << 7) | ((bytes[at + 2]! & 127) << 14) | (bytes[at + 3]! << 21);
    const now = old + by;
    bytes[at] = (now & 127) | 128;
    bytes[at + 1] = ((now >>> 7) & 127) | 128;
    bytes[at + 2] = ((now >>> 14) & 127) | 128;
    bytes[at + 3] = now >>> 21;
  }
}
