// Files by descriptor: open flags, offsets, vectors, duplicates, sizes, locks, moving bytes between descriptors.
#include "check.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>

static int make(const char *name, const char *text) {
  int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);
  CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && lseek(fd, 0, SEEK_SET) == 0);
  return fd;
}

static const char *content(const char *name) {
  static char text[4096];
  int fd = open(name, O_RDONLY);
  ssize_t n = read(fd, text, sizeof text - 1);
  CHECK(fd >= 0 && n >= 0 && close(fd) == 0);
  text[n] = 0;
  return text;
}

static void opening(void) {
  FAILS(open("none", O_RDONLY), ENOENT);
  FAILS(open("none/x", O_RDONLY | O_CREAT, 0600), ENOENT);
  int fd = open("a", O_WRONLY | O_CREAT | O_EXCL, 0640);
  CHECK(fd >= 0 && write(fd, "12345", 5) == 5);
  FAILS(read(fd, (char[1]){0}, 1), EBADF);
  close(fd);
  FAILS(write(fd, "", 1), EBADF);
  FAILS(close(fd), EBADF);
  FAILS(open("a", O_WRONLY | O_CREAT | O_EXCL, 0640), EEXIST);
  FAILS(open("a/b", O_RDONLY), ENOTDIR);
  FAILS(open("a", O_RDONLY | O_DIRECTORY), ENOTDIR);
  FAILS(open(".", O_WRONLY), EISDIR);
  FAILS(open("", O_RDONLY), ENOENT);
  fd = open("a", O_RDONLY);
  FAILS(write(fd, "", 1), EBADF);
  FAILS(ftruncate(fd, 1), EINVAL);
  close(fd);
  fd = open("a", O_RDWR | O_APPEND);
  CHECK(write(fd, "67", 2) == 2 && lseek(fd, 0, SEEK_SET) == 0 && write(fd, "8", 1) == 1);
  EQ(lseek(fd, 0, SEEK_CUR), 8);
  SAME(content("a"), "12345678");
  EQ(fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK), O_RDWR | O_APPEND);
  CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
  EQ(fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK), O_RDWR | O_NONBLOCK);
  close(fd);
  close(open("a", O_WRONLY | O_TRUNC));
  SAME(content("a"), "");
  fd = open(".", O_TMPFILE | O_RDWR, 0600);
  if (fd >= 0) {
    CHECK(write(fd, "tmp", 3) == 3);
    close(fd);
  }
  fd = open("a", O_PATH);
  CHECK(fd >= 0);
  FAILS(read(fd, (char[1]){0}, 1), EBADF);
  struct stat s;
  CHECK(fstat(fd, &s) == 0 && S_ISREG(s.st_mode));
  close(fd);
  int directory = open(".", O_RDONLY | O_DIRECTORY);
  fd = openat(directory, "a", O_RDONLY);
  CHECK(fd >= 0);
  FAILS(openat(fd, "b", O_RDONLY), ENOTDIR);
  FAILS(openat(12345, "b", O_RDONLY), EBADF);
  FAILS(read(directory, (char[1]){0}, 1), EISDIR);
  close(fd), close(directory);
}

static void offsets(void) {
  int fd = make("b", "abcdefghij");
  char text[16] = "";
  EQ(lseek(fd, 3, SEEK_SET), 3);
  EQ(read(fd, text, 2), 2);
  EQ(lseek(fd, 0, SEEK_CUR), 5);
  EQ(lseek(fd, -2, SEEK_END), 8);
  EQ(read(fd, text, 10), 2);
  EQ(read(fd, text, 10), 0);
  FAILS(lseek(fd, -100, SEEK_CUR), EINVAL);
  FAILS(lseek(fd, 0, 77), EINVAL);
  EQ(pread(fd, text, 3, 4), 3);
  CHECK(memcmp(text, "efg", 3) == 0);
  EQ(pwrite(fd, "X", 1, 0), 1);
  EQ(lseek(fd, 0, SEEK_CUR), 10);
  FAILS(pread(fd, text, 1, -1), EINVAL);
  // A hole reads as zeros.
  EQ(lseek(fd, 100000, SEEK_SET), 100000);
  EQ(write(fd, "end", 3), 3);
  EQ(pread(fd, text, 4, 5000), 4);
  EQ(text[0] | text[3], 0);
  EQ(lseek(fd, 0, SEEK_DATA), 0);
  EQ(lseek(fd, 100000, SEEK_HOLE), 100003);
  FAILS(lseek(fd, 200000, SEEK_DATA), ENXIO);
  EQ(lseek(fd, 1L << 40, SEEK_SET), 1L << 40);
  EQ(read(fd, text, 1), 0);
  CHECK(ftruncate(fd, 4) == 0);
  SAME(content("b"), "Xbcd");
  CHECK(truncate("b", 6) == 0);
  struct stat s;
  CHECK(fstat(fd, &s) == 0 && s.st_size == 6);
  FAILS(ftruncate(fd, -1), EINVAL);
  CHECK(posix_fallocate(fd, 0, 5000) == 0 && fstat(fd, &s) == 0 && s.st_size == 5000);
  CHECK(fsync(fd) == 0 && fdatasync(fd) == 0 && posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM) == 0);
  close(fd);
}

