// Files as the guest sees them (vFile), so that a debugger needs no copy of them. Numbers are those of gdb's File-I/O protocol, which
// are not Linux's.
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readlinkSync,
  readSync,
  type Stats,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { attachFileSystem } from "../../linux/file-system.ts";
import { Look, locate } from "../../linux/paths.ts";
import { makeFile, type ProcNode, procNode } from "../../linux/proc.ts";
import { ProcessField, processAt } from "../../linux/processes.ts";
import { wordsOf } from "../../linux/tables.ts";
import { binary, fromHex, parseNumber } from "../codec.ts";
import { type PacketRow, packet } from "../row.ts";
import { currentThread, type Session } from "../session.ts";

/** By the bits of a debugger. */
const openFlags: readonly (readonly [bit: number, flag: number])[] = [
  [1, constants.O_WRONLY],
  [2, constants.O_RDWR],
  [8, constants.O_APPEND],
  [0x200, constants.O_CREAT],
  [0x400, constants.O_TRUNC],
  [0x800, constants.O_EXCL],
];

const errnos: Readonly<Record<string, number>> = {
  ...{ EPERM: 1, ENOENT: 2, EINTR: 4, EIO: 5, EBADF: 9, EACCES: 13, EFAULT: 14, EBUSY: 16, EEXIST: 17, ENODEV: 19 },
  ...{ ENOTDIR: 20, EISDIR: 21, EINVAL: 22, ENFILE: 23, EMFILE: 24, EFBIG: 27, ENOSPC: 28, ESPIPE: 29, EROFS: 30 },
  ENAMETOOLONG: 91,
};
const EUNKNOWN = 9999;

const failure = (errno: number): string => `F-1,${errno.toString(16)}`;

/** Runs a call of node:fs, whose errors become the protocol's. */
function attempt(does: () => string): string {
  try {
    return does();
  } catch (e) {
    return failure(errnos[(e as { code?: string }).code ?? ""] ?? EUNKNOWN);
  }
}

/** A guest path, which is one of /proc or the host has under another. */
type Found = { readonly host: Buffer } | { readonly node: ProcNode; readonly path: string };

/** What a guest path in hexadecimal digits names, as the current thread's process sees it; undefined for nothing. */
function find(s: Session, hex: string, look: number): Found | undefined {
  const path = fromHex(hex)?.toString("latin1");
  const t = currentThread(s);
  if (path === undefined || t === undefined) return undefined;
  const { i32 } = processAt(s.world.kernel, t.process);
  const { tables } = s.viewer.process.site.bundle;
  if (path.startsWith("/proc/")) {
    const named = path.replace(/^\/proc\/self\b/, `/proc/${t.pid}`);
    const node = procNode(s.viewer, named);
    if (node?.kind === "absent" || node?.kind === "forbidden") return undefined;
    if (node?.kind === "host") return { host: Buffer.from(node.host, "latin1") };
    if (node !== undefined) return { node, path: named };
  }
  const table = i32[ProcessField.filesTable]!;
  if (table < 0) return undefined;
  const files = attachFileSystem(wordsOf(tables, "files", table));
  const host = locate(files, path, look);
  return typeof host === "number" ? undefined : { host: Buffer.from(host, "latin1") };
}

/** A host descriptor of what a file of /proc says. */
function openMade(s: Session, { node, path }: { readonly node: ProcNode; readonly path: string }): number {
  if (node.kind === "link") return openSync(Buffer.from(node.target, "latin1"), 0);
  if (node.kind !== "file") throw Object.assign(new Error(path), { code: "EACCES" });
  const fd = makeFile(path, Buffer.from(node.content(s.viewer), "latin1"), 0o444, 0);
  if (fd < 0) throw Object.assign(new Error(path), { code: "EIO" });
  return fd;
}

/** Data behind a result. */
const attached = (bytes: Buffer, length: number): string =>
  `F${length.toString(16)};${bytes.toString("latin1", 0, length)}`;

