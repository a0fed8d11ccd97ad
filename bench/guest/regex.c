// Regular expressions two ways, which must agree: by backtracking over the pattern's text, and by a set of states that
// steps through the text once. Patterns have characters, ., classes [a-z], [^...], and the repeats * + ? after one of
// them; ^ and $ bind. The size is the number of thousand lines.
#include "bench.h"

enum { longest = 48 };

/// One element of a pattern: the characters that it takes, a bit each, and how often.
struct element {
  uint64_t takes[2];
  char repeat;
};

struct pattern {
  struct element elements[longest];
  int length, from_start, to_end;
};

static int takes(const struct element *e, unsigned char c) { return e->takes[c >> 6 & 1] >> (c & 63) & 1; }
static void allow(struct element *e, unsigned char c) { e->takes[c >> 6 & 1] |= (uint64_t)1 << (c & 63); }

static const char *compile_class(const char *p, struct element *e) {
  int inverse = *p == '^';
  for (p += inverse; *p != ']'; p++) {
    unsigned char last = (unsigned char)*p;
    if (p[1] == '-' && p[2] != ']') last = (unsigned char)p[2];
    for (unsigned c = (unsigned char)*p; c <= last; c++) allow(e, (unsigned char)c);
    if (last != (unsigned char)*p) p += 2;
  }
  if (inverse) e->takes[0] = ~e->takes[0], e->takes[1] = ~e->takes[1];
  return p + 1;
}

static void compile(const char *p, struct pattern *into) {
  memset(into, 0, sizeof *into);
  if (*p == '^') into->from_start = 1, p++;
  while (*p) {
    if (*p == '$' && p[1] == 0) {
      into->to_end = 1;
      break;
    }
    struct element *e = &into->elements[into->length++];
    if (*p == '.') e->takes[0] = e->takes[1] = ~(uint64_t)0, p++;
    else if (*p == '[') p = compile_class(p + 1, e);
    else {
      if (*p == '\\') p++;
      allow(e, (unsigned char)*p++);
    }
    if (*p == '*' || *p == '+' || *p == '?') e->repeat = *p++;
  }
}

static const char *match_here(const struct pattern *p, int at, const char *s);

/// As many as can be, then fewer.
static const char *match_repeat(const struct pattern *p, int at, const char *s, long least, long most) {
  long n = 0;
  while (n < most && s[n] != 0 && takes(&p->elements[at], (unsigned char)s[n])) n++;
  for (; n >= least; n--) {
    const char *end = match_here(p, at + 1, s + n);
    if (end != NULL) return end;
  }
  return NULL;
}

static const char *match_here(const struct pattern *p, int at, const char *s) {
  for (; at < p->length; at++, s++) {
    const struct element *e = &p->elements[at];
    switch (e->repeat) {
      case '*': return match_repeat(p, at, s, 0, INT32_MAX);
      case '+': return match_repeat(p, at, s, 1, INT32_MAX);
      case '?': return match_repeat(p, at, s, 0, 1);
    }
    if (*s == 0 || !takes(e, (unsigned char)*s)) return NULL;
  }
  return p->to_end && *s != 0 ? NULL : s;
}

/// Where the first match begins, by backtracking; -1 where there is none.
static long search(const struct pattern *p, const char *s) {
  for (const char *at = s;; at++) {
    if (match_here(p, 0, at) != NULL) return at - s;
    if (*at == 0 || p->from_start) return -1;
  }
}

/// States that are reached from those of a set without a character: what need not be there is passed over.
static uint64_t closure(const struct pattern *p, uint64_t states) {
  for (int i = 0; i < p->length; i++)
    if (states >> i & 1 && (p->elements[i].repeat == '*' || p->elements[i].repeat == '?')) states |= (uint64_t)2 << i;
  return states;
}

/// Whether there is a match, by the set of all states that the text so far can lead to.
static int simulate(const struct pattern *p, const char *s) {
  uint64_t end = (uint64_t)1 << p->length, states = closure(p, 1);
  for (;; s++) {
    if (states & end && (!p->to_end || *s == 0)) return 1;
    if (*s == 0) return 0;
    uint64_t next = 0;
    for (int i = 0; i < p->length; i++) {
      if (!(states >> i & 1) || !takes(&p->elements[i], (unsigned char)*s)) continue;
      next |= (uint64_t)2 << i;
      if (p->elements[i].repeat == '*' || p->elements[i].repeat == '+') next |= (uint64_t)1 << i;
    }
    states = closure(p, p->from_start ? next : next | 1);
  }
}

/// A line as of a log.
static void make_line(char *line, size_t room, long i) {
  static const char *const hosts[] = {"alpha.example.org", "beta-7.example", "10.0.0.12", "x"};
  static const char *const words[] = {"GET", "POST", "error:", "warning", "aaaaaaaaaaaaaaab", "timeout", "ok"};
  uint32_t r[6];
  random_list(r, 6, 60 * 24);
  int at = snprintf(line, room, "%s [%02u:%02u:%02u] ", hosts[r[0] % 4], r[1] % 24, r[2] % 60, r[3] % 60);
  for (unsigned n = 2 + random_below(4); n > 0; n--)
    at += snprintf(line + at, room - (size_t)at, "%s ", words[random_below(7)]);
  snprintf(line + at, room - (size_t)at, "/path/%u/file%ld.html %u", r[4] % 100, i, 200 + r[5] % 305);
}

int main(int argc, char **argv) {
  static const char *const sources[] = {
      "^[a-z0-9.-]+ \\[[0-9]+:[0-9]+:[0-5][05]\\]",
      "error: .*timeout",
      "a*a*a*b",
      "/path/[0-9]?[0-9]/.*\\.html [45]0[0-9]$",
      "[^ ]+\\.[a-z]+ .*warning.* ok",
      "x*[xyz]?q+$",
  };
  enum { patterns = sizeof sources / sizeof *sources };
  long lines = size_of_run(argc, argv, 14) * 1000;
  struct pattern compiled[patterns];
  for (int i = 0; i < patterns; i++) compile(sources[i], &compiled[i]);
  uint64_t sum = 0, matches[patterns] = {0};
  char line[256];
  for (long i = 0; i < lines; i++) {
    make_line(line, sizeof line, i);
    for (int k = 0; k < patterns; k++) {
      long at = search(&compiled[k], line);
      if ((at >= 0) != simulate(&compiled[k], line)) return 1;
      sum = mix_in(sum, (uint64_t)at);
      matches[k] += at >= 0;
    }
  }
  report("regex", sum);
  for (int k = 0; k < patterns; k++) report("matches", matches[k]);
}
