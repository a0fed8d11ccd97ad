// Compression in the manner of deflate: repeats found by chains of hashes within a window, then Huffman codes of their
// own for each block, written bit by bit; and back again, which must give the same bytes. The size is the number of
// blocks of 64 KiB.
#include "bench.h"

enum {
  block = 65536,
  shortest = 4,
  longest = 258,
  window = 32768,
  hash_bits = 14,
  end_of_block = 256,
  first_length = 257,
  symbols = first_length + longest - shortest + 1,
  code_limit = 15,
};

struct bits {
  unsigned char *data;
  size_t at, room;
  uint64_t held;
  int count;
};

static void put_bits(struct bits *b, unsigned value, int count) {
  b->held |= (uint64_t)value << b->count;
  for (b->count += count; b->count >= 8; b->count -= 8, b->held >>= 8) {
    if (b->at == b->room) exit(1);
    b->data[b->at++] = (unsigned char)b->held;
  }
}

static void align(struct bits *b) {
  if (b->count > 0) put_bits(b, 0, 8 - b->count);
}

static unsigned get_bits(struct bits *b, int count) {
  while (b->count < count) {
    b->held |= (uint64_t)(b->at < b->room ? b->data[b->at++] : 0) << b->count;
    b->count += 8;
  }
  unsigned value = (unsigned)(b->held & (((uint64_t)1 << count) - 1));
  b->held >>= count;
  b->count -= count;
  return value;
}

/// A literal byte or a length, and the distance of a length.
struct token {
  uint16_t symbol, distance;
};

/// The tokens of a block, and how many.
static size_t find_repeats(const unsigned char *data, struct token *tokens) {
  static int32_t head[1 << hash_bits], previous[block];
  memset(head, -1, sizeof head);
  size_t count = 0;
  for (size_t at = 0; at < block;) {
    size_t best = 0, distance = 0, skip = 1;
    uint32_t next = 0;
    if (at + shortest <= block) {
      size_t limit = block - at < longest ? block - at : longest;
      memcpy(&next, data + at, 4);
      int32_t candidate = head[next * 2654435761u >> (32 - hash_bits)];
      for (int tries = 32; candidate >= 0 && at - (size_t)candidate < window && tries > 0; tries--) {
        size_t n = 0;
        while (n < limit && data[(size_t)candidate + n] == data[at + n]) n++;
        if (n > best) best = n, distance = at - (size_t)candidate;
        if (n == limit) break;
        candidate = previous[candidate];
      }
    }
    if (best >= shortest) {
      tokens[count++] = (struct token){(uint16_t)(first_length + best - shortest), (uint16_t)distance};
      skip = best;
    } else
      tokens[count++] = (struct token){data[at], 0};
    for (; skip > 0; skip--, at++) {
      if (at + shortest > block) continue;
      memcpy(&next, data + at, 4);
      uint32_t hash = next * 2654435761u >> (32 - hash_bits);
      previous[at] = head[hash];
      head[hash] = (int32_t)at;
    }
  }
  tokens[count++] = (struct token){end_of_block, 0};
  return count;
}

static void sift_down(int *heap, int size, int i, const uint32_t *weights) {
  for (int child; (child = 2 * i + 1) < size; i = child) {
    if (child + 1 < size && weights[heap[child + 1]] < weights[heap[child]]) child++;
    if (weights[heap[i]] <= weights[heap[child]]) return;
    int kept = heap[i];
    heap[i] = heap[child];
    heap[child] = kept;
  }
}

/// Lengths of Huffman codes for symbols that occur so often; frequencies are flattened until no code is too long.
static void code_lengths(const uint32_t *frequencies, unsigned char *lengths) {
  static uint32_t weights[2 * symbols];
  static int parents[2 * symbols], heap[symbols];
  for (int flatten = 0, deepest = code_limit + 1; deepest > code_limit; flatten++) {
    int size = 0, nodes = symbols;
    for (int s = 0; s < symbols; s++)
      if (frequencies[s] != 0) {
        weights[s] = (frequencies[s] >> flatten) + 1;
        heap[size++] = s;
      }
    for (int i = size / 2 - 1; i >= 0; i--) sift_down(heap, size, i, weights);
    // The two lightest become one, until one is left.
    while (size > 1) {
      int lightest = heap[0];
      heap[0] = heap[--size];
      sift_down(heap, size, 0, weights);
      weights[nodes] = weights[lightest] + weights[heap[0]];
      parents[lightest] = parents[heap[0]] = nodes;
      heap[0] = nodes++;
      sift_down(heap, size, 0, weights);
    }
    parents[heap[0]] = -1;
    deepest = 0;
    for (int s = 0; s < symbols; s++) {
      int length = 0;
      if (frequencies[s] != 0)
        for (int up = s; parents[up] >= 0; up = parents[up]) length++;
      lengths[s] = (unsigned char)length;
      if (length > deepest) deepest = length;
    }
  }
}

