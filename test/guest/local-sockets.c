// Sockets between descriptors of one program: pairs, names, messages with descriptors and credentials, datagrams.
#include "check.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

static void pairs(void) {
  int s[2];
  char text[64] = "";
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s) == 0 && fcntl(s[0], F_GETFD) == FD_CLOEXEC);
  EQ(send(s[0], "hello", 5, 0), 5);
  EQ(recv(s[1], text, 3, MSG_PEEK), 3);
  EQ(recv(s[1], text, 64, 0), 5);
  FAILS(recv(s[1], text, 64, MSG_DONTWAIT), EAGAIN);
  CHECK(write(s[1], "abc", 3) == 3 && write(s[1], "def", 3) == 3);
  EQ(recv(s[0], text, 6, MSG_WAITALL), 6);
  CHECK(memcmp(text, "abcdef", 6) == 0 && shutdown(s[0], SHUT_WR) == 0);
  EQ(read(s[1], text, 64), 0);
  FAILS(send(s[0], "x", 1, MSG_NOSIGNAL), EPIPE);
  CHECK(write(s[1], "still", 5) == 5 && read(s[0], text, 64) == 5);
  struct pollfd p = {s[1], POLLIN | POLLRDHUP};
  CHECK(poll(&p, 1, 0) == 1 && p.revents == (POLLIN | POLLRDHUP));
  close(s[0]), close(s[1]);
  CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s) == 0 && write(s[0], "12345", 5) == 5 && write(s[0], "67", 2) == 2);
  EQ(recv(s[1], text, 3, MSG_TRUNC), 5);
  EQ(read(s[1], text, 64), 2);
  int type;
  socklen_t size = sizeof type;
  CHECK(getsockopt(s[0], SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET && size == 4);
  struct ucred who;
  size = sizeof who;
  CHECK(getsockopt(s[0], SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 && who.uid == getuid());
  close(s[0]), close(s[1]);
  FAILS(socketpair(AF_INET, SOCK_STREAM, 0, s), EOPNOTSUPP);
  FAILS(socketpair(AF_UNIX, 77, 0, s), EINVAL);
  FAILS(socket(999, SOCK_STREAM, 0), EAFNOSUPPORT);
  FAILS(send(0x7fff, "", 0, 0), EBADF);
  int file = open("file", O_CREAT | O_RDWR, 0600);
  FAILS(send(file, "", 0, 0), ENOTSOCK);
  close(file);
}

static void descriptors(void) {
  int s[2], ends[2];
  CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, s) == 0 && pipe(ends) == 0);
  char byte[2] = "a", control[CMSG_SPACE(2 * sizeof(int))], text[8];
  struct iovec out[2] = {{byte, 1}, {"bc", 2}}, in = {text, 8};
  struct msghdr m = {.msg_iov = out, .msg_iovlen = 2, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr *c = CMSG_FIRSTHDR(&m);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(2 * sizeof(int));
  memcpy(CMSG_DATA(c), ends, sizeof ends);
  EQ(sendmsg(s[0], &m, 0), 3);
  EQ(sendmsg(s[0], &m, 0), 3);
  close(ends[0]), close(ends[1]);
  memset(control, 0, sizeof control);
  struct msghdr r = {.msg_iov = &in, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  EQ(recvmsg(s[1], &r, MSG_CMSG_CLOEXEC), 3);
  EQ(r.msg_flags & ~MSG_CMSG_CLOEXEC, 0);
  c = CMSG_FIRSTHDR(&r);
  CHECK(c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(8));
  memcpy(ends, CMSG_DATA(c), 8);
  CHECK(fcntl(ends[0], F_GETFD) == FD_CLOEXEC && write(ends[1], "through", 7) == 7 && read(ends[0], text, 8) == 7);
  CHECK(CMSG_NXTHDR(&r, c) == NULL);
  // Without room for them they are closed.
  r.msg_controllen = 0;
  EQ(recvmsg(s[1], &r, 0), 3);
  EQ(r.msg_flags, MSG_CTRUNC);
  int lowest = dup(0);
  close(lowest);
  EQ(lowest, ends[1] > ends[0] ? ends[1] + 1 : ends[0] + 1);
  c = (struct cmsghdr *)control;
  *c = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(4)};
  *(int *)CMSG_DATA(c) = 0x7fff;
  m.msg_controllen = CMSG_SPACE(4);
  FAILS(sendmsg(s[0], &m, 0), EBADF);
  // Who sends.
  int on = 1;
  CHECK(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0 && send(s[0], "x", 1, 0) == 1);
  r.msg_controllen = sizeof control;
  EQ(recvmsg(s[1], &r, 0), 1);
  c = CMSG_FIRSTHDR(&r);
  CHECK(c && c->cmsg_type == SCM_CREDENTIALS && ((struct ucred *)CMSG_DATA(c))->uid == getuid());
  // Several messages at once.
  struct mmsghdr many[2] = {{.msg_hdr = {.msg_iov = out, .msg_iovlen = 1}}, {.msg_hdr = {.msg_iov = out + 1, .msg_iovlen = 1}}};
  EQ(sendmmsg(s[1], many, 2, 0), 2);
  EQ(many[1].msg_len, 2);
  struct iovec room[2] = {{text, 4}, {text + 4, 4}};
  many[0].msg_hdr.msg_iov = room, many[1].msg_hdr.msg_iov = room + 1;
  EQ(recvmmsg(s[0], many, 2, MSG_DONTWAIT, NULL), 2);
  CHECK(text[0] == 'a' && text[4] == 'b' && many[0].msg_len == 1);
  close(s[0]), close(s[1]), close(ends[0]), close(ends[1]);
}

