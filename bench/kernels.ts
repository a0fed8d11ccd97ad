// What single operations cost a guest: memory by kind and width, atomics, calls and jumps, a system call. Each is the
// difference between a run that does it very often and one that does not, shared out.
import { buildGuest, isThere } from "./compile.ts";
import { contestantOf, type Engine } from "./contest.ts";
import { median, qemu, runOnce, sabre } from "./measure.ts";
import type { Options } from "./options.ts";
import type { Figure } from "./results.ts";

interface Kernel {
  readonly name: string;
  readonly what: string;
  /** How often, in thousands, in a run that is not quick. */
  readonly thousands: number;
}

const kernel = (name: string, what: string, thousands: number): Kernel => ({ name, what, thousands });

const kernels: readonly Kernel[] = [
  kernel("nothing", "add", 100_000),
  kernel("load1", "load 1 byte, and xor", 100_000),
  kernel("load2", "load 2 bytes, and xor", 100_000),
  kernel("load4", "load 4 bytes, and xor", 100_000),
  kernel("load8", "load 8 bytes, and xor", 100_000),
  kernel("load8-unaligned", "load 8 bytes, not aligned, and xor", 100_000),
  kernel("load-double", "load a double", 100_000),
  kernel("chase", "load 8 bytes from where the last load says", 100_000),
  kernel("store1", "store 1 byte", 100_000),
  kernel("store2", "store 2 bytes", 100_000),
  kernel("store4", "store 4 bytes", 100_000),
  kernel("store8", "store 8 bytes", 100_000),
  kernel("store8-unaligned", "store 8 bytes, not aligned", 100_000),
  kernel("store-double", "store a double", 100_000),
  kernel("amo4", "atomic add, 4 bytes", 10_000),
  kernel("amo8", "atomic add, 8 bytes", 10_000),
  kernel("reserve", "lr, add, sc", 10_000),
  kernel("fence", "fence", 20_000),
  kernel("call", "call and return", 20_000),
  kernel("indirect", "indirect jump, targets in turn", 20_000),
  kernel("getpid", "system call", 1_000),
];

type Command = (...words: string[]) => string[];

/** Nanoseconds of the CPU in user mode, or in all where the host's kernel takes part. */
function costOf(k: Kernel, command: Command, o: Options, program: string): number {
  const thousands = o.quick ? k.thousands / 4 : k.thousands;
  const differences = Array.from({ length: o.quick ? 1 : 3 }, () => {
    const [all, none] = [String(thousands), "0"].map((count) => runOnce(command(program, k.name, count)));
    return k.name === "getpid" ? all!.cpu - none!.cpu : all!.user - none!.user;
  });
  // What is cheaper than the noise of two starts comes out below nothing.
  return Math.max(0, (median(differences) / (thousands * 1000)) * 1e9);
}

export async function guestOperations(o: Options, progress: (what: string) => void): Promise<Figure[]> {
  if (!isThere("riscv64-linux-gnu-gcc")) return [];
  const program = buildGuest("kernels.c");
  const commands: (readonly [string, Command])[] = [
    ...o.engines.map(
      (engine: Engine) => [contestantOf(engine), (...w: string[]) => sabre("--jit", engine, ...w)] as const,
    ),
    ...(isThere("qemu-riscv64") ? [["qemu", qemu] as const] : []),
  ];
  return kernels.map((k) => ({
    part: "operations of a guest",
    name: k.what,
    values: Object.fromEntries(
      commands.map(([who, command]) => {
        progress(`${k.what}, ${who}`);
        return [who, costOf(k, command, o, program)];
      }),
    ),
    unit: "ns",
  }));
}
