// A siginfo as a trace shows it: names for its codes, and the fields that mean something for them.
import { Code, Sig, type SigInfo, signalName } from "./siginfo.ts";
import { pointerText } from "./text.ts";

/** `{si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=0x10}` */
export function showInfo(info: SigInfo): string {
  const [signo = 0, , code = 0] = info;
  return `{${[`si_signo=${signalName(signo)}`, `si_code=${codeName(signo, code)}`, ...fieldsOf(info)].join(", ")}}`;
}

/** Names of positive codes, whose meaning is the signal's: the first is code 1. */
const codeNames: ReadonlyMap<number, readonly string[]> = new Map([
  [Sig.ILL, ["ILL_ILLOPC"]],
  [Sig.SEGV, ["SEGV_MAPERR", "SEGV_ACCERR"]],
  [Sig.BUS, ["BUS_ADRALN", "BUS_ADRERR"]],
  [Sig.TRAP, ["TRAP_BRKPT", "TRAP_TRACE"]],
  [Sig.CHLD, ["CLD_EXITED", "CLD_KILLED", "CLD_DUMPED", "CLD_TRAPPED", "CLD_STOPPED", "CLD_CONTINUED"]],
]);

const senderCodes = new Map<number, string>(
  Object.entries(Code)
    .filter(([name]) => name.startsWith("SI_"))
    .map(([name, code]) => [code, name]),
);

const codeName = (signo: number, code: number): string =>
  senderCodes.get(code) ?? codeNames.get(signo)?.[code - 1] ?? String(code);

/** The fields of a siginfo that mean something, by its code. */
function fieldsOf(info: SigInfo): string[] {
  const [signo = 0, , code = 0, , first = 0, second = 0, lo = 0, hi = 0] = info;
  const value = `si_value={int=${lo}, ptr=${pointerText(lo, hi)}}`;
  if (code === Code.SI_KERNEL) return [];
  if (code === Code.SI_TIMER) return [`si_timerid=${first}`, `si_overrun=${second}`, value];
  if (code > 0 && signo !== Sig.CHLD) return [`si_addr=${pointerText(first, second)}`];
  if (code > 0) {
    const [, , , , , , status = 0, , user = 0, , system = 0] = info;
    const why = code === Code.CLD_EXITED ? String(status) : signalName(status);
    return [
      ...[`si_pid=${first}`, `si_uid=${second >>> 0}`],
      ...[`si_status=${why}`, `si_utime=${user}`, `si_stime=${system}`],
    ];
  }
  const sender = [`si_pid=${first}`, `si_uid=${second >>> 0}`];
  return code === Code.SI_QUEUE ? [...sender, value] : sender;
}
