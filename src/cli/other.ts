// The measurements, which come with a checkout only.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { usageStatus } from "./options.ts";
import { complain, exit } from "./output.ts";

export async function bench(): Promise<void> {
  const suite = join(import.meta.dir, "../../bench/run.ts");
  if (existsSync(suite)) await import(suite);
  else {
    complain("the measurements come with sabre's source: in a checkout, bun run bench");
    exit(usageStatus);
  }
}
