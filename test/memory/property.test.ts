// Any sequence of operations, against a model that knows each page's rights and contents and nothing of mappings.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { type AddressSpace, pageBits } from "../../src/memory/address-space.ts";
import { Advice, madvise } from "../../src/memory/advice.ts";
import { Page } from "../../src/memory/guest-memory.ts";
import { brk, MapFlag, map, protect, setBrk, unmap } from "../../src/memory/map.ts";
import { RemapFlag, remap } from "../../src/memory/remap.ts";
import { Head, vmaAt, vmaCount } from "../../src/memory/vmas.ts";
import { makeFile, open } from "./files.ts";
import { anon, base, ENOMEM, fixed, K, newSpace, RW, stateOf, W } from "./spaces.ts";

const filePages = 12;
const path = makeFile(filePages * K);
const fd = open(path, "r");

/** A page: its protection, its content (the byte that all of it is filled with), the file page it shows, or -1. */
interface ModelPage {
  prot: number;
  tag: number;
  file: number;
}
type Model = Map<number, ModelPage>;

const window = 24;
const heapPage = 0x20000 / K;
const firstPage = base / K;

type Op = (s: AddressSpace, model: Model) => number;

const at = fc.integer({ min: 0, max: window - 1 });
const length = fc.integer({ min: 1, max: 8 });
const prots = fc.integer({ min: 0, max: 7 });

const fill = (model: Model, page: number, n: number, make: (i: number) => ModelPage): void => {
  for (let i = 0; i < n; i++) model.set(page + i, make(i));
};
const freshPage = (prot: number) => (): ModelPage => ({ prot, tag: 0, file: -1 });
const filePage = (prot: number, offset: number) => (i: number) => ({ prot, tag: 65 + offset + i, file: offset + i });

/** A name for fast-check's report, and the operation. */
const op = (name: string, run: Op): Op => Object.assign(run, { toString: () => name });

const mapFixed = fc.tuple(at, length, prots).map(([p, n, prot]) =>
  op(`map fixed ${p}+${n} ${prot}`, (s, model) => {
    const r = map(s, base + p * K, n * K, prot, fixed);
    expect(r).toBe(base + p * K);
    fill(model, firstPage + p, n, freshPage(prot));
    return r;
  }),
);

const mapAnywhere = fc.tuple(fc.option(at, { nil: -1 }), length, prots).map(([hint, n, prot]) =>
  op(`map ${n} ${prot} near ${hint}`, (s, model) => {
    const r = map(s, hint < 0 ? 0 : base + hint * K, n * K, prot, anon);
    const page = r / K;
    for (let i = 0; i < n; i++) expect(model.has(page + i)).toBe(false);
    fill(model, page, n, freshPage(prot));
    return r;
  }),
);

const mapFile = fc
  .tuple(at, fc.integer({ min: 1, max: 6 }), prots, fc.integer({ min: 0, max: 6 }))
  .map(([p, n, prot, offset]) =>
    op(`map file fixed ${p}+${n} ${prot} from ${offset}`, (s, model) => {
      const r = map(s, base + p * K, n * K, prot, MapFlag.PRIVATE | MapFlag.FIXED, {
        fd,
        offset: offset * K,
        name: path,
      });
      expect(r).toBe(base + p * K);
      fill(model, firstPage + p, n, filePage(prot, offset));
      return r;
    }),
  );

const unmapRange = fc.tuple(at, length).map(([p, n]) =>
  op(`unmap ${p}+${n}`, (s, model) => {
    const r = unmap(s, base + p * K, n * K);
    expect(r).toBe(0);
    for (let i = 0; i < n; i++) model.delete(firstPage + p + i);
    return r;
  }),
);

const protectRange = fc.tuple(at, length, prots).map(([p, n, prot]) =>
  op(`protect ${p}+${n} ${prot}`, (s, model) => {
    const r = protect(s, base + p * K, n * K, prot);
    const pages = Array.from({ length: n }, (_, i) => model.get(firstPage + p + i));
    expect(r).toBe(pages.includes(undefined) ? -ENOMEM : 0);
    if (r === 0) for (const page of pages) page!.prot = prot;
    return r;
  }),
);

