// System calls with a buffer at the end of a mapping: what fits is moved, what does not is EFAULT, nothing is raised.
#include "check.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <time.h>

#define PAGE 4096
static char *end;  // of a page that is followed by nothing
static char *const bad = (char *)8;
static int file, ends[2];

static void read_and_write(void) {
  CHECK(pwrite(file, "0123456789", 10, 0) == 10);
  FAILS(read(file, bad, 10), EFAULT);
  FAILS(read(file, end, 10), EFAULT);
  FAILS(write(file, end, 10), EFAULT);
  FAILS(write(file, (char *)-1, 10), EFAULT);
  FAILS(pread(file, (char *)(1L << 40), 10, 0), EFAULT);
  EQ(read(file, end, 0), 0);
  // A file gives and takes what fits.
  EQ(pread(file, end - 4, 10, 0), 4);
  CHECK(memcmp(end - 4, "0123", 4) == 0);
  EQ(pwrite(file, end - 4, 10, 20), 4);
  char back[4];
  CHECK(pread(file, back, 4, 20) == 4 && memcmp(back, "0123", 4) == 0);
  EQ(lseek(file, 0, SEEK_CUR), 0);
  // A length that the file does not have.
  EQ(pread(file, end - 4, 1 << 20, 0), 4);
  FAILS(read(file, end - 4, -1), EFAULT);
}

/** What is wrong with the descriptor, or that there is nothing to read, is said before the buffer is looked at. */
static void other_errors_first(void) {
  int reader = open("file", O_RDONLY), writer = open("file", O_WRONLY), directory = open(".", O_RDONLY);
  struct iovec v = {end, 10};
  EQ(pread(reader, end, 10, 100000), 0);
  EQ(preadv(reader, &v, 1, 100000), 0);
  FAILS(write(reader, end, 10), EBADF);
  FAILS(read(writer, end, 10), EBADF);
  FAILS(read(directory, end, 10), EISDIR);
  FAILS(pread(ends[0], end, 10, 0), ESPIPE);
  FAILS(read(-1, end, 10), EBADF);
  struct stat before, after;
  CHECK(fstat(writer, &before) == 0);
  FAILS(write(writer, end, 10), EFAULT);
  CHECK(fstat(writer, &after) == 0 && after.st_size == before.st_size);
  close(reader), close(writer), close(directory);
}

static void vectors(void) {
  struct iovec v[3] = {{end - 3, 3}, {bad, 3}, {end - 10, 3}};
  EQ(preadv(file, v, 3, 0), 3);
  EQ(pwritev(file, v, 3, 0), 3);
  v[1] = (struct iovec){bad, 0};
  memset(end - 10, 'v', 10);
  EQ(preadv(file, v, 3, 0), 6);
  CHECK(memcmp(end - 3, end - 3, 3) == 0);
  FAILS(readv(file, (struct iovec *)bad, 1), EFAULT);
  FAILS(readv(file, (struct iovec *)(end - 8), 1), EFAULT);
  FAILS(readv(file, v, -1), EINVAL);
  FAILS(readv(file, v, 1025), EINVAL);
  v[0].iov_len = -1;
  FAILS(readv(file, v, 1), EINVAL);
  EQ(readv(file, v, 0), 0);
}

static void pipes(void) {
  CHECK(write(ends[1], "abcdef", 6) == 6);
  FAILS(read(ends[0], bad, 6), EFAULT);
  FAILS(write(ends[1], bad, 6), EFAULT);
  EQ(syscall(SYS_pipe2, bad, 0), -1);
  EQ(errno, EFAULT);
  char all[6];
  EQ(read(ends[0], all, 6), 6);
}

static void paths(void) {
  FAILS(open(bad, O_RDONLY), EFAULT);
  FAILS(syscall(SYS_openat, AT_FDCWD, NULL, O_RDONLY), EFAULT);
  // A name that runs off the mapping; and one that just fits.
  memcpy(end - 4, "abcd", 4);
  FAILS(open(end - 4, O_RDONLY), EFAULT);
  end[-1] = 0;
  FAILS(open(end - 4, O_RDONLY), ENOENT);
  FAILS(symlink("x", bad), EFAULT);
  FAILS(rename(bad, "x"), EFAULT);
  FAILS(chdir(end), EFAULT);
  char long_name[PAGE + 10];
  memset(long_name, 'x', sizeof long_name);
  long_name[PAGE + 9] = 0;
  FAILS(open(long_name, O_RDONLY), ENAMETOOLONG);
  long_name[300] = 0;
  FAILS(open(long_name, O_RDONLY), ENAMETOOLONG);
  FAILS(syscall(SYS_getcwd, bad, 100), EFAULT);
  FAILS(syscall(SYS_getcwd, end - 100, 1), ERANGE);
  FAILS(syscall(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", bad, 100), EFAULT);
}

static void structs(void) {
  char *part = end - 8;
  FAILS(syscall(SYS_uname, part), EFAULT);
  FAILS(syscall(SYS_fstat, file, part), EFAULT);
  FAILS(syscall(SYS_statx, AT_FDCWD, "/", 0, STATX_ALL, part), EFAULT);
  FAILS(syscall(SYS_clock_gettime, CLOCK_REALTIME, part), EFAULT);
  FAILS(syscall(SYS_nanosleep, part, NULL), EFAULT);
  FAILS(syscall(SYS_nanosleep, bad, NULL), EFAULT);
  FAILS(syscall(SYS_getrandom, bad, 16, 0), EFAULT);
  FAILS(syscall(SYS_rt_sigaction, SIGUSR1, part, NULL, 8), EFAULT);
  FAILS(syscall(SYS_rt_sigprocmask, SIG_BLOCK, bad, NULL, 8), EFAULT);
  FAILS(syscall(SYS_rt_sigprocmask, SIG_BLOCK, end - 8, NULL, 4), EINVAL);
  FAILS(syscall(SYS_ppoll, bad, 1, NULL, NULL, 8), EFAULT);
  FAILS(syscall(SYS_getdents64, open(".", O_RDONLY | O_DIRECTORY), bad, 1000), EFAULT);
  FAILS(syscall(SYS_getrlimit, 1, bad), EFAULT);
  FAILS(syscall(SYS_getrusage, 0, part), EFAULT);
  FAILS(syscall(SYS_times, part), EFAULT);
  FAILS(syscall(SYS_socketpair, 1, 1, 0, bad), EFAULT);
  FAILS(syscall(SYS_gettimeofday, bad, NULL), EFAULT);
  FAILS(syscall(SYS_timer_create, 0, NULL, bad), EFAULT);
  EQ(syscall(SYS_getcpu, NULL, NULL, NULL), 0);
  FAILS(syscall(SYS_getcpu, bad, NULL, NULL), EFAULT);
  // Only reading is allowed there.
  char *constant = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  FAILS(pread(file, constant, 4, 0), EFAULT);
  EQ(pwrite(file, constant, 4, 0), 4);
  FAILS(syscall(SYS_fstat, file, constant), EFAULT);
}

int main(void) {
  char *page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(page != MAP_FAILED && munmap(page + PAGE, PAGE) == 0);
  end = page + PAGE;
  file = open("file", O_CREAT | O_RDWR | O_TRUNC, 0600);
  CHECK(file >= 0 && pipe(ends) == 0);
  read_and_write();
  other_errors_first();
  vectors();
  pipes();
  paths();
  structs();
  return done();
}
