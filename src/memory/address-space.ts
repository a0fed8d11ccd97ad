// Placeholder for the interface; see guest-memory.ts for the bytes.
import type { GuestMemory } from "./guest-memory.ts";
export interface AddressSpace {
  readonly memory: GuestMemory;
}
