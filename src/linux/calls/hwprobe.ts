// riscv_hwprobe: pairs of key and value, filled in for a set of CPUs; or, the other way round, the CPUs that have given
// values. All CPUs of a guest are the same.
import { accessible, copyTo, Page, readable, writable } from "../../memory/guest-memory.ts";
import { errno } from "../errno.ts";
import { hwprobe, hwprobeMatches } from "../hwcap.ts";
import { pointer, size, uint } from "../kinds.ts";
import { type CallRow, call } from "../row.ts";
import type { Task } from "../task.ts";

const pairSize = 16;
const whichCpus = 1;
const cpus = navigator.hardwareConcurrency;
/** Bytes of the kernel's own CPU mask: what of a longer one is looked at. */
const maskSize = Math.ceil(cpus / 64) * 8;

function riscvHwprobe(t: Task, pairs: number, count: number, setSize: number, set: number, flags: number): number {
  if (flags === whichCpus) return findCpus(t, pairs, count, setSize, set);
  if (flags !== 0) return -errno.EINVAL;
  if (setSize !== 0 || set !== 0) {
    const mask = onlineCpus(t, set, setSize);
    if (mask === undefined) return -errno.EFAULT;
    if (mask.every((byte) => byte === 0)) return -errno.EINVAL;
  }
  for (let i = 0; i < count; i++) {
    const pair = pairAt(t, pairs + i * pairSize);
    if (pair === undefined) return -errno.EFAULT;
    setPair(pair, hwprobe(keyOf(pair)));
  }
  return 0;
}

function findCpus(t: Task, pairs: number, count: number, setSize: number, set: number): number {
  if (setSize === 0 || set === 0) return -errno.EINVAL;
  let mask = onlineCpus(t, set, setSize);
  if (mask === undefined) return -errno.EFAULT;
  if (mask.every((byte) => byte === 0)) mask = online(mask.length);
  let all = true;
  for (let i = 0; i < count; i++) {
    const pair = pairAt(t, pairs + i * pairSize);
    if (pair === undefined) return -errno.EFAULT;
    const matches = hwprobeMatches(keyOf(pair), pair.getBigUint64(8, true));
    if (matches === undefined) setPair(pair, undefined);
    all &&= matches === true;
  }
  if (!all) mask.fill(0);
  return copyTo(t.memory, set, mask) ? 0 : -errno.EFAULT;
}

/** A pair in guest memory, to be overwritten; undefined where it cannot be read and written. */
function pairAt(t: Task, address: number): DataView | undefined {
  if (!accessible(t.memory, address, pairSize, Page.read | Page.write)) return undefined;
  const bytes = writable(t.memory, address, pairSize);
  return bytes && new DataView(bytes.buffer, bytes.byteOffset, pairSize);
}

/** The key as a number: one beyond 32 bits is not known, and gives -1. */
const keyOf = (pair: DataView): number => (pair.getInt32(4, true) === 0 ? pair.getUint32(0, true) : -1);

function setPair(pair: DataView, value: bigint | undefined): void {
  if (value === undefined) pair.setBigInt64(0, -1n, true);
  pair.setBigUint64(8, value ?? 0n, true);
}

/** A copy of a guest's CPU mask with the bits of CPUs that are there, or undefined for EFAULT. */
function onlineCpus(t: Task, set: number, setSize: number): Uint8Array | undefined {
  const length = Math.min(setSize, maskSize);
  const mask = readable(t.memory, set, length);
  const known = online(length);
  return mask && Uint8Array.from(mask, (byte, i) => byte & known[i]!);
}

/** A mask with all CPUs set. */
const online = (length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (cpus >= i * 8 + 8 ? 0xff : cpus > i * 8 ? (1 << (cpus - i * 8)) - 1 : 0));

export const hwprobeCalls: readonly CallRow[] = [
  call(258, "riscv_hwprobe", [pointer, size, size, pointer, uint], "none", "quick", riscvHwprobe),
];
