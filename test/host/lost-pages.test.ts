// Pages that the host loses: the handler's machine code is what its listing says, and each thread finds what it met itself.
import { describe, expect, test } from "bun:test";
import { closeSync, ftruncateSync, openSync, unlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { hostTid } from "../../src/host/interrupt.ts";
import {
  guardLostPages,
  lostCell,
  lostCellWords,
  lostPageCode,
  takeLost,
  unguardLostPages,
} from "../../src/host/lost-pages.ts";
import { Action, readAction } from "../../src/host/machine-code.ts";
import { newAddressSpace } from "../../src/memory/address-space.ts";
import { newGuestMemory } from "../../src/memory/guest-memory.ts";
import { MapFlag, map } from "../../src/memory/map.ts";
import { assemble } from "./binutils.ts";

const listings = {
  x64: `
    cmp dword ptr [rsi+8],2
    jne old
    mov rax,[rsi+16]
    mov r8,[rip+table]
    next: mov r9,[r8]
    test r9,r9
    jz old
    mov r10,rax
    sub r10,r9
    mov r11,r10
    shr r11,32
    jz found
    add r8,16
    jmp next
    found: push rdi
    push rsi
    push rdx
    mov rdi,rax
    mov eax,186
    syscall
    mov ecx,eax
    and ecx,127
    shl ecx,4
    add rcx,[r8+8]
    mov [rcx],r10d
    mov [rcx+8],eax
    mov dword ptr [rcx+4],1
    and rdi,-4096
    mov esi,4096
    mov edx,3
    mov r10d,0x4032
    mov r8,-1
    xor r9d,r9d
    mov eax,9
    syscall
    pop rdx
    pop rsi
    pop rdi
    test rax,rax
    js old
    ret
    old: jmp [rip+before]
    end: .org ${lostPageCode.table}
    table: .quad 0
    before: .quad 0`,
  arm64: `
    mov x15,x0
    mov x16,x1
    mov x17,x2
    ldr w9,[x1,8]
    cmp w9,2
    b.ne old
    ldr x9,[x1,16]
    ldr x10,table
    next: ldr x11,[x10],16
    cbz x11,old
    sub x12,x9,x11
    lsr x13,x12,32
    cbnz x13,next
    mov x8,178
    svc 0
    and x14,x0,127
    ldur x13,[x10,-8]
    add x13,x13,x14,lsl 4
    str w12,[x13]
    str w0,[x13,8]
    mov w14,1
    str w14,[x13,4]
    and x0,x9,~4095
    mov x1,4096
    mov x2,3
    mov x3,0x4032
    mov x4,-1
    mov x5,0
    mov x8,222
    svc 0
    tbnz x0,63,old
    ret
    old: mov x0,x15
    mov x1,x16
    mov x2,x17
    ldr x9,before
    br x9
    end: .org ${lostPageCode.table}
    table: .quad 0
    before: .quad 0`,
};

test.each(["x64", "arm64"] as const)("the code for %s is what its listing says", async (architecture) => {
  const { code, labels } = await assemble(architecture, listings[architecture]);
  expect(lostPageCode[architecture]).toBe(code.slice(0, labels["end"]! * 2));
  expect(labels["before"]).toBe(lostPageCode.old);
});

describe("a file under a mapping becomes shorter", () => {
  const pageBytes = 4096;
  /** A mapping of a file of which nothing but its first page is left. */
  function lose(pages: number) {
    const path = join(tmpdir(), `sabre-lost-${process.pid}`);
    const fd = openSync(path, "w+");
    unlinkSync(path);
    ftruncateSync(fd, pages * pageBytes);
    const memory = newGuestMemory(320 * 2 ** 20);
    const source = { fd, offset: 0, name: "" };
    const at = map(newAddressSpace(memory), 0, pages * pageBytes, 3, MapFlag.SHARED, source);
    ftruncateSync(fd, pageBytes);
    closeSync(fd);
    return { memory, at };
  }

  test("each thread is told of the access that it made itself", async () => {
    const { memory, at } = lose(4);
    const handler = readAction(7)[Action.handler];
    const own = lostCell(memory.lost, hostTid());
    expect(memory.u8[at]).toBe(0);
    expect(takeLost(own, hostTid())).toBeUndefined();
    expect(memory.u8[at + pageBytes + 5]).toBe(0);
    const worker = new Worker(new URL("./lost-pages-worker.ts", import.meta.url), {
      workerData: { memory: memory.memory, at: at + 2 * pageBytes },
    });
    const theirs = await new Promise((done, failed) => worker.once("message", done).once("error", failed));
    expect(theirs).toEqual([at + 2 * pageBytes, undefined]);
    expect(readAction(7)[Action.handler]).toBe(handler);
    expect(takeLost(own, hostTid() + lostCellWords)).toBeUndefined();
    expect(takeLost(own, hostTid())).toBe(at + pageBytes + 5);
    expect(takeLost(own, hostTid())).toBeUndefined();
  });

  test("memories come and go without end", async () => {
    const cells = new Int32Array(new SharedArrayBuffer(lostCellWords * 4));
    for (let i = 0; i < 600; i++) {
      guardLostPages(2 ** 50, cells);
      unguardLostPages(2 ** 50);
    }
    const { memory, at } = lose(2);
    expect(memory.u8[at + pageBytes]).toBe(0);
    expect(takeLost(lostCell(memory.lost, hostTid()), hostTid())).toBe(at + pageBytes);
  });
});
