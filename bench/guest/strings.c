// Strings and blocks of memory through the C library: copying with every alignment and many lengths, searching,
// comparing, splitting into words, formatting and reading numbers. The size is the number of rounds.
#include "bench.h"

enum { area = 1 << 16 };

/// Copies of many lengths, overlapping ones included.
static uint64_t copies(unsigned char *from, unsigned char *to) {
  for (size_t length = 1; length < 400; length += 7)
    for (size_t shift = 0; shift < 8; shift++) memcpy(to + length * 8 + shift, from + length * 16 + shift * 3, length);
  for (size_t i = 0; i < 8; i++) memmove(to + i * 5, to + 37 - i, 6000 + i);
  memcpy(to + area / 2, from, area / 4);
  memset(to + area - 1000, from[0], 900);
  uint64_t sum = 0;
  for (size_t i = 0; i < area; i += 61) sum = mix_in(sum, to[i]);
  return sum;
}

static uint64_t searches(const char *text, size_t length) {
  static const char *const wanted[] = {"the", "emulator", "zq", "page table", "nowhere to be found"};
  uint64_t sum = 0;
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
    const char *at = text;
    while ((at = strstr(at, wanted[i])) != NULL) sum = mix_in(sum, (uint64_t)(at++ - text));
  }
  for (const char *at = text; (at = memchr(at, 'k', length - (size_t)(at - text))) != NULL; at++) sum++;
  return mix_in(sum, strlen(text));
}

/// Joins the words of a text again, in reverse order within each piece, by strtok and strcat.
static uint64_t words(const char *text, char *copy, char *line) {
  strcpy(copy, text);
  uint64_t sum = 0;
  line[0] = 0;
  for (char *word = strtok(copy, " .,\n"); word != NULL; word = strtok(NULL, " .,\n")) {
    if (strcmp(word, "of") == 0 || strncmp(word, "in", 2) == 0) continue;
    strcat(line, word);
    if (strlen(line) < 60) continue;
    sum = mix_in(sum, checksum(0, line, strlen(line)));
    line[0] = 0;
  }
  return sum;
}

static uint64_t numbers(char *line, long round) {
  uint64_t sum = 0;
  for (long i = 0; i < 40; i++) {
    int length = snprintf(line, 100, "%ld:%08lx %-6s|%5d", i * 7919 + round, (unsigned long)(round ^ i), "row", (int)i);
    char *end;
    long back = strtol(line, &end, 10);
    sum = mix_in(sum, (uint64_t)back + strtoul(end + 1, NULL, 16) + (uint64_t)length);
  }
  return sum;
}

int main(int argc, char **argv) {
  long rounds = size_of_run(argc, argv, 2500);
  static const char sentence[] = "The page table of the emulator says of each page whether a guest may read, write or "
                                 "execute in it, and a kick of the clock wakes the thread that waits in the kernel.\n";
  unsigned char *from = allocate(area), *to = allocate(area);
  for (size_t i = 0; i < area; i++) from[i] = to[i] = (unsigned char)random64();
  size_t length = (sizeof sentence - 1) * 40;
  char *text = allocate(length + 1), *copy = allocate(length + 1), *line = allocate(200);
  for (size_t i = 0; i < 40; i++) memcpy(text + i * (sizeof sentence - 1), sentence, sizeof sentence);
  uint64_t sum = 0;
  for (long round = 0; round < rounds; round++) {
    from[round % area]++;
    sum = mix_in(sum, copies(from, to));
    sum = mix_in(sum, searches(text, length));
    sum = mix_in(sum, words(text, copy, line));
    sum = mix_in(sum, numbers(line, round));
  }
  report("strings", sum);
  free(from), free(to), free(text), free(copy), free(line);
}
