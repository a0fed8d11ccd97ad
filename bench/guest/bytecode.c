// An interpreter of a stack machine's bytecode, one switch in a loop, as many languages have it. Its programs are
// assembled here: the longest Collatz chain, primes by trial division, and a sort of the machine's own memory.
// The size is the bound of the Collatz search.
#include "bench.h"

enum code { push, load, store, get, put, add, sub, mul, rem, half, less, jump, unless, dup, halt };

struct machine {
  int32_t code[256];
  int length;
  int64_t variables[16];
  int64_t memory[1024];
};

/// Runs from the start until `halt`, and answers what is on top of the stack then.
static int64_t run(struct machine *m) {
  int64_t stack[64], *top = stack;
  const int32_t *pc = m->code;
  for (;;) {
    switch ((enum code)*pc++) {
      case push: *++top = *pc++; break;
      case load: *++top = m->variables[*pc++]; break;
      case store: m->variables[*pc++] = *top--; break;
      case get: *top = m->memory[*top & 1023]; break;
      case put: m->memory[*top & 1023] = top[-1], top -= 2; break;
      case add: top--, *top += top[1]; break;
      case sub: top--, *top -= top[1]; break;
      case mul: top--, *top *= top[1]; break;
      case rem: top--, *top %= top[1]; break;
      case half: *top >>= 1; break;
      case less: top--, *top = *top < top[1]; break;
      case jump: pc = m->code + *pc; break;
      case unless: pc = *top-- ? pc + 1 : m->code + *pc; break;
      case dup: top++, *top = top[-1]; break;
      case halt: return *top;
    }
  }
}

static int emit(struct machine *m, enum code op) {
  m->code[m->length] = op;
  return m->length++;
}

/// Emits an instruction with an operand, and answers where the operand is.
static int emit_with(struct machine *m, enum code op, int32_t operand) {
  emit(m, op);
  m->code[m->length] = operand;
  return m->length++;
}

static void begin(struct machine *m) { memset(m, 0, sizeof *m); }
static void land(struct machine *m, int operand) { m->code[operand] = m->length; }

/// The number below `bound` with the longest chain, times 1000, plus the chain's length.
static void collatz(struct machine *m, int32_t bound) {
  enum { n, x, steps, best, longest };
  begin(m);
  emit_with(m, push, 1), emit_with(m, store, n);
  int outer = m->length;
  emit_with(m, load, n), emit_with(m, push, bound), emit(m, less);
  int done = emit_with(m, unless, 0);
  emit_with(m, load, n), emit_with(m, store, x), emit_with(m, push, 0), emit_with(m, store, steps);
  int inner = m->length;
  emit_with(m, push, 1), emit_with(m, load, x), emit(m, less);
  int ended = emit_with(m, unless, 0);
  emit_with(m, load, steps), emit_with(m, push, 1), emit(m, add), emit_with(m, store, steps);
  emit_with(m, load, x), emit_with(m, push, 2), emit(m, rem);
  int even = emit_with(m, unless, 0);
  emit_with(m, load, x), emit_with(m, push, 3), emit(m, mul), emit_with(m, push, 1), emit(m, add);
  emit_with(m, store, x), emit_with(m, jump, inner);
  land(m, even);
  emit_with(m, load, x), emit(m, half), emit_with(m, store, x), emit_with(m, jump, inner);
  land(m, ended);
  emit_with(m, load, longest), emit_with(m, load, steps), emit(m, less);
  int shorter = emit_with(m, unless, 0);
  emit_with(m, load, steps), emit_with(m, store, longest), emit_with(m, load, n), emit_with(m, store, best);
  land(m, shorter);
  emit_with(m, load, n), emit_with(m, push, 1), emit(m, add), emit_with(m, store, n), emit_with(m, jump, outer);
  land(m, done);
  emit_with(m, load, best), emit_with(m, push, 1000), emit(m, mul), emit_with(m, load, longest), emit(m, add);
  emit(m, halt);
}

