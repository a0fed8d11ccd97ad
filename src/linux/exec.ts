// Maps a prepared program into an empty address space: its segments, those of its interpreter, the page with the
// signal trampoline, the stack with all that the program finds there.
import { loadSegments } from "../elf/check.ts";
import { ElfType, hex, programHeaderSize, type Segment, SegmentFlag, SegmentType } from "../elf/file.ts";
import { type FileError, isFileError } from "../elf/source.ts";
import { Aux, type BuiltStack, buildStack } from "../elf/stack.ts";
import {
  type AddressSpace,
  findFree,
  type Layout,
  layoutFor,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
  setCode,
  setLayout,
  stackTop,
  taskSize,
} from "../memory/address-space.ts";
import { copyTo, pageSize, writable } from "../memory/guest-memory.ts";
import { MapFlag, map, noFile, protect, setBrk } from "../memory/map.ts";
import { errno, errnoName } from "./errno.ts";
import { hwcap } from "./hwcap.ts";
import { discard, type ExecRequest, type OpenElf, type Prepared, prepareProgram } from "./program.ts";
import { rseqFeatures } from "./rseq.ts";
import { frame } from "./signal-frame.ts";

/** What the auxiliary vector says of the user. */
export interface Ids {
  readonly uid: number;
  readonly euid: number;
  readonly gid: number;
  readonly egid: number;
}

/** A program in memory, ready to run. Addresses are guest addresses. */
export interface Loaded {
  /** Where the first instruction is, and the stack pointer. */
  readonly entry: number;
  readonly sp: number;
  /** What linked addresses of the program and its interpreter are moved by. */
  readonly bias: number;
  readonly interpreterBias: number | undefined;
  /** The code that calls rt_sigreturn. */
  readonly trampoline: number;
  /** The auxiliary vector as it stands on the stack. */
  readonly auxv: Uint8Array;
  /** `[start, end)` of the strings of argv and of the environment. */
  readonly argStrings: readonly [number, number];
  readonly envStrings: readonly [number, number];
  /** Guest paths. `exe` is the program's, `execfn` the one that was asked for: a script's, where it began with one. */
  readonly exe: string;
  readonly execfn: string;
  /** What the thread is called. */
  readonly comm: string;
  readonly argv: readonly string[];
  readonly envp: readonly string[];
}

/** Where position-independent programs go. */
const pieBase = 0x0100_0000;
/** Stack that is there from the beginning, beyond what its contents take. */
const stackStart = 128 * 1024;
/** `li a7, 139; ecall`: the very instructions by which unwinders recognise a signal frame. */
const trampolineCode = Uint8Array.of(0x93, 0x08, 0xb0, 0x08, 0x73, 0x00, 0x00, 0x00);
/** As sysconf(_SC_CLK_TCK) answers. */
const clockTicks = 100;

/** The exit status by which shells report that a program did not start: 127 where it was not found, else 126. */
export const shellStatus = (error: FileError): 126 | 127 =>
  error.errno === errno.ENOENT || error.errno === errno.ENOTDIR ? 127 : 126;

/** Finds and maps a program. The address space is empty, and after an error of no use. */
export function loadProgram(space: AddressSpace, r: ExecRequest, ids: Ids): Loaded | FileError {
  const prepared = prepareProgram(r);
  return isFileError(prepared) ? prepared : mapProgram(space, prepared, ids);
}

/** Maps a prepared program and closes its files. The address space is empty, and after an error of no use. */
export function mapProgram(space: AddressSpace, p: Prepared, ids: Ids): Loaded | FileError {
  const loaded = mapAll(space, p, ids);
  discard(p);
  return loaded;
}

