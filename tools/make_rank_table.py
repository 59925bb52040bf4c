#!/usr/bin/env python3
"""Packs the ranks of one BPE encoding into the hash table that src/price/token_ranks.cc reads in place.

Usage: make_rank_table.py RANKS.tiktoken.gz OUT.bin

Source: one line a token, `BASE64 RANK`, ranks 0..n-1 in order (data/tokenizer/README.md).
Layout, little endian u32: magic, tokens, log2 of the slots, longest token in bytes; then n + 1 offsets of the tokens
into the text; then the slots (open addressing, linear probing): the low 18 bits hold the rank, the high 14 bits the
top bits of the hash, all ones an empty slot; then the text of all tokens in rank order.
"""
import array
import base64
import gzip
import struct
import sys

MAGIC = 0x54504B32
MULTIPLIER = 0x9E3779B97F4A7C15
MASK = (1 << 64) - 1
RANK_BITS = 18
EMPTY = 0xFFFFFFFF


def token_hash(token):
    """The same as hash_of in src/price/token_ranks.h."""
    value = (len(token) * MULTIPLIER) & MASK
    for at in range(0, len(token), 8):
        chunk = int.from_bytes(token[at:at + 8], "little")
        value = ((value ^ chunk) * MULTIPLIER) & MASK
        value ^= value >> 32
    return value


def main():
    source, out = sys.argv[1:3]
    with gzip.open(source, "rb") as file:
        lines = file.read().splitlines()
    tokens = []
    for number, line in enumerate(lines):
        text, rank = line.split()
        assert int(rank) == number, f"ranks are not dense at line {number + 1}"
        tokens.append(base64.b64decode(text))
    assert len(set(tokens)) == len(tokens) < (1 << RANK_BITS) - 1

    slot_bits = (2 * len(tokens) - 1).bit_length()
    slots = array.array("I", [EMPTY]) * (1 << slot_bits)
    assert slots.itemsize == 4
    for rank, token in enumerate(tokens):
        value = token_hash(token)
        at = value & ((1 << slot_bits) - 1)
        while slots[at] != EMPTY:
            at = (at + 1) & ((1 << slot_bits) - 1)
        slots[at] = (value >> 50) << RANK_BITS | rank
    offsets = array.array("I", [0])
    for token in tokens:
        offsets.append(offsets[-1] + len(token))
    if sys.byteorder == "big":
        slots.byteswap()
        offsets.byteswap()
    with open(out, "wb") as file:
        file.write(struct.pack("<4I", MAGIC, len(tokens), slot_bits, max(map(len, tokens))))
        file.write(offsets.tobytes() + slots.tobytes() + b"".join(tokens) + bytes(8))


if __name__ == "__main__":
    main()
