// What `build.ts` made of the sources, so that they start faster: files in a folder of their own, beside a list of all
// sources as they were then. They are taken only while every source is still of that time and size.
const root = `${import.meta.dir}/../..`;

/** Undefined until it is known, "" where there is no such folder. */
let known: string | undefined;

/** Says that this code runs from the folder of a build: from there nothing else can be told. */
export function useBuild(folder: string): void {
  known = folder;
}

/** The folder of a build of the sources as they are; undefined where there is none. Looks once. */
export function buildFolder(): string | undefined {
  known ??= isCurrent() ? `${root}/dist` : "";
  return known === "" ? undefined : known;
}

function isCurrent(): boolean {
  const stamp = `${root}/dist/sources.json`;
  if (Bun.file(stamp).size === 0) return false;
  const sources: Record<string, readonly [modified: number, size: number]> = require(stamp);
  for (const name in sources) {
    const source = Bun.file(`${root}/${name}`);
    const [modified, size] = sources[name]!;
    if (source.lastModified !== modified || source.size !== size) return false;
  }
  return true;
}
