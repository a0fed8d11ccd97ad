// Small files of the host, read whole by raw calls: node:fs takes 2 ms to load, which every start would pay.
import { newScratch } from "./scratch.ts";
import { addressOf, host } from "./syscall.ts";

const atCwd = -100;
const closeOnExec = 0x80000;
const eintr = -4;

/** The contents, one character a byte, or -errno. The path too has one character a byte. Serves /proc, whose files have no size. */
export function readHostFile(path: string): string | number {
  const name = Buffer.from(`${path}\0`, "latin1");
  const fd = host("openat", atCwd, addressOf(name), closeOnExec);
  if (fd < 0) return fd;
  const part = newScratch(16384);
  let text = "";
  let n: number;
  do {
    n = host("read", fd, part.address, part.bytes.length);
    if (n > 0) text += Buffer.from(part.bytes.buffer, 0, n).toString("latin1");
  } while (n > 0 || n === eintr);
  host("close", fd);
  return n < 0 ? n : text;
}
