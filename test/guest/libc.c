// A tour of the C library: sorting, formatting, parsing, allocation, strings, streams, locale, regular expressions, time.
#include "check.h"

#include <ctype.h>
#include <fnmatch.h>
#include <ftw.h>
#include <glob.h>
#include <inttypes.h>
#include <limits.h>
#include <locale.h>
#include <regex.h>
#include <search.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>
#include <wchar.h>

static uint64_t state = 42;
static uint32_t next(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(state >> 33);
}

static int ascending(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return x < y ? -1 : x > y;
}

static void sorting(void) {
  static uint32_t numbers[5000];
  uint32_t sum = 0, after = 0;
  for (int i = 0; i < 5000; i++) sum += numbers[i] = next();
  qsort(numbers, 5000, sizeof *numbers, ascending);
  for (int i = 0; i < 5000; i++) {
    after += numbers[i];
    CHECK(i == 0 || numbers[i - 1] <= numbers[i]);
  }
  EQ(sum, after);
  uint32_t *found = bsearch(&numbers[777], numbers, 5000, sizeof *numbers, ascending);
  CHECK(found && *found == numbers[777]);
  void *root = NULL;
  for (int i = 0; i < 1000; i++) CHECK(tsearch(&numbers[i * 7 % 1000], &root, ascending));
  for (int i = 0; i < 1000; i++) CHECK(tfind(&numbers[i], &root, ascending) && tdelete(&numbers[i], &root, ascending));
}

static void formatting(void) {
  char text[256];
  EQ(snprintf(text, sizeof text, "%d|%5d|%-5d|%05d|%+d|%x|%#X|%o|%c|%s|%10.3s|%%", -1, 42, 42, 42, 42, 255, 255, 8, 'c',
              "string", "abcdef"), 57);
  SAME(text, "-1|   42|42   |00042|+42|ff|0XFF|10|c|string|       abc|%");
  snprintf(text, sizeof text, "%lld %llu %zu %hhd %" PRIx64, LLONG_MIN, ULLONG_MAX, sizeof(long), 300, UINT64_C(0xdeadbeefcafe));
  SAME(text, "-9223372036854775808 18446744073709551615 8 44 deadbeefcafe");
  EQ(snprintf(text, 4, "%s", "truncated"), 9);
  SAME(text, "tru");
  int a, b;
  char word[16];
  EQ(sscanf("12 0x1f rest", "%d %i %15s", &a, &b, word), 3);
  CHECK(a == 12 && b == 31 && !strcmp(word, "rest"));
  EQ(strtol("-77zz", NULL, 8), -63);
  errno = 0;
  CHECK(strtol("99999999999999999999", NULL, 10) == LONG_MAX && errno == ERANGE);
  EQ(strtoul("ffffffffffffffff", NULL, 16), ULONG_MAX);
}

static void allocation(void) {
  static struct {
    unsigned char *at;
    size_t size;
    unsigned char fill;
  } all[300];
  for (int i = 0; i < 4000; i++) {
    int n = next() % 300;
    for (size_t k = 0; k < all[n].size; k += 97) EQ(all[n].at[k], all[n].fill);
    size_t size = next() % 10 == 0 ? next() % 100000 : next() % 500;
    if (next() % 3 == 0) {
      free(all[n].at);
      all[n].at = calloc(1, size + 1);
      for (size_t k = 0; k < size; k += 1013) EQ(all[n].at[k], 0);
    } else all[n].at = realloc(all[n].at, size + 1);
    CHECK(all[n].at);
    all[n].size = size;
    all[n].fill = (unsigned char)i;
    memset(all[n].at, all[n].fill, size);
  }
  for (int n = 0; n < 300; n++) free(all[n].at);
  void *aligned;
  CHECK(posix_memalign(&aligned, 4096, 100) == 0 && (uintptr_t)aligned % 4096 == 0);
  free(aligned);
  volatile size_t impossible = PTRDIFF_MAX;
  CHECK(malloc(impossible) == NULL && errno == ENOMEM);
}

static void strings(void) {
  char a[300], b[300];
  for (int offset = 0; offset < 9; offset++)
    for (int length = 0; length < 200; length += 13) {
      memset(a, 'x', sizeof a);
      a[offset + length] = 0;
      EQ(strlen(a + offset), length);
      memset(b, 'y', sizeof b);
      memcpy(b + 3, a + offset, length + 1);
      CHECK(strcmp(b + 3, a + offset) == 0 && b[2] == 'y' && b[4 + length] == 'y');
      memmove(b + 5, b + 3, length + 1);
      CHECK(strcmp(b + 5, a + offset) == 0);
      CHECK(strchr(a + offset, 'q') == NULL && memchr(a + offset, 0, 300 - offset) == a + offset + length);
    }
  CHECK(strstr("find the needle here", "needle") && !strstr("find the needle here", "pin"));
  char list[] = "a,b,,c", *rest = list;
  SAME(strsep(&rest, ","), "a");
  SAME(strtok(rest, ","), "b");
  SAME(strtok(NULL, ","), "c");
  CHECK(strcasecmp("HeLLo", "hEllO") == 0 && strspn("aabbc", "ab") == 4 && strverscmp("a9", "a10") < 0);
  CHECK(isalpha('x') && !isalpha('5') && toupper('q') == 'Q');
}

