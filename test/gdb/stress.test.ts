// Random commands against a program whose threads do everything at once; what comes back is checked against the rules of the
// protocol. SABRE_STRESS: seconds (30 by default). SABRE_SEED: the seed, which is printed where something is wrong.
import { expect, test } from "bun:test";
import { buildGuest } from "../tools/guest.ts";
import { type Client, debugging, hex, number, packetsIn, symbolOf } from "./client.ts";

const seconds = Number(process.env["SABRE_STRESS"] ?? 30);
const seed = Number(process.env["SABRE_SEED"] ?? 1);
const program = buildGuest("../gdb/stress.c", "static", "-O1");
const places = ["leaf", "step_here", "on_signal", "nanosleep", "brief"].map((name) => symbolOf(program, name));
const shared = symbolOf(program, "shared");
/** By the protocol's kind, from 2 on. */
const watchNames: readonly string[] = ["watch", "rwatch", "awatch"];

/** xorshift32. */
function makeRandom(from: number): (below: number) => number {
  let x = from | 1;
  return (below) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % below;
  };
}

const supported = "qSupported:multiprocess+;swbreak+;hwbreak+;vContSupported+;no-resumed+";
const patience = 20_000;
const stop = /^T([0-9a-f]{2})(?:[0-9a-f]{2}:[0-9a-f]+;)+thread:(p[0-9a-f]+\.[0-9a-f]+);([a-z]+:[p0-9a-f.]*;)?$/;

test(
  "random commands leave a busy program and its debugger in step",
  () =>
    debugging([program], async ({ client: first, connect, process: emulator }) => {
      const random = makeRandom(seed);
      const history: string[] = [];
      let client = first;
      /** Replies that the client has asked for, each of which is to come once; QStartNoAckMode is the first. */
      let asked = 1;
      const told = (): void => {
        expect(packetsIn(client.received()).length).toBe(asked);
        expect(client.notifications).toEqual([]);
      };
      let inserted = new Set<number>();
      /** The kind that is inserted. */
      let watching: string | undefined;
      const begin = async (): Promise<void> => {
        await client.ask(random(2) === 0 ? supported : `${supported};fork-events+`);
        expect(await client.ask("?")).toMatch(/^T/);
        asked += 2;
      };
      const ask = async (c: Client, packet: string): Promise<string> => {
        history.push(packet);
        asked++;
        const reply = await c.ask(packet, patience);
        history.push(`  ${reply.slice(0, 100)}`);
        return reply;
      };
      /** Checks a stop, and that all stand still after it. */
      const check = async (reply: string): Promise<void> => {
        const found = stop.exec(reply);
        expect(reply).toMatch(stop);
        const [, , thread = "", reason = ""] = found!;
        expect(client.pending()).toEqual([]);
        const threads = (await ask(client, "qfThreadInfo")).slice(1).split(",");
        expect(threads).toContain(thread);
        await ask(client, `Hg${thread}`);
        const pc = Number(number(await ask(client, "p20")));
        if (reason.startsWith("swbreak")) expect(inserted.has(pc)).toBe(true);
        if (/^[ar]?watch/.test(reason)) expect(reason.slice(0, reason.indexOf("watch") + 5)).toBe(watching ?? "none");
        const [, child] = /^fork:p([0-9a-f]+)\./.exec(reason) ?? [];
        if (child !== undefined) expect(await ask(client, `D;${child}`)).toBe("OK");
        const alive = child === undefined ? threads : await threadsNow();
        const one = alive[random(alive.length)]!;
        await ask(client, `Hg${one}`);
        expect(await ask(client, "g")).toBe(await ask(client, "g"));
        const counter = await ask(client, `m${hex(symbolOf(program, "counter"))},8`);
        expect(await ask(client, `m${hex(symbolOf(program, "counter"))},8`)).toBe(counter);
      };
      const threadsNow = async (): Promise<string[]> => (await ask(client, "qfThreadInfo")).slice(1).split(",");
      /** Lets something run, and interrupts it where it does not stop by itself. */
      const run = async (packet: string): Promise<void> => {
        history.push(packet);
        asked++;
        client.say(packet);
        const late = setTimeout(() => client.raw("\x03"), 20 + random(30));
        const reply = await client.next(patience);
        clearTimeout(late);
        history.push(`  ${reply}`);
        // A child that was there when the debugger came, which has all that there are.
        if (/^W07;process:[0-9a-f]+$/.test(reply)) return;
        await check(reply);
      };
      await begin();
      const end = performance.now() + seconds * 1000;
      let count = 0;
      try {
        for (; performance.now() < end; count++) {
          const place = places[random(places.length)]!;
          const threads = await threadsNow();
          const thread = threads[random(threads.length)]!;
          switch (random(9)) {
            case 0:
              expect(await ask(client, `Z0,${hex(place)},2`)).toBe("OK");
              inserted.add(place);
              break;
            case 1:
              expect(await ask(client, `z0,${hex(place)},2`)).toBe("OK");
              inserted.delete(place);
              break;
            case 2:
              if (watching === undefined) {
                watching = watchNames[random(watchNames.length)]!;
                expect(await ask(client, `Z${2 + watchNames.indexOf(watching)},${hex(shared + 3)},2`)).toBe("OK");
              } else {
                expect(await ask(client, `z${2 + watchNames.indexOf(watching)},${hex(shared + 3)},2`)).toBe("OK");
                watching = undefined;
              }
              break;
            case 3:
              await run(`vCont;s:${thread}`);
              break;
            case 4:
              await run(`vCont;s:${thread};c`);
              break;
            case 5:
              await run(`vCont;r${hex(places[1]!)},${hex(places[1]! + 40)}:${thread};c`);
              break;
            case 6: {
              if (random(4) > 0) break;
              history.push("D");
              expect(await ask(client, "D")).toBe("OK");
              told();
              client.end();
              client = await connect();
              asked = 1;
              [inserted, watching] = [new Set(), undefined];
              await begin();
              break;
            }
            case 7:
              expect(await ask(client, random(2) === 0 ? "QPassSignals:1e" : "QPassSignals:")).toBe("OK");
              break;
            default:
              await run("vCont;c");
          }
        }
      } catch (e) {
        const state = `exit ${emulator.exitCode}, signal ${emulator.signalCode}`;
        emulator.kill("SIGKILL");
        const end = `${state}, ${await new Response(emulator.stderr).text()}`;
        throw new Error(`seed ${seed}, ${count} commands, ${end}:\n${history.slice(-40).join("\n")}\n${e}`);
      } finally {
        client.end();
      }
      told();
      expect(count).toBeGreaterThan(20);
    }),
  seconds * 1000 + 60_000,
);
