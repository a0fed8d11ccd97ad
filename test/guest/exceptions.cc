// C++ over the C library: exceptions through many frames and out of constructors, destructors on the way, RTTI, static
// objects, the standard containers.
#include "check.h"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <sstream>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

static int alive;
struct Counted {
  int value;
  explicit Counted(int v) : value(v) {
    if (v == 13) throw std::invalid_argument("thirteen");
    alive++;
  }
  Counted(const Counted &other) : value(other.value) { alive++; }
  ~Counted() { alive--; }
};

struct Base {
  virtual ~Base() {}
  virtual int what() const { return 1; }
};
struct Derived : Base {
  int what() const override { return 2; }
};

static std::string early = "constructed before main";

__attribute__((noinline)) static double deep(int n, double x) {
  Counted here(n + 100);
  if (n == 0) throw std::out_of_range("bottom");
  return deep(n - 1, x * 1.5) + here.value;
}

static void thrown() {
  for (int i = 0; i < 20; i++) {
    double kept = i * 2.5;
    try {
      deep(i * 10, 1);
      CHECK(false);
    } catch (const std::runtime_error &) {
      CHECK(false);
    } catch (const std::logic_error &e) {
      SAME(e.what(), "bottom");
    }
    CHECK(kept == i * 2.5);
    EQ(alive, 0);
  }
  try {
    std::vector<Counted> all;
    for (int i = 10;; i++) all.emplace_back(i);
  } catch (const std::invalid_argument &e) {
    SAME(e.what(), "thirteen");
  }
  EQ(alive, 0);
  try {
    try {
      throw 42;
    } catch (int &n) {
      n++;
      throw;
    }
  } catch (int n) {
    EQ(n, 43);
  }
  std::exception_ptr kept;
  try {
    (void)std::string("short").at(99);
  } catch (...) {
    kept = std::current_exception();
  }
  try {
    std::rethrow_exception(kept);
  } catch (const std::exception &e) {
    CHECK(std::string(e.what()).find("99") != std::string::npos);
  }
  // Out of a callback of C code.
  int numbers[] = {3, 1, 2};
  try {
    qsort(numbers, 3, sizeof(int), [](const void *, const void *) -> int { throw std::string("compared"); });
    CHECK(false);
  } catch (const std::string &s) {
    SAME(s.c_str(), "compared");
  }
  try {
    std::vector<char> huge;
    huge.reserve(huge.max_size());
  } catch (const std::bad_alloc &) {
  }
}

static void types() {
  std::unique_ptr<Base> b(new Derived);
  EQ(b->what(), 2);
  CHECK(dynamic_cast<Derived *>(b.get()) && typeid(*b) == typeid(Derived));
  Base plain;
  CHECK(dynamic_cast<Derived *>(&plain) == nullptr);
  try {
    (void)dynamic_cast<Derived &>(plain);
    CHECK(false);
  } catch (const std::bad_cast &) {
  }
}

static void containers() {
  std::map<std::string, int> ordered;
  std::unordered_map<int, std::string> hashed;
  for (int i = 0; i < 2000; i++) {
    ordered[std::to_string(i * 7919 % 2000)] = i;
    hashed[i] = std::to_string(i);
  }
  EQ(ordered.size(), 2000);
  EQ(ordered.begin()->second, 0);
  SAME(hashed[1234].c_str(), "1234");
  std::vector<int> v(1000);
  std::iota(v.begin(), v.end(), 0);
  std::reverse(v.begin(), v.end());
  std::sort(v.begin(), v.end());
  EQ(std::accumulate(v.begin(), v.end(), 0), 499500);
  std::function<int(int)> twice = [&v](int n) { return n * 2 + v[1]; };
  EQ(twice(4), 9);
  std::ostringstream out;
  out << "pi " << 3.14159 << ' ' << std::hex << 255;
  SAME(out.str().c_str(), "pi 3.14159 ff");
}

int main() {
  SAME(early.c_str(), "constructed before main");
  thrown();
  types();
  containers();
  return done();
}
