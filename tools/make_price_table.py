#!/usr/bin/env python3
"""Packs data/prices/model_prices.json into the table that src/price/catalogue.cc reads in place.

Usage: make_price_table.py PRICES.json DATE OUT.bin

Layout, little endian (src/price/price_table.h describes it for readers): seven u32 (magic, entries, providers, offset
of the index, offset of the providers, offset and length of the version), the index sorted by name with five u32 an
entry (name offset and length, object offset and length, provider number), two u32 a provider (offset and length), then
the bytes. Numbers keep the text they have in the file: no price passes through a binary float.
"""
import hashlib
import json
import struct
import sys

MAGIC = 0x54504B31
RESERVED = {"sample_spec", "fallback_generalizations"}
LEFT_OUT = {"source", "comment", "metadata"}


class Number(str):
    pass


def write(value):
    """JSON as json.dumps would write it, with every number as it stood in the file."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(json.dumps(key) + ":" + write(item) for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(write(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def main():
    source, date, out = sys.argv[1:4]
    with open(source, "rb") as file:
        raw = file.read()
    models = json.loads(raw, parse_float=Number, parse_int=Number)
    names = sorted((name for name in models if name not in RESERVED), key=lambda name: name.encode())
    providers = sorted({models[name].get("litellm_provider", "") for name in names})
    number_of = {provider: number for number, provider in enumerate(providers)}
    version = f"{date} sha256:{hashlib.sha256(raw).hexdigest()[:8]}".encode()

    index_offset = 7 * 4
    providers_offset = index_offset + len(names) * 5 * 4
    heap_offset = providers_offset + len(providers) * 2 * 4
    heap = bytearray()

    def place(text):
        offset = heap_offset + len(heap)
        heap.extend(text)
        return offset, len(text)

    # Names stand together, so that a search touches few pages.
    placed_names = [place(name.encode()) for name in names]
    placed_providers = [place(provider.encode()) for provider in providers]
    version_offset, version_size = place(version)
    index = bytearray()
    for name, (name_offset, name_size) in zip(names, placed_names):
        entry = {key: value for key, value in models[name].items() if key not in LEFT_OUT}
        entry_offset, entry_size = place(write(entry).encode())
        index += struct.pack("<5I", name_offset, name_size, entry_offset, entry_size,
                             number_of[entry.get("litellm_provider", "")])
    header = struct.pack("<7I", MAGIC, len(names), len(providers), index_offset, providers_offset, version_offset,
                         version_size)
    table = b"".join(struct.pack("<2I", *placed) for placed in placed_providers)
    with open(out, "wb") as file:
        file.write(header + bytes(index) + table + bytes(heap))


if __name__ == "__main__":
    main()
