"""Repeats keyed-random in Python, from its documentation, and writes the golden values.

    python3 tests/golden.py > src/golden/values.rs

Standard library only; made with CPython 3.11.7. Python's floats are IEEE doubles, and CPython
computes each operation by itself, so the same operations in the same order give the same bits.
Before anything is written, Philox is checked against Random123's known answers, and the transform
against `math` and against 60-digit decimals.
"""

import hashlib
import math
import struct
import sys
from decimal import Decimal, getcontext

MASK32, MASK63, MASK64 = 2**32 - 1, 2**63 - 1, 2**64 - 1


# --- Philox4x32-10 -------------------------------------------------------------------------------

def philox(counter, key):
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & MASK32, (p0 >> 32) ^ c3 ^ k1, p0 & MASK32
        k0, k1 = (k0 + 0x9E3779B9) & MASK32, (k1 + 0xBB67AE85) & MASK32
    return (c0, c1, c2, c3)


KNOWN_ANSWERS = [
    ("00000000 00000000 00000000 00000000 00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344 a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def check_philox():
    for given, answer in KNOWN_ANSWERS:
        words = [int(word, 16) for word in given.split()]
        assert " ".join(f"{w:08x}" for w in philox(words[:4], words[4:])) == answer


# --- Keys ----------------------------------------------------------------------------------------

def derive(kind, parent, value):
    message = b"keyed-random/1" + bytes([kind]) + parent + struct.pack("<Q", len(value)) + value
    return hashlib.sha256(message).digest()[:16]


def key_of(seed, *path):
    key = derive(0, bytes(16), struct.pack("<Q", seed))
    for step in path:
        if isinstance(step, str):
            key = derive(1, key, step.encode())
        else:
            key = derive(2, key, struct.pack("<Q", step))
    return key


def block(key, position):
    k0, k1, c2, c3 = struct.unpack("<4I", key)
    return philox((position & MASK32, position >> 32, c2, c3), (k0, k1))


# --- The transform -------------------------------------------------------------------------------

TWO_32 = 2.0**32
SQRT_HALF_BITS = 0x3FE6A09E667F3BCD


def to_bits(x):
    return struct.unpack("<Q", struct.pack("<d", x))[0]


def from_bits(bits):
    return struct.unpack("<d", struct.pack("<Q", bits))[0]


def ln(u):
    shifted = to_bits(u) - SQRT_HALF_BITS + (1024 << 52)
    k = float((shifted >> 52) - 1024)
    m = from_bits((shifted & (2**52 - 1)) + SQRT_HALF_BITS)
    s = (m - 1.0) / (m + 1.0)
    w = s * s
    tail = 1.0 / 21.0
    for odd in range(19, 2, -2):
        tail = tail * w + 1.0 / odd
    twice = s + s
    return k * from_bits(0x3FE62E42FEFA39EF) + (twice + twice * (w * tail))


def turn(b):
    """The quarter turn nearest to (b + 1/2) / 2**64 turns, and the rest in units of 2**-64."""
    low, turned = b & MASK32, ((b >> 32) + 2**29) & MASK32
    return turned >> 30, float((turned & (2**30 - 1)) - 2**29) * TWO_32 + (low + 0.5)


def cos_sin(b):
    quarter, rest = turn(b)
    t = rest * (2.0 * math.pi * 2.0**-64)
    w = t * t
    sin = -1.0 / math.factorial(15)
    for n, sign in zip(range(13, 2, -2), (1, -1, 1, -1, 1, -1)):
        sin = sin * w + sign / math.factorial(n)
    sin = t + t * (w * sin)
    cos = 1.0 / math.factorial(16)
    for n, sign in zip(range(14, 1, -2), (-1, 1, -1, 1, -1, 1, -1)):
        cos = cos * w + sign / math.factorial(n)
    cos = 1.0 + w * cos
    return [(cos, sin), (-sin, cos), (-cos, -sin), (sin, -cos)][quarter]


def unit(a):
    return (float(a >> 32) * TWO_32 + ((a & MASK32) + 0.5)) * 2.0**-64


def box_muller(words):
    a, b = words[0] | words[1] << 32, words[2] | words[3] << 32
    radius = math.sqrt(-2.0 * ln(unit(a)))
    cos, sin = cos_sin(b)
    return radius * cos, radius * sin


# --- Elements ------------------------------------------------------------------------------------

def word(key, i):
    x = block(key, i >> 1)
    return x[2] | x[3] << 32 if i & 1 else x[0] | x[1] << 32


def uniform64(key, i):
    return (word(key, i) >> 11) * 2.0**-53


def uniform32(key, i):
    return (word(key, i) >> 40) * 2.0**-24


def normal(key, i):
    return box_muller(block(key, 2**63 + (i >> 1)))[i & 1]


def bits32(x):
    return struct.unpack("<I", struct.pack("<f", x))[0]


class Stream:
    def __init__(self, key):
        self.key, self.position = key, 0

    def next_u64(self):
        self.position = (self.position + 1) & MASK64
        return word(self.key, (self.position - 1) & MASK64)

    def below(self, n):
        while True:
            product = self.next_u64() * n
            if product & MASK64 >= 2**64 % n:
                return product >> 64

    def permutation(self, n):
        order = list(range(n))
        for i in range(n):
            j = i + self.below(n - i)
            order[i], order[j] = order[j], order[i]
        return order


# --- How accurate the transform is ---------------------------------------------------------------

def decimal_cos_sin(t):
    cos = sin = Decimal(0)
    term, n = Decimal(1), 0
    while abs(term) > Decimal(10) ** -55:
        if n % 2 == 0:
            cos += term if n % 4 == 0 else -term
        else:
            sin += term if n % 4 == 1 else -term
        n += 1
        term = term * t / n
    return cos, sin


def check_accuracy():
    """The largest relative errors of ln and of (cos, sin), in units of 2**-53."""
    getcontext().prec = 60
    tau = 2 * Decimal("3.14159265358979323846264338327950288419716939937510582097494459")
    key = key_of(0, "accuracy")
    draws = [word(key, i) for i in range(4000)] + EDGES
    # Small angles and radii, where only relative accuracy is accuracy.
    draws += [word(key, i) >> (i % 64) for i in range(2000)]
    draws += [MASK64 - (word(key, i) >> (i % 64)) for i in range(2000)]
    worst_ln = worst_turn = 0.0
    for a in draws:
        u = unit(a)
        true = Decimal(u).ln()
        if true != 0:
            worst_ln = max(worst_ln, float(abs(Decimal(ln(u)) / true - 1)) * 2**53)
            assert math.isclose(ln(u), math.log(u), rel_tol=1e-15)
        # By quarters, so that no digit is lost beside a zero.
        quarter = (a + 2**61 >> 62) % 4
        rest = (a + 2**61) % 2**62 - 2**61
        cos, sin = decimal_cos_sin(Decimal(2 * rest + 1) / 2**65 * tau)
        cos, sin = [(cos, sin), (-sin, cos), (-cos, -sin), (sin, -cos)][quarter]
        for got, true in zip(cos_sin(a), (cos, sin)):
            worst_turn = max(worst_turn, float(abs(Decimal(got) / true - 1)) * 2**53)
        angle = 2.0 * math.pi * float(a) / 2.0**64
        assert math.isclose(cos_sin(a)[0], math.cos(angle), rel_tol=0.0, abs_tol=2e-15)
        assert math.isclose(cos_sin(a)[1], math.sin(angle), rel_tol=0.0, abs_tol=2e-15)
    print(f"largest relative error: ln {worst_ln:.2f}, cos and sin {worst_turn:.2f} x 2^-53",
          file=sys.stderr)
    assert worst_ln < 4.0 and worst_turn < 4.0


# The ends of the range, and both sides of every eighth of a turn.
EDGES = [0, 1, MASK64 - 1, MASK64, 2**11, 2**32 - 1, 2**32] + [
    eighth * 2**61 + step for eighth in range(1, 8) for step in (-1, 0, 1)
]


# --- The values ----------------------------------------------------------------------------------

def array(name, kind, values, doc):
    print(f"\n/// {doc}\n#[rustfmt::skip]\npub(super) const {name}: [{kind}; {len(values)}] = [")
    per_line = {"u64": 4, "u32": 7, "i64": 12, "usize": 16}.get(kind, 1)
    for i in range(0, len(values), per_line):
        print("    " + ", ".join(values[i:i + per_line]) + ",")
    print("];")


def hex64(values):
    return [f"0x{v:016x}" for v in values]


def hex32(values):
    return [f"0x{v:08x}" for v in values]


def fingerprint(name, data, doc):
    print(f"\n/// {doc}\npub(super) const {name}: &str =\n    \"{hashlib.sha256(data).hexdigest()}\";")


def main():
    check_philox()
    check_accuracy()
    print("//! Written by `tests/golden.py` (CPython 3.11.7). Change the script, not this file.")

    array("KEYS", "&str", [f'"{key.hex()}"' for key in (
        key_of(0),
        key_of(MASK64),
        key_of(42, "training noise"),
        key_of(42, "training noise", "sub-01", 1200),
        key_of(42, "", 0),
        key_of(42, "naïve étude"),
        key_of(42, "a label that is longer than one block of SHA-256, whatever went before it"),
    )], "Keys, printed.")

    key = key_of(42, "golden")
    blocks = [block(key, p) for p in (0, 1, 2**32, 2**63, MASK64)]
    array("BLOCKS", "[u32; 4]", ["[" + ", ".join(hex32(b)) + "]" for b in blocks],
          "Blocks 0, 1, 2³², 2⁶³, 2⁶⁴ − 1.")

    far = [(2**40 + 1 + i) & MASK64 for i in range(8)]
    wrapping = [(MASK64 - 3 + i) & MASK64 for i in range(8)]
    places = list(range(8)) + far + wrapping
    array("PLACES", "u64", hex64(places), "The elements below.")
    array("WORDS", "u64", hex64(word(key, i) for i in places), "Words.")
    array("UNIFORM_F64", "u64", hex64(to_bits(uniform64(key, i)) for i in places), "Bits.")
    array("UNIFORM_F32", "u32", hex32(bits32(uniform32(key, i)) for i in places), "Bits.")
    array("NORMAL_F64", "u64", hex64(to_bits(normal(key, i)) for i in places), "Bits.")
    array("NORMAL_F32", "u32", hex32(bits32(normal(key, i)) for i in places), "Bits.")

    array("EDGES", "u64", hex64(EDGES), "Words at the edges of the transform.")
    pairs = [box_muller((e & MASK32, e >> 32, f & MASK32, f >> 32)) for e in EDGES for f in EDGES]
    fingerprint("EDGE_PAIRS", b"".join(struct.pack("<2d", *pair) for pair in pairs),
                "SHA-256 of the pairs from every two edges, as little-endian `f64`.")

    normals = [normal(key, i) for i in range(1 << 16)]
    fingerprint("NORMALS_F64", struct.pack("<65536d", *normals),
                "SHA-256 of the first 65 536 normals, as little-endian `f64`.")
    fingerprint("NORMALS_F32", struct.pack("<65536f", *normals),
                "SHA-256 of the first 65 536 normals, as little-endian `f32`.")

    stream = Stream(key)
    array("BELOW_6", "u64", [str(stream.below(6)) for _ in range(16)], "Sixteen dice.")
    stream = Stream(key)
    bound = 2**63 + 1
    array("BELOW_HALF", "u64", hex64(stream.below(bound) for _ in range(8)),
          "Integers below 2⁶³ + 1, where every second word is refused.")
    print(f"\n/// The position after them.\npub(super) const BELOW_HALF_END: u64 = {stream.position};")
    array("RANGE", "i64", [str(v - 5) for v in map(Stream(key_of(42, "golden", "range")).below,
                                                   [11] * 12)], "Integers of −5 ..= 5.")
    array("PERMUTATION", "usize", [str(v) for v in Stream(key).permutation(12)], "Of twelve.")
    array("SAMPLE", "usize", [str(v) for v in Stream(key).permutation(1000)[:8]], "Eight of 1000.")


if __name__ == "__main__":
    main()
