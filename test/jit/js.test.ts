// Tier 1: the JavaScript that small regions become, kept in golden/ so that a change of code shape shows in review; how
// regions call and chain one another; and what a debugger can put into them.
// SABRE_GOLDEN=1 writes the files anew.
import { describe, expect, test } from "bun:test";
import { makeJsEmitter } from "../../jit/js/compile.ts";
import { emitRegion } from "../../jit/js/emit.ts";
import { type Instrumentation, register } from "../../jit/js/instrumentation.ts";
import { findRegion, type Region, type Shape } from "../../jit/region.ts";
import { tuning } from "../../jit/tuning.ts";
import { Cause, getPc, getU64, hart, hartIn, setX } from "../../src/cpu/hart.ts";
import { makeInterpreter } from "../../src/cpu/interpreter.ts";
import { encode } from "../../src/isa/riscv/encode.ts";
import { i64, node } from "../../src/isa/vocabulary.ts";
import { newGuestMemory, Page } from "../../src/memory/guest-memory.ts";
import { a0, a1, a2, a3, base, expectKept, programs as kept, ra, ret, sp, zero } from "./golden.ts";

const data = 0x20000;

const programs = {
  /** A loop keeps its registers in variables, and its pointer's high word is 0. */
  sum: kept.sum,
  /** Straight code reads registers when it needs them, and stores them before it may be left. */
  straight: kept.straight,
  /** Floating point is done by the unit, on the register file. */
  float: [encode("fld", { rd: 1, rs1: a0, imm: 0 }), encode("fmadd.d", { rd: 0, rs1: 1, rs2: 1, rs3: 0, rm: 7 }), ret],
  /** A call is a call; what lies on the stack is checked at once. */
  call: [
    encode("addi", { rd: sp, rs1: sp, imm: -16 }),
    encode("sd", { rs2: ra, rs1: sp, imm: 8 }),
    encode("sd", { rs2: a0, rs1: sp, imm: 0 }),
    encode("jal", { rd: ra, imm: 64 }),
    encode("ld", { rd: a1, rs1: sp, imm: 0 }),
    encode("ld", { rd: ra, rs1: sp, imm: 8 }),
    encode("addw", { rd: a0, rs1: a0, rs2: a1 }),
    encode("addi", { rd: sp, rs1: sp, imm: 16 }),
    ret,
  ],
} as const;

const shape = { calls: true, ...tuning.js };

function regionOf(code: readonly number[], entry = base, wanted: Shape = shape): Region {
  const at = (pc: number): number => code[(pc - base) / 4] ?? -1;
  return findRegion(entry, at, tuning.regionInstructions, wanted)!;
}

for (const [name, code] of Object.entries(programs))
  test(`${name}: code shape is as kept`, () => {
    expectKept(`${name}.js`, code, "//", emitRegion(regionOf(code)).body);
  });

test("a region ends before what only the interpreter does", () => {
  const add = encode("addi", { rd: a0, rs1: a0, imm: 1 });
  const code = [add, encode("ecall", {}), add];
  expect(regionOf(code)).toMatchObject({
    instructions: 1,
    blocks: [{ end: { kind: "goto", to: { exit: base + 4 } } }],
  });
  expect(findRegion(base, () => encode("ecall", {}), 10, shape)).toBeUndefined();
});

test("the region of an inner loop has not the loop around it, where that is much longer", () => {
  const inner = [encode("addi", { rd: a0, rs1: a0, imm: -1 }), encode("bne", { rs1: a0, rs2: zero, imm: -4 })];
  const filler = Array.from({ length: 100 }, () => encode("addi", { rd: a2, rs1: a2, imm: 1 }));
  const outer = encode("bne", { rs1: a1, rs2: zero, imm: -4 * (inner.length + filler.length) });
  const wanted = { ...shape, around: { times: 4, more: 10 } };
  expect(regionOf([...inner, ...filler, outer], base, wanted).instructions).toBe(2);
  const short = encode("bne", { rs1: a1, rs2: zero, imm: -4 * (inner.length + 10) });
  expect(regionOf([...inner, ...filler.slice(0, 10), short], base, wanted).instructions).toBe(13);
});

