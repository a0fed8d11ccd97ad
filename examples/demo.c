// The guest of `bun run demo`: traces rays through a small scene (two sabres that clash behind a chrome ball) and prints
// the picture with terminal colours. Freestanding: no C library, three system calls, everything else is rv64gc
// instructions, most of them double-precision floating point. The picture depends on the size and colours of the
// terminal only.

typedef unsigned char u8;
typedef struct {
  double x, y, z;
} vec;

// The kernel.

enum { sys_ioctl = 29, sys_write = 64, sys_exit_group = 94, TIOCGWINSZ = 0x5413 };

static long syscall3(long number, long a, long b, long c) {
  register long a0 __asm__("a0") = a;
  register long a1 __asm__("a1") = b;
  register long a2 __asm__("a2") = c;
  register long a7 __asm__("a7") = number;
  __asm__ volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a7) : "memory");
  return a0;
}

// The compiler copies structures with it.
void *memcpy(void *to, const void *from, unsigned long n) {
  for (unsigned long i = 0; i < n; i++) ((u8 *)to)[i] = ((const u8 *)from)[i];
  return to;
}

static char buffer[16384];
static int used;

static void flush(void) {
  for (int at = 0; at < used;) {
    long n = syscall3(sys_write, 1, (long)(buffer + at), used - at);
    if (n <= 0) syscall3(sys_exit_group, 1, 0, 0);
    at += n;
  }
  used = 0;
}

static void put(const char *text) {
  while (*text) buffer[used++] = *text++;
}

static void put_number(int n) {
  if (n >= 10) put_number(n / 10);
  buffer[used++] = '0' + n % 10;
}

// Vectors.