function statOf(st: Stats): string {
  const b = Buffer.alloc(64);
  const low = (n: number): number => (n % 2 ** 32) >>> 0;
  [st.dev, st.ino, st.mode, st.nlink, st.uid, st.gid, st.rdev].forEach((n, i) => void b.writeUInt32BE(low(n), 4 * i));
  [st.size, st.blksize, st.blocks].forEach((n, i) => void b.writeBigUInt64BE(BigInt(n), 28 + 8 * i));
  [st.atimeMs, st.mtimeMs, st.ctimeMs].forEach((n, i) => void b.writeUInt32BE(low(Math.floor(n / 1000)), 52 + 4 * i));
  return attached(b, b.length);
}

const mostRead = 0xf000;

const withFile = (s: Session, number: string | undefined, does: (fd: number) => string): string => {
  const fd = s.files.get(parseNumber(number) ?? -1);
  return fd === undefined ? failure(9) : attempt(() => does(fd));
};

const withFound = (
  s: Session,
  hex: string | undefined,
  does: (found: Found) => string,
  look: number = Look.follow,
): string => {
  const found = find(s, hex ?? "", look);
  return found === undefined ? failure(2) : attempt(() => does(found));
};

/** The same for what lies on a disk. */
const withPath = (s: Session, hex: string | undefined, does: (path: Buffer) => string, look?: number): string =>
  withFound(s, hex, (found) => ("host" in found ? does(found.host) : failure(13)), look);

/** For what is about a link, not about where it leads. */
const linkItself = 0;

const args = (rest: string): string[] => rest.split(",");

export const filePackets: readonly PacketRow[] = [
  packet("vFile:setfs:", "whose files; all processes see the same", () => "F0"),
  packet("vFile:open:", "open a file", (s, rest) => {
    const [name, flags, mode] = args(rest);
    const bits = parseNumber(flags) ?? 0;
    const host = openFlags.reduce((all, [bit, flag]) => (bits & bit ? all | flag : all), 0);
    return withFound(s, name, (found) => {
      const fd = "host" in found ? openSync(found.host, host, parseNumber(mode) ?? 0) : openMade(s, found);
      s.files.set(fd, fd);
      return `F${fd.toString(16)}`;
    });
  }),
  packet("vFile:close:", "close it", (s, rest) =>
    withFile(s, rest, (fd) => {
      s.files.delete(fd);
      closeSync(fd);
      return "F0";
    }),
  ),
  packet("vFile:pread:", "read", (s, rest) => {
    const [number, count, offset] = args(rest);
    return withFile(s, number, (fd) => {
      const bytes = Buffer.alloc(Math.min(parseNumber(count) ?? 0, mostRead));
      return attached(bytes, readSync(fd, bytes, 0, bytes.length, parseNumber(offset) ?? 0));
    });
  }),
  packet("vFile:pwrite:", "write", (s, rest) => {
    const [number, offset, ...data] = args(rest);
    return withFile(s, number, (fd) => {
      const bytes = binary(data.join(","));
      return `F${writeSync(fd, bytes, 0, bytes.length, parseNumber(offset) ?? 0).toString(16)}`;
    });
  }),
  packet("vFile:fstat:", "what an open file is", (s, rest) => withFile(s, rest, (fd) => statOf(fstatSync(fd)))),
  packet("vFile:stat:", "what a file is", (s, rest) => withPath(s, rest, (path) => statOf(statSync(path)))),
  packet("vFile:lstat:", "what a file is, which may be a link", (s, rest) =>
    withPath(s, rest, (path) => statOf(lstatSync(path)), linkItself),
  ),
  packet("vFile:unlink:", "remove a file", (s, rest) =>
    withPath(
      s,
      rest,
      (path) => {
        unlinkSync(path);
        return "F0";
      },
      linkItself,
    ),
  ),
  packet("vFile:readlink:", "where a link leads", (s, rest) =>
    withFound(
      s,
      rest,
      (found) => {
        if ("host" in found) {
          const target = Buffer.from(readlinkSync(found.host, "buffer"));
          return attached(target, target.length);
        }
        const { node } = found;
        const text = node.kind === "link" ? node.target : node.kind === "open" ? node.text : undefined;
        if (text === undefined) return failure(22);
        return attached(Buffer.from(text, "latin1"), text.length);
      },
      linkItself,
    ),
  ),
];
