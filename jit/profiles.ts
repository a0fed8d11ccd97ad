// Where the indirect jumps of regions led, as compiled code tells, and which regions are to be compiled anew for it. Jumps
// that have a target in common are one switch. Its targets become part of one region only, its owner, whose entry is the
// nearest before one of the jumps: other regions that have such a jump end where the owner begins, or jump as before.
import { distanceTo, type Profile, type Region, switchesOf } from "./region.ts";
import { sparing } from "./sparing.ts";
import { tuning } from "./tuning.ts";
import type { Jump } from "./wasm/links.ts";

/** Indirect jumps that have targets in common. */
interface Switch {
  readonly sites: Set<number>;
  /** How often they led where. */
  readonly targets: Map<number, number>;
  /** Entries of the regions that have, or had, one of the jumps in them. */
  readonly regions: Set<number>;
  /** The entry of the region that the targets are part of, and which these are. */
  owner: number | undefined;
  known: ReadonlySet<number>;
  /** Jumps that the owner did not know where to lead, since it was compiled; without an owner, all. */
  strange: number;
  /** How many times regions were compiled anew for it. */
  rounds: number;
}

export interface Profiles {
  /** A region was compiled. */
  readonly kept: (region: Region) => void;
  /** What is known of the jump at `site`, for a region that is to begin at `entry`. */
  readonly of: (site: number, entry: number) => Profile;
  /** The targets of the jump have become part of the region. */
  readonly claim: (site: number, entry: number) => void;
  /** Takes in where jumps led. Answers the entries of the regions to be compiled anew, owners first. */
  readonly learn: (jumps: { readonly last: readonly Jump[]; readonly count: number }) => number[];
  /** The pages `[first, last)` hold other code. */
  readonly forget: (first: number, last: number) => void;
}

/** `regionAt`: the region that is kept, if one is. */
export function makeProfiles(regionAt: (entry: number) => Region | undefined): Profiles {
  const bySite = new Map<number, Switch>();
  const byTarget = new Map<number, Switch>();
  const { switches } = tuning;

  function switchAt(site: number): Switch {
    let s = bySite.get(site);
    if (s === undefined) {
      const nothing = { targets: new Map(), regions: new Set<number>(), known: new Set<number>() };
      s = { sites: new Set([site]), ...nothing, owner: undefined, strange: 0, rounds: 0 };
      bySite.set(site, s);
    }
    return s;
  }

  const heatOf = ({ targets }: Switch): number => targets.values().reduce((sum, n) => sum + n, 0);
  const ownerOf = ({ owner }: Switch): number | undefined =>
    owner !== undefined && regionAt(owner) !== undefined ? owner : undefined;
  const targetsOf = ({ targets }: Switch): number[] =>
    [...targets]
      .sort(([, a], [, b]) => b - a)
      .slice(0, switches.targets)
      .map(([target]) => target);

  /** Makes one of two. The owner is the hotter one's. */
  function join(a: Switch, b: Switch): Switch {
    const [to, from] = heatOf(a) < heatOf(b) ? [b, a] : [a, b];
    for (const site of from.sites) {
      bySite.set(site, to);
      to.sites.add(site);
    }
    for (const [target, n] of from.targets) {
      to.targets.set(target, (to.targets.get(target) ?? 0) + n);
      byTarget.set(target, to);
    }
    for (const entry of from.regions) to.regions.add(entry);
    to.strange += from.strange;
    if (ownerOf(to) === undefined) [to.owner, to.known] = [from.owner, from.known];
    return to;
  }

  function forgetSwitch({ sites, targets }: Switch): void {
    for (const site of sites) bySite.delete(site);
    for (const target of targets.keys()) byTarget.delete(target);
  }

  /** Entries of regions that have one of the jumps in them, the nearest before it first. */
  function around({ sites, regions }: Switch): number[] {
    const found: { entry: number; distance: number }[] = [];
    for (const entry of regions) {
      const region = regionAt(entry);
      const here = region === undefined ? [] : switchesOf(region).filter((site) => sites.has(site));
      if (here.length > 0) found.push({ entry, distance: Math.min(...here.map((site) => distanceTo(region!, site))) });
    }
    return found.sort((a, b) => a.distance - b.distance).map(({ entry }) => entry);
  }

  function note({ entry, site, target }: Jump, times: number): void {
    let s = switchAt(site);
    const other = byTarget.get(target);
    if (other !== undefined && other !== s) s = join(s, other);
    byTarget.set(target, s);
    s.targets.set(target, (s.targets.get(target) ?? 0) + times);
    const owner = ownerOf(s);
    if (owner === undefined || owner === entry || !s.known.has(target)) s.strange += times;
  }

  return {
    kept: (region) => {
      for (const pc of switchesOf(region)) switchAt(pc).regions.add(region.pc);
    },
    of: (pc, entry) => {
      const s = bySite.get(pc);
      if (s === undefined) return { targets: [], learns: true };
      const owner = ownerOf(s);
      if (owner !== undefined && owner !== entry) return { targets: [], learns: false };
      return { targets: targetsOf(s), learns: s.rounds < switches.rounds };
    },
    claim: (pc, entry) => {
      const s = switchAt(pc);
      [s.owner, s.known] = [entry, new Set(targetsOf(s))];
    },
    learn: ({ last, count }) => {
      if (bySite.size > tuning.regions) for (const s of [...bySite.values()]) forgetSwitch(s);
      for (const jump of last) note(jump, count / last.length);
      const again = new Set<number>();
      for (const s of new Set(last.map(({ site }) => switchAt(site)))) {
        if (s.rounds >= switches.rounds || s.strange < switches.jumps * switches.more ** s.rounds) continue;
        s.strange = 0;
        s.rounds++;
        const owner = ownerOf(s);
        for (const entry of owner === undefined ? around(s) : [owner]) again.add(entry);
      }
      return [...again];
    },
    forget: (first, last) => {
      for (const [pc, s] of bySite) if (pc >>> 12 >= first && pc >>> 12 < last) forgetSwitch(s);
    },
  };
}

sparing({ makeProfiles });
