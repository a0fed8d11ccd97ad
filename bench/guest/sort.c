// Sorting through function pointers: a quicksort of our own that is given its comparison, and the C library's qsort and
// bsearch, on numbers, on records and on strings. The size is the number of elements in thousands.
#include "bench.h"

typedef int comparison(const void *, const void *);

struct record {
  uint32_t key;
  int16_t group;
  char name[10];
};

static int by_number(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

static int by_group(const void *a, const void *b) {
  const struct record *x = a, *y = b;
  if (x->group != y->group) return x->group < y->group ? -1 : 1;
  return (x->key > y->key) - (x->key < y->key);
}

static int by_name(const void *a, const void *b) {
  return strcmp(((const struct record *)a)->name, ((const struct record *)b)->name);
}

/// Sorts pointers by what they point at.
static void quicksort(const void **list, long low, long high, comparison *compare) {
  while (low < high) {
    const void *pivot = list[low + (high - low) / 2];
    long i = low, j = high;
    while (i <= j) {
      while (compare(list[i], pivot) < 0) i++;
      while (compare(list[j], pivot) > 0) j--;
      if (i <= j) {
        const void *kept = list[i];
        list[i++] = list[j];
        list[j--] = kept;
      }
    }
    // The shorter part by recursion, the longer one here: the stack stays low.
    if (j - low < high - i) {
      quicksort(list, low, j, compare);
      low = i;
    } else {
      quicksort(list, i, high, compare);
      high = j;
    }
  }
}

int main(int argc, char **argv) {
  long n = size_of_run(argc, argv, 300) * 1000;
  size_t count = (size_t)n;
  int64_t *numbers = allocate(count * sizeof *numbers);
  struct record *records = allocate(count * sizeof *records);
  const void **pointers = allocate(count * sizeof *pointers);
  for (long i = 0; i < n; i++) {
    numbers[i] = (int64_t)random64() >> 20;
    records[i].key = (uint32_t)random64();
    records[i].group = (int16_t)random_below(500);
    for (int k = 0; k < 9; k++) records[i].name[k] = (char)('a' + random_below(k < 3 ? 3 : 26));
    records[i].name[9] = 0;
  }
  comparison *ways[] = {by_name, by_group};
  uint64_t sum = 0;
  for (int way = 0; way < 2; way++) {
    for (long i = 0; i < n; i++) pointers[i] = &records[i];
    quicksort(pointers, 0, n - 1, ways[way]);
    for (long i = 1; i < n; i++)
      if (ways[way](pointers[i - 1], pointers[i]) > 0) return 1;
    for (long i = 0; i < n; i++) sum = mix_in(sum, checksum(0, ((const struct record *)pointers[i])->name, 9));
  }
  qsort(records, count, sizeof *records, by_group);
  for (long i = 0; i < n; i++) sum = mix_in(sum, records[i].key);
  qsort(numbers, count, sizeof *numbers, by_number);
  long found = 0;
  for (long i = 0; i < n; i++) {
    int64_t wanted = numbers[i] + (i & 1);
    found += bsearch(&wanted, numbers, count, sizeof *numbers, by_number) != NULL;
  }
  report("sort", sum);
  report("found", (uint64_t)found);
  free(numbers), free(records), free(pointers);
}
