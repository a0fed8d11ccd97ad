// `monitor …`: what a debugger has no packet for. A command is a row too.
import { openSync } from "node:fs";
import { getPc, hartAt } from "../../cpu/hart.ts";
import { breakpointsOf } from "../../debug/breakpoints.ts";
import { hartOf } from "../../debug/memory.ts";
import { bump, Head, Thread, threadAt } from "../../debug/state.ts";
import { isStopped, sleeps, threadName } from "../../debug/world.ts";
import { cpuTimeOfProcess, executed, executedBy } from "../../linux/accounting.ts";
import { callFigures } from "../../linux/call-figures.ts";
import { remoteSpaceOf } from "../../linux/proc-view.ts";
import { processAt } from "../../linux/processes.ts";
import { mapsText } from "../../memory/maps.ts";
import { remoteCopy } from "../../memory/remote.ts";
import { fromHex, packetSize, parseNumber, toHex } from "../codec.ts";
import { writeCore } from "../core-file.ts";
import { type PacketRow, packet } from "../row.ts";
import { currentThread, debugged, EINVAL, type Session, spaceNumber } from "../session.ts";

interface Command {
  readonly name: string;
  readonly doc: string;
  readonly run: (s: Session, words: readonly string[]) => string;
}

const kinds = ["breakpoint", "breakpoint", "write watchpoint", "read watchpoint", "access watchpoint"];

/** A thread's pc. */
const pcOf = (words: Int32Array): number => getPc(hartAt(words.buffer, words.byteOffset));

const stderr = 2;

/** `strace on [FILE]`, `strace off`; without a word it says which. */
function strace(s: Session, [how, path]: readonly string[]): string {
  const { words } = s.world.d;
  if (how === "off") words[Head.strace] = 0;
  else if (how === "on") {
    try {
      // The file stays open: threads may be about to write to it when it is not wanted any more.
      words[Head.strace] = (path === undefined ? stderr : openSync(path, "a")) + 1;
    } catch (e) {
      return `${path}: ${(e as Error).message}\n`;
    }
  } else if (how !== undefined) return "strace on [FILE]; strace off\n";
  return words[Head.strace] === 0 ? "system calls are not told of\n" : "system calls are told of\n";
}

/** What the engines of the threads that stand still have compiled, as far as they have stopped since: threads share none. */
function codeFigures(s: Session): string {
  const { words } = s.world.d;
  const all = debugged(s).filter((t) => isStopped(s.world, t));
  const sums = all.reduce(
    (sum, t) => sum.map((n, i) => n + words[threadAt(t.task) + Thread.code + i]!),
    [0, 0, 0, 0, 0],
  );
  const [regions, instructions, compiled, dropped, microseconds = 0] = sums;
  return (
    `of ${all.length} threads that stand still: ${regions} regions of ${instructions} instructions; ` +
    `${compiled} compiled in ${(microseconds / 1e6).toFixed(3)} s, ${dropped} dropped\n`
  );
}

/** `jit on|off`; without a word it says which. */
function jit(s: Session, [how]: readonly string[]): string {
  const { d } = s.world;
  const { jit: started } = s.viewer.process.options;
  if (how === "on" || how === "off") {
    d.words[Head.interpreted] = Number(how === "off");
    bump(d);
  } else if (how !== undefined) return "jit on|off: on is what the program was started with\n";
  const names = { off: "nothing", js: "JavaScript", wasm: "WebAssembly", auto: "WebAssembly" };
  const what = d.words[Head.interpreted] === 0 ? names[started] : "nothing";
  return `hot code becomes ${what} (started with --jit ${started})\n${codeFigures(s)}`;
}

/** `translate [ADDR]`, in hexadecimal. */
function translate(s: Session, [where]: readonly string[]): string {
  const t = currentThread(s);
  if (t === undefined) return "there is no thread\n";
  const pc = where === undefined ? pcOf(hartOf(s.world, t)) : parseNumber(where.replace(/^0x/, ""));
  if (pc === undefined || pc >= 2 ** 32) return "translate [ADDR], in hexadecimal; by default where the thread is\n";
  // The compilers are large, and few ask.
  const { translationText } = require("../translation.ts") as typeof import("../translation.ts");
  return translationText(s, t, pc);
}

const doubles = ({ buffer, byteOffset, length }: Int32Array): Float64Array =>
  new Float64Array(buffer, byteOffset, length / 2);

