// The machine code of interruptible host calls: it is what its listing says, leaves the window and nothing else at a kick, and does
// so at every single instruction; on the other architecture in qemu.
import { CFunction, FFIType, type Pointer } from "bun:ffi";
import { afterAll, describe, expect, test } from "bun:test";
import { installInterrupts, interruptCode, kickSignal, notEntered, timerBit } from "../../src/host/interrupt.ts";
import {
  Action,
  codeBytes,
  newAction,
  placeCode,
  readAction,
  SA,
  setAction,
  signalBit,
} from "../../src/host/machine-code.ts";
import { newScratch, storeU64 } from "../../src/host/scratch.ts";
import { addressOf, arch, host } from "../../src/host/syscall.ts";
import { assemble, inFolder, link } from "./binutils.ts";

const listings = {
  x64: `
    mov r11,[rsp+16]
    mov rax,rdi
    mov rdi,rsi
    mov rsi,rdx
    mov rdx,rcx
    mov r10,r8
    mov r8,r9
    mov r9,[rsp+8]
    first: cmp dword ptr [r11],0
    jne out
    last: syscall
    ret
    out: mov rax,${notEntered}
    ret
    .balign 64
    handler: cmp dword ptr [rsi+8],-2
    jne window
    mov rax,[rsi+24]
    lock or dword ptr [rax],${timerBit}
    window: lea r8,[rip+first]
    mov rax,[rdx+168]
    sub rax,r8
    cmp rax,last-first
    ja done
    lea r8,[rip+out]
    mov [rdx+168],r8
    done: ret
    .balign 64
    restorer: mov eax,15
    syscall`,
  arm64: `
    mov x8,x0
    mov x9,x7
    mov x0,x1
    mov x1,x2
    mov x2,x3
    mov x3,x4
    mov x4,x5
    mov x5,x6
    first: ldar w10,[x9]
    cbnz w10,out
    last: svc 0
    ret
    out: mov x0,${notEntered}
    ret
    .balign 64
    handler: ldr w9,[x1,8]
    cmn w9,2
    b.ne window
    ldr x9,[x1,24]
    again: ldaxr w10,[x9]
    orr w10,w10,${timerBit}
    stlxr w11,w10,[x9]
    cbnz w11,again
    window: ldr x9,[x2,440]
    adr x10,first
    sub x9,x9,x10
    cmp x9,last-first
    b.hi done
    adr x10,out
    str x10,[x2,440]
    done: ret`,
} as const;

describe.each(["x64", "arm64"] as const)("the code for %s", (architecture) => {
  const own = interruptCode[architecture];
  test("is what its listing says, and the offsets beside it are those of the labels", async () => {
    const { code, labels } = await assemble(architecture, listings[architecture]);
    const { first, last, out, handler, restorer = 0 } = labels;
    expect(code).toBe(own.code);
    expect([first, last, out, handler, restorer]).toEqual([own.first, own.last, own.out, own.handler, own.restorer]);
  });
});

const own = interruptCode[arch];
const code = installInterrupts();
const pendingWords = new Int32Array(new SharedArrayBuffer(4));
const pending = addressOf(pendingWords);

