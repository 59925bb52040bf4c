#!/usr/bin/env python3
"""Holds the sources to the map of ARCHITECTURE.md: who includes whom, where Asio may appear, how long a file may be.

Usage: tools/check_layers.py [--root DIR] [--self-test]
Prints one line per offence ("src/a/b.cc:12: ...") and exits 1 when there is one. There is no list of exceptions; what is
listed below are tables of data, which are not read front to back and may be long.
"""
import os
import re
import sys
import tempfile

# Top first: a folder sees its own files and every line below its own.
LAYERS = [
    ["app"],
    ["drill"],
    ["api", "dashboard", "fake_provider"],
    ["pipeline", "proof"],
    ["account", "limit", "ledger", "prompt", "router", "cache", "guardrail", "telemetry", "codec"],
    ["provider"],
    ["credential", "lease"],
    ["http", "db", "redis", "protocol", "price", "journal"],
    ["json", "config", "net", "domain"],
    ["base"],
]
LEVEL = {folder: level for level, line in enumerate(LAYERS) for folder in line}

# Libraries whose headers are slow to compile or tie a folder to a way of waiting: sources of these folders only.
SOURCES_ONLY = [
    (re.compile(r"(boost/(asio|beast)[/.]|asio[/.])"), {"net", "http", "db", "redis"}),
    (re.compile(r"simdjson"), {"net", "http", "db", "redis", "json", "protocol"}),
    (re.compile(r"boost/"), set(LEVEL)),
]

LINES_MAX = 600
DATA_TABLES = {
    "src/config/keys_table.cc",
    "src/db/sqlite_schema.cc",
    "src/provider/catalogue.cc",
}
HAND_WRITTEN = ("src", "test", "fuzz", "bench", "tools")
SUFFIXES = (".cc", ".h", ".py", ".sh", ".js", ".mjs", ".ts", ".cmake")
NOT_OURS = {"node_modules", "data", "fixtures", "corpus", "__pycache__", "build"}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def files(root, top):
    for folder, names, found in os.walk(os.path.join(root, top)):
        names[:] = sorted(name for name in names if name not in NOT_OURS and not name.startswith("."))
        for name in sorted(found):
            if name.endswith(SUFFIXES):
                yield os.path.relpath(os.path.join(folder, name), root)


def read_lines(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
        return file.read().split("\n")


def offence_of_include(path, quote, target):
    """What is wrong with one include of a source file, or None."""
    folder = path.split("/")[1]
    if quote == '"':
        head, _, rest = target.partition("/")
        if not rest:
            return f'"{target}" names no folder: write "{folder}/{target}"'
        if head in LEVEL:
            if head != folder and LEVEL[head] <= LEVEL[folder]:
                return f"{folder} may not include {head}: includes point down only"
            return None
    for pattern, allowed in SOURCES_ONLY:
        if not pattern.match(target):
            continue
        if path.endswith(".h"):
            return f"<{target}> in a header: keep it in a .cc behind a small interface"
        if folder not in allowed:
            return f"<{target}> in {folder}: only sources of {', '.join(sorted(allowed))} may"
        return None
    if quote == '"':
        return f'"{target}": no folder of the map is called {target.split("/")[0]}'
    return None


def check(root):
    offences = []
    for path in files(root, "src"):
        parts = path.split("/")
        if len(parts) < 3 or not path.endswith((".cc", ".h")):
            continue
        if parts[1] not in LEVEL:
            offences.append(f"{path}: the folder src/{parts[1]} is not on the map")
            continue
        for number, line in enumerate(read_lines(root, path), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            offence = offence_of_include(path, match[1], match[2])
            if offence:
                offences.append(f"{path}:{number}: {offence}")
    for top in HAND_WRITTEN:
        for path in files(root, top):
            if path in DATA_TABLES:
                continue
            count = len(read_lines(root, path)) - 1
            if count > LINES_MAX:
                offences.append(f"{path}: {count} lines, at most {LINES_MAX}: two subjects are two files")
    return offences


SELF_TESTS = [
    # path, text, part of the expected offence or None
    ("src/pipeline/a.cc", '#include "router/b.h"\n', None),
    ("src/router/a.cc", '#include "router/b.h"\n#include <vector>\n', None),
    ("src/router/a.cc", '#include "pipeline/b.h"\n', "router may not include pipeline"),
    ("src/router/a.cc", '#include "ledger/b.h"\n', "router may not include ledger"),
    ("src/router/a_test.cc", '#  include "ledger/b.h"\n', "router may not include ledger"),
    ("src/base/a.h", '#include "json/b.h"\n', "base may not include json"),
    ("src/app/a.cc", '#include "base/b.h"\n', None),
    ("src/app/a.cc", '#include "b.h"\n', "names no folder"),
    ("src/app/a.cc", '#include "wrong/b.h"\n', "no folder of the map"),
    ("src/misc/a.cc", "", "not on the map"),
    ("src/net/a.cc", "#include <boost/asio.hpp>\n", None),
    ("src/net/a.h", "#include <boost/asio/ip/tcp.hpp>\n", "in a header"),
    ("src/pipeline/a.cc", "#include <boost/asio.hpp>\n", "only sources of"),
    ("src/protocol/a.cc", "#include <simdjson.h>\n", None),
    ("src/protocol/a.cc", '#include "simdjson.h"\n', "names no folder"),
    ("src/ledger/a.cc", "#include <simdjson.h>\n", "only sources of"),
    ("src/json/a.h", "#include <simdjson.h>\n", "in a header"),
    ("src/json/a.h", "#include <boost/json.hpp>\n", "in a header"),
    ("src/json/a.cc", "#include <boost/json.hpp>\n", None),
    ("src/base/a.cc", "x\n" * 600, None),
    ("src/base/a.cc", "x\n" * 601, "601 lines"),
    ("test/a.py", "x\n" * 601, "601 lines"),
    ("test/data/a.py", "x\n" * 601, None),
    ("src/config/keys_table.cc", "x\n" * 900, None),
]


def self_test():
    failed = 0
    for path, text, expected in SELF_TESTS:
        with tempfile.TemporaryDirectory() as root:
            os.makedirs(os.path.join(root, os.path.dirname(path)))
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(text)
            offences = check(root)
        right = not offences if expected is None else len(offences) == 1 and expected in offences[0]
        if not right:
            failed += 1
            print(f"self-test: {path} {text[:40]!r}: expected {expected!r}, got {offences}")
    print(f"check_layers self-test: {len(SELF_TESTS) - failed} of {len(SELF_TESTS)} passed")
    return 1 if failed else 0


def main(arguments):
    if "--self-test" in arguments:
        return self_test()
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if "--root" in arguments:
        root = arguments[arguments.index("--root") + 1]
    offences = check(root)
    for offence in offences:
        print(offence)
    return 1 if offences else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