/// How many primes are below `bound`.
static void primes(struct machine *m, int32_t bound) {
  enum { n, d, count };
  begin(m);
  emit_with(m, push, 2), emit_with(m, store, n);
  int outer = m->length;
  emit_with(m, load, n), emit_with(m, push, bound), emit(m, less);
  int done = emit_with(m, unless, 0);
  emit_with(m, push, 2), emit_with(m, store, d);
  int inner = m->length;
  emit_with(m, load, n), emit_with(m, load, d), emit(m, dup), emit(m, mul), emit(m, less);
  int more = emit_with(m, unless, 0);
  emit_with(m, load, count), emit_with(m, push, 1), emit(m, add), emit_with(m, store, count);
  int found = emit_with(m, jump, 0);
  land(m, more);
  emit_with(m, load, n), emit_with(m, load, d), emit(m, rem);
  int divides = emit_with(m, unless, 0);
  emit_with(m, load, d), emit_with(m, push, 1), emit(m, add), emit_with(m, store, d), emit_with(m, jump, inner);
  land(m, divides), land(m, found);
  emit_with(m, load, n), emit_with(m, push, 1), emit(m, add), emit_with(m, store, n), emit_with(m, jump, outer);
  land(m, done);
  emit_with(m, load, count), emit(m, halt);
}

/// Fills `count` cells of memory with numbers, sorts them by insertion, and answers the middle one.
static void insertion_sort(struct machine *m, int32_t count) {
  enum { i, j, x };
  begin(m);
  emit_with(m, push, 0), emit_with(m, store, i);
  int fill = m->length;
  emit_with(m, load, i), emit_with(m, push, count), emit(m, less);
  int filled = emit_with(m, unless, 0);
  emit_with(m, load, i), emit_with(m, push, 7919), emit(m, mul), emit_with(m, push, 1009), emit(m, rem);
  emit_with(m, load, i), emit(m, put);
  emit_with(m, load, i), emit_with(m, push, 1), emit(m, add), emit_with(m, store, i), emit_with(m, jump, fill);
  land(m, filled);
  emit_with(m, push, 1), emit_with(m, store, i);
  int outer = m->length;
  emit_with(m, load, i), emit_with(m, push, count), emit(m, less);
  int done = emit_with(m, unless, 0);
  emit_with(m, load, i), emit(m, get), emit_with(m, store, x), emit_with(m, load, i), emit_with(m, store, j);
  int inner = m->length;
  emit_with(m, push, 0), emit_with(m, load, j), emit(m, less);
  int first = emit_with(m, unless, 0);
  emit_with(m, load, x), emit_with(m, load, j), emit_with(m, push, 1), emit(m, sub), emit(m, get), emit(m, less);
  int placed = emit_with(m, unless, 0);
  emit_with(m, load, j), emit_with(m, push, 1), emit(m, sub), emit(m, get), emit_with(m, load, j), emit(m, put);
  emit_with(m, load, j), emit_with(m, push, 1), emit(m, sub), emit_with(m, store, j), emit_with(m, jump, inner);
  land(m, first), land(m, placed);
  emit_with(m, load, x), emit_with(m, load, j), emit(m, put);
  emit_with(m, load, i), emit_with(m, push, 1), emit(m, add), emit_with(m, store, i), emit_with(m, jump, outer);
  land(m, done);
  emit_with(m, push, count / 2), emit(m, get), emit(m, halt);
}

int main(int argc, char **argv) {
  int32_t bound = (int32_t)size_of_run(argc, argv, 55000);
  struct machine *m = allocate(sizeof *m);
  collatz(m, bound);
  report("collatz", (uint64_t)run(m));
  primes(m, bound / 2);
  report("primes", (uint64_t)run(m));
  insertion_sort(m, bound < 10000 ? bound / 10 : 1000);
  report("median", (uint64_t)run(m));
  free(m);
}
