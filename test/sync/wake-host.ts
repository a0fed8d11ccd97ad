// The host's side of wake words, as tests need it: one descriptor more can be polled.
import { monotonic } from "../../src/host/clock.ts";
import { newScratch, storeU64 } from "../../src/host/scratch.ts";
import { host } from "../../src/host/syscall.ts";
import { never, type WakeHost } from "../../src/sync/event.ts";

const EFD_NONBLOCK = 0o4000;
const POLLIN = 1;
const EINTR = 4;

export const eventfd = (): number => host("eventfd2", 0, EFD_NONBLOCK);

const [polled, timeout, value] = [newScratch(16), newScratch(16), newScratch(8)];

/** Polls `other` too if it is not negative. */
export const wakeHost = (other = -1): WakeHost => ({
  monotonic,
  ring: (descriptor) => {
    storeU64(value, 0, 1);
    host("write", descriptor, value.address, 8);
  },
  poll: (descriptor, nanoseconds) => {
    polled.i32.set([descriptor, POLLIN, other, POLLIN]);
    if (nanoseconds !== never) {
      storeU64(timeout, 0, Math.floor(nanoseconds / 1e9));
      storeU64(timeout, 8, nanoseconds % 1e9);
    }
    const ready = host("ppoll", polled.address, 2, nanoseconds === never ? 0 : timeout.address, 0, 8);
    if (ready < 0) return ready === -EINTR ? 0 : ready;
    const rung = polled.u32[1]! >>> 16 !== 0;
    if (rung) host("read", descriptor, value.address, 8);
    return ready - (rung ? 1 : 0);
  },
});