static void names(void) {
  struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "socket"}, b;
  socklen_t size = sizeof b;
  int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
  FAILS(connect(client, (void *)&a, sizeof a), ENOENT);
  CHECK(bind(server, (void *)&a, sizeof a) == 0);
  FAILS(bind(client, (void *)&a, sizeof a), EADDRINUSE);
  FAILS(connect(client, (void *)&a, sizeof a), ECONNREFUSED);
  CHECK(listen(server, 3) == 0 && getsockname(server, (void *)&b, &size) == 0);
  SAME(b.sun_path, "socket");
  EQ(size, offsetof(struct sockaddr_un, sun_path) + 7);
  CHECK(fcntl(server, F_SETFL, O_NONBLOCK) == 0);
  FAILS(accept(server, NULL, NULL), EAGAIN);
  CHECK(connect(client, (void *)&a, sizeof a) == 0);
  size = sizeof b;
  int peer = accept4(server, (void *)&b, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  CHECK(peer >= 0 && size == 2 && fcntl(peer, F_GETFL) & O_NONBLOCK);
  size = sizeof b;
  CHECK(getpeername(client, (void *)&b, &size) == 0 && !strcmp(b.sun_path, "socket"));
  CHECK(write(client, "named", 5) == 5);
  int waiting;
  CHECK(ioctl(peer, FIONREAD, &waiting) == 0 && waiting == 5);
  close(client), close(peer), close(server);
  // Abstract, datagrams, and a sender's own name.
  struct sockaddr_un to = {.sun_family = AF_UNIX}, from = {.sun_family = AF_UNIX};
  int n = snprintf(to.sun_path + 1, 60, "sabre-test-%d", getpid()) + 3;
  int x = socket(AF_UNIX, SOCK_DGRAM, 0), y = socket(AF_UNIX, SOCK_DGRAM, 0);
  CHECK(bind(x, (void *)&to, n) == 0 && bind(y, (void *)&from, 2) == 0);
  EQ(sendto(y, "dgram", 5, 0, (void *)&to, n), 5);
  char text[8];
  size = sizeof b;
  EQ(recvfrom(x, text, 3, MSG_TRUNC, (void *)&b, &size), 5);
  CHECK(size == 8 && b.sun_path[0] == 0 && sendto(x, "re", 2, 0, (void *)&b, size) == 2 && read(y, text, 8) == 2);
  close(x), close(y);
}