describe("the handler", () => {
  const pointer = FFIType.u64;
  const handler = CFunction({
    ptr: (code + own.handler) as Pointer,
    args: [FFIType.i32, pointer, pointer],
    returns: FFIType.void,
  });
  /** Where the kernel stores pc in a ucontext. */
  const pcAt = arch === "x64" ? 168 : 440;
  const [info, context] = [newScratch(128), newScratch(1024)];
  /** What becomes of a pc at a signal of that si_code, whose value is the pending word's address. */
  function pcAfter(pc: number, siCode: number): number {
    context.bytes.fill(0x5a);
    storeU64(context, pcAt, pc);
    info.bytes.fill(0x5a);
    info.view.setInt32(8, siCode, true);
    storeU64(info, 24, pending);
    pendingWords[0] = 0;
    handler(kickSignal, info.address, context.address);
    const changed = context.bytes.filter((byte, i) => (i < pcAt || i >= pcAt + 8) && byte !== 0x5a);
    expect(changed.length).toBe(0);
    return Number(context.view.getBigUint64(pcAt, true));
  }
  const [SI_USER, SI_TIMER, SI_TKILL] = [0, -2, -6];

  test("moves a pc from inside the window, and no other", () => {
    const inside = (pc: number) => pc >= own.first && pc <= own.last;
    for (let pc = -8; pc < own.code.length / 2 + 8; pc++)
      expect({ pc, after: pcAfter(code + pc, SI_TKILL) - code }).toEqual({ pc, after: inside(pc) ? own.out : pc });
    for (const pc of [0, 1, 2 ** 31, code - 2 ** 32 + own.first, code + 2 ** 32 + own.first, 2 ** 47 - 1])
      expect(pcAfter(pc, SI_TKILL)).toBe(pc);
  });
  test("sets the timer's bit for a timer, and for nobody else", () => {
    for (const [siCode, bit] of [
      [SI_TIMER, timerBit],
      [SI_TKILL, 0],
      [SI_USER, 0],
      [-1, 0],
      [128, 0],
    ] as const) {
      expect(pcAfter(code + own.last, siCode)).toBe(code + own.out);
      expect(pendingWords[0]).toBe(bit);
      expect(pcAfter(0, siCode)).toBe(0);
      expect(pendingWords[0]).toBe(bit);
    }
  });
});

/** Every instruction of x86-64's stub, by its offset, and that of its caller. */
const steps = [0, 5, 8, 0xb, 0xe, 0x11, 0x14, 0x17, 0x1c, 0x20, 0x22, 0x24];

// The processor's single steps, as x86-64 has them for user code. Elsewhere the test in qemu must do.
describe.if(arch === "x64")("a kick by the kernel at each instruction", () => {
  const SIGTRAP = 5;
  const engine = readAction(SIGTRAP);
  afterAll(() => void setAction(SIGTRAP, engine));

  /** Calls the stub step by step, kicks this thread when it comes to an instruction, and goes on without steps. */
  function kickedAt(offset: number): number {
    const page = placeCode(stepper.code, (bytes) => {
      bytes.writeBigUInt64LE(BigInt(code), stepper.labels["stub"]!);
      bytes.writeBigUInt64LE(BigInt(code + offset), stepper.labels["target"]!);
    });
    const action = newAction();
    action[Action.handler] = BigInt(page + stepper.labels["trap"]!);
    action[Action.flags] = BigInt(SA.SIGINFO | SA.RESTORER);
    action[Action.restorer] = BigInt(code + own.restorer);
    // Handled when that handler has returned, at the instruction.
    action[Action.mask] = signalBit(kickSignal);
    const f = FFIType.i64_fast;
    const call = CFunction({ ptr: page as Pointer, args: [FFIType.i32, f, f, f, f, f, f, f], returns: f });
    const getppid = 110;
    setAction(SIGTRAP, action);
    const result = Number(call(getppid, 0, 0, 0, 0, 0, 0, pending));
    setAction(SIGTRAP, engine);
    host("munmap", page, codeBytes);
    return result;
  }
  let stepper: Awaited<ReturnType<typeof assemble>>;

  test("is seen by the window and by no other", async () => {
    stepper = await assemble(
      "x64",
      `
      pushfq
      or qword ptr [rsp],0x100
      popfq
      jmp [rip+stub]
      .balign 32
      trap: mov rax,[rdx+168]
      cmp rax,[rip+target]
      jne elsewhere
      push rdx
      mov eax,39
      syscall
      mov edi,eax
      mov eax,186
      syscall
      mov esi,eax
      mov edx,${kickSignal}
      mov eax,234
      syscall
      pop rdx
      quit: and qword ptr [rdx+176],-257
      ret
      elsewhere: sub rax,[rip+stub]
      cmp rax,${codeBytes}
      jae quit
      ret
      .balign 8
      stub: .quad 0
      target: .quad 0`,
    );
    pendingWords[0] = 0;
    for (const at of steps) {
      const inside = at >= own.first && at <= own.last;
      expect({ at, result: kickedAt(at) }).toEqual({ at, result: inside ? notEntered : process.ppid });
    }
    pendingWords[0] = 1;
    for (const at of steps.filter((at) => at !== own.last && at !== 0x24)) expect(kickedAt(at)).toBe(notEntered);
  });
});

