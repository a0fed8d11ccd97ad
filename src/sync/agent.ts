// Who runs this code: each thread of the emulator (the main one and each Bun worker) is an agent with a number of its
// own, by which locks know their owners. Guest threads come and go on agents; their numbers are not known here.

/** The agent that the process began with. */
export const mainAgent = 1;
/** Numbers go from 1 to this one. */
export const maxAgent = 2 ** 30 - 1;

let self = Bun.isMainThread ? mainAgent : 0;

/** The number of the agent that asks. Throws in a worker that has not been given one. */
export function agentId(): number {
  if (self === 0) throw new Error("this worker has no agent number yet");
  return self;
}

/** Gives this worker its number, which no other living agent has. */
export function setAgentId(id: number): void {
  if (!Number.isInteger(id) || id < 1 || id > maxAgent) throw new RangeError(`${id} is no agent number`);
  self = id;
}
