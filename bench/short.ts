// Short programs, whose whole time is start-up and code that runs once.
import { buildGuest, buildNative, isThere } from "./compile.ts";
import type { Contest, Prepared } from "./contest.ts";
import { inDebian, input, ofHost, python } from "./debian.ts";

const debian = (name: string, what: string, prepare: () => Promise<Omit<Prepared, "sameSource">>): Contest => ({
  name,
  group: "short",
  what,
  needs: [],
  prepare: async () => ({ ...(await prepare()), sameSource: false }),
});

export const shortPrograms: readonly Contest[] = [
  {
    name: "hello",
    group: "short",
    what: "a static program of one line",
    needs: ["riscv64-linux-gnu-gcc"],
    prepare: () => ({
      guest: [buildGuest("hello.c")],
      native: isThere("gcc") ? [buildNative("hello.c")] : undefined,
      sameSource: true,
    }),
  },
  debian("python-pass", "python3 -c pass", async () => ({
    guest: await python("-c", "pass"),
    native: ofHost(["python3"], "-c", "pass"),
  })),
  debian("sqlite-script", "sqlite3 on a small script", async () => {
    const args = [":memory:", `.read ${input("small.sql")}`];
    return { guest: await inDebian("sqlite3", ...args), native: ofHost(["sqlite3"], ...args) };
  }),
  debian("shell-loop", "a shell's loop of 100 small commands", async () => ({
    guest: await inDebian("dash", input("loop.sh")),
    native: ofHost(["dash", "sh"], input("loop.sh")),
  })),
];
