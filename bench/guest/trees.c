// Binary trees that the C library's allocator is busy with: one that lives long, and many small ones that are made,
// walked and freed. The size is the depth of the largest.
#include "bench.h"

struct tree {
  struct tree *left, *right;
};

static struct tree *grow(int depth) {
  struct tree *t = allocate(sizeof *t);
  t->left = depth > 0 ? grow(depth - 1) : NULL;
  t->right = depth > 0 ? grow(depth - 1) : NULL;
  return t;
}

static uint64_t count(const struct tree *t) { return t == NULL ? 0 : 1 + count(t->left) + count(t->right); }

static void fell(struct tree *t) {
  if (t == NULL) return;
  fell(t->left);
  fell(t->right);
  free(t);
}

int main(int argc, char **argv) {
  int deepest = (int)size_of_run(argc, argv, 16);
  struct tree *old = grow(deepest);
  uint64_t sum = 0;
  for (int depth = 4; depth <= deepest; depth += 2) {
    uint64_t nodes = 0;
    for (long times = 1L << (deepest - depth + 3); times > 0; times--) {
      struct tree *young = grow(depth);
      nodes += count(young);
      fell(young);
    }
    sum = mix_in(sum, nodes);
  }
  report("trees", sum);
  report("nodes", count(old));
  fell(old);
}
