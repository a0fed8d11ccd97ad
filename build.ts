// `bun run build`, which installing does by itself: puts what `sabre run` needs into one file with its bytecode, dist/run.js.
// It starts in two thirds of the time. src/main.ts takes it only while every source is as it was here.
import { join } from "node:path";
import { type BunPlugin, Glob } from "bun";
import { core, floatFactory } from "./src/cpu/generated.ts";

/** Puts the interpreter's functions in the place of the module that makes them. */
const interpreter: BunPlugin = {
  name: "interpreter",
  setup: (build) =>
    void build.onLoad({ filter: /\/src\/cpu\/generated\.ts$/ }, () => ({
      loader: "js",
      contents: `
        const [plain, counting, floats] = [${[core(false), core(true), floatFactory()].join(",\n")}];
        export const core = (counts) => counts ? counting : plain;
        export const floatFactory = () => floats;`,
    })),
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
    entrypoints: [join(import.meta.dir, "src/cli/run.ts")],
    outdir: folder,
    target: "bun",
    format: "cjs",
    bytecode: true,
    plugins: [interpreter],
  });
  await Bun.write(join(folder, "sources.json"), JSON.stringify(built));
}

if (import.meta.main) await build();
