# A tour of Python: json, re, hashlib, decimal, struct, and what stands around them.
import bisect, collections, dataclasses, datetime, decimal, fractions, functools, hashlib, heapq, io, itertools, json
import math, operator, os, random, re, statistics, string, struct, sys, tempfile, textwrap, zlib, base64, binascii, array

def show(*values):
    print(*values)

# json
document = {"name": "sabre", "values": [1, 2.5, -3e-10, None, True], "nested": {"ü": "\u20ac", "empty": {}}, "big": 2**70}
text = json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False)
show(text)
assert json.loads(text) == document
try:
    json.loads('{"a": [1, 2,, 3]}')
except json.JSONDecodeError as e:
    show(e)
show(json.dumps([float("inf"), 1e22, 1 / 3, 0.1 + 0.2, 5e-324, 1.7976931348623157e308]))

# re
log = "\n".join(f"2024-{m:02}-{d:02} host{d % 3} GET /item/{m * d} {200 + (d % 5) * 100} {m * d * 37}ms" for m in range(1, 13) for d in range(1, 28, 5))
pattern = re.compile(r"^(?P<date>\d{4}-\d\d-\d\d) (?P<host>\w+) GET (?P<path>\S+) (?P<code>[2-5])00 (?P<ms>\d+)ms$", re.M)
totals = collections.defaultdict(list)
for match in pattern.finditer(log):
    totals[match["host"], match["code"]].append(int(match["ms"]))
for key, values in sorted(totals.items()):
    show(key, len(values), sum(values), statistics.mean(values), statistics.median(values))
show(re.sub(r"(\w+) (\w+)", r"\2 \1", "hello world again here"), re.split(r"[,;]\s*", "a, b;c,d"))
show(re.findall(r"(?i)\b[aeiou]\w*", "An apple under Every oak is Ugly"), re.fullmatch(r"(a+)+b", "a" * 18 + "b") is not None)

# hashlib, zlib, base64
data = bytes(range(256)) * 40
for name in ["md5", "sha1", "sha256", "sha512", "sha3_256", "blake2b", "blake2s"]:
    show(name, hashlib.new(name, data).hexdigest())
show(hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 200).hex())
packed = zlib.compress(data, 9)
show(len(packed) < len(data), zlib.crc32(data), zlib.adler32(data), zlib.decompress(packed) == data)
show(base64.b64encode(data[:20]), binascii.hexlify(data[-5:]))

# decimal, fractions
decimal.getcontext().prec = 60
show(decimal.Decimal(2).sqrt(), decimal.Decimal(1) / 7, decimal.Decimal("1e-20").ln())
with decimal.localcontext() as context:
    for rounding in [decimal.ROUND_UP, decimal.ROUND_DOWN, decimal.ROUND_HALF_EVEN, decimal.ROUND_CEILING]:
        context.rounding = rounding
        show(rounding, [str(decimal.Decimal(v).quantize(decimal.Decimal("0.1"))) for v in ["2.25", "2.35", "-2.25", "-2.31"]])
pi = decimal.Decimal(0)
for k in range(40):
    k8 = 8 * k
    pi += (decimal.Decimal(4) / (k8 + 1) - decimal.Decimal(2) / (k8 + 4) - decimal.Decimal(1) / (k8 + 5) - decimal.Decimal(1) / (k8 + 6)) / 16**k
show(pi)
show(sum(fractions.Fraction(1, n) for n in range(1, 30)))

# struct, array
record = struct.Struct("<bBhHiIqQfd8s?")
packed = record.pack(-1, 255, -2, 65535, -3, 4294967295, -4, 2**64 - 1, 1.5, -math.pi, b"bytes", True)
show(packed.hex(), record.unpack(packed))
show(struct.unpack(">e", struct.pack(">e", 0.333)), struct.calcsize("@iqb"), array.array("d", [1, 2, 3]).tobytes().hex())

