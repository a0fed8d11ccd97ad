// The macro suite: the sources of bench/guest/, each at a size that takes qemu-riscv64 a second or two, so that start-up
// and warm-up hardly count, and at smaller ones.
import { buildGuest, buildNative, guestCompiler, isThere, nativeCompiler } from "./compile.ts";
import type { Contest } from "./contest.ts";

interface Workload {
  /** The file, which has the usual size. */
  readonly source: string;
  readonly what: string;
  /** For `--quick`: about a third of a second in qemu-riscv64. */
  readonly quick: number;
  /** For tests: some milliseconds. */
  readonly small: number;
  /** Some four times the usual work. */
  readonly long: number;
}

const work = (source: string, what: string, quick: number, small: number, long: number): Workload => ({
  source,
  what,
  quick,
  small,
  long,
});

export const workloads: readonly Workload[] = [
  work("mix.c", "lists, small matrices, a state machine, CRC", 2500, 10, 44000),
  work("sha512.c", "SHA-512", 600, 1, 9600),
  work("hash64.c", "hashing by 64-bit multiplication", 7000, 10, 100000),
  work("sieve.c", "the sieve of Eratosthenes", 22000, 100, 320000),
  work("matmul-int.c", "products of integer matrices", 420, 40, 1030),
  work("matmul-double.c", "products of matrices of doubles, linear equations", 280, 30, 665),
  work("nbody.c", "planets under gravity", 160, 1, 2400),
  work("spectral.c", "a spectral norm", 650, 30, 2600),
  work("mandelbrot.c", "the Mandelbrot set", 500, 30, 2000),
  work("fannkuch.c", "reversals in permutations", 2200, 5, 32000),
  work("trees.c", "binary trees in malloc's memory", 14, 6, 18),
  work("recursion.c", "Fibonacci, Ackermann, Takeuchi, queens", 34, 18, 40),
  work("sort.c", "quicksort and qsort by function pointers", 100, 1, 1200),
  work("virtual.cc", "virtual calls in C++", 600, 2, 10000),
  work("bytecode.c", "a bytecode interpreter", 15000, 100, 220000),
  work("strings.c", "strings and blocks of the C library", 550, 2, 10000),
  work("json.c", "reading and writing JSON", 35, 1, 480),
  work("regex.c", "regular expressions two ways", 4, 1, 56),
  work("deflate.c", "compression and decompression", 45, 1, 600),
  work("hashmap.c", "hash maps", 1200, 5, 16000),
];

const nameOf = ({ source }: Workload): string => source.replace(/\.\w+$/, "");

export const macro: readonly Contest[] = workloads.map((workload) => ({
  name: nameOf(workload),
  group: "macro",
  what: workload.what,
  needs: [guestCompiler(workload.source)],
  prepare: (quick) => {
    const size = quick ? [String(workload.quick)] : [];
    return {
      guest: [buildGuest(workload.source), ...size],
      native: isThere(nativeCompiler(workload.source)) ? [buildNative(workload.source), ...size] : undefined,
      sameSource: true,
    };
  },
}));

/** The same programs without their first second or two, in which they start and are compiled. */
export const warm: readonly Contest[] = workloads.map((workload) => ({
  name: `${nameOf(workload)}-warm`,
  group: "warm",
  what: `${workload.what}: what more of the same takes`,
  needs: [guestCompiler(workload.source)],
  engines: ["wasm", "auto"],
  prepare: (quick) => {
    const program = buildGuest(workload.source);
    const [less, more] = quick ? [[String(workload.quick)], []] : [[], [String(workload.long)]];
    return { guest: [program, ...more], less: [program, ...less], native: undefined, sameSource: true };
  },
}));
