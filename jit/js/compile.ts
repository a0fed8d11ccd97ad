// Makes functions of the text that emit.ts writes, over the names of src/cpu/scope.ts and of links.ts.
import type { CompiledRegion } from "../../src/cpu/interpreter.ts";
import type { Region } from "../region.ts";
import type { Emitter, Place } from "../tiers.ts";
import { tuning } from "../tuning.ts";
import { aliased, emitRegion, linkName } from "./emit.ts";
import { nothing } from "./instrumentation.ts";
import { type Linked, makeLinks } from "./links.ts";
import { wideArithmetic } from "./wide.ts";

/** `instrumentation`: what regions that are made from now on have in them. */
export function makeJsEmitter({ interpreter, hart, memory }: Place, instrumentation = nothing): Emitter {
  const links = makeLinks(hart);
  /** What regions may name. It changes only with the memory's views, and when others run on it too. */
  let names: Record<string, unknown> | undefined;
  function namesNow(): Record<string, unknown> {
    if (names === undefined) {
      names = {
        ...interpreter.names(),
        ...wideArithmetic(hart, memory.memory),
        ...links.names,
        probe: interpreter.probe,
      };
      const { counts, trace } = instrumentation;
      Object.assign(names, { COUNTS: counts, TRACE: trace });
      for (const name of aliased) names[name + "_"] = names[name];
    }
    return names;
  }

  function compile(region: Region): CompiledRegion {
    const all = namesNow();
    const { body, targets } = emitRegion(region, instrumentation, "load64" in all);
    // A function's parameters cost time to parse: it gets those that it uses.
    const used = [...new Set(body.match(/[A-Za-z]\w+/g))].filter((word) => word in all && !aliased.includes(word));
    const name = `region_${region.pc.toString(16)}`;
    const make = new Function(...used, ...targets.map(linkName), `return function ${name}(d){${body}}`);
    return links.enter(make(...used.map((word) => all[word]), ...targets.map(links.cellOf)) as Linked);
  }

  return {
    shape: { calls: true, ...tuning.js },
    compile: (regions) => regions.map(compile),
    link: links.link,
    missed: () => {},
    crowded: links.crowded,
    reset: links.reset,
    memoryGrew: () => {
      names = undefined;
      return true;
    },
  };
}