# numbers
show(2**200, -7 // 2, -7 % 3, divmod(-7, 3), round(2.5), round(-0.5), 10**30 % 10**9 + 7, pow(3, 1000, 10**9 + 7), math.isqrt(10**40))
show(math.factorial(60), math.gcd(2**60, 6**30), math.comb(100, 50), hex(12345678901234567890), int("zz", 36), f"{1234567.891:,.2f}")
for value in [0.1, 1e16, 1e-5, 123456789.123456789, 2.0**0.5, 1 / 3, -0.0, 1e308 * 10, 5e-324]:
    show(repr(value), value.hex(), f"{value:.3e}", f"{value:10.4f}" if abs(value) < 1e20 else "-")
for function in [math.sin, math.cos, math.tan, math.exp, math.log, math.atan, math.sinh, math.erf, math.gamma, math.log1p, math.expm1, math.cbrt]:
    show(function.__name__, [f"{function(v):.15g}" for v in (0.5, 1.0, 2.5, 10.0)])
show(math.fsum([0.1] * 10), sum([0.1] * 10), math.hypot(3, 4), math.copysign(1, -0.0), math.nextafter(1, 2), math.fmod(-7, 3), math.frexp(10), complex(1, 2) ** 3)

# collections, itertools, functools
random.seed(12345)
words = [random.choice(["alpha", "beta", "gamma", "delta", "epsilon"]) for _ in range(500)]
show(collections.Counter(words).most_common(), random.random(), random.gauss(0, 1), random.sample(range(100), 10))
show(list(itertools.islice(itertools.permutations("abcd", 3), 5)), list(itertools.accumulate(range(10), operator.mul, initial=1))[:4])
show([(k, len(list(g))) for k, g in itertools.groupby(sorted(words))])
@functools.lru_cache(maxsize=None)
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)
show(fib(300), fib.cache_info())
heap = []
for v in random.sample(range(1000), 50):
    heapq.heappush(heap, v)
show([heapq.heappop(heap) for _ in range(15)], bisect.bisect([1, 3, 5, 7], 4))

# classes, generators, exceptions
@dataclasses.dataclass(order=True, frozen=True)
class Point:
    x: float
    y: float = 0.0
    def __add__(self, other):
        return Point(self.x + other.x, self.y + other.y)
show(Point(1) + Point(2, 3), sorted([Point(3, 1), Point(1, 2), Point(1, 1)]), dataclasses.asdict(Point(5)))
try:
    Point(1).x = 3
except dataclasses.FrozenInstanceError as e:
    show(type(e).__name__, e)
def numbers():
    total = 0
    while True:
        value = yield total
        if value is None:
            return "sum", total
        total += value
g = numbers()
next(g)
show([g.send(v) for v in (1, 2, 3)])
try:
    g.send(None)
except StopIteration as e:
    show(e.value)
try:
    try:
        {}["missing"]
    except KeyError as e:
        raise ValueError("wrapped") from e
except ValueError as e:
    show(repr(e), repr(e.__cause__))
def deep(n):
    return 0 if n == 0 else 1 + deep(n - 1)
show(deep(900))
try:
    deep(100000)
except RecursionError as e:
    show(type(e).__name__)
match {"kind": "circle", "r": 2}:
    case {"kind": "circle", "r": r}:
        show("circle", math.pi * r**2)

# files and time
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "data.txt")
    with open(path, "w", encoding="utf-8") as f:
        f.writelines(f"{i}:{chr(0x3b1 + i % 24)}\n" for i in range(1000))
    with open(path, "rb") as f:
        f.seek(-20, os.SEEK_END)
        show(f.read(), os.path.getsize(path), sorted(os.listdir(folder)))
    os.rename(path, path + ".old")
    show(os.path.exists(path), os.stat(path + ".old").st_size)
    try:
        open(path)
    except OSError as e:
        show(e.errno, e.strerror)
moment = datetime.datetime(2024, 2, 29, 12, 34, 56, tzinfo=datetime.timezone.utc)
show(moment.isoformat(), moment + datetime.timedelta(days=366, seconds=5), moment.strftime("%A %d %B %Y %j"), moment.timestamp())
show(textwrap.fill("the quick brown fox jumps over the lazy dog " * 4, 50))
show(io.StringIO("a\nb\nc").readlines(), string.capwords("hello there world"), "straße".upper(), "ǅ".lower().encode(), "%s|%5d|%-5s|%05.1f" % ("x", 42, "ab", 3.14159))
show(sys.byteorder, sys.maxsize, sys.platform, os.environ.get("TOUR"))
sys.exit(7)