const remapRange = fc
  .tuple(at, length, length, fc.constantFrom<number>(0, RemapFlag.MAYMOVE, RemapFlag.MAYMOVE | RemapFlag.FIXED), at)
  .map(([p, n, m, flags, to]) =>
    op(`remap ${p}+${n} to ${m} flags ${flags} at ${to}`, (s, model) => {
      const r = remap(s, base + p * K, n * K, m * K, flags, base + to * K);
      if (r < 0) return r;
      if (r === base + p * K && n >= m) {
        // Shrinking takes holes as they are.
        for (let i = m; i < n; i++) model.delete(firstPage + p + i);
        return r;
      }
      const moved = Array.from({ length: Math.min(n, m) }, (_, i) => model.get(firstPage + p + i)!);
      for (let i = 0; i < n; i++) model.delete(firstPage + p + i);
      const first = moved[0]!;
      fill(model, r / K, m, (i) => {
        if (i < moved.length) return moved[i]!;
        return first.file < 0 ? freshPage(first.prot)() : filePage(first.prot, first.file)(i);
      });
      return r;
    }),
  );

const moveBrk = fc.integer({ min: -1, max: 8 }).map((pages) =>
  op(`brk ${pages}`, (s, model) => {
    const before = s.head[Head.brk]! / K - heapPage;
    const r = brk(s, (heapPage + pages) * K);
    expect(r).toBe((heapPage + (pages < 0 ? before : pages)) * K);
    for (let i = before; i < pages; i++) model.set(heapPage + i, freshPage(RW)());
    for (let i = Math.max(pages, 0); pages >= 0 && i < before; i++) model.delete(heapPage + i);
    return pages < 0 ? -1 : r;
  }),
);

const discardRange = fc.tuple(at, length).map(([p, n]) =>
  op(`madvise dontneed ${p}+${n}`, (s, model) => {
    const r = madvise(s, base + p * K, n * K, Advice.DONTNEED);
    for (let i = 0; i < n; i++) {
      const page = model.get(firstPage + p + i);
      if (page !== undefined) page.tag = page.file < 0 ? 0 : 65 + page.file;
    }
    return Math.max(r, 0);
  }),
);

const store = fc.tuple(at, fc.integer({ min: 1, max: 60 })).map(([p, tag]) =>
  op(`store ${tag} at ${p}`, (s, model) => {
    const page = model.get(firstPage + p);
    if (page === undefined || !(page.prot & W) || page.file >= filePages) return 0;
    s.memory.u8.fill(tag, base + p * K, base + (p + 1) * K);
    page.tag = tag;
    return 0;
  }),
);

const operation = fc.oneof(
  mapFixed,
  mapAnywhere,
  mapFile,
  unmapRange,
  protectRange,
  remapRange,
  moveBrk,
  discardRange,
  store,
  store,
);

function check(s: AddressSpace, model: Model): void {
  let total = 0;
  for (let i = 0; i < vmaCount(s); i++) {
    const v = vmaAt(s, i);
    total += v.end - v.start;
    const next = i + 1 < vmaCount(s) ? vmaAt(s, i + 1) : undefined;
    expect(v.start).toBeLessThan(v.end);
    if (next === undefined) continue;
    expect(v.end).toBeLessThanOrEqual(next.start);
    const alike = v.end === next.start && v.prot === next.prot && v.flags === next.flags && v.file === next.file;
    if (alike) expect(v.file !== 0 && next.offset !== v.offset + v.end - v.start).toBe(true);
    for (let page = v.start; page < v.end; page++) expect(model.has(page)).toBe(true);
  }
  expect(total).toBe(model.size);
  expect(s.head[Head.total]).toBe(total);
  for (const [page, { prot, tag, file }] of model) {
    if (file >= filePages) {
      expect(s.memory.fault(page * K, 1)).toBe(false);
      continue;
    }
    const bits = pageBits(prot);
    if (s.memory.pages[page]! & Page.bus && bits !== 0) s.memory.fault(page * K, bits);
    if (!(s.memory.pages[page]! & Page.bus)) expect(s.memory.pages[page]! & rights).toBe(bits);
    expect([s.memory.u8[page * K], s.memory.u8[page * K + K - 1]]).toEqual([tag, tag]);
  }
  for (let page = firstPage; page < firstPage + window * 2; page++)
    if (!model.has(page)) expect([s.memory.pages[page], s.memory.u8[page * K]]).toEqual([0, 0]);
}

/** All bits but those that sum up others. */
const rights = ~(Page.plainRead | Page.plainWrite);

const runs = Number(process.env["SABRE_PROPERTY_RUNS"] ?? 300);

test("operations in any order leave each page with the rights and bytes that it should have", () => {
  fc.assert(
    fc.property(fc.array(operation, { minLength: 1, maxLength: 40 }), (operations) => {
      const s = newSpace();
      setBrk(s, heapPage * K);
      const model: Model = new Map();
      for (const operate of operations) {
        const before = stateOf(s);
        const r = operate(s, model);
        if (r < 0) expect(stateOf(s)).toBe(before);
        check(s, model);
      }
    }),
    { numRuns: runs },
  );
});
