// Writing to descriptors of the host, straight and whole. The guest shares them, so they may have become non-blocking,
// or nobody may read any more: the one is waited out, the other is silence, as with any Unix tool.
import { addressOf, host } from "../host/syscall.ts";
import { errno } from "../linux/errno.ts";

const pollOut = 4;

/** Writes all of `text`, one byte a character where `latin1`, else UTF-8. False where the descriptor takes no more. */
export function writeAll(fd: number, text: string, encoding: "utf8" | "latin1" = "utf8"): boolean {
  const bytes = Buffer.from(text, encoding);
  for (let at = 0; at < bytes.length; ) {
    const n = host("write", fd, addressOf(bytes) + at, bytes.length - at);
    if (n > 0) at += n;
    else if (n === -errno.EAGAIN) waitWritable(fd);
    else if (n !== -errno.EINTR) return false;
  }
  return true;
}

function waitWritable(fd: number): void {
  const pollfd = new Int32Array([fd, pollOut]);
  host("ppoll", addressOf(pollfd), 1);
}

export const print = (text: string): boolean => writeAll(1, text);

/** A message of sabre's own, on one line of stderr. */
export function complain(message: string): void {
  writeAll(2, `sabre: ${message}\n`);
}

/** Ends the process at once. Everything here is written when it is said, so there is nothing to flush. */
export function exit(status: number): never {
  host("exit_group", status);
  throw new Error("exit_group returned");
}
