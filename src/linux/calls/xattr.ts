// Extended attributes, by path, by path without following a link, and by descriptor.
import type { HostCall } from "../../host/numbers.ts";
import { cstring } from "../../host/scratch.ts";
import { host } from "../../host/syscall.ts";
import { accessible, Page, writable } from "../../memory/guest-memory.ts";
import { errno } from "../errno.ts";
import { AT_FDCWD } from "../file-system.ts";
import { fd, flags, path, size } from "../kinds.ts";
import { bufferIn, bufferOut } from "../kinds-file.ts";
import { fullPath, Look, resolve } from "../paths.ts";
import { type CallRow, call } from "../row.ts";
import type { Task } from "../task.ts";
import { hostOf } from "../transfer.ts";

/** XATTR_SIZE_MAX and XATTR_LIST_MAX. */
const valueMax = 65536;

/** Makes a host call on a path; `first` is its first argument. */
function onPath(t: Task, name: string, look: number, act: (first: number) => number): number {
  const p = resolve(t, AT_FDCWD, name, look);
  if (typeof p === "number") return p;
  return p.node === undefined ? act(cstring(fullPath(p))) : -errno.ENOTSUP;
}

function onFd(t: Task, fd: number, act: (first: number) => number): number {
  const h = hostOf(t, fd);
  return h < 0 ? h : act(h);
}

/** Host address of a buffer that is to be filled, cut to what an attribute can have; a size of 0 asks for the size. */
function room(t: Task, address: number, bytes: number): readonly [address: number, bytes: number] | undefined {
  const n = Math.min(bytes, valueMax);
  if (n === 0) return [0, 0];
  return writable(t.memory, address, n) && [t.memory.hostBase + address, n];
}

const set =
  (name: HostCall) =>
  (t: Task, key: string, address: number, bytes: number, how: number) =>
  (first: number): number => {
    if (bytes > valueMax) return -errno.E2BIG;
    if (bytes > 0 && !accessible(t.memory, address, bytes, Page.read)) return -errno.EFAULT;
    return host(name, first, cstring(key, 1), bytes > 0 ? t.memory.hostBase + address : 0, bytes, how);
  };

const get =
  (name: HostCall) =>
  (t: Task, key: string, address: number, bytes: number) =>
  (first: number): number => {
    const to = room(t, address, bytes);
    return to === undefined ? -errno.EFAULT : host(name, first, cstring(key, 1), ...to);
  };

const list =
  (name: HostCall) =>
  (t: Task, address: number, bytes: number) =>
  (first: number): number => {
    const to = room(t, address, bytes);
    return to === undefined ? -errno.EFAULT : host(name, first, ...to);
  };

const remove =
  (name: HostCall) =>
  (_t: Task, key: string) =>
  (first: number): number =>
    host(name, first, cstring(key, 1));

type Act<A extends readonly unknown[]> = (t: Task, ...args: A) => (first: number) => number;

const byPath =
  <A extends readonly unknown[]>(act: Act<A>) =>
  (t: Task, name: string, ...args: A): number =>
    onPath(t, name, Look.follow, act(t, ...args));
const byLink =
  <A extends readonly unknown[]>(act: Act<A>) =>
  (t: Task, name: string, ...args: A): number =>
    onPath(t, name, 0, act(t, ...args));
const byFd =
  <A extends readonly unknown[]>(act: Act<A>) =>
  (t: Task, fd: number, ...args: A): number =>
    onFd(t, fd, act(t, ...args));

const how = flags({ XATTR_CREATE: 1, XATTR_REPLACE: 2 });

export const xattrCalls: readonly CallRow[] = [
  call(5, "setxattr", [path, path, bufferIn(3), size, how], "int", "quick", byPath(set("setxattr"))),
  call(6, "lsetxattr", [path, path, bufferIn(3), size, how], "int", "quick", byLink(set("lsetxattr"))),
  call(7, "fsetxattr", [fd, path, bufferIn(3), size, how], "int", "quick", byFd(set("fsetxattr"))),
  call(8, "getxattr", [path, path, bufferOut, size], "int", "quick", byPath(get("getxattr"))),
  call(9, "lgetxattr", [path, path, bufferOut, size], "int", "quick", byLink(get("lgetxattr"))),
  call(10, "fgetxattr", [fd, path, bufferOut, size], "int", "quick", byFd(get("fgetxattr"))),
  call(11, "listxattr", [path, bufferOut, size], "int", "quick", byPath(list("listxattr"))),
  call(12, "llistxattr", [path, bufferOut, size], "int", "quick", byLink(list("llistxattr"))),
  call(13, "flistxattr", [fd, bufferOut, size], "int", "quick", byFd(list("flistxattr"))),
  call(14, "removexattr", [path, path], "int", "quick", byPath(remove("removexattr"))),
  call(15, "lremovexattr", [path, path], "int", "quick", byLink(remove("lremovexattr"))),
  call(16, "fremovexattr", [fd, path], "int", "quick", byFd(remove("fremovexattr"))),
];
