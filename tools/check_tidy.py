#!/usr/bin/env python3
"""Runs clang-tidy with the short list of .clang-tidy over the sources, as the dev preset compiles them.

Usage: tools/check_tidy.py [--changed] [FILE...]
--changed takes the sources that differ from the last commit (a header stands for the source beside it). Sources that are
compiled as one (cmake/folder.cmake) are looked at as one: what is looked at is called a unit here. The dev preset must be
built: its precompiled headers are read. A unit that was clean is looked at again when a source, a header it includes or
the list of checks has changed. Prints the findings and exits 1 when there is one.

tools/tidy/scope.cc, a plugin, keeps it from looking through the standard library; tools/tidy/sample.cc holds a mistake for
each check, and a check that says nothing about it is reported as deaf.
"""
import concurrent.futures
import hashlib
import json
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build", "dev")
CLEAN = os.path.join(ROOT, "build", "tidy")  # One empty file per source that was found clean, by fingerprint.
TIDY = os.path.join(ROOT, "tools", "tidy")
RULES = os.path.join(ROOT, ".clang-tidy")
SCOPE = os.path.join(BUILD, "tidy_scope.so")
OBJECT = re.compile(r" -o (\S+)")
INCLUDED = re.compile(r'^#include "(\S+)"', re.MULTILINE)  # What CMake writes into a unit of several sources.
NOISE = ("warnings generated", "warning generated", "Suppressed ", "Use -header-filter", "errors generated", "Error while")


def changed():
    def git(*arguments):
        return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\n")

    names = git("diff", "--name-only", "HEAD") + git("ls-files", "--others", "--exclude-standard")
    return {name[:-2] + ".cc" if name.endswith(".h") else name for name in names}


def dependencies():
    """The files of ours that each object of the dev build was made from, as ninja has noted them."""
    noted = subprocess.run(["ninja", "-C", BUILD, "-t", "deps"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    found, target = {}, None
    for line in noted.split("\n"):
        if line and not line.startswith(" "):
            target = found.setdefault(line.split(":")[0], [])
        elif line.startswith("    " + ROOT + "/") or line.startswith("    ../"):
            target.append(os.path.normpath(os.path.join(BUILD, line.strip())))
    return found


def fingerprint(paths):
    """Of all that can change what clang-tidy says; so that only what changed is looked at again."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        with open(path, "rb") as file:
            digest.update(path.encode() + b"\0" + file.read())
    return digest.hexdigest()


def build_scope():
    source = os.path.join(TIDY, "scope.cc")
    if os.path.exists(SCOPE) and os.path.getmtime(SCOPE) > os.path.getmtime(source):
        return
    command = ["clang++-19", "-std=c++20", "-O1", "-fno-rtti", "-fPIC", "-shared", "-isystem", "/usr/lib/llvm-19/include"]
    subprocess.run([*command, "-o", SCOPE, source], check=True)


def tidy(*arguments):
    return subprocess.run(
        ["clang-tidy-19", "--quiet", f"--load={SCOPE}", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def deaf_checks():
    """The checks of .clang-tidy that do not find the mistake made for them, in a source that is a part of a unit."""
    unit = os.path.join(BUILD, "tidy_sample_unit.cc")
    with open(unit, "w", encoding="utf-8") as file:
        file.write(f'#include "{os.path.join(TIDY, "sample.cc")}"\n')
    said = tidy(f"--config-file={RULES}", unit, "--", "-std=c++20").stdout
    with open(RULES, encoding="utf-8") as file:
        checks = re.findall(r"^  ([a-z]+-[a-z-]+),?$", file.read(), re.MULTILINE)
    return [f".clang-tidy: {check} does not find its mistake in tools/tidy/sample.*" for check in checks if f"[{check}," not in said]


def findings(path):
    ended = tidy("-p", BUILD, path)
    lines = [line for line in (ended.stdout + ended.stderr).split("\n") if line and not line.strip("0123456789 ").startswith(NOISE)]
    return [] if ended.returncode == 0 else lines or [f"{path}: clang-tidy ended with {ended.returncode}"]


def sources_of(path):
    """The sources of src in a unit."""
    paths = [path]
    if path.startswith(BUILD) and os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            paths = INCLUDED.findall(file.read())
    names = (os.path.relpath(name, ROOT) for name in paths)
    return {name for name in names if name.startswith("src/") and os.path.exists(os.path.join(ROOT, name))}


def main():
    arguments = sys.argv[1:]
    database = os.path.join(BUILD, "compile_commands.json")
    if not os.path.exists(database):
        sys.exit("There is no build/dev/compile_commands.json; build first: tools/build dev all")
    with open(database, encoding="utf-8") as file:
        entries = json.load(file)
    objects = {entry["file"]: OBJECT.search(entry["command"]).group(1) for entry in entries}
    units = {path: sources for path in objects if (sources := sources_of(path))}
    if "--changed" in arguments:
        wanted = changed()
        units = {path: sources for path, sources in units.items() if wanted & sources}
    named = {os.path.relpath(os.path.abspath(path), ROOT) for path in arguments if not path.startswith("-")}
    if named:
        units = {path: sources for path, sources in units.items() if named & sources}
    noted = dependencies()
    os.makedirs(CLEAN, exist_ok=True)
    tools = {RULES, *(os.path.join(TIDY, name) for name in os.listdir(TIDY))}
    stamps = {}
    for path, sources in units.items():
        parts = [part for part in noted.get(objects[path], []) if os.path.isfile(part) and not part.startswith(BUILD)]
        stamps[path] = os.path.join(CLEAN, fingerprint({*(os.path.join(ROOT, source) for source in sources), *tools, *parts}))
    looked_at = [path for path in units if not os.path.exists(stamps[path])]
    build_scope()
    deaf = deaf_checks()
    print("\n".join(deaf), end="\n" if deaf else "")
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, lines in zip(looked_at, pool.map(findings, looked_at)):
            if lines:
                bad += 1
                print("\n".join(line.replace(ROOT + "/", "") for line in lines), flush=True)
            else:
                open(stamps[path], "w", encoding="utf-8").close()
    count = sum(map(len, units.values()))
    print(f"{count} sources in {len(units)} units, {len(looked_at)} looked at, the rest is as it was when it was clean; {bad} with findings")
    return 1 if bad or deaf else 0


if __name__ == "__main__":
    sys.exit(main())
