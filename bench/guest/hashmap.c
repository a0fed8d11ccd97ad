// Hash maps: one with open addressing from numbers to numbers, one with chains from strings to counts, both growing as
// they fill; with insertions, look-ups that hit and miss, and removals. The size is the number of operations in
// thousands.
#include "bench.h"

/// Keys are not 0. A removed key leaves no mark: what follows it is moved back.
struct table {
  uint64_t *keys, *values;
  size_t mask, used;
};

static size_t place(uint64_t key, size_t mask) { return (size_t)(key * 0x9e3779b97f4a7c15 >> 20) & mask; }

static void make(struct table *t, size_t size) {
  t->keys = calloc(size, sizeof *t->keys);
  t->values = allocate(size * sizeof *t->values);
  if (t->keys == NULL) exit(1);
  t->mask = size - 1;
  t->used = 0;
}

static size_t slot_of(const struct table *t, uint64_t key) {
  size_t i = place(key, t->mask);
  while (t->keys[i] != 0 && t->keys[i] != key) i = (i + 1) & t->mask;
  return i;
}

static void set(struct table *t, uint64_t key, uint64_t value) {
  if (t->used * 4 >= (t->mask + 1) * 3) {
    struct table larger;
    make(&larger, (t->mask + 1) * 2);
    for (size_t i = 0; i <= t->mask; i++)
      if (t->keys[i] != 0) set(&larger, t->keys[i], t->values[i]);
    free(t->keys), free(t->values);
    *t = larger;
  }
  size_t i = slot_of(t, key);
  t->used += t->keys[i] == 0;
  t->keys[i] = key;
  t->values[i] = value;
}

static int get(const struct table *t, uint64_t key, uint64_t *value) {
  size_t i = slot_of(t, key);
  if (t->keys[i] == 0) return 0;
  *value = t->values[i];
  return 1;
}

static void discard(struct table *t, uint64_t key) {
  size_t hole = slot_of(t, key);
  if (t->keys[hole] == 0) return;
  t->used--;
  for (size_t i = (hole + 1) & t->mask; t->keys[i] != 0; i = (i + 1) & t->mask)
    if (((i - place(t->keys[i], t->mask)) & t->mask) >= ((i - hole) & t->mask)) {
      t->keys[hole] = t->keys[i];
      t->values[hole] = t->values[i];
      hole = i;
    }
  t->keys[hole] = 0;
}

struct word {
  struct word *next;
  uint32_t hash, count;
  char text[];
};

struct words {
  struct word **heads;
  size_t mask, used;
};

static void rehash(struct words *w, size_t size) {
  struct word **heads = calloc(size, sizeof *heads);
  if (heads == NULL) exit(1);
  for (size_t i = 0; w->heads != NULL && i <= w->mask; i++)
    for (struct word *at = w->heads[i], *next; at != NULL; at = next) {
      next = at->next;
      at->next = heads[at->hash & (size - 1)];
      heads[at->hash & (size - 1)] = at;
    }
  free(w->heads);
  w->heads = heads;
  w->mask = size - 1;
}

static void count_word(struct words *w, const char *text, size_t length) {
  uint32_t hash = (uint32_t)(checksum(0xcbf29ce484222325, text, length) >> 16);
  for (struct word *at = w->heads[hash & w->mask]; at != NULL; at = at->next)
    if (at->hash == hash && strcmp(at->text, text) == 0) {
      at->count++;
      return;
    }
  if (++w->used > w->mask) rehash(w, (w->mask + 1) * 2);
  struct word *new = allocate(sizeof *new + length + 1);
  memcpy(new->text, text, length + 1);
  new->hash = hash;
  new->count = 1;
  new->next = w->heads[hash & w->mask];
  w->heads[hash & w->mask] = new;
}

static uint64_t number_work(long operations) {
  struct table t;
  make(&t, 16);
  uint64_t sum = 0, value;
  uint32_t range = (uint32_t)(operations / 4) + 1;
  for (long i = 0; i < operations; i++) {
    uint64_t key = 1 + (uint64_t)random_below(range) * 16;
    switch (random_below(4)) {
      case 0: set(&t, key, (uint64_t)i); break;
      case 1: discard(&t, key); break;
      default:
        if (get(&t, key, &value)) sum = mix_in(sum, value);
    }
  }
  sum = mix_in(sum, t.used);
  free(t.keys), free(t.values);
  return sum;
}

static uint64_t word_work(long operations) {
  struct words w = {0};
  rehash(&w, 16);
  for (long i = 0; i < operations; i++) {
    char text[12];
    size_t length = 2 + random_below(6);
    for (size_t k = 0; k < length; k++) text[k] = (char)('a' + random_below(k < 2 ? 20 : 4));
    text[length] = 0;
    count_word(&w, text, length);
  }
  uint64_t sum = w.used;
  for (size_t i = 0; i <= w.mask; i++)
    for (struct word *at = w.heads[i], *next; at != NULL; at = next) {
      next = at->next;
      sum += (uint64_t)at->hash * at->count;
      free(at);
    }
  free(w.heads);
  return sum;
}

int main(int argc, char **argv) {
  long operations = size_of_run(argc, argv, 4000) * 1000;
  report("numbers", number_work(operations));
  report("words", word_work(operations / 2));
}