static void internet(void) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, b;
  socklen_t size = sizeof a;
  int server = socket(AF_INET, SOCK_STREAM, 0), on = 1, value;
  CHECK(bind(server, (void *)&a, sizeof a) == 0 && getsockname(server, (void *)&a, &size) == 0);
  int client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (connect(client, (void *)&a, sizeof a) != 0 && errno == EINPROGRESS) {
    struct pollfd p = {client, POLLOUT};
    CHECK(poll(&p, 1, 1000) == 1);
    size = sizeof value;
    CHECK(getsockopt(client, SOL_SOCKET, SO_ERROR, &value, &size) == 0);
    errno = value;
  }
  EQ(errno, ECONNREFUSED);
  close(client);
  CHECK(listen(server, 5) == 0);
  client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  CHECK(connect(client, (void *)&a, sizeof a) == 0 || errno == EINPROGRESS);
  size = sizeof b;
  int peer = accept(server, (void *)&b, &size);
  CHECK(peer >= 0 && size == sizeof b && b.sin_family == AF_INET && ntohl(b.sin_addr.s_addr) == INADDR_LOOPBACK);
  CHECK(setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
  size = sizeof value;
  CHECK(getsockopt(client, IPPROTO_TCP, TCP_NODELAY, &value, &size) == 0 && value != 0);
  struct timeval limit = {0, 5000};
  CHECK(setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
  char text[100000];
  FAILS(read(peer, text, 1), EAGAIN);
  // More than the buffers hold: written in pieces, read in pieces.
  long sent = 0, received = 0;
  memset(text, 't', sizeof text);
  while (received < 1000000) {
    long n = sent < 1000000 ? write(client, text, sent + 100000 > 1000000 ? 1000000 - sent : 100000) : 0;
    CHECK(n >= 0 || errno == EAGAIN);
    sent += n > 0 ? n : 0;
    n = read(peer, text, sizeof text);
    CHECK(n > 0);
    received += n;
  }
  EQ(sent, 1000000);
  struct linger now = {1, 0};
  CHECK(setsockopt(peer, SOL_SOCKET, SO_LINGER, &now, sizeof now) == 0 && close(peer) == 0);
  struct pollfd p = {client, POLLIN};
  CHECK(poll(&p, 1, 1000) == 1);
  FAILS(read(client, text, 1), ECONNRESET);
  close(client), close(server);

  int u = socket(AF_INET, SOCK_DGRAM, 0), v = socket(AF_INET, SOCK_DGRAM, 0);
  a.sin_port = 0;
  size = sizeof a;
  CHECK(bind(u, (void *)&a, sizeof a) == 0 && getsockname(u, (void *)&a, &size) == 0);
  CHECK(connect(v, (void *)&a, sizeof a) == 0 && send(v, "udp", 3, 0) == 3);
  size = sizeof b;
  EQ(recvfrom(u, text, 100, 0, (void *)&b, &size), 3);
  CHECK(size == sizeof b && sendto(u, "", 0, 0, (void *)&b, size) == 0);
  EQ(recv(v, text, 100, 0), 0);
  close(u), close(v);
  struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  u = socket(AF_INET6, SOCK_STREAM, 0);
  if (u >= 0 && bind(u, (void *)&six, sizeof six) == 0) {
    size = sizeof six;
    CHECK(getsockname(u, (void *)&six, &size) == 0 && size == sizeof six && six.sin6_port != 0);
  }
  if (u >= 0) close(u);
}

int main(void) {
  pairs();
  descriptors();
  names();
  internet();
  return done();
}
