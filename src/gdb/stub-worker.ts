// What the stub's worker is: the module that `begin.ts` starts.
import { attachDebugState, type DebugBundle } from "../debug/state.ts";
import { useInterrupts } from "../host/interrupt.ts";
import { takeShortTurns } from "../host/turns.ts";
import { attachProcess, attachSite, attachTask, type Bundle } from "../linux/bundle.ts";
import { firstProcess } from "../linux/processes.ts";
import { firstTask } from "../linux/tasks.ts";
import { mostWorkers } from "../linux/worker-table.ts";
import { mainAgent, setAgentId } from "../sync/agent.ts";
import { runStub, type StubOptions } from "./stub.ts";

export interface StubMessage {
  /** Of the main thread. */
  readonly bundle: Bundle;
  /** What `installInterrupts` answered. */
  readonly interrupts: number;
  readonly options: StubOptions;
}

/** Behind those of the workers that run guest threads. */
const agent = mainAgent + mostWorkers;

const scope = globalThis as { onmessage?: ((event: MessageEvent<StubMessage>) => void) | null };
scope.onmessage = ({ data }) => {
  setAgentId(agent);
  useInterrupts(data.interrupts);
  takeShortTurns();
  const site = attachSite(data.bundle);
  const first = attachProcess(site, firstProcess);
  const world = { d: attachDebugState(data.bundle.options.debug as DebugBundle), kernel: site.kernel };
  runStub({ world, viewer: attachTask(first, firstTask) }, data.options);
  scope.onmessage = null;
};
