// The floating-point unit that the engines call: fast paths in doubles over the exact unit, on a hart's register file.
// Follows the F, D, Zfhmin and Zfa chapters of the RISC-V unprivileged specification.
import type { Hart } from "../hart.ts";
import { makeConversions } from "./conversions.ts";
import { makeDouble } from "./double.ts";
import { makeExact } from "./exact.ts";
import type { Fpu } from "./fpu-type.ts";
import { makeSingle } from "./single.ts";

export type { FloatOp, Fpu } from "./fpu-type.ts";

/** The unit of one hart. */
export function makeFpu(h: Hart): Fpu {
  const exact = makeExact(h);
  return { ...exact, ...makeDouble(h, exact), ...makeSingle(h, exact), ...makeConversions(h, exact) };
}