function mapAll(space: AddressSpace, p: Prepared, ids: Ids): Loaded | FileError {
  const bias = placeProgram(space, p);
  if (bias === undefined) return noRoom(p.program);
  const error = mapImage(space, p.program, bias);
  if (error !== undefined) return error;

  const trampoline = mapTrampoline(space);
  const interpreterBias = p.interpreter && biasInGap(space, p.interpreter);
  if (p.interpreter !== undefined) {
    if (interpreterBias === undefined) return noRoom(p.interpreter);
    const error = mapImage(space, p.interpreter, interpreterBias);
    if (error !== undefined) return error;
  }

  const { elf } = p.program;
  const stack = buildStack(stackTop(space), {
    argv: p.argv,
    envp: p.envp,
    execfn: p.execfn,
    random: crypto.getRandomValues(new Uint8Array(16)),
    aux: [
      [Aux.minsigstksz, frame.size],
      [Aux.hwcap, hwcap],
      [Aux.pagesz, pageSize],
      [Aux.clktck, clockTicks],
      [Aux.phdr, headersAddress(p.program, bias)],
      [Aux.phent, programHeaderSize],
      [Aux.phnum, elf.segments.length],
      [Aux.base, interpreterBias ?? 0],
      [Aux.flags, 0],
      [Aux.entry, elf.entry + bias],
      [Aux.uid, ids.uid],
      [Aux.euid, ids.euid],
      [Aux.gid, ids.gid],
      [Aux.egid, ids.egid],
      [Aux.secure, 0],
      [Aux.rseqFeatureSize, rseqFeatures.size],
      [Aux.rseqAlign, rseqFeatures.align],
    ],
  });
  if (trampoline < 0 || !mapStack(space, p, stack)) return noRoom(p.program);
  return {
    entry: p.interpreter === undefined ? elf.entry + bias : p.interpreter.elf.entry + interpreterBias!,
    sp: stack.sp,
    bias,
    interpreterBias,
    trampoline,
    auxv: stack.auxv,
    argStrings: stack.args,
    envStrings: stack.env,
    exe: p.program.path,
    execfn: p.execfn,
    comm: p.comm,
    argv: p.argv,
    envp: p.envp,
  };
}

const pageFloor = (n: number): number => Math.floor(n / pageSize) * pageSize;
const pageCeil = (n: number): number => Math.ceil(n / pageSize) * pageSize;

const noRoom = ({ elf }: OpenElf): FileError => ({
  errno: errno.ENOMEM,
  message: `${elf.source.name}: there is no room for it in the 4 GiB of addresses that sabre gives a program`,
  notable: true,
});

/** The first multiple of `step` that is not below `n`. */
const multipleFrom = (n: number, step: number): number => Math.ceil(n / step) * step;

interface Span {
  readonly start: number;
  readonly end: number;
  readonly align: number;
}

/** The pages between the first and the last segment, as linked, and the alignment that they ask for. */
function spanOf({ elf }: OpenElf): Span {
  const segments = loadSegments(elf);
  const aligns = segments.map((s) => s.align).filter((a) => Number.isInteger(Math.log2(a)));
  const last = segments.at(-1)!;
  return {
    start: pageFloor(segments[0]!.address),
    end: pageCeil(last.address + last.memorySize),
    align: Math.max(pageSize, ...aligns),
  };
}

/** Where a program, its heap and its stack go. */
interface Placing {
  readonly bias: number;
  readonly heap: number;
  readonly layout: Layout;
}

/** Undefined where they do not fit. */
function placingOf(p: Prepared): Placing | undefined {
  const span = spanOf(p.program);
  const isFixed = p.program.elf.type === ElfType.executable;
  const bias = isFixed ? 0 : multipleFrom(pieBase - span.start, span.align);
  // A program linked above everything stays out of the way; another one has heap and stack behind it.
  const usual = layoutFor(p.stackLimit);
  const above = isFixed && span.start >= usual.stackTop;
  const layout = above ? usual : layoutFor(p.stackLimit, span.end + bias);
  return layout.stackTop < taskSize ? { bias, heap: above ? pieBase : span.end + bias, layout } : undefined;
}

/** The error for a program that has no room, before anything is mapped. */
export const placeError = (p: Prepared): FileError | undefined =>
  placingOf(p) === undefined ? noRoom(p.program) : undefined;

/** Decides where program, heap, stack and the area of mmap lie. Answers the program's bias; undefined where it does not fit. */
function placeProgram(space: AddressSpace, p: Prepared): number | undefined {
  const placing = placingOf(p);
  if (placing === undefined) return undefined;
  setLayout(space, placing.layout);
  setBrk(space, placing.heap);
  return placing.bias;
}