#define inline inline __attribute__((always_inline))
static inline vec v(double x, double y, double z) { return (vec){x, y, z}; }
static inline vec add(vec a, vec b) { return v(a.x + b.x, a.y + b.y, a.z + b.z); }
static inline vec sub(vec a, vec b) { return v(a.x - b.x, a.y - b.y, a.z - b.z); }
static inline vec scale(vec a, double k) { return v(a.x * k, a.y * k, a.z * k); }
static inline vec times(vec a, vec b) { return v(a.x * b.x, a.y * b.y, a.z * b.z); }
static inline double dot(vec a, vec b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
static inline vec unit(vec a) { return scale(a, 1 / __builtin_sqrt(dot(a, a))); }
static inline double clamp(double k) { return k < 0 ? 0 : k > 1 ? 1 : k; }

// The scene: a floor at y = 0, balls, and sabres, which are also the lights.

static const struct {
  vec centre;
  double radius;
  vec colour;
  double mirror;
} balls[] = {
    {{0, 1.3, 2}, 1.3, {0.95, 0.95, 1}, 0.85},
    {{-1.15, 0.35, -1.0}, 0.35, {1, 0.7, 0.2}, 0.3},
    {{1.0, 0.28, -1.3}, 0.28, {0.4, 1, 0.5}, 0.15},
};
enum { ball_count = sizeof balls / sizeof *balls };

static const struct {
  vec hilt, grip, from, along, colour;
} sabres[] = {
    {{-2.56, 0.4, -0.52}, {0.5, 0.32, 0.08}, {-2.06, 0.72, -0.44}, {3.4, 2.18, 0.54}, {1, 0.13, 0.08}},
    {{2.56, 0.4, -0.48}, {-0.5, 0.32, 0.07}, {2.06, 0.72, -0.41}, {-3.4, 2.18, 0.46}, {0.12, 0.38, 1}},
};
enum { sabre_count = sizeof sabres / sizeof *sabres };
static const double blade_radius = 0.055, hilt_radius = 0.085;
static const vec clash = {0, 2.04, -0.13};
static const double far = 1e9;

// Distance along the ray to a ball, or `far`. `d` has length 1.
static double hit_ball(int i, vec o, vec d) {
  vec to = sub(balls[i].centre, o);
  double b = dot(to, d);
  double c = b * b - dot(to, to) + balls[i].radius * balls[i].radius;
  if (c < 0) return far;
  double t = b - __builtin_sqrt(c);
  return t > 1e-4 ? t : far;
}

// Where on the line from `from` along `s` (0..1) and how far along the ray the two come closest; gives the square of
// their distance there.
static double closest(vec from, vec s, vec o, vec d, double limit, double *on_line, double *on_ray) {
  vec w = sub(o, from);
  double b = dot(d, s), c = dot(s, s), e = dot(s, w);
  double k = clamp((e - b * dot(d, w)) / (c - b * b));
  double t = dot(d, sub(scale(s, k), w));
  if (t < 0) t = 0;
  if (t > limit) {
    t = limit;
    k = clamp((e + b * t) / c);
  }
  vec gap = sub(add(w, scale(d, t)), scale(s, k));
  *on_line = k;
  *on_ray = t;
  return dot(gap, gap);
}

// Light that reaches point p with normal n: each blade shines from a few of its points, so its shadows are soft.
static vec light(vec p, vec n) {
  vec sum = v(0.035, 0.035, 0.05);
  for (int i = 0; i < sabre_count; i++)
    for (int sample = 0; sample < 4; sample++) {
      vec to = sub(add(sabres[i].from, scale(sabres[i].along, 0.125 + 0.25 * sample)), p);
      double square = dot(to, to);
      vec d = scale(to, 1 / __builtin_sqrt(square));
      double facing = dot(n, d);
      if (facing <= 0) continue;
      int shadow = 0;
      for (int j = 0; j < ball_count && !shadow; j++) {
        double t = hit_ball(j, p, d);
        shadow = t * t < square;
      }
      if (!shadow) sum = add(sum, scale(sabres[i].colour, 1.3 * facing / (0.3 + square)));
    }
  return sum;
}

static vec sky(vec d) {
  double up = clamp(d.y);
  return v(0.012 + 0.03 * (1 - up), 0.012 + 0.015 * (1 - up), 0.035 + 0.04 * (1 - up));
}

// The colour that a ray sees.
static vec trace(vec o, vec d) {
  vec seen = v(0, 0, 0), weight = v(1, 1, 1);
  for (int depth = 0; depth < 3; depth++) {
    double t = far, mirror = 0;
    vec n = v(0, 1, 0), colour = v(0, 0, 0);
    if (d.y < -1e-6) {
      t = -o.y / d.y;
      vec p = add(o, scale(d, t));
      int odd = ((long)(p.x + 1000) ^ (long)(p.z + 1000)) & 1;
      double k = odd ? 0.9 : 0.25;
      colour = v(k, k, k);
      mirror = 0.12;
    }
    for (int i = 0; i < ball_count; i++) {
      double ball = hit_ball(i, o, d);
      if (ball < t) {
        t = ball;
        n = scale(sub(add(o, scale(d, t)), balls[i].centre), 1 / balls[i].radius);
        colour = balls[i].colour;
        mirror = balls[i].mirror;
      }
    }
    vec glow = v(0, 0, 0);
    for (int i = 0; i < sabre_count; i++) {
      double k, at;
      if (closest(sabres[i].hilt, sabres[i].grip, o, d, t, &k, &at) < hilt_radius * hilt_radius && at < t) {
        t = at;
        n = unit(sub(add(o, scale(d, at)), add(sabres[i].hilt, scale(sabres[i].grip, k + 0.05))));
        double ring = (long)(k * 8) & 1 ? 0.15 : 0.6;
        colour = v(ring, ring, ring);
        glow = scale(colour, 0.3);
        mirror = 0.2;
      }
    }
    for (int i = 0; i < sabre_count; i++) {
      double k, at;
      double square = closest(sabres[i].from, sabres[i].along, o, d, t, &k, &at);
      double r = square / (blade_radius * blade_radius), core = 1.6 / (1 + r * r);
      glow = add(glow, add(scale(sabres[i].colour, 0.8 / (1 + 0.12 * r)), v(core, core, core)));
    }
    vec to = sub(clash, o);
    double along = dot(to, d);
    if (along > 0 && along < t) {
      double spark = 0.035 / (0.004 + dot(to, to) - along * along);
      glow = add(glow, scale(v(1, 0.95, 0.9), spark * 0.3));
    }
    seen = add(seen, times(weight, glow));
    if (t > 60) return add(seen, times(weight, sky(d)));
    vec p = add(add(o, scale(d, t)), scale(n, 1e-4));
    vec here = scale(times(colour, light(p, n)), 1 - mirror);
    double haze = clamp(t / 40);
    seen = add(seen, times(weight, add(scale(here, 1 - haze), scale(sky(d), haze))));
    weight = scale(times(weight, colour), mirror * (1 - haze));
    d = sub(d, scale(n, 2 * dot(n, d)));
    o = p;
  }
  return seen;
}

// A light's brightness on a screen, 0..1: a curve that keeps bright things from clipping, then the screen's own.
static double tone(double k) {
  k = clamp(1.25 * k / (0.5 + k));
  return __builtin_sqrt(k * __builtin_sqrt(k));
}

// The colour of a pixel, 0..1 each, from four rays.
static vec pixel(int x, int y, int width, int height) {
  vec sum = v(0, 0, 0);
  for (int i = 0; i < 4; i++) {
    double px = (x + 0.25 + 0.5 * (i & 1) - 0.5 * width) / width;
    double py = (0.5 * height - y - 0.25 - 0.5 * (i >> 1)) / width;
    vec d = unit(v(px * 1.15, py * 1.15 - 0.065, 1));
    sum = add(sum, trace(v(0, 1.85, -6.2), d));
  }
  sum = scale(sum, 0.25);
  return v(tone(sum.x), tone(sum.y), tone(sum.z));
}

// Output.

enum mode { ascii, colours256, colours24 };

static void put_colour(enum mode mode, int ground, vec c) {
  put("\033[");
  put_number(ground);
  if (mode == colours24) {
    put(";2;");
    put_number((int)(c.x * 255));
    put(";");
    put_number((int)(c.y * 255));
    put(";");
    put_number((int)(c.z * 255));
  } else {
    put(";5;");
    put_number(16 + 36 * (int)(c.x * 5 + 0.5) + 6 * (int)(c.y * 5 + 0.5) + (int)(c.z * 5 + 0.5));
  }
  put("m");
}

static void draw(int columns, int rows, enum mode mode) {
  for (int row = 0; row < rows; row++) {
    for (int x = 0; x < columns; x++) {
      vec top = pixel(x, 2 * row, columns, 2 * rows);
      vec bottom = pixel(x, 2 * row + 1, columns, 2 * rows);
      if (mode == ascii) {
        vec sum = add(top, bottom);
        double grey = (0.3 * sum.x + 0.5 * sum.y + 0.2 * sum.z) / 2;
        buffer[used++] = " .,:;=+*xX#%@@"[(int)(clamp(grey * 1.15 - 0.1) * 13)];
      } else {
        put_colour(mode, 38, top);
        put_colour(mode, 48, bottom);
        put("\xe2\x96\x80"); // upper half block
      }
    }
    put(mode == ascii ? "\n" : "\033[0m\n");
    flush();
  }
}

// Whether a variable of the environment begins with `name`, which ends in `=`; then its value.
static const char *variable(char **env, const char *name) {
  for (; *env; env++) {
    int i = 0;
    while (name[i] && (*env)[i] == name[i]) i++;
    if (!name[i]) return *env + i;
  }
  return 0;
}

__attribute__((used)) static void start(long *stack) {
  char **env = (char **)(stack + 1 + stack[0] + 1);
  unsigned short window[4] = {0, 0, 0, 0}; // rows, columns, and the same in pixels
  int terminal = syscall3(sys_ioctl, 1, TIOCGWINSZ, (long)window) == 0;
  int columns = window[1] == 0 ? 80 : window[1] > 132 ? 132 : window[1];
  int rows = columns * 3 / 10;
  if (window[0] > 12 && rows > window[0] - 8) rows = window[0] - 8;

  const char *depth = variable(env, "COLORTERM="), *none = variable(env, "NO_COLOR="), *force = variable(env, "FORCE_COLOR=");
  enum mode mode = depth && (depth[0] == 't' || depth[0] == '2') ? colours24 : colours256;
  if ((none && *none) || (!terminal && !force)) mode = ascii;
  draw(columns, rows, mode);
  syscall3(sys_exit_group, 0, 0, 0);
}

__asm__(".globl _start\n_start:\n"
        ".option push\n.option norelax\nla gp, __global_pointer$\n.option pop\n"
        "mv a0, sp\nandi sp, sp, -16\ncall start\n");
