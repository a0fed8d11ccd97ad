// Signals that the host sends to the emulator, on their way to a guest. A handler in machine code, which may run on any
// thread of the emulator and in the middle of anything, puts the siginfo into a ring in shared memory, sets a bit in the
// pending word of one thread and kicks that, as interrupt.ts has it: the thread takes the signals out in its own time.
// The engine's own signals stay the engine's, and a few the host's: see `left`.
import { kickSignal } from "./interrupt.ts";
import { lastSignal, newAction, placeCode, SA, setBytes } from "./machine-code.ts";
import { addressOf, arch, host } from "./syscall.ts";

/** What a signal sets in the pending word. */
export const inboxBit = 64;

/** Entries of the ring: signals that arrive faster than they are taken out. Those beyond are known by their numbers only. */
const entries = 512;
/** Words of the ring's head: entries ever taken by the handler, and taken out; host address of the pending word; whom to kick; signals that found no room, a set. */
const Head = { in: 0, out: 1, pending: 2, pid: 4, tid: 5, lost: 6, words: 16 } as const;
/** Words of an entry: 1 while it is full; 48 bytes of siginfo. */
const Entry = { full: 0, info: 4, words: 16 } as const;
const infoWords = 12;
/** Words of a ring. */
export const inboxWords = Head.words + entries * Entry.words;

/** (signal, siginfo, context); x86-64's return from it; the address of the ring. The tests have the code in assembly. */
export const inboxCode = {
  // mov r8,[ring]; mov eax,[r8]; claim: mov ecx,eax; sub ecx,[r8+4]; cmp ecx,512; jae full; lea ecx,[rax+1];
  // lock cmpxchg [r8],ecx; jne claim; and eax,511; shl eax,6; lea r9,[r8+rax+64]; lea rdi,[r9+16]; mov ecx,6; rep movsq;
  // mov dword [r9],1; jmp tell; full: dec edi; lock bts [r8+24],rdi; tell: mov rax,[r8+8]; lock or dword [rax],64;
  // mov edi,[r8+16]; mov esi,[r8+20]; mov edx,16; mov eax,tgkill; syscall; ret; restorer: mov eax,15; syscall
  x64: {
    code:
      "4c8b0571000000418b0089c1412b480481f900020000732c8d4801f0410fb10875e825ff010000c1e0064d8d4c0040498d79" +
      "10b906000000f348a541c70101000000eb08ffcff0490fab7818498b4008f0830840418b7810418b7014ba10000000b8ea00" +
      "00000f05c30f1f8000000000b80f0000000f05900000000000000000",
    restorer: 0x70,
    ring: 0x78,
  },
  // ldr x3,ring; claim: ldaxr w4,[x3]; ldr w5,[x3,4]; sub w5,w4,w5; cmp w5,512; b.hs full; add w5,w4,1; stlxr w6,w5,[x3];
  // cbnz w6,claim; and w4,w4,511; lsl w4,w4,6; add x5,x3,x4; add x5,x5,64; ldp x6,x7,[x1]; stp x6,x7,[x5,16]; … 48 bytes;
  // mov w6,1; stlr w6,[x5]; b tell; full: clrex; add x5,x3,24; mov x6,1; sub w0,w0,1; lsl x6,x6,x0; set: ldaxr x7,[x5];
  // orr x7,x7,x6; stlxr w4,x7,[x5]; cbnz w4,set; tell: ldr x5,[x3,8]; again: ldaxr w6,[x5]; orr w6,w6,64; stlxr w7,w6,[x5];
  // cbnz w7,again; ldr w0,[x3,16]; ldr w1,[x3,20]; mov x2,16; mov x8,tgkill; svc 0; ret
  arm64: {
    code:
      "4305005864fc5f88650440b98500054bbf000871220200548504001165fc068826ffff358420001284641a536500048ba500" +
      "0191261c40a9a61c01a9261c41a9a61c02a9261c42a9a61c03a926008052a6fc9f880a0000145f3f03d565600091260080d2" +
      "00040051c620c09aa7fc5fc8e70006aaa7fc04c8a4ffff35650440f9a6fc5f88c6001a32a6fc0788a7ffff35601040b96114" +
      "40b9020280d2681080d2010000d4c0035fd60000000000000000",
    restorer: 0,
    ring: 0xa8,
  },
} as const;

const own = inboxCode[arch];

/**
 * Signals that never go to the guest this way: those that nobody can handle; those of the engine (ILL, TRAP, ABRT, BUS, FPE,
 * SEGV, PWR, SYS) and of the C library (32 to 34); the kick; TTIN and TTOU, by which the host stops who reads from a terminal
 * in the background: a call that is made again after a handler would be answered by the next such signal, without end.
 */
