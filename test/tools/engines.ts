// The execution tiers that tests run on.

/** Values of `--jit`. */
export const engines = ["off", "js", "wasm", "auto"] as const;

/** Environment that makes a tier compile all that it can, at once. */
export const eager = { SABRE_HEAT: "1" } as const;

/** An engine, and how soon it compiles. */
export interface Way {
  readonly name: string;
  readonly jit: (typeof engines)[number];
  readonly env: Readonly<Record<string, string>>;
}

/** The engines that compile, so that everything is compiled; `wasm` compiles as `auto` does. */
export const eagerWays: readonly Way[] = (["js", "auto"] as const).map((jit) => ({
  name: `${jit}, eager`,
  jit,
  env: eager,
}));

/** Every engine as users have it, and those. */
export const ways: readonly Way[] = [...engines.map((jit) => ({ name: jit, jit, env: {} })), ...eagerWays];
