// The execution tiers that tests run on.

/** Values of `--jit` that exist. Every test of the interpreter runs on each. */
export const engines = ["off"] as const;
export type EngineName = (typeof engines)[number];
