// The chart of the results: for each program a bar of sabre's time over qemu-riscv64's.
import type { TopLevelSpec } from "vega-lite";
import { type Group, groups } from "./contest.ts";
import { type Results, ratio } from "./results.ts";

const barWidth = 620;

/** One colour for each engine. */
const colours = ["#4c78a8", "#f2a541", "#7b9e57", "#a05d8c"];

type Panel = Extract<TopLevelSpec, { vconcat: unknown }>["vconcat"][number];

interface Bar {
  readonly name: string;
  readonly engine: string;
  readonly ratio: number;
  readonly label: string;
}

const barsOf = (group: Group, r: Results): Bar[] =>
  r.outcomes
    .filter((o) => o.group === group)
    .flatMap((o) =>
      r.engines.map((engine) => ({ name: o.name, engine, ratio: ratio(o, engine, "qemu") ?? Number.NaN })),
    )
    .filter((bar) => !Number.isNaN(bar.ratio))
    .map((bar) => ({ ...bar, label: bar.ratio.toFixed(2) }));

/** What stands above the bars of a group: what it is, and the geometric means. */
function heading(group: Group, r: Results): string {
  const means = r.summaries
    .filter((s) => s.group === group && s.to === "qemu")
    .map((s) => (r.engines.length > 1 ? `${s.engine} ${s.mean.toFixed(2)}` : s.mean.toFixed(2)));
  return `${groups[group]}, ${group === "short" ? "clock" : "CPU time"}: geometric mean ${means.join(", ")}`;
}

/** The bars of one group, a line where both take the same time. */
function panel(group: Group, r: Results): Panel {
  const several = r.engines.length > 1;
  const y = { field: "name", type: "nominal", sort: null, title: null, axis: { ticks: false, minExtent: 90 } } as const;
  const x = {
    field: "ratio",
    type: "quantitative",
    title: null,
    axis: { gridColor: "#eeeeee", tickCount: 8 },
  } as const;
  const yOffset = several ? { yOffset: { field: "engine", sort: [...r.engines] } } : {};
  const color = {
    field: "engine",
    scale: { domain: [...r.engines], range: colours },
    ...(several ? { title: "--jit" } : { legend: null }),
  };
  return {
    title: { text: heading(group, r), anchor: "start", frame: "group", fontSize: 11 },
    width: barWidth,
    height: { step: several ? 12 : 18 },
    data: { values: barsOf(group, r) },
    layer: [
      { mark: { type: "bar", cornerRadiusEnd: 2 }, encoding: { y, x, ...yOffset, color } },
      { mark: { type: "rule", color: "#222222", strokeDash: [4, 3] }, encoding: { x: { datum: 1 } } },
      {
        mark: { type: "text", align: "left", dx: 4, fontSize: 10, color: "#333333" },
        encoding: { y, x, ...yOffset, text: { field: "label" } },
      },
    ],
  };
}

function specification(r: Results): TopLevelSpec {
  const present = (Object.keys(groups) as Group[]).filter((group) => barsOf(group, r).length > 0);
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    background: "white",
    padding: 12,
    title: {
      text: "Time of sabre over qemu-riscv64's: less is better",
      subtitle: `Bun ${r.machine.bun}, ${r.machine.qemu?.replace(/ \(.*/, "") ?? ""}, ${r.machine.processor}`,
      subtitleColor: "#555555",
      anchor: "start",
      offset: 12,
    },
    vconcat: present.map((group) => panel(group, r)),
    config: { view: { stroke: null }, font: "sans-serif", axis: { domainColor: "#999999" } },
  };
}

/** The chart as SVG; undefined where nothing was compared with qemu-riscv64. */
export async function chart(r: Results): Promise<string | undefined> {
  if (!r.summaries.some((s) => s.to === "qemu")) return undefined;
  // Large, and of no use to a run that measures: loaded when that is over.
  const [{ compile }, { parse, View }] = await Promise.all([import("vega-lite"), import("vega")]);
  return new View(parse(compile(specification(r)).spec), { renderer: "none" }).toSVG();
}
