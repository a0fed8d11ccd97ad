// Indirect jumps whose targets are known: one switch for all that have some in common, a region that is entered at each of
// its targets, and regions compiled anew while new targets come, a bounded number of times.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { makeProfiles } from "../../jit/profiles.ts";
import { findRegion, followedSwitches, isDispatch, type Profile, type Region } from "../../jit/region.ts";
import { tuning } from "../../jit/tuning.ts";
import { wasmShape } from "../../jit/wasm/compile.ts";
import { perfectHash } from "../../jit/wasm/jumps.ts";
import { encode } from "../../src/isa/riscv/encode.ts";
import { a0, a1, base, ret } from "./golden.ts";

const jump = encode("jalr", { rd: 0, rs1: a1, imm: 0 });
const add = encode("addi", { rd: a0, rs1: a0, imm: 1 });

/** Parts of two instructions, each of which jumps wherever it likes; then a return. */
const threaded = [add, jump, add, jump, add, jump, ret];
const heads = [0, 8, 16].map((at) => base + at);
const sites = heads.map((at) => at + 4);
const fetch = (pc: number): number => threaded[(pc - base) / 4] ?? -1;

const regionWith = (profileOf: (site: number) => Profile, entry = base): Region =>
  findRegion(entry, fetch, tuning.regionInstructions, wasmShape, undefined, profileOf)!;
const endsOf = (region: Region): string[] => region.blocks.map(({ end }) => end.kind);

describe("a region", () => {
  test("is left by an indirect jump that nothing is known of", () => {
    const region = regionWith(() => ({ targets: [], learns: true }));
    expect(region.blocks.map(({ end }) => end)).toEqual([{ kind: "indirect", site: sites[0]! }]);
    expect(region.entries).toEqual([]);
  });

  test("has one switch for jumps with common targets, and is entered at all of them", () => {
    const region = regionWith((site) => ({ targets: site === sites[2] ? [heads[0]!] : heads.slice(1), learns: false }));
    // The last jump has none of the others' targets, and those none of its.
    expect(endsOf(region).filter((kind) => kind === "switch")).toHaveLength(2);
    const whole = regionWith(() => ({ targets: heads, learns: false }));
    expect(endsOf(whole).filter((kind) => kind === "switch")).toHaveLength(1);
    expect(isDispatch(whole.blocks[0]!)).toBe(true);
    expect(followedSwitches(whole)).toEqual(sites);
    expect([...whole.entries].sort()).toEqual(heads.slice(1));
  });

  test("that is not come back to has one entry", () => {
    const region = regionWith((site) => ({ targets: site === sites[0] ? heads.slice(1) : [base + 24], learns: true }));
    expect(region.entries).toEqual([]);
    expect(region.pc).toBe(region.blocks[0]!.pc);
    expect(endsOf(region)).toContain("return");
  });

  test("goes to what cannot be fetched by its address", () => {
    const region = regionWith(() => ({ targets: [0x500000, heads[0]!], learns: false }));
    const [dispatch] = region.blocks;
    expect(dispatch!.end).toMatchObject({ ways: [{ pc: 0x500000, to: { exit: 0x500000 } }, { pc: base }] });
  });

  test("has no switch that would be a part of one", () => {
    const many = [...Array(9).keys()].map((i) => base + 8 + 8 * i);
    const code = [add, jump, ...many.flatMap((_, i) => [add, encode("jal", { rd: 0, imm: -8 * i - 12 })])];
    const within = (switched: number): Region =>
      findRegion(
        base,
        (pc) => code[(pc - base) / 4] ?? -1,
        10,
        { ...wasmShape, switched },
        undefined,
        () => ({ targets: many, learns: true }),
      )!;
    expect(within(100).instructions).toBe(20);
    expect(within(15).blocks.map(({ end }) => end)).toEqual([{ kind: "indirect" }]);
  });
});

test("a hash tells all of a switch's targets apart", () => {
  const addresses = fc.uniqueArray(
    fc.integer({ min: 1, max: 2 ** 31 - 1 }).map((half) => 2 * half),
    { minLength: 1, maxLength: 200 },
  );
  fc.assert(
    fc.property(addresses, (all) => {
      const { factor, bits, table } = perfectHash(all);
      expect(all.map((pc) => table[Math.imul(pc, factor) >>> (32 - bits)])).toEqual(all.map((_, i) => i));
      expect(table.length).toBeLessThan(64 * all.length + 8);
    }),
  );
});

describe("what jumps tell", () => {
  const { jumps, more, rounds } = tuning.switches;
  const tell = (site: number, target: number, count: number, entry = base) => ({
    last: [{ entry, site, target }],
    count,
  });

  test("has regions compiled anew for new targets, a bounded number of times", () => {
    const regions = new Map([[base, regionWith(() => ({ targets: [], learns: true }))]]);
    const profiles = makeProfiles((pc) => regions.get(pc));
    profiles.kept(regions.get(base)!);
    expect(profiles.of(sites[0]!, base)).toEqual({ targets: [], learns: true });
    expect(profiles.learn(tell(sites[0]!, heads[1]!, jumps - 1))).toEqual([]);
    for (let i = 0; i < rounds; i++) {
      expect(profiles.learn(tell(sites[0]!, 0x1000 * (i + 1), jumps * more ** i))).toEqual([base]);
      profiles.claim(sites[0]!, base);
    }
    const known = profiles.of(sites[0]!, base);
    expect(known.learns).toBe(false);
    // The one that was seen most often comes first.
    expect(known.targets[0]).toBe(0x1000 * rounds);
    expect(profiles.learn(tell(sites[0]!, heads[2]!, 1e9))).toEqual([]);
  });

  test("makes one region the owner of a switch; others jump as before", () => {
    const blank = (): Profile => ({ targets: [], learns: true });
    const regions = new Map(heads.map((pc) => [pc, regionWith(blank, pc)]));
    const profiles = makeProfiles((pc) => regions.get(pc));
    for (const region of regions.values()) profiles.kept(region);
    const told = sites.flatMap((site, i) => heads.map((target) => ({ entry: heads[i]!, site, target })));
    const [owner, ...others] = profiles.learn({ last: told, count: 2 * jumps });
    expect([owner, ...others].sort()).toEqual(heads);
    for (const site of sites) expect(profiles.of(site, owner!).targets.toSorted()).toEqual(heads);
    regions.set(
      owner!,
      regionWith((site) => profiles.of(site, owner!), owner),
    );
    for (const site of followedSwitches(regions.get(owner!)!)) profiles.claim(site, owner!);
    for (const other of others) expect(profiles.of(sites[0]!, other)).toEqual({ targets: [], learns: false });
    // Without the owner another may become it.
    regions.delete(owner!);
    expect(profiles.of(sites[0]!, others[0]!).targets.toSorted()).toEqual(heads);
  });

  test("is forgotten with the code", () => {
    const profiles = makeProfiles(() => undefined);
    profiles.learn(tell(sites[0]!, heads[1]!, jumps));
    profiles.forget(base >>> 12, (base >>> 12) + 1);
    expect(profiles.of(sites[0]!, base)).toEqual({ targets: [], learns: true });
  });
});
