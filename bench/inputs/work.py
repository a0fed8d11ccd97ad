# Classes, dictionaries, generators, strings, sorting, big integers, JSON and regular expressions, as scripts use them.
# The argument is how often.
import collections
import json
import re
import sys


class Node:
    __slots__ = ("key", "left", "right")

    def __init__(self, key):
        self.key = key
        self.left = self.right = None

    def insert(self, key):
        node = self
        while True:
            side = "left" if key < node.key else "right"
            below = getattr(node, side)
            if below is None:
                setattr(node, side, Node(key))
                return
            node = below

    def __iter__(self):
        if self.left:
            yield from self.left
        yield self.key
        if self.right:
            yield from self.right


def numbers(count, seed=1):
    for _ in range(count):
        seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF
        yield seed >> 8


def tree(count):
    root = Node(1 << 22)
    for n in numbers(count):
        root.insert(n)
    return sum(i * key for i, key in enumerate(root)) % 1000003


def queens(size, row=0, columns=frozenset(), left=frozenset(), right=frozenset()):
    if row == size:
        return 1
    return sum(
        queens(size, row + 1, columns | {c}, left | {row + c}, right | {row - c})
        for c in range(size)
        if c not in columns and row + c not in left and row - c not in right
    )


def words(text):
    counts = collections.Counter(re.findall(r"[a-z]+(?=\W)", text.lower()))
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:3]


def records(count):
    made = [{"id": i, "name": f"guest {i}", "tags": [str(n % 10) for n in numbers(3, i)]} for i in range(count)]
    again = json.loads(json.dumps(made, sort_keys=True, indent=1))
    return len({tag for record in again for tag in record["tags"]}), again == made


def digits(count):
    a, b = 0, 1
    while len(str(b)) < count:
        a, b = b, a + b
    return b % 10**9


text = " ".join(f"Page {n % 97} of guest {n % 13} is {'read' if n & 1 else 'written'}." for n in numbers(800))
for i in range(int(sys.argv[1])):
    print(i, tree(1500 + i), queens(6), words(text), records(150), digits(300))
