// All packets, found by their names.
import { filePackets } from "./packets/files.ts";
import { monitorPackets } from "./packets/monitor.ts";
import { pointPackets } from "./packets/points.ts";
import { makeQueryPackets } from "./packets/query.ts";
import { runPackets } from "./packets/run.ts";
import { statePackets } from "./packets/state.ts";
import { threadPackets } from "./packets/threads.ts";
import type { PacketRow } from "./row.ts";
import type { Session } from "./session.ts";

/** Every row. Where one's name begins another's the longer one comes first. */
export const packetRows: readonly PacketRow[] = [
  ...statePackets,
  ...pointPackets,
  ...runPackets,
  ...threadPackets,
  ...filePackets,
  ...monitorPackets,
  ...makeQueryPackets(() => packetRows),
].sort((a, b) => b.name.length - a.name.length);

const byLetter = new Map<string, PacketRow[]>();
for (const row of packetRows) byLetter.set(row.name[0]!, [...(byLetter.get(row.name[0]!) ?? []), row]);

/** Names of more than a letter end where a separator stands, or one is their last. */
const endsName = (name: string, text: string): boolean =>
  name.length === 1 || name.endsWith(":") || text.length === name.length || ":;,?".includes(text[name.length]!);

/** Does what a packet says. Answers the reply, "" for what is no packet; undefined where it comes later. */
export function handlePacket(s: Session, text: string): string | undefined {
  for (const row of byLetter.get(text[0] ?? "") ?? [])
    if (text.startsWith(row.name) && endsName(row.name, text)) return row.handle(s, text.slice(row.name.length));
  return "";
}