export const left: readonly number[] = [4, 5, 6, 7, 8, 9, 11, kickSignal, 19, 21, 22, 30, 31, 32, 33, 34];
const stopping: readonly number[] = [21, 22];
/** Signals that the engine ignores by itself: nobody knows whether they were before (PIPE, XFSZ). */
const engineIgnores: readonly number[] = [13, 25];
/** Signals that the engine handles where the standard input is a terminal, to put its modes back (INT, TERM): they are the guest's. */
const endings: readonly number[] = [2, 15];
/** Signals that an instruction causes (ILL, TRAP, BUS, FPE, SEGV), which a handler must not put off. */
const synchronous: readonly number[] = [4, 5, 7, 8, 11];

/** Words of a struct sigaction: handler, flags, restorer, mask, two each. */
const Word = { handler: 0, flags: 2, restorer: 4, mask: 6 } as const;
const [SIG_DFL, SIG_IGN] = [0, 1];

/** Rings that handlers write to, which must not be collected. */
const open: Int32Array[] = [];

/**
 * From now on, signals of the host go into the ring, `inboxWords` words of shared memory that are 0, on behalf of the calling
 * thread, whose pending word is given by its host address. That thread can be kicked already. Answers the signals that were
 * ignored when the emulator was started, or -errno.
 */
export function openInbox(ring: Int32Array, pendingAddress: number): readonly number[] | number {
  const code = placeCode(own.code, (page) => void page.writeBigUInt64LE(BigInt(addressOf(ring)), own.ring));
  if (code < 0) return code;
  open.push(ring);
  ring[Head.pending] = pendingAddress | 0;
  ring[Head.pending + 1] = Math.floor(pendingAddress / 2 ** 32);
  ring[Head.pid] = host("getpid");
  ring[Head.tid] = host("gettid");

  const action = new Uint32Array(newAction().buffer);
  // Without SA_RESTART: a call that was begun anew would look to the kick as if it had not been made.
  const returns = own.restorer === 0 ? 0 : SA.RESTORER;
  setAddress(action, Word.handler, code);
  action[Word.flags] = SA.SIGINFO | SA.ONSTACK | returns;
  if (returns !== 0) setAddress(action, Word.restorer, code + own.restorer);
  action.fill(0xffffffff, Word.mask, Word.mask + 2);
  for (const signal of synchronous) action[Word.mask]! &= ~(1 << (signal - 1));

  const before = new Uint32Array(newAction().buffer);
  const [at, beforeAt] = [addressOf(action), addressOf(before)];
  const ignored: number[] = [];
  for (let signal = 1; signal <= lastSignal; signal++) {
    const stays = left.includes(signal);
    if (stays && !stopping.includes(signal)) continue;
    host("rt_sigaction", signal, stays ? 0 : at, beforeAt, setBytes);
    if (before[Word.handler + 1] === 0 && before[Word.handler]! <= SIG_IGN) {
      if (before[Word.handler] === SIG_IGN && !engineIgnores.includes(signal)) ignored.push(signal);
    } else if (!stays && !endings.includes(signal)) host("rt_sigaction", signal, beforeAt, 0, setBytes);
  }
  return ignored;
}

/** Has another pending word be set from now on, on behalf of the calling thread; what came before is not told again. False where the ring is another thread's, or not open. */
export function redirectInbox(ring: Int32Array, pendingAddress: number): boolean {
  if (ring[Head.tid] !== host("gettid")) return false;
  // At once: a handler may read it on any thread.
  new BigInt64Array(ring.buffer, ring.byteOffset + Head.pending * 4, 1)[0] = BigInt(pendingAddress);
  return true;
}

/** Whether signals go into the ring. */
export const isOpenInbox = (ring: Int32Array): boolean => ring[Head.tid] !== 0;

function setAddress(action: Uint32Array, word: number, address: number): void {
  action[word] = address % 2 ** 32;
  action[word + 1] = Math.floor(address / 2 ** 32);
}

/** Takes the signals out of a ring, by their siginfos, oldest first; then, with number and zeros only, those that found no room. For one thread. */
export function takeOut(ring: Int32Array, take: (info: Int32Array) => void): void {
  for (;;) {
    const at = Head.words + (ring[Head.out]! & (entries - 1)) * Entry.words;
    // One that is being written is not waited for: the bit is set after.
    if (Atomics.load(ring, at + Entry.full) === 0) break;
    const info = ring.slice(at + Entry.info, at + Entry.info + infoWords);
    Atomics.store(ring, at + Entry.full, 0);
    Atomics.add(ring, Head.out, 1);
    take(info);
  }
  for (const word of [0, 1]) {
    const lost = Atomics.exchange(ring, Head.lost + word, 0);
    for (let i = 0; i < 32; i++) if (lost & (1 << i)) take(Int32Array.of(32 * word + i + 1, ...nothing));
  }
}

const nothing = new Int32Array(infoWords - 1);

/** Sends a signal to the calling thread that does what its default is, as if nobody handled it. For one that stops: comes back after that. */
export function raiseDefault(signal: number): void {
  const [action, before] = [newAction(), newAction()];
  action.fill(BigInt(SIG_DFL));
  host("rt_sigaction", signal, addressOf(action), addressOf(before), setBytes);
  host("tgkill", host("getpid"), host("gettid"), signal);
  host("rt_sigaction", signal, addressOf(before), 0, setBytes);
}
