// What executes the instructions of a guest thread: an interpreter with the tiers that compile for it. Each worker has one,
// for the hart that it runs.
import { lazyTiers } from "../../jit/lazy.ts";
import type { CacheFigures, EmitterName } from "../../jit/tiers.ts";
import type { Hart } from "../cpu/hart.ts";
import { type Interpreter, type InterpreterHooks, makeInterpreter } from "../cpu/interpreter.ts";
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
}

/** `decoded` is called for each instruction when it is decoded. */
export interface EngineHooks extends Pick<EngineOptions, "jit">, Pick<InterpreterHooks, "stopsAt" | "passes"> {
  readonly decoded?: ((pc: number, bits: number) => void) | undefined;
}

/** Makes the engine of a hart that lies in the memory of an address space. The memory's views tell it of changed code from now on. */
export function makeEngine(
  hart: Hart,
  space: AddressSpace,
  { jit, decoded, stopsAt, passes }: EngineHooks,
): HartEngine {
  const { memory } = space;
  const emitter = jit === "off" ? undefined : jit === "auto" ? "wasm" : jit;
  const tiers = emitter && lazyTiers(emitter);
  const interpreter = makeInterpreter(hart, memory, {
    ...(tiers && { tier: tiers }),
    time: () => Math.floor(monotonic() / 100),
    shared: () => isShared(space.sharing) || space.head[Head.shared] !== 0,
    fenceI: () => dropSharedCode(space),
    decoded,
    ...(stopsAt && { stopsAt }),
    ...(passes && { passes }),
  });
  tiers?.attach({ interpreter, hart, memory });
  memory.codeChanged = interpreter.invalidate;
  return {
    run: interpreter.run,
    step: interpreter.step,
    stopChanged: interpreter.stopChanged,
    emitter,
    get figures() {
      return tiers?.figures;
    },
  };
}
