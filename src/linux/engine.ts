// What executes the instructions of a guest thread: an interpreter with the tiers that compile for it. Each worker has one,
// for the hart that it runs.
import { lazyTiers } from "../../jit/lazy.ts";
import type { RangeSteps } from "../../jit/ranges.ts";
import type { CacheFigures, EmitterName } from "../../jit/tiers.ts";
import type { Cause, Hart } from "../cpu/hart.ts";
import { type Interpreter, type InterpreterHooks, makeInterpreter, type Tier } from "../cpu/interpreter.ts";
import { monotonic } from "../host/clock.ts";
import { type AddressSpace, dropSharedCode } from "../memory/address-space.ts";
import { isShared } from "../memory/sharing.ts";
import { Head } from "../memory/vmas.ts";
import type { EngineOptions } from "./bundle.ts";
import type { Engine } from "./guest-code.ts";

export interface HartEngine extends Engine, Pick<Interpreter, "step" | "stopChanged"> {
  /** The tier that compiles; undefined for none. */
  readonly emitter: EmitterName | undefined;
  /** What is kept of compiled code, where a tier compiles. */
  readonly figures: Readonly<CacheFigures> | undefined;
  /** Has nothing be compiled any more, and what was compiled dropped; or compiles again. Between two runs. */
  readonly setCompiling: (on: boolean) => void;
}

/** `decoded` is called for each instruction when it is decoded. */
export interface EngineHooks extends Pick<EngineOptions, "jit">, Pick<InterpreterHooks, "stopsAt" | "passes"> {
  readonly decoded?: ((pc: number, bits: number) => void) | undefined;
}

/** Bytes of an instruction and a jump back to it. */
const shortestLoop = 4;

/** Makes the engine of a hart that lies in the memory of an address space. The memory's views tell it of changed code from now on. */
export function makeEngine(
  hart: Hart,
  space: AddressSpace,
  { jit, decoded, stopsAt, passes }: EngineHooks,
): HartEngine {
  const { memory } = space;
  const emitter = jit === "off" ? undefined : jit === "auto" ? "wasm" : jit;
  const tiers = emitter && lazyTiers(emitter);
  let ranges: RangeSteps | undefined;
  // What steps through ranges has code of its own that changes with the tiers'.
  const tier: Tier | undefined = tiers && {
    ...tiers,
    dropAt: (pc) => {
      tiers.dropAt(pc);
      ranges?.dropAt(pc);
    },
    dropPages: (first, last) => {
      tiers.dropPages(first, last);
      ranges?.dropPages(first, last);
    },
    memoryGrew: () => {
      tiers.memoryGrew();
      ranges?.memoryGrew();
    },
  };
  const interpreter = makeInterpreter(hart, memory, {
    ...(tier && { tier }),
    time: () => Math.floor(monotonic() / 100),
    shared: () => isShared(space.sharing) || space.head[Head.shared] !== 0,
    fenceI: () => dropSharedCode(space),
    decoded,
    ...(stopsAt && { stopsAt }),
    ...(passes && { passes }),
  });
  tiers?.attach({ interpreter, hart, memory });
  memory.codeChanged = interpreter.invalidate;

  function step(start: number, end: number, budget: number): Cause {
    // A range that cannot loop is soon over.
    if (end - start < shortestLoop || budget < 2 || emitter === undefined || !tiers?.compiles)
      return interpreter.step(start, end, budget);
    ranges ??= (require("../../jit/ranges.ts") as typeof import("../../jit/ranges.ts")).makeRangeSteps(
      emitter,
      { interpreter, hart, memory },
      { stopsAt: (pc) => stopsAt?.(pc) === true, passes: (pc) => passes?.(pc) === true },
    );
    return ranges.step(start, end, budget);
  }

  return {
    run: interpreter.run,
    step,
    stopChanged: interpreter.stopChanged,
    emitter,
    get figures() {
      return tiers?.figures;
    },
    setCompiling: (on) => {
      if (tiers === undefined || tiers.compiles === on) return;
      tiers.compiles = on;
      interpreter.invalidate(0, 2 ** 32);
    },
  };
}
