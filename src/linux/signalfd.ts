// Reading a signal descriptor: pending signals of its set, as records of 128 bytes.
import { copyTo } from "../memory/guest-memory.ts";
import { errno, restart } from "./errno.ts";
import { fdData, hostFd } from "./fds.ts";
import { park, wakeCount } from "./park.ts";
import { Code, Sig, type SigInfo } from "./siginfo.ts";
import { signalFdMask } from "./signalfd-table.ts";
import { takeSignal, watchSignals } from "./signals.ts";
import type { Task } from "./task.ts";
import { isNonblocking } from "./wait.ts";

const recordBytes = 128;

/** A `struct signalfd_siginfo`. */
function record(info: SigInfo): Uint8Array {
  const bytes = new Uint8Array(recordBytes);
  const v = new DataView(bytes.buffer);
  const [signo, code] = [info[0]!, info[2]!];
  const put = (at: number, ...words: readonly number[]): void =>
    words.forEach((word, i) => {
      v.setInt32(at + i * 4, word, true);
    });
  put(0, signo, info[1]!, code);
  const [a, b, c, d] = [info[4]!, info[5]!, info[6]!, info[7]!];
  if (code === Code.SI_TIMER) {
    put(24, a); // ssi_tid
    put(32, b); // ssi_overrun
    put(44, c, c, d); // ssi_int, ssi_ptr
  } else if (code > 0 && code !== Code.SI_KERNEL && faultSignals.includes(signo)) {
    put(72, a, b); // ssi_addr
    v.setInt16(80, c, true); // ssi_addr_lsb
  } else if ((code > 0 && code !== Code.SI_KERNEL && signo === Sig.IO) || code === Code.SI_SIGIO) {
    put(28, a); // ssi_band
    put(20, c); // ssi_fd
  } else {
    put(12, a, b); // ssi_pid, ssi_uid
    if (signo === Sig.CHLD && code > 0) {
      put(40, c); // ssi_status
      put(56, info[8]!, info[9]!, info[10]!, info[11]!); // ssi_utime, ssi_stime
    } else if (code < 0) put(44, c, c, d);
  }
  return bytes;
}

const faultSignals: readonly number[] = [Sig.ILL, Sig.FPE, Sig.SEGV, Sig.BUS, Sig.TRAP];

/**
 * Reads as many records as there are and fit. Sleeps for the first, unless the descriptor is in non-blocking mode.
 * Answers bytes, -EINVAL where not even one fits, -EAGAIN, -ERESTARTSYS, or -EFAULT (the signal is lost then, as on Linux).
 */
export function readSignalFd(t: Task, fd: number, addr: number, length: number): number {
  const count = Math.floor(length / recordBytes);
  if (count === 0) return -errno.EINVAL;
  const h = hostFd(t.process.fds, fd);
  if (h < 0) return h;
  let done = 0;
  while (done < count) {
    const [lo, hi] = signalFdMask(t.process.signals.signalFds, fdData(t.process.fds, fd));
    const waits = done === 0 && !isNonblocking(h);
    const info = takeSignal(t, lo, hi) ?? (waits ? awaitSignal(t, lo, hi) : undefined);
    if (info === undefined) {
      if (done > 0) break;
      return waits ? -restart.ERESTARTSYS : -errno.EAGAIN;
    }
    if (!copyTo(t.memory, addr + done * recordBytes, record(info)))
      return done > 0 ? done * recordBytes : -errno.EFAULT;
    done++;
  }
  return done * recordBytes;
}

/** Sleeps until a signal of a set (two words) can be taken, and takes it; undefined where something else ends the sleep. */
function awaitSignal(t: Task, lo: number, hi: number): SigInfo | undefined {
  for (;;) {
    // Not on the eventfd, which is readable for signals of other threads too.
    const seen = wakeCount(t);
    watchSignals(t, lo, hi);
    const slept = park(t, seen);
    watchSignals(t, 0, 0);
    const info = takeSignal(t, lo, hi);
    if (info !== undefined || slept < 0) return info;
  }
}
