// Kinds of arguments of the calls on sockets, and how a trace shows them: addresses by family, options by level,
// messages with their buffers.
import { latin1, readable } from "../memory/guest-memory.ts";
import { flagSet, flags, oneOf } from "./kinds.ts";
import { bufferIn, bufferOut, vectorIn, vectorOut } from "./kinds-file.ts";
import { headerBytes, loadMessage } from "./message.ts";
import { failed, type Kind } from "./row.ts";
import type { Task } from "./task.ts";
import { addressText, quote } from "./text.ts";
import { loadWords, u64 } from "./words.ts";

const two32 = 2 ** 32;
const load = (_t: Task, lo: number, hi: number): number => u64(lo, hi);
const wordAt = (t: Task, addr: number): number | undefined => (addr === 0 ? undefined : loadWords(t, addr, 1)?.[0]);

const families = {
  AF_UNSPEC: 0,
  AF_UNIX: 1,
  AF_INET: 2,
  AF_INET6: 10,
  AF_NETLINK: 16,
  AF_PACKET: 17,
  AF_RDS: 21,
  AF_CAN: 29,
  AF_TIPC: 30,
  AF_BLUETOOTH: 31,
  AF_ALG: 38,
  AF_VSOCK: 40,
  AF_XDP: 44,
};
export const domain = oneOf(families);
const familyNames = new Map(Object.entries(families).map(([name, n]) => [n, name]));

const types = new Map([
  [1, "SOCK_STREAM"],
  [2, "SOCK_DGRAM"],
  [3, "SOCK_RAW"],
  [4, "SOCK_RDM"],
  [5, "SOCK_SEQPACKET"],
  [6, "SOCK_DCCP"],
  [10, "SOCK_PACKET"],
]);
const typeMask = 0xf;
const socketFlags = { SOCK_CLOEXEC: 0o2000000, SOCK_NONBLOCK: 0o4000 };
const typeFlags = flagSet(socketFlags);

/** A type with its flags. */
export const socketType: Kind<number> = {
  load: (_t, lo) => lo | 0,
  show: (_t, lo) => {
    const rest = lo & ~typeMask;
    const type = types.get(lo & typeMask) ?? String(lo & typeMask);
    return rest === 0 ? type : `${type}|${typeFlags(rest)}`;
  },
};
export const acceptFlags = flags(socketFlags);
export const shutdownHow = oneOf({ SHUT_RD: 0, SHUT_WR: 1, SHUT_RDWR: 2 });

export const msgFlags = flags({
  MSG_OOB: 1,
  MSG_PEEK: 2,
  MSG_DONTROUTE: 4,
  MSG_CTRUNC: 8,
  MSG_TRUNC: 0x20,
  MSG_DONTWAIT: 0x40,
  MSG_EOR: 0x80,
  MSG_WAITALL: 0x100,
  MSG_CONFIRM: 0x800,
  MSG_ERRQUEUE: 0x2000,
  MSG_NOSIGNAL: 0x4000,
  MSG_MORE: 0x8000,
  MSG_WAITFORONE: 0x10000,
  MSG_ZEROCOPY: 0x4000000,
  MSG_FASTOPEN: 0x20000000,
  MSG_CMSG_CLOEXEC: 0x40000000,
});

// ---- addresses

const port = (b: Uint8Array): string => `htons(${b[2]! * 256 + b[3]!})`;

/** Groups of an IPv6 address; the longest run of zero groups, where it is more than one, is left out. */
function inet6(b: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, i) => (b[2 * i]! * 256 + b[2 * i + 1]!).toString(16));
  let [start, length] = [0, 1];
  for (let from = 0; from < 8; from++) {
    const end = groups.findIndex((group, i) => i >= from && group !== "0");
    const run = (end < 0 ? 8 : end) - from;
    if (run > length) [start, length] = [from, run];
  }
  if (length === 1) return groups.join(":");
  return `${groups.slice(0, start).join(":")}::${groups.slice(start + length).join(":")}`;
}

/** Text of a socket address. */
function showAddress(b: Uint8Array): string {
  if (b.length < 2) return `{sa_data=${quote(latin1(b))}}`;
  const number = b[0]! + b[1]! * 256;
  const family = familyNames.get(number) ?? String(number);
  const v = new DataView(b.buffer, b.byteOffset, b.length);
  const body = ((): string => {
    if (number === families.AF_UNIX) {
      if (b.length === 2) return "";
      const abstract = b[2] === 0;
      const end = abstract ? b.length : b.indexOf(0, 2);
      return `, sun_path=${abstract ? "@" : ""}${quote(latin1(b.subarray(abstract ? 3 : 2, end < 0 ? b.length : end)))}`;
    }
    if (number === families.AF_INET && b.length >= 8)
      return `, sin_port=${port(b)}, sin_addr=inet_addr("${b.subarray(4, 8).join(".")}")`;
    if (number === families.AF_INET6 && b.length >= 24) {
      const scope = b.length >= 28 ? `, sin6_scope_id=${v.getUint32(24, true)}` : "";
      const flow = `sin6_flowinfo=htonl(${v.getUint32(4)})`;
      return `, sin6_port=${port(b)}, ${flow}, inet_pton(AF_INET6, "${inet6(b.subarray(8, 24))}", &sin6_addr)${scope}`;
    }
    if (number === families.AF_NETLINK && b.length >= 12)
      return `, nl_pid=${v.getUint32(4, true)}, nl_groups=${v.getUint32(8, true).toString(16).padStart(8, "0")}`;
    return `, sa_data=${quote(latin1(b.subarray(2)))}`;
  })();
  return `{sa_family=${family}${body}}`;
}

