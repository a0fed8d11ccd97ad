// `bun run build`, which installing does by itself: puts what `sabre run` needs into one file with its bytecode, dist/run.js,
// and what its workers need into another, dist/worker.js. They start in two thirds and a third of the time.
// src/host/build.ts takes them only while every source is as it was here.
import { join } from "node:path";
import { type BunPlugin, Glob } from "bun";
import { quickLoopBytes } from "./jit/quick-loop-bytes.ts";
import { core, floatFactory } from "./src/cpu/generated.ts";

/** Puts what the interpreter runs in the place of the modules that make it. */
const interpreter: BunPlugin = {
  name: "interpreter",
  setup: (build) => {
    build.onLoad({ filter: /\/jit\/quick-loop-bytes\.ts$/ }, () => {
      const { bytes, places } = quickLoopBytes();
      return {
        loader: "js",
        contents: `
          export const quickLoopBytes = () => ({
            bytes: Uint8Array.fromBase64("${bytes.toBase64()}"),
            places: new Uint32Array(Uint8Array.fromBase64("${new Uint8Array(places.buffer).toBase64()}").buffer),
          });`,
      };
    });
    build.onLoad({ filter: /\/src\/cpu\/generated\.ts$/ }, () => ({
      loader: "js",
      contents: `
        const [plain, counting, floats] = [${[core(false), core(true), floatFactory()].join(",\n")}];
        export const core = (counts) => counts ? counting : plain;
        export const floatFactory = () => floats;`,
    }));
  },
};

/** Modification time and size of every source, by name. */
const sources = (): Record<string, readonly [modified: number, size: number]> =>
  Object.fromEntries(
    ["package.json", ...new Glob("{src,jit}/**/*.ts").scanSync(import.meta.dir)].sort().map((name) => {
      const file = Bun.file(join(import.meta.dir, name));
      return [name, [file.lastModified, file.size]] as const;
    }),
  );

/** Builds into `folder`. Throws where that fails. */
export async function build(folder = join(import.meta.dir, "dist")): Promise<void> {
  // Before they are read: what changes meanwhile must not pass for built.
  const built = sources();
  await Bun.build({
    entrypoints: ["src/cli/run.ts", "src/linux/worker.ts"].map((name) => join(import.meta.dir, name)),
    outdir: folder,
    naming: "[name].[ext]",
    target: "bun",
    format: "cjs",
    bytecode: true,
    plugins: [interpreter],
  });
  await Bun.write(join(folder, "sources.json"), JSON.stringify(built));
}

if (import.meta.main) await build();
