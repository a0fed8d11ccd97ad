// Programs that people use, as Debian built them, on fixed inputs.
import type { Contest, Prepared } from "./contest.ts";
import { inDebian, input, ofHost, python, textFile } from "./debian.ts";

const real = (
  name: string,
  what: string,
  prepare: (quick: boolean) => Promise<Omit<Prepared, "sameSource">>,
): Contest => ({
  name,
  group: "real",
  what,
  needs: [],
  // The host's program may be of another version, and print something else.
  prepare: async (quick) => ({ ...(await prepare(quick)), sameSource: false }),
});

export const realPrograms: readonly Contest[] = [
  real("lua", "Lua 5.4 on a script", async (quick) => {
    const args = [input("work.lua"), quick ? "3" : "10"];
    return { guest: await inDebian("lua5.4", ...args), native: ofHost(["lua5.4", "lua"], ...args) };
  }),
  real("python", "Python 3.13 on a script", async (quick) => {
    const args = [input("work.py"), quick ? "3" : "12"];
    return { guest: await python(...args), native: ofHost(["python3"], ...args) };
  }),
  real("sqlite", "SQLite on a database in memory", async (quick) => {
    const args = [":memory:", ...Array<string>(quick ? 1 : 2).fill(`.read ${input("work.sql")}`)];
    return { guest: await inDebian("sqlite3", ...args), native: ofHost(["sqlite3"], ...args) };
  }),
  real("gzip", "gzip on a text", async (quick) => {
    const args = ["-nc", await textFile(quick ? 4 : 12)];
    return { guest: await inDebian("gzip", ...args), native: ofHost(["gzip"], ...args) };
  }),
];