/** A bias that puts an image into free addresses of the area of mmap; 0 for one that is linked to stay. */
function biasInGap(space: AddressSpace, image: OpenElf): number | undefined {
  if (image.elf.type === ElfType.executable) return 0;
  const { start, end, align } = spanOf(image);
  const page = findFree(space, 0, (end - start + align - pageSize) / pageSize);
  return page === undefined ? undefined : multipleFrom(page * pageSize - start, align);
}

function mapImage(space: AddressSpace, image: OpenElf, bias: number): FileError | undefined {
  for (const s of loadSegments(image.elf)) {
    const r = mapSegment(space, image, s, bias);
    if (r < 0)
      return {
        errno: -r,
        message: `${image.elf.source.name}: its segment at ${hex(s.address)} cannot be mapped (${errnoName(-r)})`,
      };
    if (s.flags & SegmentFlag.exec) setCode(space, s.address + bias, s.address + bias + s.fileSize);
  }
  return undefined;
}

const fixed = MapFlag.PRIVATE | MapFlag.FIXED;

/** Maps what the file has of a segment, zeroes the rest of the last page, and adds zeroed pages. 0 or -errno. */
function mapSegment(space: AddressSpace, image: OpenElf, s: Segment, bias: number): number {
  const prot =
    (s.flags & SegmentFlag.read ? PROT_READ : 0) |
    (s.flags & SegmentFlag.write ? PROT_WRITE : 0) |
    (s.flags & SegmentFlag.exec ? PROT_EXEC : 0);
  const address = s.address + bias;
  const start = pageFloor(address);
  const fileEnd = address + s.fileSize;
  const fileTop = s.fileSize === 0 ? start : pageCeil(fileEnd);
  const top = pageCeil(address + s.memorySize);
  if (fileTop > start) {
    const clears = s.memorySize > s.fileSize && fileTop > fileEnd;
    const source = { fd: image.elf.source.fd, offset: s.offset - (address - start), name: image.path };
    const r = map(space, start, fileTop - start, clears ? prot | PROT_WRITE : prot, fixed, source);
    if (r < 0) return r;
    if (clears) {
      const rest = writable(space.memory, fileEnd, fileTop - fileEnd);
      if (rest === undefined) return -errno.ENOEXEC;
      rest.fill(0);
      if ((prot & PROT_WRITE) === 0) protect(space, start, fileTop - start, prot);
    }
  }
  if (top === fileTop) return 0;
  return Math.min(0, map(space, fileTop, top - fileTop, prot, fixed | MapFlag.ANONYMOUS));
}

/** Where the program headers are in memory; 0 where no segment has them. */
function headersAddress({ elf }: OpenElf, bias: number): number {
  const at = elf.headerOffset;
  const s = elf.segments.find((s) => s.type === SegmentType.load && at >= s.offset && at < s.offset + s.fileSize);
  return s === undefined ? 0 : at - s.offset + s.address + bias;
}

/** Address or -errno. */
function mapTrampoline(space: AddressSpace): number {
  const flags = MapFlag.PRIVATE | MapFlag.ANONYMOUS;
  const address = map(space, 0, pageSize, PROT_READ | PROT_WRITE, flags, { ...noFile, name: "[vdso]" });
  if (address < 0) return address;
  copyTo(space.memory, address, trampolineCode);
  protect(space, address, pageSize, PROT_READ | PROT_EXEC);
  return address;
}

function mapStack(space: AddressSpace, p: Prepared, stack: BuiltStack): boolean {
  const top = stackTop(space);
  const executable = p.program.elf.segments.some((s) => s.type === SegmentType.gnuStack && s.flags & SegmentFlag.exec);
  const prot = PROT_READ | PROT_WRITE | (executable ? PROT_EXEC : 0);
  const start = pageFloor(stack.sp - Math.min(stackStart, Math.max(0, p.stackLimit - (top - stack.sp))));
  const flags = fixed | MapFlag.ANONYMOUS | MapFlag.GROWSDOWN | MapFlag.STACK;
  return map(space, start, top - start, prot, flags) >= 0 && copyTo(space.memory, stack.sp, stack.bytes);
}