const mostShown = 128;

function addressAt(t: Task, addr: number, length: number): string {
  const bytes = addr === 0 || length <= 0 || length > mostShown ? undefined : readable(t.memory, addr, length);
  return bytes ? showAddress(bytes.slice()) : addressText(addr);
}

/** An address that the call reads; argument `length` is its length. */
export const sockaddr = (length: number): Kind<number> => ({
  load,
  show: (t, lo, hi, call) => addressAt(t, u64(lo, hi), call.raw[length]! | 0),
});

/** An address that the call fills; argument `length` points to its length. */
export const sockaddrOut = (length: number): Kind<number> => ({
  load,
  show: (t, lo, hi, call) =>
    failed(call) ? addressText(u64(lo, hi)) : addressAt(t, u64(lo, hi), wordAt(t, call.raw[length]!) ?? 0),
  out: true,
});

/** Pointer to an int that the call reads or fills: `[16]`. */
export const lengthOut: Kind<number> = {
  load,
  show: (t, lo, hi) => {
    const word = wordAt(t, u64(lo, hi));
    return word === undefined ? addressText(u64(lo, hi)) : `[${word}]`;
  },
  out: true,
};

// ---- options

const SOL_SOCKET = 1;
const levels = {
  SOL_IP: 0,
  SOL_SOCKET,
  SOL_TCP: 6,
  SOL_UDP: 17,
  SOL_IPV6: 41,
  SOL_RAW: 255,
  SOL_PACKET: 263,
  SOL_NETLINK: 270,
  SOL_ALG: 279,
  SOL_VSOCK: 287,
};
export const level = oneOf(levels);

const numbered = (start: number, names: string): [number, string][] =>
  names.split(" ").map((name, i) => [start + i, name]);

const optionNames: ReadonlyMap<number, ReadonlyMap<number, string>> = new Map([
  [
    SOL_SOCKET,
    new Map(
      numbered(
        1,
        "SO_DEBUG SO_REUSEADDR SO_TYPE SO_ERROR SO_DONTROUTE SO_BROADCAST SO_SNDBUF SO_RCVBUF SO_KEEPALIVE " +
          "SO_OOBINLINE SO_NO_CHECK SO_PRIORITY SO_LINGER SO_BSDCOMPAT SO_REUSEPORT SO_PASSCRED SO_PEERCRED SO_RCVLOWAT " +
          "SO_SNDLOWAT SO_RCVTIMEO SO_SNDTIMEO SO_SECURITY_AUTHENTICATION SO_SECURITY_ENCRYPTION_TRANSPORT " +
          "SO_SECURITY_ENCRYPTION_NETWORK SO_BINDTODEVICE SO_ATTACH_FILTER SO_DETACH_FILTER SO_PEERNAME SO_TIMESTAMP " +
          "SO_ACCEPTCONN SO_PEERSEC SO_SNDBUFFORCE SO_RCVBUFFORCE SO_PASSSEC SO_TIMESTAMPNS SO_MARK SO_TIMESTAMPING " +
          "SO_PROTOCOL SO_DOMAIN SO_RXQ_OVFL SO_WIFI_STATUS SO_PEEK_OFF SO_NOFCS SO_LOCK_FILTER SO_SELECT_ERR_QUEUE " +
          "SO_BUSY_POLL SO_MAX_PACING_RATE SO_BPF_EXTENSIONS SO_INCOMING_CPU SO_ATTACH_BPF SO_ATTACH_REUSEPORT_CBPF " +
          "SO_ATTACH_REUSEPORT_EBPF SO_CNX_ADVICE SCM_TIMESTAMPING_OPT_STATS SO_MEMINFO SO_INCOMING_NAPI_ID SO_COOKIE " +
          "SCM_TIMESTAMPING_PKTINFO SO_PEERGROUPS SO_ZEROCOPY",
      ),
    ),
  ],
  [
    levels.SOL_IP,
    new Map(
      numbered(
        1,
        "IP_TOS IP_TTL IP_HDRINCL IP_OPTIONS IP_ROUTER_ALERT IP_RECVOPTS IP_RETOPTS IP_PKTINFO IP_PKTOPTIONS " +
          "IP_MTU_DISCOVER IP_RECVERR IP_RECVTTL IP_RECVTOS IP_MTU IP_FREEBIND IP_IPSEC_POLICY IP_XFRM_POLICY " +
          "IP_PASSSEC IP_TRANSPARENT",
      ).concat(numbered(32, "IP_MULTICAST_IF IP_MULTICAST_TTL IP_MULTICAST_LOOP IP_ADD_MEMBERSHIP IP_DROP_MEMBERSHIP")),
    ),
  ],
  [
    levels.SOL_TCP,
    new Map(
      numbered(
        1,
        "TCP_NODELAY TCP_MAXSEG TCP_CORK TCP_KEEPIDLE TCP_KEEPINTVL TCP_KEEPCNT TCP_SYNCNT TCP_LINGER2 " +
          "TCP_DEFER_ACCEPT TCP_WINDOW_CLAMP TCP_INFO TCP_QUICKACK TCP_CONGESTION TCP_MD5SIG",
      ).concat([
        [18, "TCP_USER_TIMEOUT"],
        [23, "TCP_FASTOPEN"],
        [30, "TCP_FASTOPEN_CONNECT"],
      ]),
    ),
  ],
  [
    levels.SOL_IPV6,
    new Map(
      numbered(
        16,
        "IPV6_UNICAST_HOPS IPV6_MULTICAST_IF IPV6_MULTICAST_HOPS IPV6_MULTICAST_LOOP IPV6_ADD_MEMBERSHIP " +
          "IPV6_DROP_MEMBERSHIP IPV6_ROUTER_ALERT IPV6_MTU_DISCOVER IPV6_MTU IPV6_RECVERR IPV6_V6ONLY",
      ),
    ),
  ],
]);

