// What a row of the instruction table is. Everything else about an instruction is derived from its row.
import type { Node } from "../vocabulary.ts";

export interface Row {
  /**
   * The encoding, most significant bit first, as the specification prints it: tokens of 0 and 1, and fields.
   * A field is `rd rs1 rs2 rs3 rm` (its natural width; `rd' rs1' rs2'` are the 3-bit forms of compressed instructions
   * that name x8..x15), or an immediate with the bits that stand here: `imm[11:0]`, `imm[12|10:5]`, `uimm[5:3]`.
   * `imm` is signed (its highest named bit is the sign), `uimm` unsigned; both end in the decoded `imm`.
   * `!=0` or `!=0,2` behind a register, `nzimm`, `nzuimm` for an immediate that must not be 0: what the constraint
   * shuts out is reserved, unless another row takes it.
   * `aq rl` (one bit) and `fm pred succ` (four bits) matter to the disassembly only; the decoded `imm` holds them.
   */
  readonly bits: string;
  /**
   * Operands as the assembler writes them, such as `rd,rs1,imm` or `rd,imm(rs1)`; `fd fs1 fs2 fs3` print registers
   * of the floating-point file, `target` prints pc+imm as an address, `hex` an unsigned hexadecimal imm, `upper` its upper 20 bits,
   * `csr` a register's name, `zimm` the number rs1, `fli` the constant with the number rs1. `rm` is not printed where it is dynamic,
   * `exact` where it is 0: the mode of conversions that never round. Other words stand for themselves.
   */
  readonly asm: string;
  /** The extension, as in an ISA string. */
  readonly ext: string;
  /** What it does, in the vocabulary; register reads come before register writes. Exactly one of `does` and `is` is there. */
  readonly does?: readonly Node[];
  /** The row of which this one takes some encodings for itself. */
  readonly within?: string;
  /** For a compressed instruction: the instruction it stands for, operands written with this row's fields, such as `addi rd,rd,imm`. */
  readonly is?: string;
}