function stats(s: Session): string {
  const { kernel } = s.world;
  const counted = [
    executed(kernel),
    ...debugged(s).map((t) => executedBy(kernel, t.task, doubles(hartOf(s.world, t)))),
  ];
  const [all, compiled] = [0, 1].map((i) => counted.reduce((sum, figures) => sum + figures[i]!, 0));
  const processes = [...new Map(debugged(s).map((t) => [t.process, t.pid]))];
  const calls = Object.entries(callFigures(kernel)).sort(([, a], [, b]) => b.count - a.count);
  return [
    `${all} instructions, ${compiled} of them compiled\n`,
    ...processes.map(
      ([index, pid]) => `process ${pid}: ${(cpuTimeOfProcess(kernel, index) / 1e9).toFixed(3)} s of CPU\n`,
    ),
    codeFigures(s),
    ...calls.map(([name, { count, errors }]) => `${String(count).padStart(9)}  ${name}, ${errors} failed\n`),
  ].join("");
}

const commands: readonly Command[] = [
  {
    name: "help",
    doc: "these commands",
    run: () => commands.map(({ name, doc }) => `${name.padEnd(12)} ${doc}\n`).join(""),
  },
  {
    name: "threads",
    doc: "all threads, and what they do",
    run: (s) =>
      debugged(s)
        .map((t) => {
          const doing = isStopped(s.world, t) ? "stopped" : sleeps(s.world, t) ? "in a system call" : "running";
          return `${t.pid}.${t.tid} ${threadName(s.world, t)}: ${doing}\n`;
        })
        .join(""),
  },
  {
    name: "maps",
    doc: "the mappings of the current process",
    run: (s) => {
      const t = currentThread(s);
      if (t === undefined) return "there is none\n";
      return mapsText(remoteCopy(remoteSpaceOf(processAt(s.world.kernel, t.process))));
    },
  },
  {
    name: "breakpoints",
    doc: "breakpoints and watchpoints of the current process",
    run: (s) => {
      const t = currentThread(s);
      const found = t === undefined ? [] : breakpointsOf(s.world.d.breakpoints, spaceNumber(s, t));
      const lines = found.map((b) => `0x${b.address.toString(16)} ${kinds[b.kind]}, ${b.length} bytes\n`);
      return lines.join("") || "none\n";
    },
  },
  {
    name: "stats",
    doc: "instructions that the guests have executed, CPU time, compiled code; system calls where sabre runs with --stats",
    run: stats,
  },
  {
    name: "strace",
    doc: "strace on [FILE]|off: a line for each system call and signal, on standard error or at the end of a file",
    run: strace,
  },
  {
    name: "jit",
    doc: "jit [on|off]: whether hot code is compiled, and what has been",
    run: jit,
  },
  {
    name: "translate",
    doc: "translate [ADDR]: the block at an address: guest code, JavaScript and WebAssembly",
    run: translate,
  },
  {
    name: "core",
    doc: "core FILE: write a core file of the current process",
    run: (s, [path]) => {
      const t = currentThread(s);
      if (t === undefined || path === undefined) return "core FILE; the process must have stopped\n";
      try {
        writeCore(s, t, path);
        return `${path} written\n`;
      } catch (e) {
        return `${path}: ${(e as Error).message}\n`;
      }
    },
  },
  {
    name: "packets",
    doc: "what packets this stub understands",
    run: (s) => s.packets.map(({ name, doc }) => `${name.padEnd(18)} ${doc}\n`).join(""),
  },
  {
    name: "exit",
    doc: "end the program when the debugger leaves",
    run: (s) => {
      s.endsWithDebugger = true;
      return "the program ends when the debugger leaves\n";
    },
  },
];

/** What a reply has room for; a longer text goes ahead of it, in pieces. */
const longest = new RegExp(`.{1,${packetSize / 4}}`, "gs");

export const monitorPackets: readonly PacketRow[] = [
  packet("qRcmd", "a command for this stub: monitor help", (s, rest) => {
    const line = fromHex(rest.slice(1))?.toString("latin1");
    if (line === undefined) return EINVAL;
    const [name = "", ...words] = line.trim().split(/\s+/);
    const command = commands.find((c) => c.name === (name === "" ? "help" : name));
    const text = command === undefined ? `no such command: ${name}; monitor help lists them\n` : command.run(s, words);
    const pieces = text.match(longest) ?? [];
    for (const piece of pieces.slice(0, -1)) s.send(`O${toHex(piece)}`);
    return pieces.length === 0 ? "OK" : toHex(pieces.at(-1)!);
  }),
];
