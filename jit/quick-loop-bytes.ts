// The bytes of the interpreter's loop in WebAssembly, made when they are first asked for. A build puts the bytes themselves in
// this module's place (build.ts), so that a short program does without the emitter.
import { hartOffset } from "../src/memory/guest-memory.ts";
import { type Relocatable, relocatable } from "./relocation.ts";

/** For the first hart. */
export function quickLoopBytes(): Relocatable {
  const { quickLoop } = require("./wasm/quick-loop.ts") as typeof import("./wasm/quick-loop.ts");
  return relocatable(quickLoop, hartOffset(0));
}
