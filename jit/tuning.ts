// All thresholds of the tiers. Each says what it bounds and what was measured; units are guest instructions or events.

const heat = (usual: number): number => Number(process.env["SABRE_HEAT"] ?? usual);

const eager = process.env["SABRE_HEAT"] === "1";

export const tuning = {
  /**
   * Times that a jump target is reached before its region is compiled. In WebAssembly with 800 or less python3 -c pass takes
   * a tenth longer than with 1500, with 3000 Lua does. A region in JavaScript costs 0.3 ms, and the engine optimizes it only
   * after some thousand runs: below 2000 short programs get slower, above 10000 long ones. SABRE_HEAT sets another number for
   * both: tests compile everything with 1.
   */
  heat: { js: heat(4000), wasm: heat(1500) },
  /** Regions that are compiled together, so that they call each other directly. */
  batch: { js: 1, wasm: eager ? 1 : 16 },
  /** Milliseconds that a region waits for others. */
  patience: 2,
  /**
   * How often a target has to be that hot before its region is compiled: so often at first, while the engine has not yet
   * compiled the emitters themselves, and once less for each `fewer` regions. In user time python3 -c pass takes 0.6 s so, 1.0 with
   * 1 at once; a run of Lua of a second 1.4 and 1.2. Where SABRE_HEAT is set there is one round.
   */
  rounds: { js: { first: 1, fewer: 1 }, wasm: { first: process.env["SABRE_HEAT"] === undefined ? 24 : 1, fewer: 2 } },
  /**
   * A program whose heat is spread, where each target is reached once in more than `apart` instructions, is not compiled in its first
   * `instructions`: what ends within that half a second gains less than compiling costs it. python3 -c pass, where none is reached more often than
   * once in 169, takes 0.60 s of user time instead of 0.78; the loops of small programs are reached once in 13 to 156. Nothing of
   * that where SABRE_HEAT is set.
   */
  early: { instructions: process.env["SABRE_HEAT"] === undefined ? 80e6 : 0, apart: 160 },
  /** Of the time since the start, what compiling has taken at most when regions are compiled anew. */
  share: eager ? Number.POSITIVE_INFINITY : 0.2,
  /** Instructions of a region. The engine stops optimizing JavaScript functions of more than some 500. */
  regionInstructions: 300,
  /**
   * For JavaScript: instructions of a region that does not loop; and how much longer than the shortest way round a loop others may be to be in its region. The
   * engine's compilers take some 5 ms for 50 instructions, but 200 ms for 250.
   */
  js: { straight: 60, around: { times: 2, more: 10 } },
  /**
   * For WebAssembly, switches: instructions of a region that has one, and has none where they are not enough; targets of an
   * indirect jump; recorded jumps after which they are looked at, and how many times more after each time that nothing came
   * of it (at every pause it cost Lua a quarter of its time); jumps to other targets than known after which a region is
   * compiled anew, and how many times more at each of the `rounds` that there are at most. An interpreter of bytecode in 150
   * instructions takes 0.4 of its time without; Lua's, of 1200, and Python's, which is larger than this, take the same.
   */
  switches: {
    instructions: 2000,
    targets: 64,
    sample: eager ? 1 : 1000,
    patience: eager ? 1 : 2,
    jumps: eager ? 1 : 2000,
    more: eager ? 1 : 8,
    rounds: 4,
  },
  /**
   * For WebAssembly: instructions behind a loop that belong to its region, and of other regions before they end where another
   * begins. A function that loops would else be left twice each time: strings and JSON take 0.75 of the time so.
   */
  overlap: { behind: 24, shared: 60 },
  /** Instructions of a function that becomes part of its caller's region. */
  smallFunction: 40,
  /** Instructions that a region may execute before it must return: bounds the delay of signals. */
  fuel: 100_000,
  /** Calls of the guest that become calls inside each other. Each takes some 200 bytes of the host's stack, before the engine optimizes it up to 2 KB. */
  callDepth: 500,
  /** Steps through a range of addresses: jumps back to an address before it is compiled, which takes a millisecond; and ranges that are kept. */
  ranges: { heat: eager ? 2 : 200, kept: 16 },
  /** Registers that are kept in locals in a loop, of its own and of the loops around it: somewhat fewer than the host has. */
  loopRegisters: { x: 12, f: 14 },
  /** Addresses that go one way in a loop, by it, of which it is kept in locals how far they are good. */
  limits: 6,
  /** Ways back to the head of a loop that become loops of their own in WebAssembly. */
  nestedLoops: 4,
  /** Addresses that regions go to, or begin at, of which links are kept. */
  links: 2 ** 18,
  /**
   * Dropped regions after which garbage is collected, in 20 to 50 ms. A guest that wrote new code all the time held 0.15 GB
   * with 500, 1.5 GB without.
   */
  collect: 1000,
  /** Compiled regions that are kept; when there are more, the oldest eighth is dropped, and compiled anew where it is hot. */
  regions: 20_000,
};
