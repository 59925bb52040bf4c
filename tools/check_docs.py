#!/usr/bin/env python3
"""Holds the pages to the tree: what a page points to exists, each package has its reason, decisions are numbered.

Usage: tools/check_docs.py
Looks at every Markdown page of the repository, and at sources where they name a page. Prints one line per offence and
exits 1 when there is one.
"""
import json
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
# `src/http`, `tools/build`: a path in code marks, from the root. Patterns and what is built are left out.
PATH = re.compile(r"`((?:src|test|docs|tools|data|fuzz|bench|examples|cmake)/[\w./-]+)`")
PAGE = re.compile(r"\b(docs/[\w./-]+\.md|ARCHITECTURE\.md|CONTRIBUTING\.md)\b")
DECISION = re.compile(r"(\d{4})-[a-z0-9-]+\.md")
SECTIONS = ("**Context.**", "**Choice.**", "**Consequences.**")


def tracked(*patterns):
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )
    return [path for path in listed.stdout.split("\n") if path and os.path.isfile(os.path.join(ROOT, path))]


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as file:
        return file.read()


def anchors(text):
    """The fragments under which the headings of a page are found."""
    names = set()
    for heading in re.findall(r"^#+ +(.+?) *$", text, re.M):
        words = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower())
        names.add(words.replace(" ", "-"))
    return names


def exists(path):
    full = os.path.join(ROOT, path)
    return os.path.exists(full) or any(name.startswith(os.path.basename(path) + ".") for name in siblings(full))


def siblings(full):
    """`src/http/client` in a page means client.h and client.cc."""
    folder = os.path.dirname(full)
    return os.listdir(folder) if os.path.isdir(folder) else []


def offences_of_page(page):
    text = read(page)
    for number, line in enumerate(text.split("\n"), 1):
        for target in LINK.findall(line):
            if re.match(r"[a-z]+:", target):
                continue
            file, _, fragment = target.partition("#")
            path = os.path.normpath(os.path.join(os.path.dirname(page), file)) if file else page
            if not os.path.exists(os.path.join(ROOT, path)):
                yield f"{page}:{number}: the link {target} leads nowhere"
            elif fragment and path.endswith(".md") and fragment not in anchors(read(path)):
                yield f"{page}:{number}: {path} has no heading #{fragment}"
        for path in PATH.findall(line):
            if not exists(path.rstrip("/.")):
                yield f"{page}:{number}: there is no {path}"


def offences_of_sources():
    for path in tracked("src", "test", "tools", "bench", "fuzz", "dev", "check"):
        if path.startswith("test/data/") or path.endswith((".md", ".json", ".gz")):
            continue
        for number, line in enumerate(read(path).split("\n"), 1):
            for page in PAGE.findall(line):
                if not os.path.exists(os.path.join(ROOT, page)):
                    yield f"{path}:{number}: there is no {page}"


def offences_of_packages():
    packages = [line.strip() for line in read("tools/packages.txt").split("\n") if line.strip() and not line.startswith("#")]
    text = read("docs/dependencies.md")
    rows = [[cell.strip() for cell in row.strip("| \n").split("|")] for row in re.findall(r"^\|.*\|$", text, re.M)]
    explained = {name for row in rows if len(row) == 3 and row[2] for name in re.findall(r"`([^`]+)`", row[0])}
    for package in packages:
        if package not in explained:
            yield f"docs/dependencies.md: no reason for {package} of tools/packages.txt"
    npm = set(json.loads(read("test/package.json")).get("dependencies", {}))
    for package in sorted(npm - explained):
        yield f"docs/dependencies.md: no reason for {package} of test/package.json"
    for name in sorted(explained - set(packages) - npm):
        yield f"docs/dependencies.md: {name} stands in no list of packages"


def offences_of_decisions():
    seen = {}
    for path in tracked("docs/decisions"):
        name = os.path.basename(path)
        match = DECISION.fullmatch(name)
        if not match:
            yield f"{path}: a decision is named NNNN-words-of-it.md"
            continue
        if match.group(1) in seen:
            yield f"{path}: the number is that of {seen[match.group(1)]}"
        seen[match.group(1)] = path
        for section in SECTIONS:
            if section not in read(path):
                yield f"{path}: {section} is missing"


def main():
    offences = []
    for page in tracked("*.md"):
        if page.startswith(("test/data/", "data/")):
            continue  # They speak of files of where the data came from.
        offences += offences_of_page(page)
    offences += [*offences_of_sources(), *offences_of_packages(), *offences_of_decisions()]
    print("\n".join(offences) if offences else "Every page points to what is there.")
    return 1 if offences else 0


if __name__ == "__main__":
    sys.exit(main())
