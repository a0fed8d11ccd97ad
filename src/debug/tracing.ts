// Has the threads of a worker be ones that a debugger may stop.
import type { Hart } from "../cpu/hart.ts";
import type { Site } from "../linux/bundle.ts";
import type { HartEngine } from "../linux/engine.ts";
import { leaveThread } from "../linux/exit.ts";
import { runTask } from "../linux/run.ts";
import type { Task } from "../linux/task.ts";
import { makePoints, type Points } from "./points.ts";
import type { DebugState } from "./state.ts";
import { makeTracer } from "./tracer.ts";

export interface Tracing {
  /** Where the worker's engine is to stop: for who makes it. */
  readonly stops: Pick<Points, "stopsAt" | "passes">;
  /** Once the engine is there. Answers what runs a thread to its end in this worker. */
  readonly begin: (engine: HartEngine) => (t: Task) => void;
}

/** `space`: the slot of the worker whose memory it is; `hart` runs in this one. */
export function makeTracing(d: DebugState, site: Site, space: number, hart: Hart): Tracing {
  const points = makePoints(d, site.memory, space, hart.i32);
  return {
    stops: { stopsAt: points.stopsAt, passes: points.passes },
    begin: (engine) => {
      const tracer = makeTracer(d, points, engine);
      site.tracer = tracer;
      return (t) => {
        runTask(t, engine);
        if (!t.moved) {
          tracer.leaving(t);
          leaveThread(t);
        }
        tracer.left(t.index);
      };
    },
  };
}
