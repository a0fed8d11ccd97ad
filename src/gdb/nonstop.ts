// Non-stop: threads stop one by one, and each stop is a notification, which the debugger fetches when it likes. Only one is under way at
// a time; what happened meanwhile follows when it asks for more (vStopped).
import { debuggedProcesses, Head, Stop, Thread, threadAt } from "../debug/state.ts";
import { eventOf, type GuestThread, goOn, haltOne, isStopped, markTold, resume, unhalt } from "../debug/world.ts";
import { Sig } from "../linux/siginfo.ts";
import { endText, eventText, nothingRuns, type Order, stopText, untoldEnds } from "./running.ts";
import { debugged, type Session } from "./session.ts";

/** From all-stop to this: what stands still goes on standing, what comes runs. */
export function beginNonStop(s: Session): void {
  s.nonStop = true;
  s.mode = "running";
  s.world.d.words[Head.nonStop] = 1;
  s.world.d.words[Head.holdsNew] = 0;
  // Those are told of when the debugger asks.
  for (const thread of debugged(s)) if (isStopped(s.world, thread)) markTold(s.world, thread);
  unhalt(s.world);
}

/** Lets threads go on, or has them stop, each for itself. */
export function letRunEach(s: Session, orders: readonly (Order & { readonly stop: boolean })[]): void {
  for (const { thread, how, stop } of orders) {
    if (stop) haltOne(s.world, thread);
    // One whose stop has not been told is stopped for that.
    else if (isStopped(s.world, thread) && isTold(s, thread)) {
      resume(s.world, thread, how);
      s.running = true;
    }
  }
}

const isTold = (s: Session, { task }: GuestThread): boolean => s.world.d.words[threadAt(task) + Thread.told] !== 0;

/** The next stop or end that has not been told, as its text; it counts as told then. */
function takeNext(s: Session): string | undefined {
  const queued = s.stops.shift();
  if (queued !== undefined) return queued;
  const [end] = untoldEnds(s);
  if (end !== undefined) return endText(s, end);
  const { words } = s.world.d;
  for (const thread of debugged(s)) {
    if (!isStopped(s.world, thread) || isTold(s, thread)) continue;
    const event = eventOf(s.world, thread);
    const asked = words[threadAt(thread.task) + Thread.stop] === Stop.asked;
    if (event === undefined && !asked) continue;
    const text = event === undefined ? stopText(s, thread, s.interrupted ? Sig.INT : 0, "") : eventText(s, event);
    if (event === undefined) s.interrupted = false;
    markTold(s.world, thread);
    if (event?.why === Stop.left) resume(s.world, thread, goOn);
    s.last = { thread, text };
    return text;
  }
  if (!s.running || !s.features.has("no-resumed+") || !nothingRuns(s)) return undefined;
  if (!debugged(s).every((t) => isTold(s, t))) return undefined;
  // Told once, until something has been let run again.
  s.running = false;
  return "N";
}

/** Sends a notification if there is something to be told and the debugger has fetched what was before. */
export function notify(s: Session): undefined {
  const text = s.notified ? undefined : takeNext(s);
  if (text === undefined) return;
  s.notified = true;
  s.sendNotification(`Stop:${text}`);
}

/** What vStopped answers. */
export function nextStop(s: Session): string {
  const text = takeNext(s);
  if (text !== undefined) return text;
  s.notified = false;
  s.ended = s.lastEnd !== undefined && debuggedProcesses(s.world.d).length === 0;
  return "OK";
}

/** What `?` answers: the stopped threads, the first at once and the others for vStopped. */
export function allStops(s: Session): string {
  s.stops = debugged(s).flatMap((thread) => {
    if (!isStopped(s.world, thread)) return [];
    const event = eventOf(s.world, thread);
    // That a thread has gone is told by itself, and lets it go.
    if (event?.why === Stop.left) return [];
    markTold(s.world, thread);
    return [event === undefined ? stopText(s, thread, 0, "") : eventText(s, event)];
  });
  const first = s.stops.shift();
  s.notified = first !== undefined;
  return first ?? "OK";
}

/** An interrupt: one thread stops for it. */
export function interruptOne(s: Session, thread: GuestThread | undefined): void {
  if (thread === undefined || (isStopped(s.world, thread) && isTold(s, thread))) return;
  s.interrupted = true;
  haltOne(s.world, thread);
}
