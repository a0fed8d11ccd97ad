// Pages that the host loses: somebody made a file shorter that is mapped, and the host answers the next access to the
// part that is gone with SIGBUS. Neither the engine nor its compiled code survives that. A handler in machine code, before
// the engine's own, therefore lays a zeroed page over the hole, leaves the address where the guest's loop looks for it,
// and lets the access go on. All other signals go to whoever handled them before.
import { type Pointer, toArrayBuffer } from "bun:ffi";
import { addressOf, arch, host } from "./syscall.ts";

// (signal, siginfo, context): where the code is BUS_ADRERR and the address lies less than 4 GiB above one of the table's
// bases, store its low word and 1 at the cell of that entry, and mmap a private anonymous page there; if that works, return.
// Else jump to the handler of before. The code reads the table's address at byte 128 and the handler's at byte 136.
const handlers = {
  // cmp [rsi+8],2; jne old; mov rax,[rsi+16]; mov r8,[table]; next: mov r9,[r8]; test r9,r9; jz old; mov r10,rax; sub r10,r9;
  // mov r11,r10; shr r11,32; jz found; add r8,16; jmp next; found: mov r11,[r8+8]; mov [r11],r10d; mov [r11+4],1; push rdi;
  // push rsi; push rdx; mov rdi,rax; and rdi,-4096; mov esi,4096; mov edx,3; mov r10d,0x4032; mov r8,-1; xor r9d,r9d;
  // mov eax,9; syscall; pop rdx; pop rsi; pop rdi; test rax,rax; js old; ret; old: jmp [old]
  x64:
    "837e0802756e488b46104c8b056f0000004d8b084d85c9745b4989c24d29ca4d89d349c1eb2074064983c010ebe34d8b5808" +
    "45891341c74304010000005756524889c74881e700f0ffffbe00100000ba0300000041ba3240000049c7c0ffffffff4531c9" +
    "b8090000000f055a5e5f4885c07801c3ff250e000000",
  // mov x15,x0; mov x16,x1; mov x17,x2; ldr w9,[x1,8]; cmp w9,2; b.ne old; ldr x9,[x1,16]; ldr x10,table;
  // next: ldr x11,[x10],16; cbz x11,old; sub x12,x9,x11; lsr x13,x12,32; cbnz x13,next; ldur x13,[x10,-8]; str w12,[x13];
  // mov w14,1; str w14,[x13,4]; and x0,x9,~4095; mov x1,4096; mov x2,3; mov x3,0x4032; mov x4,-1; mov x5,0; mov x8,222;
  // svc 0; tbnz x0,63,old; ret; old: mov x0,x15; mov x1,x16; mov x2,x17; ldr x9,old; br x9
  arm64:
    "ef0300aaf00301aaf10302aa290840b93f090071c1020054290840f92a0300584b0541f84b0200b42c010bcb8dfd60d38dff" +
    "ffb54d815ff8ac0100b92e008052ae0500b920cd7492010082d2620080d2430688d204008092050080d2c81b80d2010000d4" +
    "4000f8b7c0035fd6e0030faae10310aae20311aa8900005820011fd6",
} as const;
const [tableAt, oldAt] = [128, 136];

// Entries of base and address of the cell; an entry without a base ends the table.
const most = 256;
const table = new BigUint64Array(new SharedArrayBuffer((most + 1) * 16));
let entries = 0;

/**
 * From now on a page that the host loses within the 4 GiB from host address `base` on is replaced by zeros, and `cell`, two
 * words in shared memory, says so: the offset of the access from `base`, then 1.
 */
export function guardLostPages(base: number, cell: Int32Array): void {
  if (entries === most || (entries === 0 && !install())) return;
  table[2 * entries + 1] = BigInt(addressOf(cell));
  Atomics.store(table, 2 * entries, BigInt(base));
  entries++;
}

const SIGBUS = 7;
const SA_SIGINFO = 4;
const setBytes = 8;
const pageBytes = 4096;
const [readWrite, readExec, privateAnonymous] = [3, 5, 0x22];

/** False where nobody handles SIGBUS yet: then the engine is one that dies of it in any case. */
function install(): boolean {
  // The kernel's struct sigaction: handler, flags, restorer, mask, 8 bytes each.
  const action = new BigUint64Array(new SharedArrayBuffer(32));
  host("rt_sigaction", SIGBUS, 0, addressOf(action), setBytes);
  if (action[0]! < 2n) return false;
  const code = host("mmap", 0, pageBytes, readWrite, privateAnonymous, -1, 0);
  if (code < 0) return false;
  const bytes = Buffer.from(toArrayBuffer(code as Pointer, 0, pageBytes));
  bytes.write(handlers[arch], "hex");
  bytes.writeBigUInt64LE(BigInt(addressOf(table)), tableAt);
  bytes.writeBigUInt64LE(action[0]!, oldAt);
  host("mprotect", code, pageBytes, readExec);
  action[0] = BigInt(code);
  action[1]! |= BigInt(SA_SIGINFO);
  return host("rt_sigaction", SIGBUS, addressOf(action), 0, setBytes) === 0;
}