// Reads an empty pipe 3,000 times; a timer kicks at random instants from before the call until well inside. Exits with 0 where
// each call was ended, said so in the pending word, and both ways of ending were seen.
const arm64Program = (blob: string): string => `
  .equ write, 64
  .global _start
  stub: .byte ${blob.match(/../g)!.map((byte) => `0x${byte}`)}
  .balign 8
  _start:
    mov x8,178            // gettid
    svc 0
    mov x28,x0
    adr x9,event
    adr x10,pending
    str x10,[x9]
    str w0,[x9,16]
    adr x9,action
    adr x10,stub
    add x10,x10,${interruptCode.arm64.handler}
    str x10,[x9]
    mov x0,${kickSignal}
    adr x1,action
    mov x2,0
    mov x3,8
    mov x8,134            // rt_sigaction
    svc 0
    mov x27,10
    cbnz x0,fail
    mov x0,1              // CLOCK_MONOTONIC
    adr x1,event
    adr x2,timer
    mov x8,107            // timer_create
    svc 0
    mov x27,11
    cbnz x0,fail
    adr x0,pipe
    mov x1,0
    mov x8,59             // pipe2
    svc 0
    mov x27,12
    cbnz x0,fail
    // Not made while something is pending; else with the host's result.
    adr x7,pending
    mov w9,1
    str w9,[x7]
    mov x0,178
    bl stub
    mov x27,13
    cmn x0,${-notEntered}
    b.ne fail
    str wzr,[x7]
    mov x0,178
    bl stub
    mov x27,14
    cmp x0,x28
    b.ne fail
    mov x19,3000
    mov x20,0             // made and ended
    mov x21,0             // not made
    mov x22,12345
  round:
    adr x7,pending
    str wzr,[x7]
    movz x9,0x6d,lsl 16
    movk x9,0x4e6d
    mul x22,x22,x9
    add x22,x22,1
    ubfx x9,x22,12,18     // up to 262 us: qemu is slow
    add x9,x9,1
    adr x10,time
    str x9,[x10,24]
    adr x9,timer
    ldr w0,[x9]
    mov x1,0
    adr x2,time
    mov x3,0
    mov x8,110            // timer_settime
    svc 0
    mov x27,15
    cbnz x0,fail
    adr x9,pipe
    mov x0,63             // read
    ldr w1,[x9]
    adr x2,time
    mov x3,1
    adr x7,pending
    bl stub
    mov x27,16
    cmn x0,4
    cinc x20,x20,eq
    b.eq told
    cmn x0,${-notEntered}
    cinc x21,x21,eq
    b.ne fail
  told:
    mov x27,17
    adr x9,pending
    ldr w10,[x9]
    cmp w10,${timerBit}
    b.ne fail
    subs x19,x19,1
    b.ne round
    mov x27,18
    cbz x20,fail
    mov x27,19
    cbz x21,fail
    mov x27,0
  fail:
    mov x0,x27
    mov x8,94             // exit_group
    svc 0
  .balign 8
  action: .quad 0, ${SA.SIGINFO}, 0, 0
  event: .quad 0
    .word ${kickSignal}, 4
    .quad 0, 0, 0, 0, 0, 0
  time: .quad 0, 0, 0, 0
  pending: .word 0
  timer: .word 0
  pipe: .word 0, 0
`;

test("a timer's kick at random instants ends every call, on arm64 in qemu", async () => {
  await inFolder(async (folder) => {
    const program = await link("arm64", folder, arm64Program(interruptCode.arm64.code));
    const child = Bun.spawn(arch === "arm64" ? [program] : ["qemu-aarch64", program], { timeout: 60_000 });
    expect(await child.exited).toBe(0);
    expect(child.signalCode).toBe(null);
  });
}, 90_000);