/** The name of an option, by the level in argument 1. */
export const optionName: Kind<number> = {
  load: (_t, lo) => lo | 0,
  show: (_t, lo, _hi, call) => optionNames.get(call.raw[1]! | 0)?.get(lo | 0) ?? String(lo | 0),
};

function optionText(t: Task, addr: number, length: number): string {
  if (length === 4) return lengthOut.show(t, addr, 0, { raw: [], result: 0 });
  return bufferIn(1).show(t, addr, 0, { raw: [addr, Math.max(0, length)], result: undefined });
}

/** An option's value, of as many bytes as argument 4 says. */
export const optionValue: Kind<number> = {
  load,
  show: (t, lo, hi, call) => (hi === 0 ? optionText(t, lo >>> 0, call.raw[4]! | 0) : addressText(u64(lo, hi))),
};
/** An option's value that the call fills with as many bytes as argument 4 points to. */
export const optionValueOut: Kind<number> = {
  load,
  show: (t, lo, hi, call) =>
    hi === 0 && !failed(call) ? optionText(t, lo >>> 0, wordAt(t, call.raw[4]!) ?? 0) : addressText(u64(lo, hi)),
  out: true,
};

// ---- messages

export const data = bufferIn(2);
export const dataOut = bufferOut;

const messageBits = msgFlags;

function messageText(t: Task, addr: number, received: number | undefined): string {
  const m = loadMessage(t, addr);
  if (m === undefined) return addressText(addr);
  const [lo, hi] = [m.vectors % two32, Math.floor(m.vectors / two32)];
  const shown = { raw: [m.vectors, m.vectorCount], result: received };
  const vectors = (received === undefined ? vectorIn(1) : vectorOut(1)).show(t, lo, hi, shown);
  const flagsAt = loadWords(t, addr, headerBytes / 4)![12]!;
  return (
    `{msg_name=${addressAt(t, m.name, m.nameLength)}, msg_namelen=${m.nameLength}, msg_iov=${vectors}, ` +
    `msg_iovlen=${m.vectorCount}, msg_control=${addressText(m.control)}, msg_controllen=${m.controlLength}, ` +
    `msg_flags=${messageBits.show(t, flagsAt, 0, shown)}}`
  );
}

/** Pointer to a `struct msghdr` to send, or to fill. */
export const message: Kind<number> = { load, show: (t, lo, hi) => messageText(t, u64(lo, hi), undefined) };
export const messageOut: Kind<number> = {
  load,
  show: (t, lo, hi, call) => (failed(call) ? addressText(u64(lo, hi)) : messageText(t, u64(lo, hi), call.result!)),
  out: true,
};

/** Size of a `struct mmsghdr`, and where its msg_len stands. */
export const batchBytes = 64;
export const batchLength = 56;
const mostMessages = 8;

/** Array of `struct mmsghdr`, argument 2 of them or as many as the call answers. */
const batch = (out: boolean): Kind<number> => ({
  load,
  show: (t, lo, hi, call) => {
    const addr = u64(lo, hi);
    const count = out ? (failed(call) ? 0 : call.result!) : call.raw[2]! >>> 0;
    if (count === 0 || readable(t.memory, addr, Math.min(count, mostMessages) * batchBytes) === undefined)
      return addressText(addr);
    const texts = Array.from({ length: Math.min(count, mostMessages) }, (_, i) => {
      const at = addr + i * batchBytes;
      const length = wordAt(t, at + batchLength)!;
      return `{msg_hdr=${messageText(t, at, out ? length : undefined)}${out ? `, msg_len=${length}` : ""}}`;
    });
    return `[${texts.join(", ")}${count > mostMessages ? ", ..." : ""}]`;
  },
  ...(out && { out: true as const }),
});
export const messages = batch(false);
export const messagesOut = batch(true);
