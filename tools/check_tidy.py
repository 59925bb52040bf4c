#!/usr/bin/env python3
"""Runs clang-tidy with the short list of .clang-tidy over the sources, as the dev preset compiles them.

Usage: tools/check_tidy.py [--changed] [FILE...]
--changed takes the sources that differ from the last commit (a header stands for the source beside it). The dev preset
must be built: its precompiled headers are read. A source that was clean is looked at again when it, a header it includes
or the list of checks has changed. Prints the findings and exits 1 when there is one.
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
OBJECT = re.compile(r" -o (\S+)")
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


def findings(path):
    ended = subprocess.run(
        ["clang-tidy-19", "--quiet", "-p", BUILD, path], cwd=ROOT, capture_output=True, text=True, check=False
    )
    lines = [line for line in (ended.stdout + ended.stderr).split("\n") if line and not line.strip("0123456789 ").startswith(NOISE)]
    return [] if ended.returncode == 0 else lines or [f"{path}: clang-tidy ended with {ended.returncode}"]


def main():
    arguments = sys.argv[1:]
    database = os.path.join(BUILD, "compile_commands.json")
    if not os.path.exists(database):
        sys.exit("There is no build/dev/compile_commands.json; build first: tools/build dev all")
    with open(database, encoding="utf-8") as file:
        entries = json.load(file)
    objects = {os.path.relpath(entry["file"], ROOT): OBJECT.search(entry["command"]).group(1) for entry in entries}
    noted = dependencies()
    sources = sorted(path for path in objects if path.startswith("src/") and os.path.exists(os.path.join(ROOT, path)))
    if "--changed" in arguments:
        wanted = changed()
        sources = [path for path in sources if path in wanted]
    named = [os.path.relpath(os.path.abspath(path), ROOT) for path in arguments if not path.startswith("-")]
    if named:
        sources = [path for path in sources if path in named]
    os.makedirs(CLEAN, exist_ok=True)
    rules = os.path.join(ROOT, ".clang-tidy")
    stamps = {}
    for path in sources:
        parts = [part for part in noted.get(objects[path], []) if os.path.isfile(part) and not part.startswith(BUILD)]
        stamps[path] = os.path.join(CLEAN, fingerprint({os.path.join(ROOT, path), rules, *parts}))
    looked_at = [path for path in sources if not os.path.exists(stamps[path])]
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, lines in zip(looked_at, pool.map(findings, looked_at)):
            if lines:
                bad += 1
                print("\n".join(line.replace(ROOT + "/", "") for line in lines), flush=True)
            else:
                open(stamps[path], "w", encoding="utf-8").close()
    print(f"{len(sources)} sources, {len(looked_at)} looked at, the rest is as it was when it was clean; {bad} with findings")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
