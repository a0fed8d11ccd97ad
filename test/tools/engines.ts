// The execution tiers that tests run on.

/** Values of `--jit` that name an engine of their own. */
export const engines = ["off", "js", "wasm"] as const;

/** Environment that makes a tier compile all that it can, at once. */
export const eager = { SABRE_HEAT: "1" } as const;