/** A hart with that code at `base`, a page of data, and the emitter's regions at each of `entries`. */
function machine(code: readonly number[], entries: readonly number[] = [base], instrumentation: Instrumentation = {}) {
  const memory = newGuestMemory(0x40000);
  const h = hartIn(memory, 0);
  const interpreter = makeInterpreter(h, memory, { time: () => 0, decoded: undefined });
  new Uint32Array(memory.u8.buffer, memory.u8.byteOffset + base, code.length).set(code);
  memory.pages[base >>> 12] = Page.read | Page.exec;
  memory.pages[data >>> 12] = Page.read | Page.write;
  const emitter = makeJsEmitter({ interpreter, hart: h, memory }, instrumentation);
  const enter = entries.map((pc) => {
    const made = emitter.compile([regionOf(code, pc)])[0]!;
    emitter.link(pc, made);
    return made;
  });
  return {
    h,
    memory,
    emitter,
    /** Enters the first region. Answers the pc to go on at, or -1, and what was executed. */
    run: (): { pc: number; executed: number } => {
      h.i32[hart.executed] = 0;
      const pc = enter[0]!();
      return { pc, executed: h.i32[hart.executed]! };
    },
    x: (n: number): number => getU64(h, n),
    set: (n: number, value: number) => setX(h, n, value),
  };
}

describe("regions find one another", () => {
  const square = [encode("mul", { rd: a0, rs1: a0, rs2: a0 }), ret];
  const code = [
    ...programs.call,
    ...Array.from({ length: (12 + 64) / 4 - programs.call.length }, () => encode("addi", {})),
    ...square,
  ];
  const callee = base + 12 + 64;

  test("a call comes back into the region that made it", () => {
    const m = machine(code, [base, callee]);
    m.set(sp, data + 0x100);
    m.set(ra, 0x5000);
    m.set(a0, 7);
    expect(m.run()).toEqual({ pc: 0x5000, executed: programs.call.length + square.length });
    expect([m.x(a0), m.x(sp)]).toEqual([56, data + 0x100]);
  });

  test("where nothing is compiled, or is no more, control leaves for the address", () => {
    const m = machine(code, [base]);
    m.set(sp, data + 0x100);
    expect(m.run()).toEqual({ pc: callee, executed: 4 });
    const n = machine(code, [base, callee]);
    n.emitter.link(callee, undefined);
    n.set(sp, data + 0x100);
    expect(n.run()).toEqual({ pc: callee, executed: 4 });
  });

  test("a callee that comes back elsewhere is followed there", () => {
    const astray = [...code];
    astray[(callee - base) / 4] = encode("addi", { rd: ra, rs1: ra, imm: 4 });
    const m = machine(astray, [base, callee]);
    m.set(sp, data + 0x100);
    expect(m.run()).toEqual({ pc: base + 20, executed: 6 });
  });

  test("what was known before a loop does not outlive a call in it that is seldom made", () => {
    const rarely = [
      encode("addi", { rd: a2, rs1: zero, imm: 5 }),
      encode("addi", { rd: a0, rs1: a0, imm: -1 }), // the loop's head
      encode("add", { rd: a3, rs1: a3, rs2: a2 }),
      encode("bne", { rs1: a0, rs2: a1, imm: 8 }),
      encode("jal", { rd: ra, imm: 12 }),
      encode("bne", { rs1: a0, rs2: zero, imm: -16 }),
      encode("jalr", { rd: zero, rs1: 6, imm: 0 }),
      encode("addi", { rd: a2, rs1: zero, imm: 100 }), // what is called
      ret,
    ];
    const m = machine(rarely, [base, base + 28]);
    m.set(a0, 4);
    m.set(a1, 2);
    m.set(6, 0x5000);
    expect(m.run()).toEqual({ pc: 0x5000, executed: 1 + 4 * 4 + 1 + 2 + 1 });
    expect(m.x(a3)).toBe(210);
  });

  test("endless recursion and an endless loop through jumps come back when enough was executed", () => {
    const recursion = machine([encode("addi", { rd: a0, rs1: a0, imm: 1 }), encode("jal", { rd: ra, imm: -4 })]);
    expect(recursion.run().executed).toBeGreaterThan(tuning.fuel / 2);
    const jumps = machine([encode("addi", { rd: a0, rs1: a0, imm: 1 }), encode("jalr", { rd: zero, rs1: a1, imm: 0 })]);
    jumps.set(a1, base);
    const { pc, executed } = jumps.run();
    expect(pc).toBe(base);
    expect(executed).toBeGreaterThan(tuning.fuel);
    expect(jumps.x(a0)).toBe(executed / 2);
  });

  test("a fault in a callee is told with its own pc", () => {
    const bad = [...code];
    bad[(callee - base) / 4] = encode("jalr", { rd: zero, rs1: a3, imm: 0 });
    const m = machine(bad, [base, callee]);
    m.set(sp, data + 0x100);
    m.set(a3, 2 ** 40);
    expect(m.run().pc).toBe(-1);
    expect([getPc(m.h), m.h.i32[hart.cause]]).toEqual([2 ** 40, Cause.fetchFault]);
  });
});

