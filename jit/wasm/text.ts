// The text of a WebAssembly module's functions, for people and for goldens: what an operation takes from the stack is written as its
// operands, so that a line is a statement. Knows the opcodes that the emitter uses, and throws at others.
// Follows the binary format of the WebAssembly core specification 3.0, with threads and wide arithmetic.

/** Names of the opcodes from a first one on. */
const from = (first: number, names: string): [number, string][] =>
  names
    .trim()
    .split(/\s+/)
    .map((name, i) => [first + i, name]);

const compares = (t: string): string => "eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u".replace(/\w+/g, `${t}.$&`);
const floatCompares = (t: string): string => "eq ne lt gt le ge".replace(/\w+/g, `${t}.$&`);
const integerUnary = (t: string): string => "clz ctz popcnt".replace(/\w+/g, `${t}.$&`);
const integerBinary = (t: string): string =>
  "add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u rotl rotr".replace(/\w+/g, `${t}.$&`);
const floatUnary = (t: string): string => "abs neg ceil floor trunc nearest sqrt".replace(/\w+/g, `${t}.$&`);
const floatBinary = (t: string): string => "add sub mul div min max copysign".replace(/\w+/g, `${t}.$&`);

const binary = new Map([
  ...from(0x46, compares("i32")),
  ...from(0x51, compares("i64")),
  ...from(0x5b, floatCompares("f32")),
  ...from(0x61, floatCompares("f64")),
  ...from(0x6a, integerBinary("i32")),
  ...from(0x7c, integerBinary("i64")),
  ...from(0x92, floatBinary("f32")),
  ...from(0xa0, floatBinary("f64")),
]);

const unary = new Map([
  [0x45, "i32.eqz"],
  [0x50, "i64.eqz"],
  ...from(0x67, integerUnary("i32")),
  ...from(0x79, integerUnary("i64")),
  ...from(0x8b, floatUnary("f32")),
  ...from(0x99, floatUnary("f64")),
  ...from(
    0xa7,
    `i32.wrap i32.trunc_f32_s i32.trunc_f32_u i32.trunc_f64_s i32.trunc_f64_u i64.extend_s i64.extend_u
     i64.trunc_f32_s i64.trunc_f32_u i64.trunc_f64_s i64.trunc_f64_u f32.convert_i32_s f32.convert_i32_u
     f32.convert_i64_s f32.convert_i64_u f32.demote f64.convert_i32_s f64.convert_i32_u f64.convert_i64_s
     f64.convert_i64_u f64.promote i32.reinterpret i64.reinterpret f32.reinterpret f64.reinterpret
     i32.extend8_s i32.extend16_s i64.extend8_s i64.extend16_s i64.extend32_s`,
  ),
] as [number, string][]);

const loads = new Map(
  from(
    0x28,
    `i32.load i64.load f32.load f64.load i32.load8_s i32.load8_u i32.load16_s i32.load16_u
     i64.load8_s i64.load8_u i64.load16_s i64.load16_u i64.load32_s i64.load32_u`,
  ),
);
const stores = new Map(
  from(0x36, "i32.store i64.store f32.store f64.store i32.store8 i32.store16 i64.store8 i64.store16 i64.store32"),
);

const saturating = from(0, "i32.s_f32 i32.u_f32 i32.s_f64 i32.u_f64 i64.s_f32 i64.u_f32 i64.s_f64 i64.u_f64").map(
  ([, name]) => name.replace(".", ".trunc_sat_"),
);
/** Behind 0xfc: operands, results, name. */
const wide = new Map<number, readonly [number, number, string]>([
  [0x13, [4, 2, "i64.add128"]],
  [0x14, [4, 2, "i64.sub128"]],
  [0x15, [2, 2, "i64.mul_wide_s"]],
  [0x16, [2, 2, "i64.mul_wide_u"]],
]);

