// Servers of Debian trixie's riscv64 port, with their clients: redis-server and redis-benchmark, both guests, over loopback;
// nginx with two worker processes, asked by the host. And stress-ng, a second of each of its stressors that concern us.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { finish, sabreCommand } from "../tools/sabre.ts";
import { trixieRoot } from "../tools/trixie.ts";

const packages = ["base-files", "libc-bin", "redis-server", "redis-tools", "nginx-light", "stress-ng"];

let root = "";
beforeAll(async () => {
  root = await trixieRoot("riscv64", packages);
}, 300_000);

const folder = mkdtempSync(join(tmpdir(), "sabre-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const command = (program: string, ...args: string[]): string[] =>
  sabreCommand("run", "-L", root, join(root, "usr", program), ...args);

/** A port of loopback that nobody listens on. */
function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

const servers: Bun.Subprocess[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.kill("SIGKILL");
    await server.exited;
  }
});

/**
 * Starts a server whose log is its standard output or error. `until` waits until there is more of that text in the log than
 * when it was called last; `rest` for its end, and answers the whole log.
 */
function serve(log: "stdout" | "stderr", ...words: string[]) {
  const stdio = log === "stdout" ? (["ignore", "pipe", "ignore"] as const) : (["ignore", "ignore", "pipe"] as const);
  const server = Bun.spawn(words, { cwd: folder, stdio: [...stdio] });
  servers.push(server);
  const chunks = (server[log] as ReadableStream<Uint8Array<ArrayBuffer>>)
    .pipeThrough(new TextDecoderStream())
    .getReader();
  let output = "";
  let seen = 0;
  const until = async (text: string): Promise<void> => {
    let at: number;
    while ((at = output.indexOf(text, seen)) < 0) {
      const { value, done } = await chunks.read();
      if (done) throw new Error(`it ended before it said ${JSON.stringify(text)}: ${output}`);
      output += value;
    }
    seen = at + text.length;
  };
  const rest = async (): Promise<string> => {
    for (let chunk = await chunks.read(); !chunk.done; chunk = await chunks.read()) output += chunk.value;
    return output;
  };
  return { server, until, rest };
}

test("redis-server and redis-benchmark, both guests, talk over loopback; a background save forks", async () => {
  const port = `${await freePort()}`;
  const redis = command("bin/redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", folder);
  const { server, until, rest } = serve("stdout", ...redis);
  await until("Ready to accept connections");
  const cli = async (...words: string[]): Promise<string> =>
    (await finish(command("bin/redis-cli", "-p", port, ...words))).stdout.trim();
  const benchmark = command(
    "bin/redis-benchmark",
    "-p",
    port,
    "-n",
    "2000",
    "-q",
    "-t",
    "set,get,incr,lpush",
    "-P",
    "4",
  );
  const { stdout, status } = await finish(benchmark);
  expect(status).toBe(0);
  expect([...stdout.matchAll(/^.*?(\w+): [\d.]+ requests per second/gm)].map(([, name]) => name)).toEqual([
    "SET",
    "GET",
    "INCR",
    "LPUSH",
  ]);
  expect(await cli("get", "counter:__rand_int__")).toBe("2000");
  expect(await cli("bgsave")).toBe("Background saving started");
  while (!(await cli("info", "persistence")).includes("rdb_bgsave_in_progress:0"));
  expect(await cli("info", "persistence")).toContain("rdb_last_bgsave_status:ok");
  expect(Bun.file(join(folder, "dump.rdb")).size).toBeGreaterThan(100);
  await finish(command("bin/redis-cli", "-p", port, "shutdown", "nosave"));
  expect(await rest()).toContain("bye bye");
  expect(await server.exited).toBe(0);
}, 120_000);

test("nginx with two worker processes serves files to the host, is told to load anew, and ends", async () => {
  const port = await freePort();
  mkdirSync(join(folder, "www"));
  const large = Buffer.alloc(3_000_000, "0123456789abcdef\n");
  await Bun.write(join(folder, "www/index.html"), "<h1>here</h1>");
  await Bun.write(join(folder, "www/large"), large);
  await Bun.write(
    join(folder, "nginx.conf"),
    `daemon off; worker_processes 2; user root; pid ${folder}/pid; error_log stderr notice;
    events { worker_connections 64; }
    http {
      access_log off; client_body_temp_path ${folder}/a; proxy_temp_path ${folder}/b; fastcgi_temp_path ${folder}/c;
      uwsgi_temp_path ${folder}/d; scgi_temp_path ${folder}/e;
      server { listen 127.0.0.1:${port}; root ${folder}/www; sendfile on; }
    }`,
  );
  const { server, until, rest } = serve("stderr", ...command("sbin/nginx", "-c", join(folder, "nginx.conf")));
  await until("start worker process ");
  const url = `http://127.0.0.1:${port}`;
  const answers = await Promise.all(Array.from({ length: 20 }, () => fetch(`${url}/`).then((r) => r.text())));
  expect(new Set(answers)).toEqual(new Set(["<h1>here</h1>"]));
  expect(Buffer.from(await (await fetch(`${url}/large`)).arrayBuffer()).equals(large)).toBe(true);
  expect((await fetch(`${url}/none`)).status).toBe(404);
  server.kill("SIGHUP");
  await until("gracefully shutting down");
  expect(await (await fetch(`${url}/`)).text()).toBe("<h1>here</h1>");
  server.kill("SIGQUIT");
  const log = await rest();
  expect([...log.matchAll(/worker process \d+ exited with code 0/g)].length).toBe(4);
  expect(await server.exited).toBe(0);
}, 120_000);

describe("stress-ng", () => {
  test.each(["cpu", "futex", "fork", "pipe", "signal", "sigq", "switch", "vm", "mmap"])(
    "%s",
    async (stressor) => {
      const few = stressor === "vm" || stressor === "mmap" ? [`--${stressor}-bytes`, "16m"] : [];
      const words = [
        `--${stressor}`,
        "2",
        "--timeout",
        "1",
        "--verify",
        "--metrics-brief",
        "--temp-path",
        folder,
        ...few,
      ];
      const { stdout, stderr, status } = await finish(command("bin/stress-ng", ...words), { timeout: 100_000 });
      const said = stdout + stderr;
      expect(said).toContain("passed: 2");
      expect(said).not.toMatch(/stress-ng: fail/);
      expect(status).toBe(0);
    },
    120_000,
  );
});
