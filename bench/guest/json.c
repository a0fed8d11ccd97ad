// A JSON document is made, parsed into a tree by recursive descent, changed and written out again, which must read back
// as the same. The size is the number of documents.
#include "bench.h"

enum kind { null, boolean, number, string, array, object };

/// A value; those of arrays and objects are a list, in order, and those of objects have a key.
struct value {
  enum kind kind;
  struct value *next, *first;
  char *key, *text;
  double number;
};

struct text {
  char *data;
  size_t length, room;
};

/// Memory that is given back all at once.
static struct {
  char *data;
  size_t used, room;
} arena;

static void *take(size_t bytes) {
  size_t at = arena.used;
  arena.used = at + ((bytes + 15) & ~(size_t)15);
  if (arena.used > arena.room) {
    fprintf(stderr, "the document is too large\n");
    exit(1);
  }
  return arena.data + at;
}

static void put(struct text *t, char c) {
  if (t->length == t->room && (t->data = realloc(t->data, t->room = t->room * 2 + 64)) == NULL) exit(1);
  t->data[t->length++] = c;
}

static void put_all(struct text *t, const char *s) {
  while (*s) put(t, *s++);
}

static void put_string(struct text *t, const char *s) {
  put(t, '"');
  for (; *s; s++) {
    if (*s == '"' || *s == '\\') put(t, '\\');
    if (*s == '\n') put_all(t, "\\n");
    else put(t, *s);
  }
  put(t, '"');
}

static void fail(const char *at) {
  fprintf(stderr, "not JSON: %.20s\n", at);
  exit(1);
}

static const char *space(const char *s) {
  while (*s == ' ' || *s == '\n' || *s == '\t' || *s == '\r') s++;
  return s;
}

static int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : 0;
}

/// Reads a string after its quotation mark. \u escapes below 128 only are in these documents.
static const char *parse_string(const char *s, char **into) {
  const char *end = s;
  while (*end && *end != '"') end += *end == '\\' ? 2 : 1;
  char *out = *into = take((size_t)(end - s) + 1);
  while (*s != '"') {
    if (*s == 0) fail(s);
    if (*s != '\\') {
      *out++ = *s++;
      continue;
    }
    s += 2;
    switch (s[-1]) {
      case 'n': *out++ = '\n'; break;
      case 't': *out++ = '\t'; break;
      case 'u':
        *out++ = (char)(hex(s[2]) << 4 | hex(s[3]));
        s += 4;
        break;
      default: *out++ = s[-1];
    }
  }
  *out = 0;
  return s + 1;
}

/// Reads digits, a fraction and an exponent.
static const char *parse_number(const char *s, double *into) {
  int negative = *s == '-', scale = 0;
  double n = 0;
  for (s += negative; *s >= '0' && *s <= '9'; s++) n = n * 10 + (*s - '0');
  if (*s == '.')
    for (s++; *s >= '0' && *s <= '9'; s++, scale--) n = n * 10 + (*s - '0');
  if (*s == 'e' || *s == 'E') {
    int down = s[1] == '-', exponent = 0;
    for (s += s[1] == '-' || s[1] == '+' ? 2 : 1; *s >= '0' && *s <= '9'; s++) exponent = exponent * 10 + (*s - '0');
    scale += down ? -exponent : exponent;
  }
  double power = 1;
  for (int i = scale < 0 ? -scale : scale; i > 0; i--) power *= 10;
  n = scale < 0 ? n / power : n * power;
  *into = negative ? -n : n;
  return s;
}

static const char *parse(const char *s, struct value **into);

/// Reads the parts of an array or object, after its bracket.
static const char *parse_parts(const char *s, struct value *whole, char close) {
  struct value **last = &whole->first;
  s = space(s);
  if (*s == close) return s + 1;
  for (;;) {
    char *key = NULL;
    if (whole->kind == object) {
      s = space(s);
      if (*s != '"') fail(s);
      s = space(parse_string(s + 1, &key));
      if (*s++ != ':') fail(s);
    }
    s = space(parse(s, last));
    (*last)->key = key;
    last = &(*last)->next;
    if (*s == close) return s + 1;
    if (*s++ != ',') fail(s);
  }
}

