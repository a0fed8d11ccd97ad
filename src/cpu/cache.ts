// The decode cache: where it lies, so that every loop over it, in JavaScript or WebAssembly, works on the same slots. A
// page of code has a frame, with a slot of two words for every two bytes of guest code, so that the index of a slot within
// its frame is the offset within its page.
import { pageSize } from "../memory/guest-memory.ts";

/**
 * Words of a frame: one page's slots, then a slot for each way of running off its end (a last instruction of 4 bytes may
 * begin 2 bytes before it).
 */
export const frameWords = pageSize + 4;

/** Frames that there are. Frame 0 is not used, so that frame number 0 means "none". */
export const frames = 4096;

// First word of a slot: operation 0..9, rd 10..15 (32: the sink for x0), rs1 16..20, rs2 21..25, rs3 26..30, 31: 4 bytes
// long. Second word: the immediate, or the rounding mode. The first operations are not instructions:
export const opUndecoded = 0;
export const opNextPage = 1;
export const opIllegal = 2;
export const opRegion = 3;
/** A debugger wants to stop before the instruction. */
export const opStop = 4;
export const firstInstruction = 5;

/** The bits of a slot's first word that are its operation. */
export const opMask = 1023;

export const fieldShift = { rd: 10, rs1: 16, rs2: 21, rs3: 26, rm: 0, imm: 0 } as const;

const pages = 2 ** 20;

// Byte offsets. Each is a multiple of 8.
/** The frame of each page of the guest, an int32. */
export const frameOfOffset = 0;
/** Arrivals at each slot, a uint16, where a tier wants to know what is hot. */
export const heatOffset = frameOfOffset + 4 * pages;
export const codeOffset = heatOffset + 2 * frames * frameWords;
const cacheBytes = codeOffset + 4 * frames * frameWords;

const wasmPage = 65536;
export const cachePages = Math.ceil(cacheBytes / wasmPage);

export interface DecodeCache {
  readonly code: Int32Array;
  readonly frameOf: Int32Array;
  readonly heat: Uint16Array;
}

/** An empty cache, of which the host has to find only what is used. */
export function newCache(buffer: ArrayBuffer = new ArrayBuffer(cacheBytes)): DecodeCache {
  return {
    code: new Int32Array(buffer, codeOffset, frames * frameWords),
    frameOf: new Int32Array(buffer, frameOfOffset, pages),
    heat: new Uint16Array(buffer, heatOffset, (frames * frameWords) / 2),
  };
}

/**
 * Another loop over the slots, which does what is usual: it leaves before a slot that it cannot do. With operands as
 * numbers of bytes behind `codeOffset`.
 */
export interface QuickLoop {
  /** The memory of the cache that it works on. */
  readonly buffer: ArrayBuffer;
  /**
   * Goes on at slot `at` of the frame that begins at `frame`, pc being a slot's index plus `delta`, for at most `budget`
   * instructions; regions may exceed that. How many remain is then in the hart's `executed`. Answers the slot where it left, plus a
   * `Left`.
   */
  readonly run: (at: number, budget: number, frame: number, delta: number) => number;
  /** Makes the region of that number be another. */
  readonly enter: (id: number, region: (depth?: number, pc?: number) => number) => void;
}

/** Why a quick loop left. */
export const Left = {
  /** The slot is for others, or the budget is used up. */
  slot: 0,
  /** It has come to the slot so often that this is hot. */
  hot: 1,
  /** It goes on at the hart's pc, in a page that has no frame. */
  elsewhere: 2,
  /** A region came back where another one begins. */
  missed: 3,
} as const;
