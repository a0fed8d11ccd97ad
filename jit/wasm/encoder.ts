// A small encoder of WebAssembly modules: growable bytes, LEB128, and the sections that translated code needs, branch
// hints among them. It knows nothing of the guest. Follows the WebAssembly core specification 3.0 and the
// branch-hinting specification.

/** Bytes being written. */
export interface Bytes {
  at: Uint8Array;
  length: number;
}

export const newBytes = (capacity = 256): Bytes => ({ at: new Uint8Array(capacity), length: 0 });

function grow(b: Bytes, more: number): void {
  const bigger = new Uint8Array(Math.max(b.at.length * 2, b.length + more));
  bigger.set(b.at.subarray(0, b.length));
  b.at = bigger;
}

export function byte(b: Bytes, value: number): void {
  if (b.length === b.at.length) grow(b, 1);
  b.at[b.length++] = value;
}

/** Opcodes and other bytes, one after the other. */
export function bytes(b: Bytes, ...values: number[]): void {
  for (const v of values) byte(b, v);
}

export function append(b: Bytes, other: Bytes): void {
  if (b.length + other.length > b.at.length) grow(b, other.length);
  b.at.set(other.at.subarray(0, other.length), b.length);
  b.length += other.length;
}

/** An unsigned number below 2**53 as LEB128. */
export function unsigned(b: Bytes, value: number): void {
  while (value >= 128) {
    byte(b, (value % 128) | 128);
    value = Math.floor(value / 128);
  }
  byte(b, value);
}

/** Writes an unsigned number over five bytes. */
function patch(b: Bytes, at: number, value: number): void {
  for (let i = 0; i < 5; i++) b.at[at + i] = ((value >>> (7 * i)) & 127) | (i < 4 ? 128 : 0);
}

/** A safe integer as signed LEB128. */
export function signed(b: Bytes, value: number): void {
  for (;;) {
    const low = ((value % 128) + 128) % 128;
    value = Math.floor(value / 128);
    if ((value === 0 && low < 64) || (value === -1 && low >= 64)) {
      byte(b, low);
      return;
    }
    byte(b, low | 128);
  }
}

/** A 64-bit integer as signed LEB128; for constants beyond the safe integers. */
export function signedBig(b: Bytes, value: bigint): void {
  let v = BigInt.asIntN(64, value);
  for (;;) {
    const low = Number(v & 127n);
    v >>= 7n;
    if ((v === 0n && low < 64) || (v === -1n && low >= 64)) {
      byte(b, low);
      return;
    }
    byte(b, low | 128);
  }
}

const utf8 = new TextEncoder();

function name(b: Bytes, text: string): void {
  const encoded = utf8.encode(text);
  unsigned(b, encoded.length);
  for (const v of encoded) byte(b, v);
}

/** Value types, and the type of a block without a result. */
export const I32 = 0x7f;
export const I64 = 0x7e;
export const F32 = 0x7d;
export const F64 = 0x7c;
export const empty = 0x40;
export type ValueType = typeof I32 | typeof I64 | typeof F32 | typeof F64;

export interface FunctionType {
  readonly params: readonly ValueType[];
  readonly results: readonly ValueType[];
}

export type Import = { readonly module: string; readonly name: string } & (
  | { readonly kind: "function"; readonly type: FunctionType }
  | { readonly kind: "memory"; readonly minimum: number; readonly maximum: number; readonly shared: boolean }
  | { readonly kind: "table"; readonly minimum: number }
  | { readonly kind: "global"; readonly type: ValueType; readonly mutable: boolean }
);

/** A branch whose likely way is known: its offset in the code, and whether its condition is likely to hold. */
export interface Hint {
  readonly offset: number;
  readonly likely: boolean;
}

/** Five bytes at an offset in a function's code where the index of function `callee` of the module's own is to stand. */
export interface Callee {
  readonly offset: number;
  readonly callee: number;
}

export interface FunctionCode {
  readonly type: FunctionType;
  /** Runs of locals after the parameters. */
  readonly locals: readonly (readonly [count: number, type: ValueType])[];
  /** The instructions, without the last `end`. */
  readonly code: Bytes;
  readonly hints: readonly Hint[];
  readonly callees: readonly Callee[];
  /** Under this name it is exported. */
  readonly name: string | undefined;
}

