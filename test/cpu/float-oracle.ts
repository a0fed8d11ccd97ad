// An independent answer for floating-point cases: a freestanding riscv64 program, one piece of code for each operation, run
// under qemu-riscv64 over a file of cases. It has F, D and Zfhmin; qemu-user of Debian 12 knows no Zfa.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FloatOp } from "../../src/cpu/float/fpu.ts";
import { type Case, floatOps, givesInteger } from "./float-cases.ts";

const arithmetic = {
  add: "fadd.* fa0,fa1,fa2",
  sub: "fsub.* fa0,fa1,fa2",
  mul: "fmul.* fa0,fa1,fa2",
  div: "fdiv.* fa0,fa1,fa2",
  sqrt: "fsqrt.* fa0,fa1",
  madd: "fmadd.* fa0,fa1,fa2,fa3",
  msub: "fmsub.* fa0,fa1,fa2,fa3",
  nmsub: "fnmsub.* fa0,fa1,fa2,fa3",
  nmadd: "fnmadd.* fa0,fa1,fa2,fa3",
  min: "fmin.* fa0,fa1,fa2",
  max: "fmax.* fa0,fa1,fa2",
  sgnj: "fsgnj.* fa0,fa1,fa2",
  sgnjn: "fsgnjn.* fa0,fa1,fa2",
  sgnjx: "fsgnjx.* fa0,fa1,fa2",
  eq: "feq.* a0,fa1,fa2",
  lt: "flt.* a0,fa1,fa2",
  le: "fle.* a0,fa1,fa2",
  class: "fclass.* a0,fa1",
} as const;

const conversions = {
  "i32.from_f32_s": "fcvt.w.s a0,fa1,dyn",
  "i32.from_f32_u": "fcvt.wu.s a0,fa1,dyn",
  "i64.from_f32_s": "fcvt.l.s a0,fa1,dyn",
  "i64.from_f32_u": "fcvt.lu.s a0,fa1,dyn",
  "i32.from_f64_s": "fcvt.w.d a0,fa1,dyn",
  "i32.from_f64_u": "fcvt.wu.d a0,fa1,dyn",
  "i64.from_f64_s": "fcvt.l.d a0,fa1,dyn",
  "i64.from_f64_u": "fcvt.lu.d a0,fa1,dyn",
  "f32.from_i32_s": "fcvt.s.w fa0,a1,dyn",
  "f32.from_i32_u": "fcvt.s.wu fa0,a1,dyn",
  "f32.from_i64_s": "fcvt.s.l fa0,a1,dyn",
  "f32.from_i64_u": "fcvt.s.lu fa0,a1,dyn",
  "f64.from_i32_s": "fcvt.d.w fa0,a1",
  "f64.from_i32_u": "fcvt.d.wu fa0,a1",
  "f64.from_i64_s": "fcvt.d.l fa0,a1,dyn",
  "f64.from_i64_u": "fcvt.d.lu fa0,a1,dyn",
  "f32.from_f64": "fcvt.s.d fa0,fa1,dyn",
  "f64.from_f32": "fcvt.d.s fa0,fa1",
  "f16.from_f32": "fcvt.h.s fa0,fa1,dyn",
  "f32.from_f16": "fcvt.s.h fa0,fa1",
  "f16.from_f64": "fcvt.h.d fa0,fa1,dyn",
  "f64.from_f16": "fcvt.d.h fa0,fa1",
  "f16.bits": "fmv.x.h a0,fa1",
  "f32.bits": "fmv.x.w a0,fa1",
  "f64.bits": "fmv.x.d a0,fa1",
  "f16.from_bits": "fmv.h.x fa0,a1",
  "f32.from_bits": "fmv.w.x fa0,a1",
  "f64.from_bits": "fmv.d.x fa0,a1",
} as const satisfies Partial<Record<FloatOp, string>>;

