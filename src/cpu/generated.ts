// The interpreter's functions, made of their text when they are first asked for. A build puts the functions themselves
// in this module's place (build.ts), so that they start from bytecode.
import type { AtOnce } from "./at-once.ts";
import { coreParameters, coreText, floatParameters, floatText } from "./handlers.ts";
import type { Cause } from "./hart.ts";

type Handler = (i: number, w: number) => number;

/** Takes what `coreParameters` names. */
export type CoreFactory = (...values: readonly unknown[]) => {
  readonly run: (budget: number) => Cause;
  readonly step: (lo: number, hi: number, budget: number) => Cause;
  /** The memory has other views. */
  readonly rebind: () => void;
  /** Others run on the same memory from now on: eight bytes are read and written at once. */
  readonly share: (load64: AtOnce["load64"], store64: AtOnce["store64"]) => void;
};

/** Takes what `floatParameters` names. */
export type FloatFactory = (...values: readonly unknown[]) => readonly (readonly [op: number, handler: Handler])[];

const cores: CoreFactory[] = [];
let floats: FloatFactory | undefined;

export const core = (counts: boolean): CoreFactory =>
  (cores[Number(counts)] ??= new Function(...coreParameters, coreText(counts)) as CoreFactory);

export const floatFactory = (): FloatFactory =>
  (floats ??= new Function(...floatParameters, floatText()) as FloatFactory);