export interface Module {
  /** Types whose numbers the code uses: they come first. */
  readonly types: readonly FunctionType[];
  readonly imports: readonly Import[];
  /** Numbered after the imported functions. */
  readonly functions: readonly FunctionCode[];
  /** Functions put into the imported table 0 when the module is instantiated: slot, function index. */
  readonly elements: readonly (readonly [slot: number, index: number])[];
}

const section = { custom: 0, type: 1, import: 2, function: 3, export: 7, element: 9, code: 10 } as const;
const externalKind = { function: 0, table: 1, memory: 2, global: 3 } as const;

function writeSection(out: Bytes, id: number, count: number, body: Bytes): void {
  if (count === 0) return;
  const counted = newBytes(body.length + 8);
  unsigned(counted, count);
  append(counted, body);
  byte(out, id);
  unsigned(out, counted.length);
  append(out, counted);
}

/** The bytes of a module. */
export function encodeModule(m: Module): Uint8Array<ArrayBuffer> {
  const types = newBytes();
  const typeIndices = new Map<string, number>();
  const typeIndex = (type: FunctionType): number => {
    const key = `${type.params.join()}:${type.results.join()}`;
    const known = typeIndices.get(key);
    if (known !== undefined) return known;
    byte(types, 0x60);
    for (const list of [type.params, type.results]) {
      unsigned(types, list.length);
      bytes(types, ...list);
    }
    typeIndices.set(key, typeIndices.size);
    return typeIndices.size - 1;
  };
  m.types.forEach(typeIndex);

  const imports = newBytes();
  let importedFunctions = 0;
  for (const i of m.imports) {
    name(imports, i.module);
    name(imports, i.name);
    byte(imports, externalKind[i.kind]);
    switch (i.kind) {
      case "function":
        unsigned(imports, typeIndex(i.type));
        importedFunctions++;
        break;
      case "memory":
        byte(imports, i.shared ? 3 : 1);
        unsigned(imports, i.minimum);
        unsigned(imports, i.maximum);
        break;
      case "table":
        bytes(imports, 0x70, 0);
        unsigned(imports, i.minimum);
        break;
      case "global":
        bytes(imports, i.type, i.mutable ? 1 : 0);
    }
  }

  const functions = newBytes();
  const exports = newBytes();
  const codes = newBytes(1024);
  const hints = newBytes();
  let [exported, hinted] = [0, 0];
  m.functions.forEach((f, i) => {
    const index = importedFunctions + i;
    unsigned(functions, typeIndex(f.type));
    if (f.name !== undefined) {
      name(exports, f.name);
      byte(exports, externalKind.function);
      unsigned(exports, index);
      exported++;
    }
    const locals = newBytes(16);
    unsigned(locals, f.locals.length);
    for (const [count, type] of f.locals) {
      unsigned(locals, count);
      byte(locals, type);
    }
    unsigned(codes, locals.length + f.code.length + 1);
    append(codes, locals);
    const begin = codes.length;
    append(codes, f.code);
    for (const { offset, callee } of f.callees) patch(codes, begin + offset, importedFunctions + callee);
    byte(codes, 0x0b);
    if (f.hints.length > 0) {
      hinted++;
      unsigned(hints, index);
      unsigned(hints, f.hints.length);
      for (const h of f.hints) {
        unsigned(hints, locals.length + h.offset);
        bytes(hints, 1, h.likely ? 1 : 0);
      }
    }
  });

  const elements = newBytes();
  for (const [slot, index] of m.elements) {
    bytes(elements, 0, 0x41);
    signed(elements, slot);
    bytes(elements, 0x0b, 1);
    unsigned(elements, index);
  }

  const out = newBytes(codes.length + 1024);
  bytes(out, 0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
  writeSection(out, section.type, typeIndices.size, types);
  writeSection(out, section.import, m.imports.length, imports);
  writeSection(out, section.function, m.functions.length, functions);
  writeSection(out, section.export, exported, exports);
  writeSection(out, section.element, m.elements.length, elements);
  if (hinted > 0) {
    const body = newBytes(hints.length + 40);
    name(body, "metadata.code.branch_hint");
    unsigned(body, hinted);
    append(body, hints);
    byte(out, section.custom);
    unsigned(out, body.length);
    append(out, body);
  }
  writeSection(out, section.code, m.functions.length, codes);
  return out.at.slice(0, out.length);
}
