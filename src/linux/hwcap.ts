// What sabre tells a program about the hart it runs on: AT_HWCAP, the answers of riscv_hwprobe, the ISA string of
// /proc/cpuinfo. One table says what is there; a test holds it against the instruction rows.
// Specification: arch/riscv hwprobe of the kernel's documentation.

/** The single-letter extensions, in canonical order. */
const letters = "imafdc";

/** AT_HWCAP: one bit a single-letter extension, A at bit 0. */
export const hwcap: number = [...letters].reduce((bits, c) => bits | (1 << (c.charCodeAt(0) - 0x61)), 0);

/**
 * The multi-letter extensions in the order in which Linux prints them, each with its bit of RISCV_HWPROBE_KEY_IMA_EXT_0;
 * -1 where that key has none.
 */
const extensions = {
  zicbom: 55,
  zicbop: 59,
  zicboz: 6,
  zicntr: 50,
  zicond: 35,
  zicsr: -1,
  zifencei: -1,
  zihintntl: 29,
  zihintpause: 36,
  zaamo: 56,
  zalrsc: 57,
  zawrs: 48,
  zfa: 32,
  zfhmin: 28,
  zca: 43,
  zcb: 44,
  zcd: 45,
  zba: 3,
  zbb: 4,
  zbc: 7,
  zbs: 5,
} as const;

/** Names of everything that is there, lower case. */
export const extensionNames: readonly string[] = [...letters, ...Object.keys(extensions)];

/** As /proc/cpuinfo shows it. */
export const isaString = `rv64${letters}_${Object.keys(extensions).join("_")}`;

/** Bytes that one cbo instruction works on. */
const cacheBlock = 64;

/** Ticks of the `time` register in a second: see ScopeHooks. */
const timeFrequency = 10_000_000;

const highestAddress = 2n ** 32n - 1n;
const [fd, c] = [1n, 2n];
const imaExt0 = Object.values(extensions)
  .filter((bit) => bit >= 0)
  .reduce((bits, bit) => bits | (1n << BigInt(bit)), fd | c);
const misaligned = { fast: 3n, unsupported: 4n } as const;

/** The keys whose values are sets of bits, not numbers: two of them match where one has all bits of the other. */
const bitKeys: ReadonlySet<number> = new Set([3, 4, 5, 11, 13, 14]);

const values: readonly bigint[] = [
  0n, // MVENDORID
  0n, // MARCHID
  0n, // MIMPID
  1n, // BASE_BEHAVIOR: IMA
  imaExt0,
  misaligned.fast, // CPUPERF_0
  BigInt(cacheBlock), // ZICBOZ_BLOCK_SIZE
  highestAddress, // HIGHEST_VIRT_ADDRESS
  BigInt(timeFrequency), // TIME_CSR_FREQ
  misaligned.fast, // MISALIGNED_SCALAR_PERF
  misaligned.unsupported, // MISALIGNED_VECTOR_PERF
  0n, // VENDOR_EXT_THEAD_0
  BigInt(cacheBlock), // ZICBOM_BLOCK_SIZE
  0n, // VENDOR_EXT_SIFIVE_0
  0n, // VENDOR_EXT_MIPS_0
  BigInt(cacheBlock), // ZICBOP_BLOCK_SIZE
];

/** The answer of riscv_hwprobe to a key, a 64-bit number; undefined for a key that is not known. */
export const hwprobe = (key: number): bigint | undefined => values[key];

/** Whether every hart here has what a pair of riscv_hwprobe asks for; undefined for a key that is not known. */
export function hwprobeMatches(key: number, wanted: bigint): boolean | undefined {
  const value = hwprobe(key);
  if (value === undefined) return undefined;
  return bitKeys.has(key) ? (value & wanted) === wanted : value === wanted;
}