/// Canonical codes for such lengths, their first bit lowest.
static void make_codes(const unsigned char *lengths, uint16_t *codes) {
  unsigned code = 0;
  for (int length = 1; length <= code_limit; length++, code <<= 1)
    for (int s = 0; s < symbols; s++) {
      if (lengths[s] != length) continue;
      unsigned reversed = 0;
      for (int i = 0; i < length; i++) reversed |= (code >> i & 1) << (length - 1 - i);
      codes[s] = (uint16_t)reversed;
      code++;
    }
}

static void compress(const unsigned char *data, struct bits *out) {
  static struct token tokens[block + 1];
  uint32_t frequencies[symbols] = {0};
  unsigned char lengths[symbols];
  uint16_t codes[symbols];
  size_t count = find_repeats(data, tokens);
  for (size_t i = 0; i < count; i++) frequencies[tokens[i].symbol]++;
  code_lengths(frequencies, lengths);
  make_codes(lengths, codes);
  for (int s = 0; s < symbols; s++) put_bits(out, lengths[s], 4);
  for (size_t i = 0; i < count; i++) {
    put_bits(out, codes[tokens[i].symbol], lengths[tokens[i].symbol]);
    if (tokens[i].distance != 0) put_bits(out, tokens[i].distance, 15);
  }
  align(out);
}

/// Symbols in the order of their codes, and how many have codes of each length.
struct decoder {
  uint16_t sorted[symbols], counts[code_limit + 1];
};

static void make_decoder(const unsigned char *lengths, struct decoder *d) {
  memset(d, 0, sizeof *d);
  int at = 0;
  for (int length = 1; length <= code_limit; length++)
    for (int s = 0; s < symbols; s++)
      if (lengths[s] == length) {
        d->sorted[at++] = (uint16_t)s;
        d->counts[length]++;
      }
}

static unsigned get_symbol(struct bits *in, const struct decoder *d) {
  int code = 0, first = 0, index = 0;
  for (int length = 1; length <= code_limit; length++) {
    code |= (int)get_bits(in, 1);
    int count = d->counts[length];
    if (code - first < count) return d->sorted[index + code - first];
    index += count;
    first = (first + count) << 1;
    code <<= 1;
  }
  exit(1);
}

/// Gives back the bytes of a block, and how many.
static size_t decompress(struct bits *in, unsigned char *data) {
  unsigned char lengths[symbols];
  struct decoder d;
  for (int s = 0; s < symbols; s++) lengths[s] = (unsigned char)get_bits(in, 4);
  make_decoder(lengths, &d);
  size_t at = 0;
  for (unsigned s; (s = get_symbol(in, &d)) != end_of_block;) {
    if (s < end_of_block) {
      data[at++] = (unsigned char)s;
      continue;
    }
    size_t length = s - first_length + shortest, distance = get_bits(in, 15);
    if (distance > at || at + length > block) exit(1);
    for (; length > 0; length--, at++) data[at] = data[at - distance];
  }
  in->held = 0;
  in->count = 0;
  return at;
}

/// Text of few words, with numbers and repeats, and some noise.
static void make_block(unsigned char *data) {
  static const char *const words[] = {"memory ", "page ", "the ", "of ", "register", "=0x", "\n", "return ", "if (",
                                      ") {\n"};
  size_t at = 0;
  while (at < block) {
    const char *word = words[random_below(10)];
    while (*word && at < block) data[at++] = (unsigned char)*word++;
    for (unsigned digits = random_below(4); digits > 0 && at < block; digits--)
      data[at++] = (unsigned char)('0' + random_below(10));
    if (random_below(50) == 0 && at < block) data[at++] = (unsigned char)random64();
  }
}

int main(int argc, char **argv) {
  long blocks = size_of_run(argc, argv, 150);
  unsigned char *data = allocate(block), *back = allocate(block);
  struct bits packed = {.data = allocate(2 * block), .room = 2 * block};
  uint64_t sum = 0, bytes = 0;
  for (long i = 0; i < blocks; i++) {
    make_block(data);
    packed.at = 0;
    compress(data, &packed);
    bytes += packed.at;
    sum = mix_in(sum, checksum(0, packed.data, packed.at));
    packed.at = 0;
    if (decompress(&packed, back) != block || memcmp(data, back, block) != 0) return 1;
  }
  report("deflate", sum);
  printf("bytes %" PRIu64 "\n", bytes);
  free(data), free(back), free(packed.data);
}
