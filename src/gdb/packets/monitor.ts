// `monitor …`: what a debugger has no packet for. A command is a row too.
import { breakpointsOf } from "../../debug/breakpoints.ts";
import { isStopped, sleeps, threadName } from "../../debug/world.ts";
import { executed } from "../../linux/accounting.ts";
import { remoteSpaceOf } from "../../linux/proc-view.ts";
import { processAt } from "../../linux/processes.ts";
import { mapsText } from "../../memory/maps.ts";
import { remoteCopy } from "../../memory/remote.ts";
import { fromHex, toHex } from "../codec.ts";
import { writeCore } from "../core-file.ts";
import { type PacketRow, packet } from "../row.ts";
import { currentThread, debugged, EINVAL, type Session, spaceNumber } from "../session.ts";

interface Command {
  readonly name: string;
  readonly doc: string;
  readonly run: (s: Session, words: readonly string[]) => string;
}

const kinds = ["breakpoint", "breakpoint", "write watchpoint", "read watchpoint", "access watchpoint"];

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
    doc: "instructions that the guests have executed, and how many of them compiled",
    run: (s) => {
      const [all, compiled] = executed(s.world.kernel);
      return `${all} instructions, ${compiled} of them compiled\n`;
    },
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

export const monitorPackets: readonly PacketRow[] = [
  packet("qRcmd", "a command for this stub: monitor help", (s, rest) => {
    const line = fromHex(rest.slice(1))?.toString("latin1");
    if (line === undefined) return EINVAL;
    const [name = "", ...words] = line.trim().split(/\s+/);
    const command = commands.find((c) => c.name === (name === "" ? "help" : name));
    return toHex(command === undefined ? `no such command: ${name}; monitor help lists them\n` : command.run(s, words));
  }),
];