const atomicSizes = ["i32", "i64", "i32.8", "i32.16", "i64.8", "i64.16", "i64.32"];
const atomics = ["load", "store", "add", "sub", "and", "or", "xor", "xchg", "cmpxchg"];
/** Behind 0xfe, from 0x10 on: the operations, each in all sizes. */
const atomicName = (opcode: number): { readonly name: string; readonly operands: number } => {
  const index = Math.floor((opcode - 0x10) / 7);
  const operation = atomics[index];
  if (operation === undefined) throw new RangeError(`atomic opcode ${opcode} is unknown`);
  const operands = operation === "load" ? 1 : operation === "cmpxchg" ? 3 : 2;
  return { name: `${atomicSizes[(opcode - 0x10) % 7]}.atomic.${operation}`, operands };
};

const typeNames: Readonly<Record<number, string>> = { 127: "i32", 126: "i64", 125: "f32", 124: "f64" };
interface FunctionType {
  readonly params: readonly string[];
  readonly results: readonly string[];
}

/** Reads the binary format. */
function reader(bytes: Uint8Array) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at = { offset: 0 };
  const byte = (): number => bytes[at.offset++]!;
  const unsigned = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const b = byte();
      value += (b & 127) * scale;
      if (b < 128) return value;
    }
  };
  const signed = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const b = byte();
      value |= BigInt(b & 127) << shift;
      if (b < 128) return BigInt.asIntN(Number(shift) + 7, value);
    }
  };
  const list = <T>(item: () => T): T[] => Array.from({ length: unsigned() }, item);
  const text = (): string => {
    const length = unsigned();
    at.offset += length;
    return new TextDecoder().decode(bytes.subarray(at.offset - length, at.offset));
  };
  const float = (size: 4 | 8): number => {
    at.offset += size;
    return size === 4 ? view.getFloat32(at.offset - 4, true) : view.getFloat64(at.offset - 8, true);
  };
  return { at, byte, unsigned, signed, list, text, float };
}
type Reader = ReturnType<typeof reader>;

interface Module {
  readonly types: FunctionType[];
  /** Of all functions, imported ones first: name and type. */
  readonly functions: { readonly name: string; readonly type: FunctionType }[];
  /** Offsets, from the beginning of a function's body, of branches and whether they are likely; by function. */
  readonly hints: Map<number, Map<number, boolean>>;
}

/** The text of all functions of a module, each with its parameters, results and locals. */
export function wasmText(bytes: Uint8Array): string {
  const r = reader(bytes);
  r.at.offset = 8;
  const m: Module = { types: [], functions: [], hints: new Map() };
  const bodies: string[] = [];
  let imported = 0;
  while (r.at.offset < bytes.length) {
    const section = r.byte();
    const size = r.unsigned();
    const end = r.at.offset + size;
    if (section === 0 && r.text() === "metadata.code.branch_hint")
      r.list(() => {
        const index = r.unsigned();
        m.hints.set(index, new Map(r.list(() => readHint(r))));
      });
    else if (section === 1)
      m.types.push(
        ...r.list(() => {
          r.byte();
          return { params: r.list(() => typeNames[r.byte()]!), results: r.list(() => typeNames[r.byte()]!) };
        }),
      );
    else if (section === 2) {
      r.list(() => readImport(r, m));
      imported = m.functions.length;
    } else if (section === 3)
      r.list(() => m.functions.push({ name: `region${m.functions.length - imported}`, type: m.types[r.unsigned()]! }));
    else if (section === 10) {
      let index = imported;
      r.list(() => {
        const length = r.unsigned();
        const stop = r.at.offset + length;
        bodies.push(functionText(r, m, index++, stop));
        r.at.offset = stop;
      });
    }
    r.at.offset = end;
  }
  return bodies.join("\n");
}

function readHint(r: Reader): readonly [number, boolean] {
  const offset = r.unsigned();
  r.byte();
  return [offset, r.byte() === 1];
}

