// The order of the layers, read from the imports of src/ and jit/.
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, join, relative } from "node:path";
import { Glob } from "bun";

const root = join(import.meta.dir, "..");

/** Lowest first. What shares a line does not import one another. */
const layers: readonly (readonly string[])[] = [
  ["isa", "sync", "host"],
  ["memory"],
  ["cpu", "elf"],
  ["jit"],
  ["linux"],
  ["debug"],
  ["gdb"],
  ["machine"],
  ["main"],
];

/** What lies in a layer under another name. */
const parts: Readonly<Record<string, string>> = { cli: "main" };

const files = [...new Glob("{src,jit}/**/*.ts").scanSync(root)].sort();

/** The layer of a file, by its path from the root. */
function layerOf(file: string): string {
  const [top, second = ""] = file.split("/");
  if (top === "jit") return "jit";
  const name = second.replace(/\.ts$/, "");
  return parts[name] ?? name;
}

const rankOf = (file: string): number => layers.findIndex((line) => line.includes(layerOf(file)));

/** What a file imports, as written, with imports of types. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), "utf8");
  return [...text.matchAll(/^(?:import|export)\b[^;]*?\bfrom "([^"]+)"|\bimport\("([^"]+)"/gm)].map(
    (m) => m[1] ?? m[2]!,
  );
}

const resolve = (file: string, specifier: string): string => relative(root, join(root, dirname(file), specifier));
const isOwn = (specifier: string): boolean => specifier.startsWith(".");

test("every file of src/ and jit/ belongs to a layer", () => {
  expect(files.filter((file) => rankOf(file) < 0)).toEqual([]);
});

test("imports point to the same layer or to a lower one", () => {
  const wrong = files.flatMap((file) =>
    importsOf(file)
      .filter(isOwn)
      .map((specifier) => resolve(file, specifier))
      .filter((target) => target.endsWith(".ts") && layerOf(target) !== layerOf(file) && rankOf(target) >= rankOf(file))
      .map((target) => `${file} imports ${target}`),
  );
  expect(wrong).toEqual([]);
});

test("the emulator imports nothing but itself and what Bun has built in", () => {
  const builtIn = (name: string) => name.startsWith("node:") || /^bun(:|$)/.test(name) || builtinModules.includes(name);
  const outside = files.flatMap((file) =>
    importsOf(file)
      .filter((name) => !isOwn(name) && !builtIn(name))
      .map((name) => `${file} imports ${name}`),
  );
  expect(outside).toEqual([]);
});

test("no file imports itself through others", () => {
  // Imports that exist at run time: types may refer to each other.
  const transpiler = new Bun.Transpiler({ loader: "ts" });
  const edges = new Map(
    files.map((file) => [
      file,
      transpiler
        .scanImports(readFileSync(join(root, file), "utf8").replace(/^#!.*/, ""))
        .filter((i) => isOwn(i.path) && i.kind === "import-statement")
        .map((i) => resolve(file, i.path)),
    ]),
  );
  const cycles: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, way: readonly string[]): void => {
    if (way.includes(file)) cycles.push([...way.slice(way.indexOf(file)), file].join(" -> "));
    else if (!done.has(file)) for (const next of edges.get(file) ?? []) visit(next, [...way, file]);
    done.add(file);
  };
  for (const file of files) visit(file, []);
  expect(cycles).toEqual([]);
});

test("no file only passes on what others export", () => {
  const barrels = files.filter((file) => /^export (\*|\{[^}]*\}) from/m.test(readFileSync(join(root, file), "utf8")));
  expect(barrels).toEqual([]);
});
