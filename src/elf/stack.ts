// The initial stack of a program: argc, argv, envp, the auxiliary vector, and the strings, in the order in which Linux
// lays them out (programs that overwrite their argv to rename themselves rely on it): from the top down a null word,
// the path of the program, the environment, the arguments, 16 random bytes, then the vectors.
// Specification: RISC-V ELF psABI; System V gABI.

/** Numbers of the auxiliary vector. */
export const Aux = {
  null: 0,
  phdr: 3,
  phent: 4,
  phnum: 5,
  pagesz: 6,
  base: 7,
  flags: 8,
  entry: 9,
  uid: 11,
  euid: 12,
  gid: 13,
  egid: 14,
  hwcap: 16,
  clktck: 17,
  secure: 23,
  random: 25,
  rseqFeatureSize: 27,
  rseqAlign: 28,
  execfn: 31,
  minsigstksz: 51,
} as const;

export interface StackContents {
  /** Strings of one character a byte. */
  readonly argv: readonly string[];
  readonly envp: readonly string[];
  /** The path by which the program was started. */
  readonly execfn: string;
  /** 16 bytes for AT_RANDOM. */
  readonly random: Uint8Array;
  /** Pairs of the auxiliary vector, in order, without AT_RANDOM, AT_EXECFN and the final AT_NULL, which are added. */
  readonly aux: readonly (readonly [type: number, value: number])[];
}

export interface BuiltStack {
  /** 16-byte aligned; argc is there. */
  readonly sp: number;
  /** The contents of `[sp, top)`. */
  readonly bytes: Uint8Array;
  /** The auxiliary vector, AT_NULL included. */
  readonly auxv: Uint8Array;
  /** Where the strings of argv and envp lie: `[start, end)`. */
  readonly args: readonly [start: number, end: number];
  readonly env: readonly [start: number, end: number];
}

const word = 8;
/** Bytes of a string, its NUL included: MAX_ARG_STRLEN. */
export const stringLimit = 32 * 4096;
const totalLimit = 6 * 2 ** 20;
const totalLeast = 128 * 1024;

/** Bytes of strings and of the addresses of those of argv and envp, under that limit of the stack (bytes). */
export const mostStringBytes = (stackLimit: number): number =>
  Math.max(Math.min(totalLimit, stackLimit / 4), totalLeast);

/** Whether execve answers E2BIG: a string over 128 KiB, or all together over a quarter of the stack's limit (bytes). */
export function tooBig(c: Pick<StackContents, "argv" | "envp" | "execfn">, stackLimit: number): boolean {
  const strings = [c.execfn, ...c.argv, ...c.envp];
  if (strings.some((s) => s.length + 1 > stringLimit)) return true;
  const bytes = strings.reduce((sum, s) => sum + s.length + 1, (c.argv.length + c.envp.length) * word);
  return bytes > mostStringBytes(stackLimit);
}

/** Lays out the stack that ends at guest address `top` (16-byte aligned). */
export function buildStack(top: number, c: StackContents): BuiltStack {
  const lengthOf = (list: readonly string[]): number => list.reduce((sum, s) => sum + s.length + 1, 0);
  const execfn = top - word - (c.execfn.length + 1);
  const envStart = execfn - lengthOf(c.envp);
  const argStart = envStart - lengthOf(c.argv);
  const random = argStart - (argStart % 16) - 16;
  const aux = [...c.aux, [Aux.random, random], [Aux.execfn, execfn], [Aux.null, 0]] as const;
  const words = 1 + c.argv.length + 1 + c.envp.length + 1 + aux.length * 2;
  const below = random - words * word;
  const sp = below - (below % 16);

  const bytes = Buffer.alloc(top - sp);
  const put = (at: number, value: number): number => {
    bytes.writeUInt32LE(value % 2 ** 32, at - sp);
    bytes.writeUInt32LE(Math.floor(value / 2 ** 32), at - sp + 4);
    return at + word;
  };
  const putStrings = (vector: number, start: number, list: readonly string[]): number => {
    let [at, to] = [vector, start];
    for (const s of list) {
      at = put(at, to);
      to += bytes.write(s, to - sp, "latin1") + 1;
    }
    return put(at, 0);
  };
  bytes.set(c.random.subarray(0, 16), random - sp);
  bytes.write(c.execfn, execfn - sp, "latin1");
  const afterArgv = putStrings(put(sp, c.argv.length), argStart, c.argv);
  const auxAt = putStrings(afterArgv, envStart, c.envp);
  aux.reduce((at, [type, value]) => put(put(at, type), value), auxAt);
  return {
    sp,
    bytes,
    auxv: Uint8Array.from(bytes.subarray(auxAt - sp, auxAt - sp + aux.length * 2 * word)),
    args: [argStart, envStart],
    env: [envStart, execfn],
  };
}
