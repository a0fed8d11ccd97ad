// Mutated transcripts and random bytes: every packet gets one reply, whatever it says, and the stub stays alive and in step. What lets the
// program run is among them; it never ends by itself. SABRE_FUZZ: how many packets. SABRE_SEED: the seed, which is printed where something is wrong.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { packetRows } from "../../src/gdb/table.ts";
import { buildGuest } from "../tools/guest.ts";
import { debugging, hex, packetsIn, symbolOf } from "./client.ts";

const limit = 120_000;
const count = Number(process.env["SABRE_FUZZ"] ?? 1500);
const seed = Number(process.env["SABRE_SEED"] ?? 1);
const program = buildGuest("../gdb/threads.c", "static", "-O1");
const at = hex(symbolOf(program, "work"));

/** Packets as debuggers send them, at least one of each row. */
const transcript: readonly string[] = [
  ...["?", "!", "g", "p20", "pa", "P5=0000000000000000", `m${at},20`, `x${at},20`, "M7ff000,2:abcd", "X7ff000,2:ab"],
  ...["G0011", "Hg0", "Hgp1.1", "Hc-1", "Hcp-1.-1", "T1", "Tp1.1", "qC", "qfThreadInfo", "qsThreadInfo"],
  ...[`Z0,${at},2`, `z0,${at},2`, `Z1,${at},4`, `z1,${at},4`, "Z2,7ff000,8", "z2,7ff000,8", "Z3,10001,3", "z3,10001,3"],
  ...["Z4,20000,1", "z4,20000,1", `Z0,${at},2;X8,26000a23041a1327`, `Z0,${at},2;cmds:0,X2,2227`],
  ...["qSupported:multiprocess+;swbreak+;vContSupported+;xmlRegisters=i386", "qSupported", "qAttached", "qAttached:1"],
  ...["qXfer:features:read:target.xml:0,fff", "qXfer:threads:read::0,1000", "qXfer:auxv:read::0,1000"],
  ...["qXfer:exec-file:read:1:0,1000", "qXfer:libraries-svr4:read::0,1000", "qXfer:siginfo:read::0,80"],
  ...["qXfer:siginfo:write::0:abc", "qXfer:osdata:read:processes:0,1000", "qXfer:osdata:read::0,1000"],
  ...["QPassSignals:1e;14", "QProgramSignals:0;1;3", "QCatchSyscalls:1;40;d6", "QCatchSyscalls:0"],
  ...["QThreadEvents:1", "QThreadEvents:0", "QThreadOptions;3:1;0", "qThreadExtraInfo,p1.1", "qGetTLSAddr:1,0,0"],
  ...[
    "qSearch:memory:10000;1000;abc",
    `qCRC:${at},40`,
    "qSymbol::",
    "qOffsets",
    "qRcmd,68656c70",
    "qRcmd,7468726561647320",
  ],
  ...["vFile:setfs:0", "vFile:open:2f746d70,0,0", "vFile:pread:5,10,0", "vFile:pwrite:63,0,abc", "vFile:fstat:5"],
  ...["vFile:stat:2f746d70", "vFile:lstat:2f746d70", "vFile:readlink:2f70726f632f73656c66", "vFile:close:5"],
  ...["vMustReplyEmpty", "vCont?", "vStopped", "vCtrlC", "qTStatus", "qL1200", "vCont;s:1", "vCont;c"],
  ...["vCont;c:p1.-1", "vCont;r10000,10100:1;c", "vCont;C14:1;c", "vCont;S14", "vCont;t", "s", "c", "S14", "C14"],
];

/** Signals as others than those of the transcript might end the program: SIGCHLD and SIGUSR1 do not while nobody sends the latter. */
const signals = /^([CS]|vCont.*[CS]|QPassSignals)/s;

/** Those that would end the program or the connection, or have stops be notifications; and what would remove a file. */
const ending = /^(k|D|R|vKill|vRun|vAttach|QNonStop|QStartNoAckMode|vFile:unlink|vFile:open:.*,[^0])/;

const packets = fc
  .tuple(
    fc.constantFrom(...transcript),
    fc.constantFrom(...transcript),
    fc.array(fc.tuple(fc.nat(60), fc.integer({ min: 0, max: 255 })), { maxLength: 3 }),
    fc.constantFrom("whole", "cut", "twice", "crossed"),
    fc.nat(60),
  )
  .map(([word, other, changes, how, place]) => {
    const b = Buffer.from(word, "latin1");
    for (const [i, byte] of changes) b[i % b.length] = byte;
    const text = b.toString("latin1");
    const cut = place % (text.length + 1);
    if (how === "cut") return text.slice(0, cut);
    if (how === "twice") return text + text.slice(cut);
    return how === "crossed" ? text.slice(0, cut) + other.slice(place % (other.length + 1)) : text;
  })
  .filter((text) => !ending.test(text) && (!signals.test(text) || transcript.includes(text)));

/** Bytes between packets: no beginning of one, and no interrupt. */
const noise = fc.uint8Array({ maxLength: 60 }).map((bytes) => bytes.map((b) => (b === 0x24 || b === 3 ? 0x25 : b)));

test("the transcript has a packet for every row", () => {
  const named = packetRows.filter(({ name }) => !ending.test(name));
  expect(named.filter(({ name }) => !transcript.some((text) => text.startsWith(name))).map(({ name }) => name)).toEqual(
    [],
  );
});

test(
  "every mutated packet is answered once, among random bytes, and the stub stays in step",
  () =>
    debugging([program, "3", "1000000000"], async ({ client }) => {
      const history: string[] = [];
      let asked = 1;
      const patience = 20_000;
      /** One reply: where it is a program's that runs, after an interrupt. Interrupts that come late are heard by nobody. */
      const answered = async (text: string): Promise<string> => {
        asked++;
        history.push(JSON.stringify(text));
        client.say(text);
        const late = setInterval(() => client.raw("\x03"), 50);
        try {
          for (;;) {
            const reply = await client.next(patience);
            // Output of a command, which is ahead of its reply.
            if (!/^O[0-9a-f]/.test(reply)) return reply;
            asked++;
          }
        } finally {
          clearInterval(late);
        }
      };
      try {
        for (const [text, bytes, loud] of fc.sample(fc.tuple(packets, noise, fc.nat(3)), { numRuns: count, seed })) {
          if (loud === 0) client.raw(bytes);
          await answered(text);
          expect(client.pending()).toEqual([]);
          // Of the right packet: this one's answer is like no other's.
          if (loud === 1) expect(await answered(`qCRC:${at},0`)).toBe("Cffffffff");
        }
        client.raw("#00");
        expect(await answered("qC")).toMatch(/^QC/);
        expect(await answered("vCont;s")).toMatch(/^T/);
        expect(packetsIn(client.received()).length).toBe(asked);
        expect(client.notifications).toEqual([]);
      } catch (e) {
        throw new Error(`seed ${seed}, after ${history.length} packets:\n${history.slice(-12).join("\n")}\n${e}`);
      }
    }),
  limit,
);
