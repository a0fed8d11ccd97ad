// Mappings of files: private and shared, coherence with read and write, SIGBUS behind the end and what heals it.
#include "check.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define PAGE 4096
#define RW (PROT_READ | PROT_WRITE)

static int fd;
static char text[3 * PAGE];

static char *map(int prot, int flags, long offset, size_t length) {
  char *at = mmap(NULL, length, prot, flags, fd, offset);
  CHECK(at != MAP_FAILED);
  return at;
}

static void private_mapping(void) {
  char *at = map(RW, MAP_PRIVATE, 0, 3 * PAGE);
  CHECK(memcmp(at, text, 2 * PAGE + 100) == 0);
  EQ(at[2 * PAGE + 100], 0);  // behind the end, in the last page
  EQ(at[3 * PAGE - 1], 0);
  at[5] = 'X';
  char byte;
  CHECK(pread(fd, &byte, 1, 5) == 1 && byte == text[5]);
  // What was not written here yet shows what the file holds.
  CHECK(pwrite(fd, "Y", 1, PAGE + 9) == 1);
  EQ(at[PAGE + 9], 'Y');
  EQ(at[5], 'X');
  CHECK(madvise(at, PAGE, MADV_DONTNEED) == 0);
  EQ(at[5], text[5]);
  CHECK(pwrite(fd, &text[PAGE + 9], 1, PAGE + 9) == 1);
  // At an offset, and only for reading.
  char *second = map(PROT_READ, MAP_PRIVATE, PAGE, 100);
  CHECK(memcmp(second, text + PAGE, 100) == 0 && second[PAGE - 1] == text[2 * PAGE - 1]);
  FAULTS(*(volatile char *)second = 1, SIGSEGV, SEGV_ACCERR, second);
  munmap(second, 100);
  munmap(at, 3 * PAGE);
}

static void shared_mapping(void) {
  char *a = map(RW, MAP_SHARED, 0, 3 * PAGE), *b = map(PROT_READ, MAP_SHARED, PAGE, PAGE), byte;
  a[PAGE + 1] = 'S';
  EQ(b[1], 'S');
  CHECK(pread(fd, &byte, 1, PAGE + 1) == 1 && byte == 'S');
  CHECK(pwrite(fd, "T", 1, PAGE + 2) == 1);
  EQ(a[PAGE + 2], 'T');
  EQ(b[2], 'T');
  CHECK(msync(a, 3 * PAGE, MS_SYNC) == 0);
  // Read from the file into its own mapping, written to it from there.
  CHECK(pread(fd, a + 10, 100, PAGE) == 100 && memcmp(a + 10, a + PAGE, 100) == 0);
  CHECK(pwrite(fd, a, 100, 2 * PAGE) == 100 && memcmp(a, a + 2 * PAGE, 100) == 0);
  // The file goes, its pages stay.
  CHECK(unlink("mapped") == 0 && a[PAGE + 1] == 'S');
  munmap(a, 3 * PAGE);
  EQ(b[1], 'S');
  munmap(b, PAGE);
}

static void behind_the_end(void) {
  char *at = map(RW, MAP_SHARED, 0, 4 * PAGE);
  CHECK(ftruncate(fd, PAGE + 1) == 0);
  EQ(at[PAGE], text[PAGE]);
  EQ(at[PAGE + 1], 0);
  FAULTS((void)*(volatile char *)(at + 2 * PAGE + 3), SIGBUS, BUS_ADRERR, at + 2 * PAGE + 3);
  FAULTS(*(volatile char *)(at + 3 * PAGE) = 1, SIGBUS, BUS_ADRERR, at + 3 * PAGE);
  // Grown, it heals.
  CHECK(ftruncate(fd, 3 * PAGE) == 0);
  EQ(CATCH(at[2 * PAGE + 3] = 9), 0);
  FAULTS(*(volatile char *)(at + 3 * PAGE) = 1, SIGBUS, BUS_ADRERR, at + 3 * PAGE);
  char byte;
  CHECK(pread(fd, &byte, 1, 2 * PAGE + 3) == 1 && byte == 9);
  // Shrunk, what was seen goes.
  CHECK(ftruncate(fd, 10) == 0);
  FAULTS((void)*(volatile char *)(at + PAGE), SIGBUS, BUS_ADRERR, at + PAGE);
  EQ(at[10], 0);
  // A call with such a buffer answers EFAULT; it raises nothing.
  int zero = open("/dev/zero", O_RDONLY);
  FAILS(read(zero, at + PAGE, 10), EFAULT);
  CHECK(ftruncate(fd, 2 * PAGE) == 0);
  EQ(read(zero, at + 2 * PAGE - 5, 10), 5);
  close(zero);
  munmap(at, 4 * PAGE);
  // An empty file.
  CHECK(ftruncate(fd, 0) == 0);
  at = map(RW, MAP_PRIVATE, 0, PAGE);
  FAULTS((void)*(volatile char *)at, SIGBUS, BUS_ADRERR, at);
  CHECK(ftruncate(fd, 1) == 0);
  EQ(CATCH(at[100] = 1), 0);
  munmap(at, PAGE);
}

static void refused(void) {
  int reader = open("refused", O_CREAT | O_RDONLY, 0600), writer = open("refused", O_WRONLY), pipes[2];
  CHECK(reader >= 0 && writer >= 0 && pipe(pipes) == 0 && ftruncate(writer, PAGE) == 0);
  FAILS(mmap(NULL, PAGE, RW, MAP_SHARED, reader, 0), EACCES);
  FAILS(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, writer, 0), EACCES);
  FAILS(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, pipes[0], 0), ENODEV);
  char *at = mmap(NULL, PAGE, RW, MAP_PRIVATE, reader, 0);
  CHECK(at != MAP_FAILED);
  *at = 1;
  munmap(at, PAGE);
  at = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, reader, 0);
  CHECK(at != MAP_FAILED);
  FAILS(mprotect(at, PAGE, RW), EACCES);
  munmap(at, PAGE);
  close(reader), close(writer), close(pipes[0]), close(pipes[1]);
}

static void memory_file(void) {
  int m = memfd_create("seals", MFD_ALLOW_SEALING | MFD_CLOEXEC);
  CHECK(m >= 0 && ftruncate(m, PAGE) == 0);
  char *at = mmap(NULL, PAGE, RW, MAP_SHARED, m, 0);
  CHECK(at != MAP_FAILED);
  strcpy(at, "sealed");
  FAILS(fcntl(m, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
  munmap(at, PAGE);
  CHECK(fcntl(m, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) == 0);
  EQ(fcntl(m, F_GET_SEALS), F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW);
  FAILS(write(m, "x", 1), EPERM);
  FAILS(ftruncate(m, 0), EPERM);
  FAILS(ftruncate(m, 2 * PAGE), EPERM);
  FAILS(mmap(NULL, PAGE, RW, MAP_SHARED, m, 0), EPERM);
  at = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, m, 0);
  CHECK(at != MAP_FAILED);
  SAME(at, "sealed");
  close(m);
}

int main(void) {
  catch_faults();
  fd = open("mapped", O_CREAT | O_EXCL | O_RDWR, 0600);
  for (unsigned i = 0; i < sizeof text; i++) text[i] = (char)('a' + i % 23 + i / PAGE);
  CHECK(write(fd, text, 2 * PAGE + 100) == 2 * PAGE + 100);
  private_mapping();
  shared_mapping();
  CHECK(pwrite(fd, text, sizeof text, 0) == sizeof text);
  behind_the_end();
  refused();
  memory_file();
  return done();
}
