// Makes functions of the text that emit.ts writes, over the names of src/cpu/scope.ts.
import type { CompiledRegion } from "../../src/cpu/interpreter.ts";
import type { Region } from "../region.ts";
import type { Emitter, Place } from "../tiers.ts";
import { tuning } from "../tuning.ts";
import { aliased, emitRegion } from "./emit.ts";

export function makeJsEmitter({ interpreter }: Place): Emitter {
  /** What regions may name. It changes only with the memory's views. */
  let names: Record<string, unknown> | undefined;
  function namesNow(): Record<string, unknown> {
    if (names === undefined) {
      names = { ...interpreter.names(), probe: interpreter.probe };
      for (const name of aliased) names[name + "_"] = names[name];
    }
    return names;
  }

  function compile(region: Region): CompiledRegion {
    const body = emitRegion(region);
    const all = namesNow();
    // A function's parameters cost time to parse: it gets those that it uses.
    const used = [...new Set(body.match(/[A-Za-z]\w+/g))].filter((word) => word in all && !aliased.includes(word));
    const name = `region_${region.pc.toString(16)}`;
    const make = new Function(...used, `return function ${name}(){${body}}`);
    return make(...used.map((word) => all[word])) as CompiledRegion;
  }

  return {
    shape: { calls: false, straight: tuning.straightInstructions },
    compile: (regions) => regions.map(compile),
    link: () => {},
    memoryGrew: () => {
      names = undefined;
      return true;
    },
  };
}
