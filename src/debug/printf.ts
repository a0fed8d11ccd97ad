// What the printf of an agent expression writes (GDB manual, "Bytecode Descriptions"): a format as it stands in C source, escapes
// included, and values of 64 bits. Strings are latin1.

/** Reads a string of the guest's up to its NUL; undefined where it cannot be read. */
export type ReadString = (address: bigint) => string | undefined;

const escapes: Readonly<Record<string, string>> = {
  ...{ a: "\x07", b: "\b", e: "\x1b", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v" },
};

const unescaped = (text: string): string =>
  text.replace(/\\([0-7]{1,3}|x[0-9a-fA-F]{1,2}|.)/gs, (_, what: string) => {
    if (/^[0-7]/.test(what)) return String.fromCharCode(Number.parseInt(what, 8) & 255);
    if (/^x./.test(what)) return String.fromCharCode(Number.parseInt(what.slice(1), 16));
    return escapes[what] ?? what;
  });

/** A directive: flags, width, precision, length, conversion. */
const directive = /%([-+ #0']*)(\d+)?(?:\.(\d*))?(hh|h|ll|l|j|z|t|q)?([diouxXcspfFeEgGaA%])/g;

/** A field that is to be wider is this wide. */
const widest = 4096;

/** Bits of the argument, by its length. */
const bitsOf: Readonly<Record<string, number>> = { hh: 8, h: 16, "": 32 };

function number(flags: string, value: bigint, bits: number, conversion: string): string {
  if (conversion === "d" || conversion === "i") {
    const n = BigInt.asIntN(bits, value);
    return n < 0n ? String(n) : `${flags.includes("+") ? "+" : flags.includes(" ") ? " " : ""}${n}`;
  }
  const n = BigInt.asUintN(bits, value);
  const alternate = flags.includes("#") && n !== 0n;
  switch (conversion) {
    case "o":
      return `${alternate ? "0" : ""}${n.toString(8)}`;
    case "x":
      return `${alternate ? "0x" : ""}${n.toString(16)}`;
    case "X":
      return `${alternate ? "0X" : ""}${n.toString(16).toUpperCase()}`;
    default:
      return String(n);
  }
}

const pad = (text: string, flags: string, width: number, zeros: boolean): string => {
  if (flags.includes("-")) return text.padEnd(width);
  const [, sign = "", digits = ""] = /^([-+ ]|0[xX])?(.*)$/s.exec(text) ?? [];
  return zeros ? sign + digits.padStart(width - sign.length, "0") : text.padStart(width);
};

/** The text. An argument that is missing counts as 0; what cannot be shown is written as its directive. */
export function printf(format: string, args: readonly bigint[], readString: ReadString): string {
  let next = 0;
  return unescaped(format).replace(
    directive,
    (
      whole,
      flags: string,
      width: string | undefined,
      precision: string | undefined,
      length = "",
      conversion: string,
    ) => {
      if (conversion === "%") return "%";
      const value = args[next++] ?? 0n;
      const wide = Math.min(Number(width ?? 0), widest);
      const most = precision === undefined ? undefined : Math.min(Number(precision), widest);
      switch (conversion) {
        case "c":
          return pad(String.fromCharCode(Number(value & 255n)), flags, wide, false);
        case "s":
          return pad((readString(value) ?? "(unreadable)").slice(0, most), flags, wide, false);
        case "p":
          return pad(`0x${BigInt.asUintN(64, value).toString(16)}`, flags, wide, false);
        case "d":
        case "i":
        case "o":
        case "u":
        case "x":
        case "X": {
          const [, sign = "", digits = ""] =
            /^([-+ ]?(?:0[xX])?)(.*)$/.exec(number(flags, value, bitsOf[length] ?? 64, conversion)) ?? [];
          const text = sign + digits.padStart(most ?? 0, "0");
          return pad(text, flags, wide, flags.includes("0") && most === undefined);
        }
        default:
          // Floating-point values are none of the machine's that evaluates these expressions.
          return whole;
      }
    },
  );
}
