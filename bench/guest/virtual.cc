// Virtual calls: a scene of shapes of several classes, and expression trees that evaluate themselves.
// The size is the number of rounds.
#include "bench.h"

#include <memory>
#include <vector>

namespace {

using Value = int64_t;

class Shape {
 public:
  virtual ~Shape() = default;
  virtual Value area() const = 0;
  virtual Value perimeter() const = 0;
  virtual void scale(Value by) = 0;
};

class Rectangle : public Shape {
 public:
  Rectangle(Value width, Value height) : width(width), height(height) {}
  Value area() const override { return width * height; }
  Value perimeter() const override { return 2 * (width + height); }
  void scale(Value by) override { width = (width * by) & 0xffff, height = (height * by) & 0xffff; }

 private:
  Value width, height;
};

class Square final : public Rectangle {
 public:
  explicit Square(Value side) : Rectangle(side, side) {}
};

class Triangle final : public Shape {
 public:
  Triangle(Value base, Value height) : base(base), height(height) {}
  Value area() const override { return base * height / 2; }
  Value perimeter() const override { return base + 2 * height; }
  void scale(Value by) override { base = (base + by) & 0xffff; }

 private:
  Value base, height;
};

class Group final : public Shape {
 public:
  void add(std::unique_ptr<Shape> part) { parts.push_back(std::move(part)); }
  Value area() const override {
    Value sum = 0;
    for (const auto &part : parts) sum += part->area();
    return sum;
  }
  Value perimeter() const override {
    Value sum = 0;
    for (const auto &part : parts) sum ^= part->perimeter();
    return sum;
  }
  void scale(Value by) override {
    for (auto &part : parts) part->scale(by);
  }

 private:
  std::vector<std::unique_ptr<Shape>> parts;
};

class Expression {
 public:
  virtual ~Expression() = default;
  virtual Value evaluate(const Value *variables) const = 0;
};

class Constant final : public Expression {
 public:
  explicit Constant(Value value) : value(value) {}
  Value evaluate(const Value *) const override { return value; }

 private:
  Value value;
};

class Variable final : public Expression {
 public:
  explicit Variable(unsigned index) : index(index) {}
  Value evaluate(const Value *variables) const override { return variables[index]; }

 private:
  unsigned index;
};

using Operand = std::unique_ptr<Expression>;

template <typename Operation>
class Binary final : public Expression {
 public:
  Binary(Operand a, Operand b) : a(std::move(a)), b(std::move(b)) {}
  Value evaluate(const Value *variables) const override {
    return Operation()(a->evaluate(variables), b->evaluate(variables));
  }

 private:
  Operand a, b;
};

// Sums and products wrap around, which signed numbers must not.
struct Plus {
  Value operator()(Value a, Value b) const { return static_cast<Value>(uint64_t(a) + uint64_t(b)); }
};
struct Times {
  Value operator()(Value a, Value b) const { return static_cast<Value>(uint64_t(a) * uint64_t(b)); }
};
struct Either {
  Value operator()(Value a, Value b) const { return a ^ (b >> 3); }
};

std::unique_ptr<Shape> shape(int depth) {
  const Value width = 1 + random_below(100), height = 1 + random_below(100);
  switch (random_below(depth > 0 ? 4 : 3)) {
    case 0: return std::make_unique<Rectangle>(width, height);
    case 1: return std::make_unique<Square>(width);
    case 2: return std::make_unique<Triangle>(width, height);
  }
  auto group = std::make_unique<Group>();
  for (int i = 0; i < 6; i++) group->add(shape(depth - 1));
  return group;
}

Operand expression(int depth) {
  if (depth == 0) {
    if (random_below(3) == 0) return std::make_unique<Constant>(Value(random_below(1000)));
    return std::make_unique<Variable>(random_below(4));
  }
  Operand a = expression(depth - 1), b = expression(depth - 1);
  switch (random_below(3)) {
    case 0: return std::make_unique<Binary<Plus>>(std::move(a), std::move(b));
    case 1: return std::make_unique<Binary<Times>>(std::move(a), std::move(b));
    default: return std::make_unique<Binary<Either>>(std::move(a), std::move(b));
  }
}

}  // namespace

int main(int argc, char **argv) {
  long rounds = size_of_run(argc, argv, 2500);
  std::vector<std::unique_ptr<Shape>> scene;
  for (int i = 0; i < 1000; i++) scene.push_back(shape(3));
  Operand formula = expression(10);
  uint64_t sum = 0;
  for (long round = 0; round < rounds; round++) {
    for (const auto &s : scene) sum += static_cast<uint64_t>(s->area() ^ s->perimeter());
    scene[static_cast<std::size_t>(round) % scene.size()]->scale(round % 7 + 1);
    const Value variables[4] = {round, Value(sum & 0xff), 3, -round};
    sum = mix_in(sum, static_cast<uint64_t>(formula->evaluate(variables)));
  }
  report("virtual", sum);
}