describe("a debugger's probes", () => {
  const stop = { cause: 24, id: 5 };
  /** Of a run that stopped. */
  const stopped = (m: ReturnType<typeof machine>) => {
    const { pc, executed } = m.run();
    return { pc, at: getPc(m.h), cause: m.h.i32[hart.cause], id: m.h.i32[hart.tval], executed };
  };
  const loop = (instrumentation: Instrumentation) => {
    const m = machine(programs.sum, [base, base + 16], instrumentation);
    m.set(a0, data);
    m.set(a1, data + 80);
    m.set(ra, 0x5000);
    for (let i = 0; i < 10; i++) m.memory.i32[(data >>> 2) + 2 * i] = i;
    return m;
  };

  test("a region that nothing is asked of has the text that it had", () => {
    const plain = emitRegion(regionOf(programs.sum));
    expect(emitRegion(regionOf(programs.sum), { at: () => [], watches: [] })).toEqual(plain);
    expect(loop({}).run()).toEqual({ pc: 0x5000, executed: 41 });
  });

  test("a breakpoint stops before its instruction, with all that came before done", () => {
    const m = loop({ at: (pc) => (pc === base + 8 ? [{ kind: "stop", stop }] : []) });
    m.memory.i32[data >>> 2] = 17;
    expect(stopped(m)).toEqual({ pc: -1, at: base + 8, cause: 24, id: 5, executed: 2 });
    expect([m.x(a2), m.x(a3), m.x(a0)]).toEqual([17, 17, data]);
  });

  test("a condition may be over registers that the region does not use, and over memory", () => {
    const six = node("i64.eq", node("i64.load32_s", node("i64.add", register(a0), i64(0))), i64(6));
    const m = loop({ at: (pc) => (pc === base ? [{ kind: "stop", stop, condition: six }] : []) });
    expect(stopped(m)).toEqual({ pc: -1, at: base, cause: 24, id: 5, executed: 24 });
    expect([m.x(a2), m.x(a0)]).toEqual([15, data + 48]);
    const never = node("i64.eq", register(31), i64(1));
    expect(loop({ at: () => [{ kind: "stop", stop, condition: never }] }).run()).toEqual({ pc: 0x5000, executed: 41 });
  });

  test("a condition that faults stops", () => {
    const wild = node("i64.load64", register(31));
    const m = loop({ at: (pc) => (pc === base + 4 ? [{ kind: "stop", stop, condition: wild }] : []) });
    expect(stopped(m)).toMatchObject({ at: base + 4, executed: 1, cause: 24 });
    expect(m.h.i32[hart.trapped]).toBe(0);
  });

  for (const [on, stops] of [
    ["read", true],
    ["access", true],
    ["write", false],
  ] as const)
    test(`a watchpoint for ${on} ${stops ? "stops" : "does not stop"} at a load that touches its last byte`, () => {
      const m = loop({ watches: [{ from: data + 16 - 3, to: data + 17, on, stop }] });
      const { at, executed } = stopped(m);
      expect({ at, executed }).toEqual(stops ? { at: base, executed: 4 } : { at: 0, executed: 41 });
    });

  test("a watchpoint stops before a store, and not beside it", () => {
    const store = [encode("sw", { rs2: a0, rs1: a1, imm: 4 }), encode("sw", { rs2: a0, rs1: a1, imm: 8 }), ret];
    const watches = [{ from: data + 8, to: data + 12, on: "write", stop }] as const;
    const m = machine(store, [base], { watches });
    m.set(a0, 77);
    m.set(a1, data);
    expect(stopped(m)).toMatchObject({ at: base + 4, executed: 1 });
    expect([...m.memory.i32.subarray(data >>> 2, (data >>> 2) + 3)]).toEqual([0, 77, 0]);
  });

  test("counts and trace calls come before the instruction, with the registers in the hart", () => {
    const counts = new Float64Array(2);
    const seen: number[][] = [];
    const m = loop({
      counts,
      trace: (id, pc) => seen.push([id, pc, m.x(a2)]),
      at: (pc) =>
        pc === base
          ? [{ kind: "count", cell: 1 }]
          : pc === base + 16
            ? [
                { kind: "trace", id: 9 },
                { kind: "count", cell: 0 },
              ]
            : [],
    });
    expect(m.run()).toEqual({ pc: 0x5000, executed: 41 });
    expect([...counts]).toEqual([1, 10]);
    expect(seen).toEqual([[9, base + 16, 45]]);
  });
});
