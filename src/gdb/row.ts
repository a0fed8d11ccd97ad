// What a packet is: a row with its name, how its name ends, what it does, and what it lets be said about it in qSupported.
import type { Session } from "./session.ts";

export interface PacketRow {
  /** What the packet begins with. */
  readonly name: string;
  /** One line for `monitor packets` and the documentation. */
  readonly doc: string;
  /** What qSupported says where this packet is understood. */
  readonly feature?: string;
  /**
   * Does it. `rest` is what stands behind the name. Answers the reply; undefined where that comes later, by a stop. An empty
   * reply says that there is no such packet.
   */
  readonly handle: (s: Session, rest: string) => string | undefined;
}

export const packet = (name: string, doc: string, handle: PacketRow["handle"], feature?: string): PacketRow => ({
  name,
  doc,
  handle,
  ...(feature !== undefined && { feature }),
});
