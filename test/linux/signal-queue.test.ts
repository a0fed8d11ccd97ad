// The order in which signals are taken, against a plain model: sets and queues as POSIX and Linux describe them.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { Code, Sig, valueInfo } from "../../src/linux/siginfo.ts";
import { queueSignal, setBlocked, takeSignal } from "../../src/linux/signals.ts";
import { caller } from "./caller.ts";

interface Sent {
  readonly signo: number;
  readonly value: number;
}

/** One list of what is pending, in order of arrival. */
class Model {
  readonly own: Sent[] = [];
  readonly shared: Sent[] = [];

  send(toThread: boolean, sent: Sent): void {
    const list = toThread ? this.own : this.shared;
    const stops: readonly number[] = [Sig.STOP, Sig.TSTP, Sig.TTIN, Sig.TTOU];
    for (const l of [this.own, this.shared]) {
      const dropped = l.filter((s) =>
        sent.signo === Sig.CONT ? stops.includes(s.signo) : stops.includes(sent.signo) && s.signo === Sig.CONT,
      );
      for (const s of dropped) l.splice(l.indexOf(s), 1);
    }
    if (sent.signo < 32 && list.some((s) => s.signo === sent.signo)) return;
    list.push(sent);
  }

  take(wanted: (signo: number) => boolean): Sent | undefined {
    const faults: readonly number[] = [Sig.SEGV, Sig.BUS, Sig.ILL, Sig.TRAP, Sig.FPE, Sig.SYS];
    for (const list of [this.own, this.shared]) {
      const signos = list.map((s) => s.signo).filter(wanted);
      if (signos.length === 0) continue;
      const first = signos.some((n) => faults.includes(n)) ? signos.filter((n) => faults.includes(n)) : signos;
      const signo = Math.min(...first);
      return list.splice(
        list.findIndex((s) => s.signo === signo),
        1,
      )[0];
    }
    return undefined;
  }
}

const isIn = (lo: number, hi: number, n: number): boolean => (((n <= 32 ? lo : hi) >>> ((n - 1) & 31)) & 1) !== 0;

const step = fc.oneof(
  fc.record({ send: fc.boolean(), signo: fc.integer({ min: 1, max: 64 }), value: fc.integer() }),
  fc.record({ lo: fc.integer(), hi: fc.integer() }),
);

test("signals are taken as the model says, whatever was sent, and to whom", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const t = caller();
      setBlocked(t, -1, -1);
      // Nothing is dropped for being ignored: every signal can be seen here.
      t.signals.words.fill(-1, 10, 12);
      const model = new Model();
      const taken = (lo: number, hi: number): void => {
        const got = takeSignal(t, lo, hi);
        const expected = model.take((n) => isIn(lo, hi, n));
        expect(got && { signo: got[0]!, value: got[6]! }).toEqual(expected);
      };
      for (const s of steps) {
        if ("send" in s) {
          queueSignal(s.send ? t : t.process, s.signo, valueInfo(s.signo, Code.SI_QUEUE, 1, 1, s.value, 0));
          model.send(s.send, { signo: s.signo, value: s.value });
        } else taken(s.lo, s.hi);
      }
      while (model.own.length + model.shared.length > 0) taken(-1, -1);
      taken(-1, -1);
      expect(t.process.signals.pool.words[0]).toBe(0);
    }),
    { numRuns: 100 },
  );
});
