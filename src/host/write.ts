// Writing to descriptors of the host, straight and whole. Guests share them, so they may have become non-blocking, or nobody
// may read any more: the one is waited out, the other is silence, as with any Unix tool.
import { addressOf, host } from "./syscall.ts";

const pollOut = 4;
const [EINTR, EAGAIN] = [4, 11];

/** Writes all of `text`, one byte a character where `latin1`, else UTF-8. False where the descriptor takes no more. */
export function writeAll(fd: number, text: string, encoding: "utf8" | "latin1" = "utf8"): boolean {
  const bytes = Buffer.from(text, encoding);
  for (let at = 0; at < bytes.length; ) {
    const n = host("write", fd, addressOf(bytes) + at, bytes.length - at);
    if (n > 0) at += n;
    else if (n === -EAGAIN) waitWritable(fd);
    else if (n !== -EINTR) return false;
  }
  return true;
}

function waitWritable(fd: number): void {
  const pollfd = new Int32Array([fd, pollOut]);
  host("ppoll", addressOf(pollfd), 1);
}
