// Names of registers, of control and status registers and of rounding modes, as the assembler writes them.

/** ABI names of x0..x31. */
// biome-ignore format: a table
export const xNames: readonly string[] = [
  "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4", "a5",
  "a6", "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
];

/** ABI names of f0..f31. */
// biome-ignore format: a table
export const fNames: readonly string[] = [
  "ft0", "ft1", "ft2", "ft3", "ft4", "ft5", "ft6", "ft7", "fs0", "fs1", "fa0", "fa1", "fa2", "fa3", "fa4", "fa5",
  "fa6", "fa7", "fs2", "fs3", "fs4", "fs5", "fs6", "fs7", "fs8", "fs9", "fs10", "fs11", "ft8", "ft9", "ft10", "ft11",
];

/** The number of the integer register with that ABI name. */
export function registerNumber(name: string): number | undefined {
  const n = xNames.indexOf(name);
  return n < 0 ? undefined : n;
}

/** Names of the rounding modes; 5 and 6 are reserved. */
export const roundingNames: readonly string[] = ["rne", "rtz", "rdn", "rup", "rmm", "", "", "dyn"];

/** The constants of the fli instructions, by number. */
// biome-ignore format: a table
export const fliNames: readonly string[] = [
  "-0x1p+0", "min", "0x1p-16", "0x1p-15", "0x1p-8", "0x1p-7", "0x1p-4", "0x1p-3",
  "0x1p-2", "0x1.4p-2", "0x1.8p-2", "0x1.cp-2", "0x1p-1", "0x1.4p-1", "0x1.8p-1", "0x1.cp-1",
  "0x1p+0", "0x1.4p+0", "0x1.8p+0", "0x1.cp+0", "0x1p+1", "0x1.4p+1", "0x1.8p+1", "0x1p+2",
  "0x1p+3", "0x1p+4", "0x1p+7", "0x1p+8", "0x1p+15", "0x1p+16", "inf", "nan",
];
