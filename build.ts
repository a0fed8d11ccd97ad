// `bun run build`, which installing does by itself: puts what `sabre run` needs into one file with its bytecode, dist/run.js,
// and what its workers need into another, dist/worker.js. They start in two thirds and a third of the time.
// src/host/build.ts takes them only while every source is as it was here.
import { join } from "node:path";
import { type BunPlugin, Glob } from "bun";
import { quickLoopBytes } from "./jit/quick-loop-bytes.ts";
import { core, floatFactory } from "./src/cpu/generated.ts";
import { slotTables } from "./src/cpu/slot-tables.ts";
import { formTables } from "./src/isa/riscv/form-tables.ts";

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
    const forms = formTables();
    build.onLoad({ filter: /\/isa\/riscv\/form-tables\.ts$/ }, () =>
      tables("formTables", forms.masks.length, { ...forms }),
    );
    build.onLoad({ filter: /\/src\/cpu\/slot-tables\.ts$/ }, () =>
      tables("slotTables", forms.masks.length, { ...slotTables() }),
    );
    build.onLoad({ filter: /\/src\/cpu\/generated\.ts$/ }, () => ({
      loader: "js",
      contents: `
        const [plain, counting, floats] = [${[core(false), core(true), floatFactory()].join(",\n")}];
        export const core = (counts) => counts ? counting : plain;
        export const floatFactory = () => floats;`,
    }));
  },
};

/** A module that has a function of that name, which answers tables: values, and functions of an index, whose results are kept as text. */
function tables(name: string, count: number, of: Readonly<Record<string, unknown>>) {
  const members = Object.entries(of).map(([key, value]) => {
    if (typeof value !== "function") return `${key}:${JSON.stringify(value)}`;
    const texts = Array.from({ length: count }, (_, index) => JSON.stringify(value(index)));
    return `${key}:(index)=>JSON.parse(${JSON.stringify(texts)}[index])`;
  });
  return { loader: "js" as const, contents: `export const ${name} = () => ({${members.join(",\n")}});` };
}

/** Modification time and size of every source, by name. */
const sources = (): Record<string, readonly [modified: number, size: number]> =>
  Object.fromEntries(
    ["package.json", ...new Glob("{src,jit}/**/*.ts").scanSync(import.meta.dir)].sort().map((name) => {
      const file = Bun.file(join(import.meta.dir, name));
      return [name, [file.lastModified, file.size]] as const;
    }),
  );

/** The command line, and what its workers are. */
const entries = [
  "src/cli/run.ts",
  "src/linux/worker.ts",
  "src/linux/maker.ts",
  "src/debug/traced-worker.ts",
  "src/gdb/stub-worker.ts",
];

/** Builds into `folder`. Throws where that fails. */
export async function build(folder = join(import.meta.dir, "dist")): Promise<void> {
  // Before they are read: what changes meanwhile must not pass for built.
  const built = sources();
  await Bun.build({
    entrypoints: entries.map((name) => join(import.meta.dir, name)),
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
