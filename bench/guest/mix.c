// The everyday integer work of small programs, a piece of each in turn: linked lists are searched, reversed and merge
// sorted, small matrices of 16-bit numbers multiplied, text scanned by a state machine, and all results put through a
// bitwise CRC. The size is the number of turns.
#include "bench.h"

struct item {
  struct item *next;
  int16_t key, value;
};

enum { items = 400, order = 12 };

static uint16_t crc16(uint16_t crc, uint32_t value) {
  for (int i = 0; i < 16; i++, value >>= 1) {
    int carry = (crc ^ value) & 1;
    crc >>= 1;
    if (carry) crc ^= 0xa001;
  }
  return crc;
}

static struct item *reverse(struct item *list) {
  struct item *done = NULL;
  while (list != NULL) {
    struct item *next = list->next;
    list->next = done;
    done = list;
    list = next;
  }
  return done;
}

static const struct item *find(const struct item *list, int key) {
  while (list != NULL && list->key != key) list = list->next;
  return list;
}

static struct item *merge(struct item *a, struct item *b) {
  struct item *head = NULL, **tail = &head;
  while (a != NULL && b != NULL) {
    struct item **smaller = a->key <= b->key ? &a : &b;
    *tail = *smaller;
    tail = &(*tail)->next;
    *smaller = *tail;
  }
  *tail = a != NULL ? a : b;
  return head;
}

/// Merge sort by runs that wait in `pending`, where run i has 2^i items.
static struct item *sort(struct item *list) {
  struct item *pending[16] = {0}, *sorted = NULL;
  while (list != NULL) {
    struct item *run = list;
    list = list->next;
    run->next = NULL;
    int i = 0;
    for (; pending[i] != NULL; i++) {
      run = merge(pending[i], run);
      pending[i] = NULL;
    }
    pending[i] = run;
  }
  for (int i = 0; i < 16; i++) sorted = merge(pending[i], sorted);
  return sorted;
}

static uint16_t list_work(struct item *pool, int turn, uint16_t crc) {
  struct item *list = NULL;
  for (int i = 0; i < items; i++) {
    pool[i] = (struct item){list, (int16_t)((i * 7919 + turn * 31) & 0x3ff), (int16_t)i};
    list = &pool[i];
  }
  for (int i = 0; i < 40; i++) {
    const struct item *found = find(list, (i * 53 + turn) & 0x3ff);
    list = reverse(list);
    crc = crc16(crc, found != NULL ? (uint16_t)found->value : 0xffff);
  }
  for (const struct item *i = list = sort(list); i != NULL; i = i->next) crc = crc16(crc, (uint16_t)i->key);
  return crc;
}

static uint16_t matrix_work(int turn, uint16_t crc) {
  static int16_t a[order][order], b[order][order];
  static int32_t product[order][order];
  for (int i = 0; i < order; i++)
    for (int j = 0; j < order; j++) {
      a[i][j] = (int16_t)(i * 17 - j * 5 + turn);
      b[i][j] = (int16_t)((i ^ j) * 3 - turn);
    }
  for (int i = 0; i < order; i++)
    for (int j = 0; j < order; j++) {
      int32_t sum = 0;
      for (int k = 0; k < order; k++) sum += a[i][k] * b[k][j];
      product[i][j] = sum;
    }
  for (int i = 0; i < order; i++) crc = crc16(crc, (uint32_t)product[i][(i * 5) % order]);
  return crc;
}

enum state { start, sign, integer, point, fraction, exponent, exponent_sign, scientific, invalid, states };

/// The state after one more character of a number.
static enum state step(enum state s, char c) {
  int digit = c >= '0' && c <= '9';
  switch (s) {
    case start:
      if (c == '+' || c == '-') return sign;
      return digit ? integer : c == '.' ? point : invalid;
    case sign: return digit ? integer : c == '.' ? point : invalid;
    case integer: return digit ? integer : c == '.' ? fraction : c == 'e' ? exponent : invalid;
    case point: return digit ? fraction : invalid;
    case fraction: return digit ? fraction : c == 'e' ? exponent : invalid;
    case exponent:
      if (c == '+' || c == '-') return exponent_sign;
      return digit ? scientific : invalid;
    case exponent_sign: return digit ? scientific : invalid;
    case scientific: return digit ? scientific : invalid;
    default: return invalid;
  }
}

static uint16_t state_work(char *text, size_t length, int turn, uint16_t crc) {
  unsigned ends[states] = {0}, passes[states] = {0};
  text[(unsigned)turn * 13 % length] ^= 1;
  enum state s = start;
  for (size_t i = 0; i < length; i++)
    if (text[i] == ',') {
      ends[s]++;
      s = start;
    } else {
      s = step(s, text[i]);
      passes[s]++;
    }
  for (int i = 0; i < states; i++) crc = crc16(crc16(crc, ends[i]), passes[i]);
  return crc;
}

int main(int argc, char **argv) {
  long turns = size_of_run(argc, argv, 11000);
  char text[] = "5012,1234,-874,+122,35.54400,.1234500,-110.700,+0.64400,5.500e+3,-.123e-2,-87e+832,+0.6e-12,T0.3e-1F,"
                "-T.T++Tq,1T3.4e4z,34.0e-T^,8,-3,.5,+.,1e,e1,77777777,0.00000001,1e-5,-1e+55,12,14,3.14159,2.71828,";
  struct item *pool = allocate(items * sizeof *pool);
  uint16_t crc = 0;
  for (long turn = 0; turn < turns; turn++) {
    crc = list_work(pool, (int)turn, crc);
    crc = matrix_work((int)turn, crc);
    for (int i = 0; i < 8; i++) crc = state_work(text, sizeof text - 1, (int)turn + i, crc);
  }
  free(pool);
  report("mix", crc);
}
