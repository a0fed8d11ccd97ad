// Mutual exclusion between agents: one word of shared memory, which names the owner and whether others may be asleep on
// it, as in the futex word of a priority-inheriting lock. Owner and lock being one word, there is no moment at which a
// lock is held by nobody knows whom: what a terminated worker held can be found and released.
// Not fair: who comes first after an unlock gets it. Taken and given back without contention in 20 ns (Bun 1.4.5, x86-64).
import { agentId } from "./agent.ts";

/** The word is 0, or the owner's number times 2, plus 1 where others may be asleep. */
export interface Mutex {
  readonly words: Int32Array;
  readonly index: number;
}

export const newMutex = (): Mutex => ({ words: new Int32Array(new SharedArrayBuffer(4)), index: 0 });

const sleepers = 1;

// Most locks are held for less than a microsecond, a sleep and a wake cost 25 (Bun 1.4.5, x86-64).
// More rounds gained nothing on two cores: there the owner of a lock that is held for long is often not running.
const spins = 50;

/** Takes the mutex, sleeps until it can be had. Throws where this agent has it already. The main thread may sleep here too. */
export function lock(m: Mutex): void {
  const own = agentId() << 1;
  if (Atomics.compareExchange(m.words, m.index, 0, own) !== 0) lockContended(m, own);
}

function lockContended({ words, index }: Mutex, own: number): void {
  if ((Atomics.load(words, index) & ~sleepers) === own) throw new Error(`agent ${own >> 1} locks a mutex it holds`);
  for (let i = 0; i < spins; i++) {
    if (Atomics.load(words, index) === 0 && Atomics.compareExchange(words, index, 0, own) === 0) return;
    Atomics.pause();
  }
  // Whoever has slept takes it with the mark, because others may sleep still.
  for (;;) {
    const old = Atomics.load(words, index);
    if (old === 0) {
      if (Atomics.compareExchange(words, index, 0, own | sleepers) === 0) return;
    } else if (old & sleepers || Atomics.compareExchange(words, index, old, old | sleepers) === old) {
      Atomics.wait(words, index, old | sleepers);
    }
  }
}

/** Takes the mutex if that needs no sleep. Throws where this agent has it already. */
export function tryLock(m: Mutex): boolean {
  const own = agentId() << 1;
  const old = Atomics.compareExchange(m.words, m.index, 0, own);
  if ((old & ~sleepers) === own) throw new Error(`agent ${own >> 1} locks a mutex it holds`);
  return old === 0;
}

/** Gives the mutex back. Throws where this agent does not have it. */
export function unlock(m: Mutex): void {
  const own = agentId();
  const holder = ownerOf(m);
  if (holder !== own) throw new Error(`agent ${own} unlocks a mutex of agent ${holder}`);
  if (Atomics.exchange(m.words, m.index, 0) & sleepers) Atomics.notify(m.words, m.index, 1);
}

/** The agent that has the mutex, 0 for none. */
export const ownerOf = (m: Mutex): number => Atomics.load(m.words, m.index) >> 1;

/** Does something with the mutex held, and gives back what that does. A terminated worker gives nothing back: see `recover`. */
export function withLock<T>(m: Mutex, work: () => T): T {
  lock(m);
  try {
    return work();
  } finally {
    unlock(m);
  }
}

/**
 * Makes a mutex usable again after an agent's death, whether that held it, slept on it, or had just been woken to take it.
 * True if it held it: what the mutex protects may be half changed.
 */
export function recover(m: Mutex, dead: number): boolean {
  let held = false;
  for (let old = Atomics.load(m.words, m.index); old >> 1 === dead && !held; old = Atomics.load(m.words, m.index)) {
    held = Atomics.compareExchange(m.words, m.index, old, 0) === old;
  }
  // Everybody: the one that an unlock woke may be the dead one. Those who cannot have it go back to sleep.
  Atomics.notify(m.words, m.index);
  return held;
}
