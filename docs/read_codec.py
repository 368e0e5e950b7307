"""Decodes what engine/src/codec writes; the bytes are drawn in codec.md. Plain and slow; it trusts its input."""
import numpy as np

F32, F64, F16, BF16, I8, U8 = range(6)  # element codes
BYTES = [4, 8, 2, 2, 1, 1]
FORMAT = [(32, 23, "f4"), (64, 52, "f8"), (16, 10, "f2"), (16, 7, None)]  # bits, mantissa, numpy's name
NARROW = [None, F16, BF16, F32]
TOKEN = [(0, t) for t in range(32)] + [(3 + t // 4, (4 + t % 4) << (3 + t // 4)) for t in range(220)] + [(64, 0)]  # low bits, least

class Reader:
    def __init__(self, data): self.data, self.at = bytes(data), 0
    def take(self, n): self.at += n; return self.data[self.at - n:self.at]
    def byte(self): return self.take(1)[0]
    def varint(self): b = self.byte(); return b & 127 | (self.varint() << 7 if b > 127 else 0)

class Bits:
    def __init__(self, data, at=0): self.number, self.at = int.from_bytes(data, "little"), at
    def take(self, n): self.at += n; return self.number >> self.at - n & (1 << n) - 1

def read_bytes(r):
    n, kind = divmod(r.varint(), 4)
    if kind < 2: return r.take(n) if kind == 0 else r.take(1) * n
    symbol, last, slots = r.byte(), r.byte(), []
    while symbol <= last:
        frequency = r.varint()
        slots += [(symbol, frequency, distance) for distance in range(frequency)]
        symbol += 1 if frequency else 1 + r.byte()
    coded, lanes, out = Reader(r.take(r.varint())), 32 if n >= 8192 else 4 if n >= 1024 else 1, bytearray()
    x = [int.from_bytes(coded.take(4), "little") for _ in range(lanes)]
    for i in range(n):
        symbol, frequency, distance = slots[x[i % lanes] & 4095]
        x[i % lanes] = frequency * (x[i % lanes] >> 12) + distance
        out.append(symbol)
        if i < n // lanes * lanes and x[i % lanes] >> 16 == 0: x[i % lanes] = x[i % lanes] << 16 | int.from_bytes(coded.take(2), "little")
    assert x == [1 << 16] * lanes
    return bytes(out)

def read_sorted(r):
    n = r.varint()
    values, tokens = ([r.varint()], read_bytes(r)) if n else ([], b"")
    low = Bits(r.take((sum(TOKEN[t][0] for t in tokens) + 7) // 8))
    for t in tokens: values.append(values[-1] + 1 + TOKEN[t][1] + low.take(TOKEN[t][0]))
    return values

def read_lengths(r, n):
    least, planes = r.varint(), [read_bytes(r) for _ in range(r.byte())]
    return [least + sum(p[i] << 8 * b for b, p in enumerate(planes)) for i in range(n)]

def read_texts(r):
    n, texts = r.varint(), [b""]
    planes = [Reader(read_bytes(r)) for _ in range(3)]
    for _ in range(n):
        shared, own = [b + p.varint() if b == 255 else b for p in planes[:2] for b in [p.byte()]]
        texts.append(texts[-1][:shared] + planes[2].take(own))
    return [t.decode() for t in texts[1:]]

def convert(w, a, b):
    """From bit patterns (u64 array) of one format to those of another: to nearest even; NaNs keep the top of their payload."""
    (wa, ma, ta), (wb, mb, tb) = FORMAT[a], FORMAT[b]
    if a == BF16: return w << 16
    payload = (w & (1 << ma) - 1) >> ma - mb if ma > mb else (w & (1 << ma) - 1) << mb - ma
    nan = w >> wa - 1 << wb - 1 | (1 << wb - 1) - (1 << mb) | np.where(payload == 0, 1 << mb - 1, payload)
    with np.errstate(all="ignore"):
        number = w + 0x7fff + (w >> 16 & 1) >> 16 if b == BF16 else w.astype(f"u{wa // 8}").view(ta).astype(tb).view(f"u{wb // 8}")
    return np.where(w & (1 << wa - 1) - 1 > (1 << wa - 1) - (1 << ma), nan, number).astype("u8")

def cell(word, k, bits, m):
    magnitude, e = word & (1 << bits - 1) - 1, word >> m & (1 << bits - 1 - m) - 1
    if k == 0 or e > k: q = magnitude - (max(k, 1) - 1 << m)
    else: q = 0 if e == 0 or k - e > m else (magnitude & (1 << m) - 1 | 1 << m) >> k - e
    return ~q if word >> bits - 1 else q

def decode_value(word, token, k, bits, m, first, place):
    if token == 0: return word
    z, wrap = TOKEN[token - 1][1] + first.take(TOKEN[token - 1][0]), 1 << max(bits, 32) - 1
    s = (cell(word, k, bits, m) + (z >> 1 ^ -(z & 1)) + wrap) % (2 * wrap) - wrap
    q, sign = (~s, 1) if s < 0 else (s, 0)
    if k == 0 or q >> m: magnitude = q + (max(k, 1) - 1 << m)
    elif q:
        count = m + 1 - q.bit_length()
        magnitude = k - count << m | q << count & (1 << m) - 1 | place.take(count)
    else:
        zeros = next((j for j in range(16) if place.take(1)), 16)
        magnitude = place.take(bits - 1) if zeros == 16 else max(k - m - 1, 0) - zeros << m | place.take(m)
    return magnitude | sign << bits - 1

def read_cells(r, element, dims, n, old):
    flags, k = r.byte(), int.from_bytes(r.take(2), "little")
    chain = [f for f in dict.fromkeys([element, F32 if flags >> 3 else element, NARROW[flags >> 3] or element])]
    bits, m, _ = FORMAT[chain[-1]]
    ks = [k + (b ^ 128) - 128 for b in read_bytes(r)]
    cells = np.array(read_sorted(r) if flags & 4 else range(n * dims), dtype=int)
    tokens, lengths = read_bytes(r), read_lengths(r, n)
    rows = np.frombuffer(old if flags & 1 else bytes(n * dims * BYTES[element]), f"u{BYTES[element]}").astype("u8")
    words = rows if flags & 2 else rows * 0
    for a, b in zip(chain, chain[1:]): words = convert(words, a, b)
    ends = np.searchsorted(cells, np.arange(n + 1) * dims)
    for i in range(n):
        own, codes, low = cells[ends[i]:ends[i + 1]], tokens[ends[i]:ends[i + 1]], r.take(lengths[i])
        first, place = Bits(low), Bits(low, sum(TOKEN[t - 1][0] for t in codes if t))
        new = np.array([decode_value(int(words[c]), t, ks[i], bits, m, first, place) for c, t in zip(own, codes)], "u8")
        for a, b in zip(chain[::-1], chain[-2::-1]): new = convert(new, a, b)
        rows[own] = new
    return rows.astype(f"u{BYTES[element]}").tobytes()

def read_scaled(r, n, old):
    flags, planes = r.byte(), [list(read_bytes(r)) for _ in range(4)]
    scale = np.frombuffer(np.array(planes, "u1").T.tobytes(), "<f4").reshape(n, 1)
    q, base = np.frombuffer(read_bytes(r), "i1").reshape(n, -1), 0
    with np.errstate(all="ignore"):
        if flags & 1:
            before = np.frombuffer(old, "<f4").reshape(q.shape)
            base = np.rint(np.clip(np.nan_to_num(before / scale, nan=0, posinf=127, neginf=-128), -128, 127)).astype("i1")
            if flags & 2: base = np.where(before.view("u4") == 1 << 31, -128, base).astype("i1")
        q = q + base
        return np.where((q == -128) & (flags & 2 > 0), np.float32(-0.0), q.astype("f4") * scale).astype("<f4").tobytes()

def read_exponents(r, n, dims):
    top = r.byte()
    pairs = np.frombuffer(read_bytes(r), "u1")
    away = np.stack([pairs >> 4, pairs & 15], 1).reshape(-1)[:n * dims]
    exponents = np.array(top, "u1") - away
    exponents[away == 15] = np.frombuffer(read_bytes(r), "u1")
    plain = np.frombuffer(r.take(3 * n * dims), "u1").reshape(n, 3 * dims)
    low = np.ascontiguousarray(plain[:, :2 * dims]).view("<u2").astype("<u4").reshape(-1)
    high = np.ascontiguousarray(plain[:, 2 * dims:]).astype("<u4").reshape(-1)
    return (low | (high & 127) << 16 | exponents.astype("<u4") << 23 | (high >> 7) << 31).astype("<u4").tobytes()

def read_block(element, dims, n, payload, old=b""):
    """Returns the new rows; `old` are the old rows, if the payload needs them."""
    r = Reader(payload)
    mode = r.byte()
    if mode == 0: return r.take(n * dims * BYTES[element])
    if mode == 1: return read_cells(r, element, dims, n, old)
    if mode == 3: return read_scaled(r, n, old)
    if mode == 4: return read_exponents(r, n, dims)
    assert mode == 2, "unknown mode"
    flags, plane = r.byte(), np.frombuffer(read_bytes(r), "u1")
    return (plane + np.frombuffer(old, "u1") if flags & 1 else plane).tobytes()

def padded(rows, shape):
    """Returns rows as a table of another length; zeros where there was none."""
    out = np.zeros(shape, "u1")
    out[:len(rows)] = rows
    return out
