// Socket options: bytes that pass as they are, but for those by which a program hands the kernel a pointer or is
// handed a descriptor or a process id. These are translated, or not there.
import { newScratch, reserve, storeU64 } from "../../host/scratch.ts";
import { host } from "../../host/syscall.ts";
import { accessibleLength, copyTo, Page, readable, writable } from "../../memory/guest-memory.ts";
import { errno } from "../errno.ts";
import { hostFd } from "../fds.ts";
import { askForSenders, peerOf } from "../peers.ts";
import { installPidfd } from "../pidfds.ts";
import { emulatorPid } from "../proc.ts";
import type { Task } from "../task.ts";

const SOL_SOCKET = 1;
const Option = {
  PASSCRED: 16,
  PEERCRED: 17,
  ATTACH_FILTER: 26,
  ATTACH_BPF: 50,
  ATTACH_REUSEPORT_CBPF: 51,
  ATTACH_REUSEPORT_EBPF: 52,
  PASSPIDFD: 76,
  PEERPIDFD: 77,
} as const;

/** Options by level whose values hold pointers or make descriptors, of a kind that no usual program needs: not there. */
const refusedOptions: ReadonlyMap<number, ReadonlySet<number>> = new Map([
  // Rules of the packet filters: of IP, of ARP, of bridges.
  [0, new Set([64, 65, 96, 97, 128, 129, 130, 131])],
  [41, new Set([64, 65])],
  // TCP_ZEROCOPY_RECEIVE
  [6, new Set([35])],
  // SCTP_SOCKOPT_PEELOFF, SCTP_SOCKOPT_CONNECTX3, SCTP_SOCKOPT_PEELOFF_FLAGS
  [132, new Set([102, 111, 122])],
  // PACKET_FANOUT_DATA
  [263, new Set([22])],
]);
const isRefusedOption = (levelNumber: number, name: number): boolean =>
  refusedOptions.get(levelNumber)?.has(name) ?? false;

const mostOptionBytes = 1 << 20;
const values = newScratch(4096);
const cells = newScratch(8);
const filterBytes = 16;
const instructionBytes = 8;

export function setsockopt(
  t: Task,
  fdNumber: number,
  levelNumber: number,
  name: number,
  addr: number,
  length: number,
): number {
  const h = hostFd(t.process.fds, fdNumber);
  if (h < 0) return h;
  if (length < 0) return -errno.EINVAL;
  if (isRefusedOption(levelNumber, name)) return -errno.ENOPROTOOPT;
  if (levelNumber === SOL_SOCKET) {
    if (name === Option.PASSCRED || name === Option.PASSPIDFD) askForSenders(t.process.kernel);
    if (name === Option.ATTACH_FILTER || name === Option.ATTACH_REUSEPORT_CBPF)
      return attachFilter(t, h, name, addr, length);
    if (name === Option.ATTACH_BPF || name === Option.ATTACH_REUSEPORT_EBPF) return -errno.EINVAL;
  }
  if (addr === 0) return host("setsockopt", h, levelNumber, name, 0, length);
  if (readable(t.memory, addr, length) === undefined) return -errno.EFAULT;
  return host("setsockopt", h, levelNumber, name, t.memory.hostBase + addr, length);
}

/** A `struct sock_fprog`: number of instructions (u16), and a pointer to them. */
function attachFilter(t: Task, h: number, name: number, addr: number, length: number): number {
  if (length !== filterBytes) return -errno.EINVAL;
  if (readable(t.memory, addr, filterBytes) === undefined) return -errno.EFAULT;
  const v = t.memory.view;
  const count = v.getUint16(addr, true);
  const code = v.getUint32(addr + 12, true) * 2 ** 32 + v.getUint32(addr + 8, true);
  if (readable(t.memory, code, count * instructionBytes) === undefined) return -errno.EFAULT;
  storeU64(values, 0, count);
  storeU64(values, 8, t.memory.hostBase + code);
  return host("setsockopt", h, SOL_SOCKET, name, values.address, filterBytes);
}

export function getsockopt(
  t: Task,
  fdNumber: number,
  levelNumber: number,
  name: number,
  addr: number,
  lengthAddr: number,
): number {
  const h = hostFd(t.process.fds, fdNumber);
  if (h < 0) return h;
  if (readable(t.memory, lengthAddr, 4) === undefined) return -errno.EFAULT;
  const asked = t.memory.view.getInt32(lengthAddr, true);
  if (asked < 0) return -errno.EINVAL;
  if (isRefusedOption(levelNumber, name)) return -errno.ENOPROTOOPT;
  // A filter is asked for by its number of instructions, and answered in those.
  const unit = levelNumber === SOL_SOCKET && name === Option.ATTACH_FILTER ? instructionBytes : 1;
  const room = Math.min(asked, mostOptionBytes);
  reserve(values, room * unit);
  const given = accessibleLength(t.memory, addr, Math.min(room, values.bytes.length), Page.read);
  values.bytes.set(t.memory.u8.subarray(addr, addr + given));
  cells.i32[0] = room;
  const result = host("getsockopt", h, levelNumber, name, values.address, cells.address);
  if (result < 0) return result;
  const length = cells.i32[0]!;
  const failed = levelNumber === SOL_SOCKET ? ownValue(t, h, name, length, addr) : 0;
  if (failed < 0) return failed;
  if (!copyTo(t.memory, addr, values.bytes.subarray(0, Math.min(length, room) * unit))) return -errno.EFAULT;
  return copyTo(t.memory, lengthAddr, cells.bytes.subarray(0, 4)) ? 0 : -errno.EFAULT;
}

/** Puts what guests are to each other into an option's value: process ids, a descriptor. Answers 0, or -errno. */
function ownValue(t: Task, h: number, name: number, length: number, addr: number): number {
  const { i32 } = values;
  if (name === Option.PEERCRED && length >= 12 && i32[0] === emulatorPid) {
    const peer = peerOf(t, h);
    if (peer !== undefined) i32.set([peer.pid, peer.uid, peer.gid]);
  }
  if (name !== Option.PEERPIDFD || length < 4) return 0;
  if (writable(t.memory, addr, 4) === undefined) {
    host("close", i32[0]);
    return -errno.EFAULT;
  }
  i32[0] = installPidfd(t, i32[0]!, () => peerOf(t, h)?.pid, true);
  return Math.min(i32[0]!, 0);
}