static void vectors(void) {
  int fd = make("c", "");
  char x[3] = "", y[5] = "";
  struct iovec out[3] = {{"one", 3}, {"", 0}, {"two", 3}}, in[2] = {{x, 2}, {y, 4}};
  EQ(writev(fd, out, 3), 6);
  EQ(pwritev(fd, out, 1, 6), 3);
  EQ(lseek(fd, 0, SEEK_SET), 0);
  EQ(readv(fd, in, 2), 6);
  CHECK(memcmp(x, "on", 2) == 0 && memcmp(y, "etwo", 4) == 0);
  EQ(preadv(fd, in, 2, 7), 2);
  EQ(preadv2(fd, in, 2, -1, 0), 3);
  close(fd);
}

static void duplicates(void) {
  int fd = make("d", "0123456789"), second = dup(fd);
  char byte;
  CHECK(second > fd && read(fd, &byte, 1) == 1 && read(second, &byte, 1) == 1 && byte == '1');  // one offset
  EQ(dup2(fd, 50), 50);
  EQ(dup2(fd, fd), fd);
  FAILS(dup2(49, 51), EBADF);
  FAILS(dup3(fd, fd, 0), EINVAL);
  EQ(dup3(fd, 60, O_CLOEXEC), 60);
  EQ(fcntl(60, F_GETFD), FD_CLOEXEC);
  EQ(fcntl(50, F_GETFD), 0);
  CHECK(fcntl(50, F_SETFD, FD_CLOEXEC) == 0 && fcntl(50, F_GETFD) == FD_CLOEXEC && fcntl(fd, F_GETFD) == 0);
  EQ(fcntl(fd, F_DUPFD, 50), 51);
  EQ(fcntl(fd, F_DUPFD_CLOEXEC, 50), 52);
  FAILS(fcntl(fd, F_DUPFD, -1), EINVAL);
  close(fd);
  CHECK(read(second, &byte, 1) == 1 && byte == '2');
  // The lowest free number is taken.
  int low = open("d", O_RDONLY);
  EQ(low, fd);
  close(low);
  EQ(close_range(50, 60, 0), 0);
  FAILS(fcntl(51, F_GETFD), EBADF);
  struct rlimit limit, few;
  CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  few = limit;
  few.rlim_cur = 20;
  CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
  FAILS(dup2(second, 20), EBADF);
  while ((low = dup(second)) >= 0) continue;
  EQ(errno, EMFILE);
  FAILS(open("d", O_RDONLY), EMFILE);
  EQ(close_range(second + 1, ~0u, 0), 0);
  CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  close(second);
}

static void locks(void) {
  int a = make("e", "lock"), b = open("e", O_RDWR);
  CHECK(flock(a, LOCK_EX) == 0);
  FAILS(flock(b, LOCK_SH | LOCK_NB), EWOULDBLOCK);
  CHECK(flock(a, LOCK_UN) == 0 && flock(b, LOCK_SH | LOCK_NB) == 0 && flock(a, LOCK_SH | LOCK_NB) == 0);
  struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  CHECK(fcntl(a, F_SETLK, &whole) == 0 && fcntl(b, F_SETLK, &whole) == 0);  // one owner: the process
  whole.l_type = F_UNLCK;
  CHECK(fcntl(a, F_SETLK, &whole) == 0);
  // Of the open file description: two owners.
  struct flock part = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 1, .l_len = 2}, found = part;
  CHECK(fcntl(a, F_OFD_SETLK, &part) == 0);
  FAILS(fcntl(b, F_OFD_SETLK, &part), EAGAIN);
  CHECK(fcntl(b, F_OFD_GETLK, &found) == 0 && found.l_type == F_WRLCK && found.l_start == 1 && found.l_len == 2);
  EQ(found.l_pid, -1);
  close(a), close(b);
}

