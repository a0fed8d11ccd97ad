// The host kernel's calls, raw: one machine-code stub, so that -errno comes back in the result and the C library's
// errno (which the engine's own threads may change between two calls from JavaScript) is never asked.
import { CFunction, dlopen, FFIType, type Pointer, ptr, toArrayBuffer } from "bun:ffi";
import { type HostCall, hostNumbers } from "./numbers.ts";

// syscall(number, a, b, c, d, e, f), by the C calling convention, for each architecture.
const stubs = {
  // mov rax,rdi; mov rdi,rsi; mov rsi,rdx; mov rdx,rcx; mov r10,r8; mov r8,r9; mov r9,[rsp+8]; syscall; ret
  x64: [
    0x48, 0x89, 0xf8, 0x48, 0x89, 0xf7, 0x48, 0x89, 0xd6, 0x48, 0x89, 0xca, 0x4d, 0x89, 0xc2, 0x4d, 0x89, 0xc8, 0x4c,
    0x8b, 0x4c, 0x24, 0x08, 0x0f, 0x05, 0xc3,
  ],
  // mov x8,x0; mov x0,x1; … mov x5,x6; svc 0; ret
  arm64: [
    0xe8, 0x03, 0x00, 0xaa, 0xe0, 0x03, 0x01, 0xaa, 0xe1, 0x03, 0x02, 0xaa, 0xe2, 0x03, 0x03, 0xaa, 0xe3, 0x03, 0x04,
    0xaa, 0xe4, 0x03, 0x05, 0xaa, 0xe5, 0x03, 0x06, 0xaa, 0x01, 0x00, 0x00, 0xd4, 0xc0, 0x03, 0x5f, 0xd6,
  ],
} as const;

export const arch: "x64" | "arm64" = process.arch === "arm64" ? "arm64" : "x64";
const column = arch === "x64" ? 0 : 1;

function makeStub(): (n: number, a: number, b: number | bigint, c: number, d: number, e: number, f: number) => number {
  const libc = dlopen(process.platform === "linux" ? libcName() : "", {
    mmap: { args: ["usize", "usize", "i32", "i32", "i32", "i64"], returns: "usize" },
    mprotect: { args: ["usize", "usize", "i32"], returns: "i32" },
  }).symbols;
  const [read, write, exec, privateAnonymous] = [1, 2, 4, 0x22];
  const page = Number(libc.mmap(0, 4096, read | write, privateAnonymous, -1, 0)) as Pointer;
  new Uint8Array(toArrayBuffer(page, 0, 4096)).set(stubs[arch]);
  libc.mprotect(page, 4096, read | exec);
  const f = FFIType.i64_fast;
  return CFunction({ ptr: page, args: [FFIType.i32, f, f, f, f, f, f], returns: f }) as unknown as ReturnType<
    typeof makeStub
  >;
}

/** The file name of the C library that this process has loaded. */
export const libcName = (): string => {
  try {
    dlopen("libc.so.6", { mmap: { args: [], returns: "usize" } });
    return "libc.so.6";
  } catch {
    return `libc.musl-${arch === "x64" ? "x86_64" : "aarch64"}.so.1`;
  }
};

const stub = makeStub();

/** Host address of a view's first byte. The view must stay reachable while the address is in use. */
export const addressOf = (view: NodeJS.TypedArray | DataView): number => ptr(view as NodeJS.TypedArray);

/**
 * Makes the host call of that name. Arguments are integers (pointers are host addresses); the result is what the kernel
 * put into the result register, -errno on failure. Results beyond 2**53, places in a directory, are rounded.
 */
export function host(name: HostCall, a = 0, b: number | bigint = 0, c = 0, d = 0, e = 0, f = 0): number {
  return Number(stub(hostNumbers[name][column], a, b, c, d, e, f));
}