const instructions = new Map<string, string>([
  ...Object.entries(conversions),
  ...Object.entries(arithmetic).flatMap(([name, text]): [string, string][] => [
    [`f32.${name}`, text.replace("*", "s")],
    [`f64.${name}`, text.replace("*", "d")],
  ]),
]);

/** The operations that the oracle knows. */
export const oracleOps: readonly FloatOp[] = floatOps.filter((op) => instructions.has(op));

// A case in the file: operation, rounding mode, three operands, eight bytes each. An answer: bits, flags.
const caseBytes = 40;
const answerBytes = 16;

const program = `
  .option arch, +zfhmin
  .globl _start
_start:
  la s0, cases
  li s1, 0x4000000
  mv s2, s0
1: li a0, 0
  mv a1, s2
  mv a2, s1
  li a7, 63
  ecall
  add s2, s2, a0
  sub s1, s1, a0
  bgtz a0, 1b
  la s1, answers
  la s3, pieces
next:
  bgeu s0, s2, done
  ld t0, 0(s0)
  ld t1, 8(s0)
  fld fa1, 16(s0)
  fld fa2, 24(s0)
  fld fa3, 32(s0)
  ld a1, 16(s0)
  fscsr t1
  slli t0, t0, 3
  add t0, t0, s3
  ld t0, 0(t0)
  jr t0
float:
  fmv.x.d a0, fa0
integer:
  frflags t1
  sd a0, 0(s1)
  sd t1, 8(s1)
  addi s0, s0, ${caseBytes}
  addi s1, s1, ${answerBytes}
  j next
done:
  la s0, answers
2: li a0, 1
  mv a1, s0
  sub a2, s1, s0
  li a7, 64
  ecall
  add s0, s0, a0
  bltu s0, s1, 2b
  li a0, 0
  li a7, 93
  ecall
${oracleOps.map((op, i) => `piece${i}: ${instructions.get(op)}\n  j ${givesInteger(op) ? "integer" : "float"}`).join("\n")}
  .data
  .balign 8
pieces:
${oracleOps.map((_, i) => `  .dword piece${i}`).join("\n")}
  .bss
  .balign 8
cases: .skip 0x4000000
answers: .skip 0x2000000
`;

async function succeed(command: string[], files: { stdin?: string; stdout?: string } = {}): Promise<void> {
  const child = Bun.spawn(command, {
    stdin: files.stdin === undefined ? "ignore" : Bun.file(files.stdin),
    stdout: files.stdout === undefined ? "ignore" : Bun.file(files.stdout),
    stderr: "pipe",
  });
  const message = await new Response(child.stderr).text();
  if ((await child.exited) !== 0) throw new Error(`${command.join(" ")}: ${message}`);
}

/** What qemu answers to each case: the integer result, or the 64 bits of the destination register; and the flags. */
export async function askOracle(cases: readonly Case[]): Promise<{ bits: bigint; flags: number }[]> {
  const folder = mkdtempSync(join(tmpdir(), "sabre-float-"));
  const at = (name: string): string => join(folder, name);
  try {
    writeFileSync(at("oracle.s"), program);
    await succeed(["riscv64-linux-gnu-gcc", "-nostdlib", "-static", "-o", at("oracle"), at("oracle.s")]);
    const input = new BigUint64Array((cases.length * caseBytes) / 8);
    cases.forEach((c, i) => {
      // The mode goes to fcsr: its bits 7..5.
      input.set([BigInt(oracleOps.indexOf(c.op)), BigInt(c.rm << 5), ...c.operands], (i * caseBytes) / 8);
    });
    writeFileSync(at("cases"), input);
    const files = { stdin: at("cases"), stdout: at("answers") };
    await succeed(["qemu-riscv64", "-cpu", "rv64,Zfhmin=true", at("oracle")], files);
    const output = new BigUint64Array(new Uint8Array(readFileSync(at("answers"))).buffer);
    return cases.map((_, i) => ({ bits: output[2 * i]!, flags: Number(output[2 * i + 1]!) }));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
