// Five bodies under their gravity, by small steps. The size is the number of thousand steps.
#include <math.h>
#include "bench.h"

enum { bodies = 5 };
static const double pi = 3.141592653589793, days = 365.24;

struct body {
  double x, y, z, vx, vy, vz, mass;
};

/// The sun and its four large planets; units are astronomical units, years and solar masses over 4 pi^2.
static struct body sky[bodies] = {
    {0, 0, 0, 0, 0, 0, 1},
    {4.84143144246472090, -1.16032004402742839, -0.103622044471123109, 1.66007664274403694e-3, 7.69901118419740425e-3,
     -6.90460016972063023e-5, 9.54791938424326609e-4},
    {8.34336671824457987, 4.12479856412430479, -0.403523417114321381, -2.76742510726411899e-3, 4.99852801234917238e-3,
     2.30417297573763929e-5, 2.85885980666130812e-4},
    {12.8943695621391310, -15.1111514016986312, -0.223307578892655734, 2.96460137564761618e-3, 2.37847173959480950e-3,
     -2.96589568540237556e-5, 4.36624404335156298e-5},
    {15.3796971148509165, -25.9193146099879641, 0.179258772950371181, 2.68067772490389322e-3, 1.62824170038242295e-3,
     -9.51592254519715870e-5, 5.15138902046611451e-5},
};

/// Brings the units together and the whole to rest.
static void settle(void) {
  double px = 0, py = 0, pz = 0;
  for (int i = 0; i < bodies; i++) {
    struct body *b = &sky[i];
    b->vx *= days, b->vy *= days, b->vz *= days, b->mass *= 4 * pi * pi;
    px += b->vx * b->mass, py += b->vy * b->mass, pz += b->vz * b->mass;
  }
  sky[0].vx = -px / sky[0].mass, sky[0].vy = -py / sky[0].mass, sky[0].vz = -pz / sky[0].mass;
}

static double energy(void) {
  double e = 0;
  for (int i = 0; i < bodies; i++) {
    const struct body *a = &sky[i];
    e += 0.5 * a->mass * (a->vx * a->vx + a->vy * a->vy + a->vz * a->vz);
    for (int j = i + 1; j < bodies; j++) {
      double dx = a->x - sky[j].x, dy = a->y - sky[j].y, dz = a->z - sky[j].z;
      e -= a->mass * sky[j].mass / sqrt(dx * dx + dy * dy + dz * dz);
    }
  }
  return e;
}

static void advance(double dt) {
  for (int i = 0; i < bodies; i++) {
    struct body *a = &sky[i];
    for (int j = i + 1; j < bodies; j++) {
      struct body *b = &sky[j];
      double dx = a->x - b->x, dy = a->y - b->y, dz = a->z - b->z;
      double square = dx * dx + dy * dy + dz * dz, force = dt / (square * sqrt(square));
      a->vx -= dx * b->mass * force, a->vy -= dy * b->mass * force, a->vz -= dz * b->mass * force;
      b->vx += dx * a->mass * force, b->vy += dy * a->mass * force, b->vz += dz * a->mass * force;
    }
  }
  for (int i = 0; i < bodies; i++) {
    struct body *b = &sky[i];
    b->x += dt * b->vx, b->y += dt * b->vy, b->z += dt * b->vz;
  }
}

int main(int argc, char **argv) {
  long steps = size_of_run(argc, argv, 600) * 1000;
  settle();
  report_double("before", energy());
  for (long i = 0; i < steps; i++) advance(0.01);
  report_double("after", energy());
}