function readImport(r: Reader, m: Module): void {
  r.text();
  const name = r.text();
  const kind = r.byte();
  if (kind === 0) m.functions.push({ name, type: m.types[r.unsigned()]! });
  else if (kind === 3) r.at.offset += 2;
  else {
    if (kind === 1) r.byte();
    if (r.byte() & 1) r.unsigned();
    r.unsigned();
  }
}

interface Line {
  depth: number;
  text: string;
}

/** A label that is open, the line that opened it, and whether anything goes there. */
interface Label {
  readonly name: string;
  readonly line: number;
  used: boolean;
}

function functionText(r: Reader, m: Module, index: number, stop: number): string {
  const begin = r.at.offset;
  const { name, type } = m.functions[index]!;
  const locals = [...type.params];
  r.list(() => {
    const count = r.unsigned();
    const local = typeNames[r.byte()]!;
    for (let i = 0; i < count; i++) locals.push(local);
  });
  const lines: Line[] = [{ depth: 0, text: `${name}(${type.params.join(", ")}) -> ${type.results.join(", ")}` }];
  const named = locals.slice(type.params.length).map((t, i) => `$${i + type.params.length}: ${t}`);
  if (named.length > 0) lines.push({ depth: 1, text: named.join(", ") });

  // Operands that are not yet used. One that a statement comes before is written down where it stands, and is "^" later.
  const stack: string[] = [];
  const labels: Label[] = [];
  const line = (text: string): void => {
    lines.push({ depth: labels.length + 1, text });
  };
  const spill = (): void => {
    stack.forEach((operand, i) => {
      if (operand === "^") return;
      line(`^ ${operand}`);
      stack[i] = "^";
    });
  };
  const pop = (): string => stack.pop() ?? "^";
  const popAll = (count: number): string[] => Array.from({ length: count }, pop).reverse();
  const push = (text: string): void => void stack.push(text);
  const statement = (text: string): void => {
    spill();
    line(text);
  };
  /** Something with an effect that leaves values. */
  const effect = (text: string, results: number): void => {
    spill();
    if (results === 0) line(text);
    else if (results === 1) push(text);
    else {
      line(`^ ${text}`);
      for (let i = 0; i < results; i++) push("^");
    }
  };
  const place = (): string => {
    const align = r.unsigned();
    const mem = align & 64 ? `mem${r.unsigned()} ` : "";
    const offset = r.unsigned();
    return mem + (offset === 0 ? "" : `+${offset} `);
  };
  const label = (depth: number): string => {
    const found = labels.at(-1 - depth);
    if (found !== undefined) found.used = true;
    return found?.name ?? "return";
  };
  let opened = 0;
  const likely = (at: number): string => {
    const hint = m.hints.get(index)?.get(at - begin);
    return hint === undefined ? "" : hint ? " likely" : " unlikely";
  };
  const open = (head: string, kind: string): void => {
    const block = r.byte();
    const l = `${kind}${opened++}`;
    statement(`${head}${block === 0x40 ? "" : ` -> ${typeNames[block] ?? `type ${block}`}`} ${l}:`);
    labels.push({ name: l, line: lines.length - 1, used: kind !== "b" || block !== 0x40 });
  };
  /** The end of a label. A block that nothing leaves early is no block for the reader. */
  const close = (): void => {
    spill();
    const ended = labels.pop();
    if (ended === undefined || ended.used) return;
    for (const inner of lines.slice(ended.line)) inner.depth--;
    lines[ended.line]!.text = "";
  };

  while (r.at.offset < stop) {
    const at = r.at.offset;
    const code = r.byte();
    const two = binary.get(code);
    const one = unary.get(code);
    const load = loads.get(code);
    const store = stores.get(code);
    if (two !== undefined) {
      const [a, b] = popAll(2);
      push(`${two}(${a}, ${b})`);
    } else if (one !== undefined) push(`${one}(${pop()})`);
    else if (load !== undefined) push(`${load}[${place()}${pop()}]`);
    else if (store !== undefined) {
      const [to, value] = popAll(2);
      statement(`${store}[${place()}${to}] = ${value}`);
    } else
      switch (code) {
        case 0x00:
          statement("unreachable");
          break;
        case 0x02:
          open("block", "b");
          break;
        case 0x03:
          open("loop", "l");
          break;
        case 0x04:
          open(`if ${pop()}${likely(at)}`, "i");
          break;
        case 0x05:
          spill();
          stack.length = 0;
          lines.push({ depth: labels.length, text: "else" });
          break;
        case 0x0b:
          close();
          break;
        case 0x0c:
          statement(`br ${label(r.unsigned())}`);
          break;
        case 0x0d: {
          const condition = pop();
          statement(`br ${label(r.unsigned())} if ${condition}${likely(at)}`);
          break;
        }
        case 0x0e: {
          const by = pop();
          const to = r.list(() => label(r.unsigned()));
          statement(`br [${to.join(" ")}] else ${label(r.unsigned())} by ${by}`);
          break;
        }
        case 0x0f:
          statement(`return ${popAll(type.results.length).join(", ")}`);
          break;
        case 0x10: {
          const called = m.functions[r.unsigned()]!;
          effect(`${called.name}(${popAll(called.type.params.length).join(", ")})`, called.type.results.length);
          break;
        }
        case 0x11:
        case 0x13: {
          const called = m.types[r.unsigned()]!;
          const table = r.unsigned();
          const [by, operands] = [pop(), popAll(called.params.length)];
          const text = `table${table}[${by}](${operands.join(", ")})`;
          if (code === 0x13) statement(`return ${text}`);
          else effect(text, called.results.length);
          break;
        }
        case 0x12: {
          const called = m.functions[r.unsigned()]!;
          statement(`return ${called.name}(${popAll(called.type.params.length).join(", ")})`);
          break;
        }
        case 0x1a:
          statement(`drop ${pop()}`);
          break;
        case 0x1b: {
          const [a, b, condition] = popAll(3);
          push(`select(${condition}, ${a}, ${b})`);
          break;
        }
        case 0x20:
          push(`$${r.unsigned()}`);
          break;
        case 0x21: {
          const value = pop();
          statement(`$${r.unsigned()} = ${value}`);
          break;
        }
        case 0x22: {
          const value = pop();
          push(`($${r.unsigned()} = ${value})`);
          break;
        }
        case 0x23:
          push(`global${r.unsigned()}`);
          break;
        case 0x24: {
          const value = pop();
          statement(`global${r.unsigned()} = ${value}`);
          break;
        }
        case 0x41:
        case 0x42:
          push(String(r.signed()));
          break;
        case 0x43:
        case 0x44:
          push(`${r.float(code === 0x43 ? 4 : 8)}f`);
          break;
        case 0xfc: {
          const sub = r.unsigned();
          const [operands, results, text] = wide.get(sub) ?? [1, 1, saturating[sub]];
          if (text === undefined) throw new RangeError(`opcode fc ${sub} is unknown`);
          effect(`${text}(${popAll(operands).join(", ")})`, results);
          break;
        }
        case 0xfe: {
          const sub = r.unsigned();
          if (sub === 3) {
            r.byte();
            statement("atomic.fence");
            break;
          }
          const { name: atomic, operands } = atomicName(sub);
          const where = place();
          const [to, ...values] = popAll(operands);
          const text = `${atomic}[${where}${[to, ...values].join(", ")}]`;
          effect(text, atomic.endsWith("store") ? 0 : 1);
          break;
        }
        default:
          throw new RangeError(`opcode ${code.toString(16)} is unknown`);
      }
  }
  const shown = lines.filter(({ text }) => text !== "");
  return shown.map(({ depth, text }) => `${"  ".repeat(depth)}${text}\n`).join("");
}