static void moving(void) {
  int from = make("from", "The quick brown fox"), to = make("to", ""), ends[2], more[2];
  off_t at = 4;
  EQ(sendfile(to, from, &at, 5), 5);
  EQ(at, 9);
  EQ(lseek(from, 0, SEEK_CUR), 0);
  EQ(sendfile(to, from, NULL, 3), 3);
  EQ(lseek(from, 0, SEEK_CUR), 3);
  SAME(content("to"), "quickThe");
  loff_t in = 10, out = 0;
  EQ(copy_file_range(from, &in, to, &out, 5, 0), 5);
  EQ(in, 15);
  EQ(out, 5);
  SAME(content("to"), "brownThe");
  CHECK(pipe(ends) == 0 && pipe2(more, O_NONBLOCK | O_CLOEXEC) == 0);
  in = 0;
  EQ(splice(from, &in, ends[1], NULL, 9, 0), 9);
  EQ(tee(ends[0], more[1], 4, 0), 4);
  int waiting;
  CHECK(ioctl(ends[0], FIONREAD, &waiting) == 0 && waiting == 9);
  out = 0;
  EQ(splice(ends[0], NULL, to, &out, 9, 0), 9);
  SAME(content("to"), "The quick");
  char text[8];
  EQ(read(more[0], text, 8), 4);
  FAILS(read(more[0], text, 8), EAGAIN);
  struct iovec v = {"vm", 2};
  EQ(vmsplice(more[1], &v, 1, 0), 2);
  EQ(read(more[0], text, 8), 2);
  FAILS(splice(from, NULL, to, NULL, 1, 0), EINVAL);
}

static void pipes(void) {
  int ends[2];
  CHECK(pipe2(ends, O_NONBLOCK) == 0);
  char byte, much[70000];
  memset(much, 'p', sizeof much);
  FAILS(lseek(ends[0], 0, SEEK_SET), ESPIPE);
  FAILS(pread(ends[0], &byte, 1, 0), ESPIPE);
  FAILS(read(ends[0], &byte, 1), EAGAIN);
  EQ(fcntl(ends[0], F_GETPIPE_SZ), 65536);
  EQ(write(ends[1], much, sizeof much), 65536);
  FAILS(write(ends[1], much, 1), EAGAIN);
  EQ(read(ends[0], much, sizeof much), 65536);
  CHECK(write(ends[1], "z", 1) == 1 && close(ends[1]) == 0);
  EQ(read(ends[0], &byte, 1), 1);
  EQ(read(ends[0], &byte, 1), 0);
  close(ends[0]);
  CHECK(pipe(ends) == 0 && close(ends[0]) == 0);
  signal(SIGPIPE, SIG_IGN);
  FAILS(write(ends[1], "x", 1), EPIPE);
  close(ends[1]);
  // By name.
  CHECK(mkfifo("fifo", 0600) == 0);
  FAILS(open("fifo", O_WRONLY | O_NONBLOCK), ENXIO);
  int reader = open("fifo", O_RDONLY | O_NONBLOCK), writer = open("fifo", O_WRONLY);
  CHECK(reader >= 0 && writer >= 0 && write(writer, "ff", 2) == 2 && read(reader, much, 9) == 2);
  close(reader), close(writer);
}

static void limits(void) {
  struct rlimit limit, small;
  CHECK(getrlimit(RLIMIT_FSIZE, &limit) == 0);
  small = limit;
  small.rlim_cur = 10;
  int fd = make("f", "");
  CHECK(setrlimit(RLIMIT_FSIZE, &small) == 0);
  signal(SIGXFSZ, SIG_IGN);
  EQ(write(fd, "0123456789abc", 13), 10);
  FAILS(write(fd, "x", 1), EFBIG);
  FAILS(ftruncate(fd, 11), EFBIG);
  CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0 && write(fd, "x", 1) == 1);
  close(fd);
}

static void terminals(void) {
  int fd = make("g", "");
  struct winsize size;
  CHECK(!isatty(fd));
  FAILS(ioctl(fd, TIOCGWINSZ, &size), ENOTTY);
  int master = posix_openpt(O_RDWR | O_NOCTTY);
  if (master < 0) return;  // a machine without pseudo-terminals
  CHECK(grantpt(master) == 0 && unlockpt(master) == 0);
  int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
  CHECK(slave >= 0 && isatty(slave));
  size = (struct winsize){.ws_row = 33, .ws_col = 99};
  CHECK(ioctl(master, TIOCSWINSZ, &size) == 0);
  memset(&size, 0, sizeof size);
  CHECK(ioctl(slave, TIOCGWINSZ, &size) == 0 && size.ws_row == 33 && size.ws_col == 99);
  char line[16];
  CHECK(write(slave, "out\n", 4) == 4);
  EQ(read(master, line, 16), 5);
  CHECK(memcmp(line, "out\r\n", 5) == 0 && write(master, "in\n", 3) == 3);
  EQ(read(slave, line, 16), 3);
  close(slave), close(master);
}

int main(void) {
  opening();
  offsets();
  vectors();
  duplicates();
  locks();
  moving();
  pipes();
  limits();
  terminals();
  return done();
}
