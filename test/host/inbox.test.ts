// The machine code that takes signals of the host: it is what its listing says; what it puts into the ring comes out in order,
// and of what finds no room the numbers. On the other architecture only its text is checked.
import { describe, expect, test } from "bun:test";
import { inboxBit, inboxCode, inboxWords, openInbox, takeOut } from "../../src/host/inbox.ts";
import { installInterrupts } from "../../src/host/interrupt.ts";
import { Action, readAction } from "../../src/host/machine-code.ts";
import { newScratch, storeU64 } from "../../src/host/scratch.ts";
import { addressOf, host } from "../../src/host/syscall.ts";
import { assemble } from "./binutils.ts";

const listings = {
  x64: `
    mov r8,[rip+ring]
    mov eax,[r8]
    claim: mov ecx,eax
    sub ecx,[r8+4]
    cmp ecx,512
    jae full
    lea ecx,[rax+1]
    lock cmpxchg [r8],ecx
    jne claim
    and eax,511
    shl eax,6
    lea r9,[r8+rax+64]
    lea rdi,[r9+16]
    mov ecx,6
    rep movsq
    mov dword ptr [r9],1
    jmp tell
    full: dec edi
    lock bts [r8+24],rdi
    tell: mov rax,[r8+8]
    lock or dword ptr [rax],64
    mov edi,[r8+16]
    mov esi,[r8+20]
    mov edx,16
    mov eax,234
    syscall
    ret
    .balign 16
    restorer: mov eax,15
    syscall
    .balign 8
    ring: .quad 0`,
  arm64: `
    ldr x3,ring
    claim: ldaxr w4,[x3]
    ldr w5,[x3,4]
    sub w5,w4,w5
    cmp w5,512
    b.hs full
    add w5,w4,1
    stlxr w6,w5,[x3]
    cbnz w6,claim
    and w4,w4,511
    lsl w4,w4,6
    add x5,x3,x4
    add x5,x5,64
    ldp x6,x7,[x1]
    stp x6,x7,[x5,16]
    ldp x6,x7,[x1,16]
    stp x6,x7,[x5,32]
    ldp x6,x7,[x1,32]
    stp x6,x7,[x5,48]
    mov w6,1
    stlr w6,[x5]
    b tell
    full: clrex
    add x5,x3,24
    mov x6,1
    sub w0,w0,1
    lsl x6,x6,x0
    set: ldaxr x7,[x5]
    orr x7,x7,x6
    stlxr w4,x7,[x5]
    cbnz w4,set
    tell: ldr x5,[x3,8]
    again: ldaxr w6,[x5]
    orr w6,w6,64
    stlxr w7,w6,[x5]
    cbnz w7,again
    ldr w0,[x3,16]
    ldr w1,[x3,20]
    mov x2,16
    mov x8,131
    svc 0
    ret
    .balign 8
    ring: .quad 0`,
} as const;

test.each(["x64", "arm64"] as const)("the code for %s is its listing", async (arch) => {
  const { code, labels } = await assemble(arch, listings[arch]);
  const { ring, restorer = 0 } = labels;
  expect({ code, ring: ring!, restorer }).toEqual({ ...inboxCode[arch] });
});

describe("signals of the host", () => {
  installInterrupts();
  const shared = new Int32Array(new SharedArrayBuffer((inboxWords + 16) * 4));
  const [ring, pending] = [shared.subarray(0, inboxWords), shared.subarray(inboxWords)];
  const SIGCHLD = 17;
  const engine = [SIGCHLD, 6, 11].map((signal) => readAction(signal)[Action.handler]);
  const ignored = openInbox(ring, addressOf(pending));
  const info = newScratch(128);
  /** Sends a signal to this process, with a value. */
  const queue = (signal: number, value: number): number => {
    info.i32.set([signal, 0, -1, 0, process.pid, 1000]);
    storeU64(info, 24, value);
    return host("rt_sigqueueinfo", process.pid, signal, info.address);
  };
  const taken = (): number[][] => {
    const found: number[][] = [];
    takeOut(ring, (i) => found.push([i[0]!, i[2]!, i[6]!]));
    return found;
  };

  test("are put into the ring, and the thread is told", () => {
    expect(ignored).toEqual([]);
    // The ends of what the assembler ran in.
    expect(taken().every(([signal]) => signal === SIGCHLD)).toBe(true);
    pending[0] = 0;
    expect(queue(40, 7)).toBe(0);
    expect(pending[0]).toBe(inboxBit);
    expect(taken()).toEqual([[40, -1, 7]]);
    expect(taken()).toEqual([]);
  });

  test("keep their order, beyond the end of the ring too", () => {
    for (let round = 0; round < 20; round++) {
      const values = Array.from({ length: 100 }, (_, i) => round * 100 + i);
      for (const value of values) queue(41, value);
      expect(taken()).toEqual(values.map((value) => [41, -1, value]));
    }
  });

  test("that find no room are known by their numbers", () => {
    for (let i = 0; i < 512; i++) queue(42, i);
    for (const signal of [42, 64, 10, 10]) queue(signal, 0);
    expect(taken().slice(512)).toEqual([
      [10, 0, 0],
      [42, 0, 0],
      [64, 0, 0],
    ]);
    queue(43, 1);
    expect(taken()).toEqual([[43, -1, 1]]);
  });

  test("that the engine handles stay the engine's", () => {
    expect([6, 11].map((signal) => readAction(signal)[Action.handler])).toEqual(engine.slice(1));
    expect(readAction(SIGCHLD)[Action.handler]).not.toBe(engine[0]!);
  });
});
