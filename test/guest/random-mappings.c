// Random operations on the mappings of a window of addresses. Prints a line for each: what it answered, and from time
// to time what every page of the window does when it is read and written. The same seed gives the same lines on every
// Linux. Arguments: seed, number of operations.
#include "check.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>

#define PAGE 4096
#define PAGES 48
static char *const window = (char *)0x30000000;
static int file, other;
static uint64_t state;

static unsigned below(unsigned n) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (unsigned)(state >> 33) % n;
}

static int mapped(char *at) {
  unsigned char v;
  return mincore(at, PAGE, &v) == 0;
}

static long offset_of(void *at) { return at == MAP_FAILED ? -errno : (char *)at - window; }

/** What a page does: its first byte, or the signal and its code, then the same for a store. */
static void probe(char *at) {
  volatile unsigned char *p = (unsigned char *)at;
  int value = 0;
  if (CATCH(value = *p)) printf(" r%d.%d@%ld", caught.signo, caught.code, (long)(caught.addr - at));
  else printf(" %d", value);
  if (CATCH(*p = (unsigned char)(value + 1))) printf("w%d.%d", caught.signo, caught.code);
}

static void everything(void) {
  for (int i = 0; i < PAGES; i++) {
    printf("%s", i % 8 ? "" : "\n ");
    probe(window + i * PAGE);
  }
  printf("\n");
}

int main(int argc, char **argv) {
  catch_faults();
  state = strtoul(argv[1], NULL, 0) * 2654435761u + 1;
  file = open("file", O_CREAT | O_RDWR | O_TRUNC, 0600);
  other = open("other", O_CREAT | O_WRONLY | O_TRUNC, 0600);
  static const int rights[] = {PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE, PROT_READ, PROT_NONE, PROT_READ | PROT_EXEC};
  char bytes[PAGE];
  for (int n = 0, count = atoi(argv[2]); n < count; n++) {
    unsigned from = below(PAGES), length = 1 + below(below(4) ? 4 : 16);
    if (from + length > PAGES) length = PAGES - from;
    char *at = window + from * PAGE;
    size_t size = length * PAGE - (below(3) ? 0 : below(PAGE));
    int prot = rights[below(5)], kind = below(13);
    printf("%d: [%u, +%u) ", n, from, length);
    if (kind < 3) {
      int sharing = below(3) ? MAP_PRIVATE : MAP_SHARED;
      int more = below(4) ? MAP_FIXED : MAP_FIXED_NOREPLACE;
      printf("anonymous %ld", offset_of(mmap(at, size, prot, sharing | more | MAP_ANONYMOUS, -1, 0)));
    } else if (kind < 5) {
      int sharing = below(2) ? MAP_PRIVATE : MAP_SHARED;
      printf("file %ld", offset_of(mmap(at, size, prot, sharing | MAP_FIXED, file, below(8) * PAGE)));
    } else if (kind < 6) printf("munmap %d", munmap(at, size));
    else if (kind < 7) {
      int whole = 1;
      for (unsigned i = 0; i < length; i++) whole &= mapped(at + i * PAGE);
      if (whole) printf("mprotect %d", mprotect(at, size, prot));
    } else if (kind < 8) {
      long got = madvise(at, size, MADV_DONTNEED) ? -errno : 0;
      printf("dontneed %ld", got);
    } else if (kind < 9) {
      unsigned to = below(PAGES), room = 1 + below(8);
      if (to + room > PAGES) room = PAGES - to;
      // One page, from elsewhere: what else is refused, and why, depends on the version of the kernel.
      if (from < to || from >= to + room)
        printf("remap to [%u, +%u) %ld", to, room,
               offset_of(mremap(at, PAGE, room * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, window + to * PAGE)));
    } else if (kind < 10) {
      unsigned room = 1 + below(8);
      if (from + room > PAGES) room = PAGES - from;
      printf("remap +%u %ld", room, offset_of(mremap(at, PAGE, room * PAGE, 0)));
    } else if (kind < 11) {
      unsigned end = below(9 * PAGE);
      printf("truncate %u %d", end, ftruncate(file, end));
    } else if (kind < 12) {
      unsigned start = below(9 * PAGE);
      memset(bytes, n, sizeof bytes);
      printf("write %u %zd", start, pwrite(file, bytes, 1 + below(PAGE), start));
    } else {
      // The kernel's own copies meet the same rights and ends.
      unsigned start = below(PAGE);
      long got = pread(file, at + start, 2 * PAGE, below(4 * PAGE));
      printf("read %ld", got < 0 ? -errno : got);
      got = pwrite(other, at + start, PAGE, 0);
      printf(" and write %ld", got < 0 ? -errno : got);
    }
    printf("\n");
    if (n % 16 == 15) everything();
  }
  everything();
  return 0;
}