static void streams(void) {
  FILE *f = fopen("stream", "w+");
  CHECK(f);
  for (int i = 0; i < 1000; i++) CHECK(fprintf(f, "line %d\n", i) > 0);
  CHECK(fseek(f, 0, SEEK_SET) == 0);
  char *line = NULL;
  size_t room = 0;
  int n = 0, number;
  while (getline(&line, &room, f) > 0) {
    CHECK(sscanf(line, "line %d", &number) == 1 && number == n);
    n++;
  }
  EQ(n, 1000);
  CHECK(feof(f) && !ferror(f));
  free(line);
  long end = ftell(f);
  CHECK(fseek(f, -4, SEEK_CUR) == 0 && fgetc(f) == '9' && ungetc('U', f) == 'U' && fgetc(f) == 'U' && ftell(f) == end - 3);
  CHECK(freopen("stream", "a", f) == f && fputs("more", f) >= 0 && fclose(f) == 0);
  struct stat s;
  CHECK(stat("stream", &s) == 0 && s.st_size == end + 4);
  char *memory;
  size_t size;
  f = open_memstream(&memory, &size);
  fprintf(f, "%s-%d", "memory", 7);
  fclose(f);
  SAME(memory, "memory-7");
  free(memory);
  f = tmpfile();
  CHECK(f && fwrite("123", 1, 3, f) == 3 && fflush(f) == 0);
  rewind(f);
  char three[4] = "";
  CHECK(fread(three, 1, 10, f) == 3 && !strcmp(three, "123") && fclose(f) == 0);
  CHECK(fopen("none/none", "r") == NULL && errno == ENOENT);
}

static void patterns(void) {
  regex_t r;
  regmatch_t m[3];
  CHECK(regcomp(&r, "([a-z]+)=([0-9]+)", REG_EXTENDED) == 0 && regexec(&r, "  key=123;", 3, m, 0) == 0);
  CHECK(m[1].rm_so == 2 && m[1].rm_eo == 5 && m[2].rm_so == 6 && m[2].rm_eo == 9);
  CHECK(regexec(&r, "nothing", 0, NULL, 0) == REG_NOMATCH);
  regfree(&r);
  CHECK(fnmatch("*.[ch]", "file.c", 0) == 0 && fnmatch("*.[ch]", "file.o", 0) == FNM_NOMATCH);
  glob_t g;
  CHECK(glob("str*m", 0, NULL, &g) == 0 && g.gl_pathc == 1 && !strcmp(g.gl_pathv[0], "stream"));
  globfree(&g);
}

static void calendar(void) {
  time_t t = 951782400;  // 29 February 2000
  struct tm tm;
  char text[64];
  CHECK(gmtime_r(&t, &tm) && strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %a %j", &tm) > 0);
  SAME(text, "2000-02-29 00:00:00 Tue 060");
  CHECK(setenv("TZ", "UTC-2", 1) == 0);
  tzset();
  CHECK(localtime_r(&t, &tm) && tm.tm_hour == 2 && mktime(&tm) == t);
}

static void wide(void) {
  setlocale(LC_ALL, "C.UTF-8");
  wchar_t w[8];
  if (MB_CUR_MAX < 4) return;  // no such locale: a static program without the machine's files
  EQ(mbstowcs(w, "a\xc3\xa9\xe2\x82\xac", 8), 3);
  CHECK(w[1] == 0xe9 && w[2] == 0x20ac && wcwidth(w[2]) == 1);
}

static int sum(int count, ...) {
  va_list list;
  va_start(list, count);
  double total = 0;
  for (int i = 0; i < count; i++) total += i % 2 ? va_arg(list, double) : va_arg(list, int);
  va_end(list);
  return (int)total;
}

struct large {
  long a[5];
};
static struct large by_value(struct large l, int n) {
  l.a[4] += n;
  return l;
}

static void calls(void) {
  EQ(sum(12, 1, 2.0, 3, 4.0, 5, 6.0, 7, 8.0, 9, 10.0, 11, 12.0), 78);
  EQ(by_value((struct large){{1, 2, 3, 4, 5}}, 10).a[4], 15);
  __int128 product = (__int128)INT64_MAX * INT64_MAX;
  EQ((int64_t)(product >> 64), 0x3fffffffffffffff);
  EQ((uint64_t)(product / 1000000007), (uint64_t)(product / 1000000007 * 1000000007 / 1000000007));
  volatile long minimum = LONG_MIN, minus_one = -1;
#ifdef __riscv
  volatile long zero = 0;
  EQ(minimum / minus_one, LONG_MIN);
  EQ(minimum / zero, -1);
  EQ(7 % (zero * minus_one), 7);
#endif
  EQ(minimum / (minus_one * 2), 1L << 62);
}

int main(void) {
  sorting();
  formatting();
  allocation();
  strings();
  streams();
  patterns();
  calendar();
  wide();
  calls();
  return done();
}
