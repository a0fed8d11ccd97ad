// Runs sabre from its sources whatever was built, to measure what the build gains.
import { runCommandLine } from "../src/cli/run.ts";

await runCommandLine();