static const char *parse(const char *s, struct value **into) {
  struct value *v = *into = take(sizeof *v);
  memset(v, 0, sizeof *v);
  s = space(s);
  switch (*s) {
    case '{': v->kind = object; return parse_parts(s + 1, v, '}');
    case '[': v->kind = array; return parse_parts(s + 1, v, ']');
    case '"': v->kind = string; return parse_string(s + 1, &v->text);
    case 't': v->kind = boolean, v->number = 1; return s + 4;
    case 'f': v->kind = boolean; return s + 5;
    case 'n': return s + 4;
    default:
      if (*s != '-' && (*s < '0' || *s > '9')) fail(s);
      v->kind = number;
      return parse_number(s, &v->number);
  }
}

/// Numbers in these documents have at most three places.
static void write_number(struct text *t, double n) {
  long thousandths = (long)(n * 1000 + (n < 0 ? -0.5 : 0.5));
  char digits[32];
  int at = sizeof digits;
  digits[--at] = 0;
  unsigned long left = (unsigned long)(thousandths < 0 ? -thousandths : thousandths);
  for (int i = 0; i < 4 || left != 0; i++, left /= 10) {
    if (i == 3) digits[--at] = '.';
    digits[--at] = (char)('0' + left % 10);
  }
  if (thousandths < 0) put(t, '-');
  put_all(t, digits + at);
}

static void write(struct text *t, const struct value *v) {
  switch (v->kind) {
    case null: put_all(t, "null"); return;
    case boolean: put_all(t, v->number != 0 ? "true" : "false"); return;
    case number: write_number(t, v->number); return;
    case string: put_string(t, v->text); return;
    default: put(t, v->kind == array ? '[' : '{');
  }
  for (const struct value *part = v->first; part != NULL; part = part->next) {
    if (part->key != NULL) {
      put_string(t, part->key);
      put(t, ':');
    }
    write(t, part);
    if (part->next != NULL) put(t, ',');
  }
  put(t, v->kind == array ? ']' : '}');
}

static const struct value *member(const struct value *v, const char *key) {
  const struct value *part = v->first;
  while (part != NULL && strcmp(part->key, key) != 0) part = part->next;
  return part;
}

/// A list of people, with spaces, escapes and nested parts.
static void make_document(struct text *t, int people) {
  static const char *const names[] = {"Ada", "Bela \\\"B\\\"", "C\\u0068loe", "Dov\\n", "Eve"};
  char line[400];
  t->length = 0;
  put_all(t, "{ \"people\": [\n");
  for (int i = 0; i < people; i++) {
    uint32_t r[7];
    random_list(r, 7, 1000);
    snprintf(line, sizeof line,
             "  { \"name\": \"%s\", \"id\": %d, \"score\": %s%u.%03u, \"tags\": [\"a%u\", \"b\", null, %s],\n"
             "    \"place\": { \"x\": %u, \"y\": -%u.5e1, \"near\": [[1, 2], [], {}] }, \"on\": true }%s\n",
             names[r[0] % 5], i, r[1] % 2 ? "-" : "", r[2], r[3], r[4], r[4] % 2 ? "true" : "false", r[5], r[6],
             i + 1 < people ? "," : "");
    put_all(t, line);
  }
  put_all(t, "], \"count\": 0 }");
  put(t, 0);
}

int main(int argc, char **argv) {
  long documents = size_of_run(argc, argv, 120);
  struct text source = {0}, first = {0}, second = {0};
  arena.data = allocate(arena.room = 16 << 20);
  uint64_t sum = 0;
  for (long i = 0; i < documents; i++) {
    if (i % 8 == 0) make_document(&source, 700);
    arena.used = 0;
    struct value *v, *again;
    parse(source.data, &v);
    double ids = 0, score = 0;
    for (const struct value *p = member(v, "people")->first; p != NULL; p = p->next) {
      ids += member(p, "id")->number;
      score += member(member(p, "place"), "x")->number;
    }
    first.length = second.length = 0;
    write(&first, v);
    put(&first, 0);
    parse(first.data, &again);
    write(&second, again);
    put(&second, 0);
    if (strcmp(first.data, second.data) != 0) return 1;
    sum = mix_in(checksum(sum, first.data, first.length), (uint64_t)(ids + score));
  }
  report("json", sum);
  free(arena.data), free(source.data), free(first.data), free(second.data);
}
