// Pages that the host loses: somebody made a file shorter that is mapped, and the host answers the next access to the
// part that is gone with SIGBUS. Neither the engine nor its compiled code survives that. A handler in machine code, before
// the engine's own, therefore lays a zeroed page over the hole, leaves the address where the guest's loop looks for it,
// and lets the access go on. All other signals go to whoever handled them before.
// There is one handler for all threads of the host process, and one table of the memories that it looks after. Each
// memory has cells for what its threads met, chosen by the host's number of the thread.
import { type Pointer, toArrayBuffer } from "bun:ffi";
import { Action, codeBytes, isHandled, placeCode, readAction, SA, setAction } from "./machine-code.ts";
import { addressOf, arch, host } from "./syscall.ts";

/**
 * (signal, siginfo, context) for each architecture, and where the code reads the table's address and the handler's of before.
 * The tests have it in assembly.
 */
export const lostPageCode = {
  // cmp [rsi+8],BUS_ADRERR; jne old; mov rax,[rsi+16]; mov r8,[table]; next: mov r9,[r8]; test r9,r9; jz old; mov r10,rax;
  // sub r10,r9; mov r11,r10; shr r11,32; jz found; add r8,16; jmp next; found: push rdi; push rsi; push rdx; mov rdi,rax;
  // gettid; the cell: mov ecx,eax; and ecx,127; shl ecx,4; add rcx,[r8+8]; mov [rcx],r10d; mov [rcx+8],eax; mov [rcx+4],1;
  // mmap(rdi & -4096, 4096, 3, 0x4032, -1, 0); pop rdx; pop rsi; pop rdi; test rax,rax; js old; ret; old: jmp [old]
  x64:
    "837e0802757f488b46104c8b05af0000004d8b084d85c9746c4989c24d29ca4d89d349c1eb2074064983c010ebe357565248" +
    "89c7b8ba0000000f0589c183e17fc1e10449034808448911894108c74104010000004881e700f0ffffbe00100000ba030000" +
    "0041ba3240000049c7c0ffffffff4531c9b8090000000f055a5e5f4885c07801c3ff253d000000",
  // mov x15,x0; mov x16,x1; mov x17,x2; ldr w9,[x1,8]; cmp w9,BUS_ADRERR; b.ne old; ldr x9,[x1,16]; ldr x10,table;
  // next: ldr x11,[x10],16; cbz x11,old; sub x12,x9,x11; lsr x13,x12,32; cbnz x13,next; gettid; the cell: and x14,x0,127;
  // ldur x13,[x10,-8]; add x13,x13,x14,lsl 4; str w12,[x13]; str w0,[x13,8]; mov w14,1; str w14,[x13,4];
  // mmap(x9 & -4096, 4096, 3, 0x4032, -1, 0); tbnz x0,63,old; ret; old: mov x0,x15; mov x1,x16; mov x2,x17; ldr x9,old; br x9
  arm64:
    "ef0300aaf00301aaf10302aa290840b93f09007161030054290840f92a0500584b0541f8eb0200b42c010bcb8dfd60d38dff" +
    "ffb5481680d2010000d40e1840924d815ff8ad110e8bac0100b9a00900b92e008052ae0500b920cd7492010082d2620080d2" +
    "430688d204008092050080d2c81b80d2010000d44000f8b7c0035fd6e0030faae10310aae20311aae901005820011fd6",
  table: 192,
  old: 200,
} as const;

/** Cells of a memory. Threads whose numbers differ by a multiple share one: of two that meet lost pages at once, one goes on with zeros. */
const cells = 128;
/** Words of a cell: the offset of the access from the memory's base, 1, and the thread's number. */
const cellWords = 4;
export const lostCellWords = cells * cellWords;

/** The words of a thread's cell, by the host's number of the thread. */
export const lostCell = (all: Int32Array, tid: number): Int32Array =>
  all.subarray((tid & (cells - 1)) * cellWords, ((tid & (cells - 1)) + 1) * cellWords);

/** The offset, an int32, of an access of that thread to a page that was replaced since the last call; undefined where there was none. */
export function takeLost(cell: Int32Array, tid: number): number | undefined {
  if (cell[1] === 0 || cell[2] !== tid) return undefined;
  cell[1] = 0;
  return cell[0]!;
}

// Entries of the table: a base, and the address of the cells. An entry without a base ends it.
const most = 256;
const tableBytes = (most + 1) * 16;
/** In place of a base: the entry is free again, or about to be filled. No address lies behind these. */
const [free, busy] = [1n << 63n, (1n << 63n) | 1n];

/** The table, as this worker sees it; undefined where there is no handler. */
let table: BigUint64Array | undefined;

/**
 * From now on a page that the host loses within the 4 GiB from host address `base` on is replaced by zeros, and `all`, of
 * `lostCellWords` words in shared memory, says so in the cell of the thread that met it.
 */
export function guardLostPages(base: number, all: Int32Array): void {
  table ??= install();
  if (table === undefined) return;
  forgetNear(table, base);
  for (let i = 0; i < 2 * most; i += 2) {
    const old = Atomics.load(table, i);
    if ((old !== 0n && old !== free) || Atomics.compareExchange(table, i, old, busy) !== old) continue;
    table[i + 1] = BigInt(addressOf(all));
    Atomics.store(table, i, BigInt(base));
    return;
  }
}

/** Frees the entries of memories that lay where this one does: the engine gives nobody notice when it gives up a memory. */
function forgetNear(entries: BigUint64Array, base: number): void {
  for (let i = 0; i < 2 * most; i += 2) {
    const other = Atomics.load(entries, i);
    if (other === 0n) return;
    if (Math.abs(Number(other) - base) < 2 ** 32) Atomics.compareExchange(entries, i, other, free);
  }
}

/** The memory there is about to be given up. */
export function unguardLostPages(base: number): void {
  const i = table?.indexOf(BigInt(base)) ?? -1;
  if (i >= 0) Atomics.store(table!, i, free);
}

const SIGBUS = 7;

/** The table of the handler, which another worker may have set. Undefined where nobody handles SIGBUS yet: then the engine dies of it in any case. */
function install(): BigUint64Array | undefined {
  const action = readAction(SIGBUS);
  if (!isHandled(action)) return undefined;
  const handler = Number(action[Action.handler]);
  const theirs = handler % codeBytes === 0 ? pageAt(handler) : undefined;
  if (theirs?.toString("hex").startsWith(lostPageCode[arch]))
    return tableAt(Number(theirs.readBigUInt64LE(lostPageCode.table)));
  // Of its own, so that it outlives this worker.
  const [readWrite, privateAnonymous] = [3, 0x22];
  const address = host("mmap", 0, tableBytes, readWrite, privateAnonymous, -1, 0);
  if (address < 0) return undefined;
  const code = placeCode(lostPageCode[arch], (page) => {
    page.writeBigUInt64LE(BigInt(address), lostPageCode.table);
    page.writeBigUInt64LE(action[Action.handler]!, lostPageCode.old);
  });
  if (code < 0) return undefined;
  action[Action.handler] = BigInt(code);
  action[Action.flags]! |= BigInt(SA.SIGINFO);
  return setAction(SIGBUS, action) === 0 ? tableAt(address) : undefined;
}

const pageAt = (address: number): Buffer => Buffer.from(toArrayBuffer(address as Pointer, 0, codeBytes));
const tableAt = (address: number): BigUint64Array =>
  new BigUint64Array(toArrayBuffer(address as Pointer, 0, tableBytes));
