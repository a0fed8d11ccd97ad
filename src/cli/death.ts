// The end of a guest that a signal killed: says where it died, then dies in the same way, so that whoever waits for
// sabre (a shell, make, a test) sees what it would have seen of the program itself.
import { addressOf, host } from "../host/syscall.ts";
import type { Death } from "../machine.ts";
import { exit } from "./output.ts";

/** Signals by which a program ends in the ordinary course of things: nothing is said, as natively. */
const quiet = new Set(["SIGPIPE", "SIGINT"]);

const hex = (n: bigint): string => "0x" + n.toString(16);

/** The message, or undefined where silence is usual. `program`: what was run, and died, if nothing else is said. */
export function deathMessage(program: string, death: Death): string | undefined {
  if (quiet.has(death.signal)) return undefined;
  const where = `pc ${hex(death.pc)}${death.symbol === undefined ? "" : ` <${death.symbol}>`}`;
  const fault =
    death.address === undefined || death.address === death.pc ? "" : `, fault address ${hex(death.address)}`;
  return `${death.program ?? program}: killed by ${death.signal} at ${where}${fault}`;
}

/** Bytes of the kernel's struct sigaction; all zero it is the default action. Of its set of signals: 8. */
const [sigactionSize, setSize] = [32, 8];
const [unblock, setDumpable] = [1, 4];

/** Ends this process by a signal. It leaves no core: that would be one of the engine, not of the guest. */
export function dieBy(signal: number): never {
  host("prctl", setDumpable, 0);
  host("rt_sigaction", signal, addressOf(new Uint8Array(sigactionSize)), 0, setSize);
  const set = new Uint8Array(setSize).fill(0xff);
  host("rt_sigprocmask", unblock, addressOf(set), 0, setSize);
  host("kill", host("getpid"), signal);
  exit(128 + signal);
}
