// Makes a program one that can be debugged: the state that its threads share with the stub, what traces those of the main
// thread, and the stub's worker.

import type { Hart } from "../cpu/hart.ts";
import { addressIn, debugBundle, Head, newDebugState, ring } from "../debug/state.ts";
import { makeTracing, type Tracing } from "../debug/tracing.ts";
import { buildFolder } from "../host/build.ts";
import { installInterrupts } from "../host/interrupt.ts";
import { newScratch } from "../host/scratch.ts";
import { host } from "../host/syscall.ts";
import { takeLongTurns } from "../host/turns.ts";
import type { Site } from "../linux/bundle.ts";
import { Header } from "../linux/kernel.ts";
import { mainSlot } from "../linux/worker-table.ts";
import type { StubOptions } from "./stub.ts";
import type { StubMessage } from "./stub-worker.ts";

export interface DebugOptions extends StubOptions {
  /** Whether the program waits for a debugger before its first instruction. */
  readonly suspend: boolean;
  /** Whether the debugger has the program's terminal: then it is told itself of what interrupts that. */
  readonly together: boolean;
}

export interface Debugging {
  /** What workers need, as `EngineOptions.debug`. */
  readonly bundle: unknown;
  /** Has the threads of the main thread be traced. */
  readonly trace: (site: Site, hart: Hart) => Tracing;
  /** Lets debuggers come. */
  readonly start: (site: Site) => void;
  /** All programs have ended: waits until a debugger has been told. */
  readonly end: () => void;
}

export function prepareDebugging({ suspend, together, ...options }: DebugOptions): Debugging {
  const interval = ownInterval();
  const turn = takeLongTurns();
  const state = newDebugState(suspend);
  state.words[Head.together] = Number(together);
  return {
    bundle: debugBundle(state),
    trace: (site, hart) => makeTracing(state, site, mainSlot, hart),
    start: ({ bundle, kernel }) => {
      kernel.i32[Header.turn] = turn;
      kernel.i32[Header.interval] = interval;
      const folder = buildFolder();
      const script = folder === undefined ? `${import.meta.dir}/stub-worker.ts` : `${folder}/stub-worker.js`;
      const interrupts = installInterrupts();
      new Worker(script, { smol: true }).postMessage({ bundle, interrupts, options } satisfies StubMessage);
    },
    end: () => {
      Atomics.store(state.words, Head.ended, 1);
      ring(state);
      while (Atomics.load(state.words, Head.done) === 0) host("futex", addressIn(state, Head.done), waitPrivate, 0);
    },
  };
}

/** What sched_rr_get_interval answers: nanoseconds. */
function ownInterval(): number {
  const interval = newScratch(16);
  host("sched_rr_get_interval", 0, interval.address);
  return interval.u32[2]!;
}

/** FUTEX_WAIT, private. */
const waitPrivate = 128;
