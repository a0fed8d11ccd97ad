// Modules of regions: emitted as bytes, and compiled with what their functions share.
import type { Region } from "../region.ts";
import { sparing } from "../sparing.ts";
import { emitRegion, type WasmRegion } from "./emit.ts";
import { encodeModule, type Import } from "./encoder.ts";
import { type Environment, usual } from "./environment.ts";
import { helperType, memoryImport } from "./helpers.ts";
import { regionType } from "./links.ts";

/** Whether a region is compiled anew when it is known where its jumps lead. */
const learns = ({ blocks }: Region): boolean => blocks.some(({ end }) => "site" in end && end.site !== undefined);

/**
 * A module in which function `i`, exported as its number, is region `i`; and the names of the helpers that it imports.
 */
export function emitModule(
  regions: readonly Region[],
  hartOffset: number,
  slotOf: (pc: number) => number,
  manner = usual,
) {
  const helpers: string[] = [];
  const indices = new Map<string, number>();
  const helper = (name: string): number => {
    const known = indices.get(name);
    if (known !== undefined) return known;
    indices.set(name, helpers.length);
    return helpers.push(name) - 1;
  };
  // What is to be compiled anew when it is known where its jumps lead is reached by its slot.
  const own = new Map(regions.flatMap((r, i) => (learns(r) ? [] : [[r.pc, i] as const])));
  const functions = regions.map((region, i) => emitRegion(region, String(i), hartOffset, helper, slotOf, own, manner));
  const imports: Import[] = [
    memoryImport,
    { module: "env", name: "table", kind: "table", minimum: 1 },
    ...helpers.map((name): Import => ({ module: "help", name, kind: "function", type: helperType(name) })),
  ];
  return { bytes: encodeModule({ types: [regionType], imports, functions, elements: [] }), helpers };
}

/**
 * Compiles regions into one module. The functions stand in the order of the regions. They are entered by others only
 * once they are linked.
 */
export function compileRegions(regions: readonly Region[], env: Environment, manner = usual): WasmRegion[] {
  const { bytes, helpers } = emitModule(regions, env.place.hart, env.links.slotOf, manner);
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
    env: { memory: env.place.memory, table: env.links.table },
    help: Object.fromEntries(helpers.map((name) => [name, env.helper(name)])),
  });
  return regions.map((_, i) => exports[String(i)] as WasmRegion);
}

sparing({ emitModule });
