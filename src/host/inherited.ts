// The descriptors that whoever started the emulator opened for the guest: `sabre cat <(ls)`, `sabre sh -c 'read x <&3' 3<file`.
import { cstring, newScratch, scratch, textOf } from "./scratch.ts";
import { host } from "./syscall.ts";

const atCwd = -100;
const closeOnExec = 0x80000;
/** Offsets in a `struct linux_dirent64`. */
const [lengthAt, nameAt] = [16, 19];

/**
 * Host descriptors beyond the standard streams. To be asked before anything of ours is open. The engine's own are told
 * by what they are: event queues, files without a name. Its close-on-exec marks tell nothing, it sets them on all.
 */
export function inheritedDescriptors(): number[] {
  const list = host("openat", atCwd, cstring("/proc/self/fd"), closeOnExec);
  if (list < 0) return [];
  const { bytes, view, address } = newScratch(4096);
  const text = Buffer.from(bytes.buffer);
  const found: number[] = [];
  const more = (): number => host("getdents64", list, address, bytes.length);
  for (let n = more(); n > 0; n = more())
    for (let at = 0; at < n; at += view.getUint16(at + lengthAt, true)) {
      const fd = Number.parseInt(text.toString("latin1", at + nameAt, at + nameAt + 10), 10);
      if (fd > 2 && fd !== list && !isEngines(fd)) found.push(fd);
    }
  host("close", list);
  return found;
}

const enginesPrefix = "anon_inode:";

function isEngines(fd: number): boolean {
  const { address } = scratch;
  const n = host("readlinkat", atCwd, cstring(`/proc/self/fd/${fd}`), address, enginesPrefix.length);
  return n < 0 || textOf(scratch, n) === enginesPrefix;
}
