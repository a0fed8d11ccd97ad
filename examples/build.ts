// Builds examples/demo from demo.c: `bun examples/build.ts`. The binary is part of the repository, so that the demo runs
// where no compiler is; it names the compiler that made it in its section .comment.
import { join } from "node:path";

const compiler = "riscv64-linux-gnu-gcc";

const flags = [
  ..."-O2 -march=rv64gc -mabi=lp64d -std=c17 -Wall -Wextra -Werror".split(" "),
  // No C library, and no calls to one that the compiler makes up.
  ..."-ffreestanding -nostdlib -static -fno-tree-loop-distribute-patterns -fno-math-errno".split(" "),
  // The same picture whatever the compiler would fuse.
  "-ffp-contract=off",
  // A small file.
  ..."-fno-asynchronous-unwind-tables -Wl,--build-id=none -Wl,-z,max-page-size=4096".split(" "),
];

/** Compiles the demo to `output`. Throws with the compiler's messages where that fails. */
export function build(output: string): void {
  const source = "demo.c"; // relative: its name is in the binary
  const result = Bun.spawnSync([compiler, ...flags, "-o", output, source], { cwd: import.meta.dir });
  if (!result.success) throw new Error(`${compiler} failed:\n${result.stderr}`);
}

if (import.meta.main) build(join(import.meta.dir, "demo"));
