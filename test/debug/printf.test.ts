// What commands of breakpoints print, against the C library's own printf for what both know.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { printf } from "../../src/debug/printf.ts";

const none = (): string | undefined => undefined;

test("numbers are written as in C", () => {
  for (const [format, args, text] of [
    ["%d|%ld|%lld", [-1n, -5n, 7n], "-1|-5|7"],
    ["%d %u", [0xffffffffn, 0xffffffffn], "-1 4294967295"],
    ["%lu", [-1n], "18446744073709551615"],
    ["%hhd %hu %hhx", [0x1ffn, 0x12345n, 0x1abn], "-1 9029 ab"],
    ["%x %X %#x %#X %#o %o", [255n, 255n, 255n, 255n, 8n, 8n], "ff FF 0xff 0XFF 010 10"],
    ["[%5d][%-5d][%05d][%+d][% d]", [42n, 42n, -42n, 42n, 42n], "[   42][42   ][-0042][+42][ 42]"],
    ["[%.3d][%6.3d][%-6.3d]", [7n, -7n, 7n], "[007][  -007][007   ]"],
    ["[%08x][%#010x]", [0xbeefn, 0xbeefn], "[0000beef][0x0000beef]"],
    ["%c%c%%", [65n, 0x42n], "AB%"],
    ["%p", [0x10662n], "0x10662"],
  ] as const)
    expect([format, printf(format, args, none)]).toEqual([format, text]);
});

test("strings are the guest's, as far as they can be read", () => {
  const read = (address: bigint): string | undefined => (address === 8n ? "hello" : undefined);
  expect(printf("<%s> <%.2s> <%7s> <%-7s> <%s>", [8n, 8n, 8n, 8n, 9n], read)).toBe(
    "<hello> <he> <  hello> <hello  > <(unreadable)>",
  );
});

test("escapes are those of C source", () => {
  expect(printf('a\\tb\\n\\\\\\"\\x41\\101\\0|', [], none)).toBe('a\tb\n\\"AA\0|');
});

test("what is missing counts as 0, what cannot be shown stays as it is, and nothing throws", () => {
  expect(printf("%d %f %5.1Lq", [], none)).toBe("0 %f %5.1Lq");
  expect(printf("%999999999999d", [], none).length).toBeLessThan(10_000);
  expect(printf("%.999999999999d", [], none).length).toBeLessThan(10_000);
  fc.assert(
    fc.property(fc.string(), fc.array(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })), (format, args) => {
      expect(typeof printf(format, args, none)).toBe("string");
    }),
  );
});
