// Threads that a debugger may stop have other turns than usual, of which they are not told (host/turns.ts).
import { expect, test } from "bun:test";
import { buildGuest } from "../tools/guest.ts";
import { sabreCommand } from "../tools/sabre.ts";
import { debugging } from "./client.ts";

test("a program under a debugger is told of the turns that it would have without one, and of those that it asks for", async () => {
  const program = buildGuest("../gdb/turns.c");
  const plain = Bun.spawnSync(sabreCommand("run", program)).stdout.toString();
  await debugging([program], async ({ client, line }) => {
    client.say("vCont;c");
    expect(await client.next()).toBe("W00");
    let text = "";
    for (let next = await line(); next !== undefined; next = await line()) text += `${next}\n`;
    expect(text).toBe(plain);
  });
}, 20_000);
