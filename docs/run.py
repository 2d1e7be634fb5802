#!/usr/bin/env python3
"""Checks the book, and runs every command in it.

    docs/run.py                      links, anchors, included files, charts, paths of the repository, the list of chapters
    docs/run.py --secateur PATH      and every command, with this program as `secateur`
    docs/run.py --built DIR          and the pages that mdBook made: one per chapter, nothing left to include, no link that leads nowhere

A command is a line of a `console` block that begins with `$ `; a line that ends with a backslash goes on in the next. Other lines
show output and are not compared. Commands run in the order of the chapters, in one scratch folder that reaches the repository's folders
under their own names, without network. A command must end with 0, or with what its block says: ```console exit=3.
A quotation (`> …`) must stand in results/demo/report/report.md, but for emphasis. A block with `file=NAME` is written to that file before the commands behind it. What CI cannot run stands in `text` blocks.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
BOOK = REPOSITORY / "docs" / "src"
SUMMARY = BOOK / "SUMMARY.md"
# The book has copies, because its pages reach nothing outside of their folder.
CHARTS = REPOSITORY / "results" / "demo" / "report" / "charts"
QUOTED = REPOSITORY / "results" / "demo" / "report" / "report.md"
# Pages that are read where they lie; their links are checked too.
PAGES = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"]
REACHABLE = ["benchmarks", "crates", "datasets", "xtask"]
# Each takes seconds; a machine that is busy otherwise may need many times as long.
SECONDS_PER_COMMAND = 600

FENCE = re.compile(r"^ *(`{3,}|~{3,})(.*)$")
LINK = re.compile(r"\]\(([^()\s]+)\)")
INCLUDE = re.compile(r"\{\{#include ([^}]+)\}\}")
HEADING = re.compile(r"^#{1,6} +(.+?)(?: +\{#([\w-]+)\})?$")
HTML_LINK = re.compile(r"""<(?:a|img|link|script)\b[^>]*?\b(?:href|src)=["']([^"']+)["']""")
CODE = re.compile(r"`([^`]+)`")
IN_REPOSITORY = re.compile(r"^(?:crates|benchmarks|datasets|docs|xtask|fuzz|results/demo|results/\w+\.|\.ci)(?:/|\w|$)[\w./@-]*$")


@dataclass
class Block:
    """A fenced block: its language, its `name=value` words, its first line's number, its lines."""

    language: str
    words: dict
    line: int
    lines: list


@dataclass
class Page:
    """A Markdown file: blocks, and the (number, line) pairs outside of them."""

    path: Path
    blocks: list
    prose: list

    @property
    def name(self):
        return self.path.relative_to(REPOSITORY)


def read(path):
    page, fence = Page(path, [], []), None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        found = FENCE.match(line)
        if fence is None and found:
            fence = found[1]
            language, *words = found[2].split() or [""]
            pairs = dict(word.split("=", 1) for word in words if "=" in word)
            page.blocks.append(Block(language, pairs, number + 1, []))
        elif fence and found and found[1].startswith(fence) and not found[2].strip():
            fence = None
        elif fence:
            page.blocks[-1].lines.append(line)
        else:
            page.prose.append((number, line))
    if fence:
        sys.exit(f"{page.name}: a fenced block is not closed")
    return page


def anchors(page):
    """Names of a page's headings, as mdBook and GitHub make them."""
    seen, names = {}, set()
    for _, line in page.prose:
        heading = HEADING.match(line)
        if not heading:
            continue
        text = re.sub(r"\]\([^)]*\)", "", heading[1])
        kept = (c for c in text.lower() if c.isalnum() or c in "_- ")
        name = heading[2] or "".join(kept).replace(" ", "-")
        count = seen.get(name, 0)
        seen[name] = count + 1
        names.add(f"{name}-{count}" if count else name)
    return names


def chapters():
    """The book's files in reading order."""
    return [BOOK / target for _, line in read(SUMMARY).prose for target in LINK.findall(line)]


def problems(listed):
    """What is wrong with the book but for its commands, as `file:line: message`."""
    for path in sorted(BOOK.rglob("*.md")):
        if path != SUMMARY and path not in listed:
            yield f"{path.relative_to(REPOSITORY)}: not in SUMMARY.md"
    for path in sorted((BOOK / "charts").iterdir()):
        drawn = CHARTS / path.name
        if not drawn.is_file() or drawn.read_bytes() != path.read_bytes():
            name = path.relative_to(REPOSITORY)
            yield f"{name}: not the chart of the reference run; copy {drawn.relative_to(REPOSITORY)} and read what is said of it"
    missing = [path for path in listed if not path.is_file()]
    yield from (f"{SUMMARY.relative_to(REPOSITORY)}: no chapter {path.name}" for path in missing)
    pages = [read(path) for path in listed if path not in missing]
    known = {page.path: anchors(page) for page in pages}
    for page in pages + [read(REPOSITORY / name) for name in PAGES]:
        for number, line in page.prose:
            for target in LINK.findall(CODE.sub("", line) if page in pages else line):
                yield from bad_link(page, number, target, known)
        if page in pages:
            yield from bad_paths(page)
            yield from bad_quotations(page)
            yield from bad_includes(page)


def bad_link(page, number, target, known):
    if re.match(r"^[a-z]+:", target):
        return
    file, _, anchor = target.partition("#")
    path = (page.path.parent / file).resolve() if file else page.path
    if not path.exists():
        yield f"{page.name}:{number}: the link {target} leads to no file"
    elif page.path in known and path not in known and path.parent != BOOK / "charts":
        yield f"{page.name}:{number}: {target} is outside the book, where its built pages cannot reach it; name it in backticks"
    elif anchor and path.suffix == ".md":
        names = known.get(path)
        if anchor not in (anchors(read(path)) if names is None else names):
            yield f"{page.name}:{number}: {file or page.path.name} has no heading #{anchor}"


def bad_paths(page):
    """Names of files of the repository, in backticks."""
    for number, line in page.prose:
        for name in CODE.findall(line):
            if IN_REPOSITORY.match(name) and not (REPOSITORY / name).exists():
                yield f"{page.name}:{number}: the repository has no {name}"


def bad_quotations(page):
    report = plain(QUOTED.read_text(encoding="utf-8"))
    for number, line in page.prose:
        if line.startswith("> ") and plain(line[2:]) not in report:
            yield f"{page.name}:{number}: {QUOTED.relative_to(REPOSITORY)} does not say this"


def plain(markdown):
    return re.sub(r"[*\\`]", "", markdown).strip()


def bad_includes(page):
    for block in page.blocks:
        for offset, line in enumerate(block.lines):
            for target in INCLUDE.findall(line):
                file, _, anchor = target.partition(":")
                path, at = page.path.parent / file, f"{page.name}:{block.line + offset}"
                if not path.is_file():
                    yield f"{at}: there is no {file} to include"
                elif anchor and not re.search(rf"ANCHOR: {re.escape(anchor)}$", path.read_text(encoding="utf-8"), re.M):
                    yield f"{at}: {file} has no `ANCHOR: {anchor}`"


def bad_pages(listed, built):
    """What is wrong with the pages that mdBook made."""
    for chapter in listed:
        page = built / chapter.relative_to(BOOK).with_suffix(".html")
        if not page.is_file():
            yield f"{page}: not built"
            continue
        html = page.read_text(encoding="utf-8")
        if "{{#" in html:
            yield f"{page}: something was not included"
        for target in HTML_LINK.findall(html):
            if not re.match(r"^(?:[a-z]+:|#)", target) and not (page.parent / target.partition("#")[0]).is_file():
                yield f"{page}: the link {target} leads nowhere"


def commands(block):
    """(line, command) of a console block."""
    lines = iter(enumerate(block.lines, block.line))
    for number, line in lines:
        if not line.startswith("$ "):
            continue
        parts = [line[2:]]
        while parts[-1].endswith("\\"):
            parts.append(next(lines, (0, ""))[1])
        yield number, "\n".join(parts)


def run_all(pages, secateur, scratch):
    """Runs all commands; stops at the first that does not end as it should. Returns how many ran."""
    (scratch / "bin").mkdir()
    (scratch / "bin" / "secateur").symlink_to(secateur)
    for name in REACHABLE:
        (scratch / name).symlink_to(REPOSITORY / name)
    environment = os.environ | {
        "PATH": f"{scratch / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "HF_HUB_OFFLINE": "1",
        "XDG_CACHE_HOME": str(scratch / "cache"),
    }
    count = 0
    for page in pages:
        for block in page.blocks:
            if "file" in block.words:
                file = scratch / block.words["file"]
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text("\n".join(block.lines) + "\n", encoding="utf-8")
            if block.language != "console":
                continue
            expected = int(block.words.get("exit", 0))
            for number, command in commands(block):
                run(f"{page.name}:{number}", command, expected, scratch, environment)
                count += 1
    return count


def run(at, command, expected, scratch, environment):
    began = time.monotonic()
    try:
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command], cwd=scratch, env=environment, stdin=subprocess.DEVNULL, timeout=SECONDS_PER_COMMAND,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
        )
        code, output = done.returncode, done.stdout
    except subprocess.TimeoutExpired as late:
        code, output = f"nothing within {SECONDS_PER_COMMAND} s", (late.stdout or b"").decode(errors="replace")
    print(f"{time.monotonic() - began:5.1f} s  {at}  {command.splitlines()[0]}", flush=True)
    if code != expected:
        sys.exit(f"{at}: `{command}` ended with {code}, expected {expected}\n{output[-4000:]}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--secateur", type=Path, help="the program; without it no command is run")
    arguments.add_argument("--built", type=Path, help="folder of the pages that mdBook made")
    given = arguments.parse_args()
    secateur, listed = given.secateur, chapters()
    found = list(problems(listed)) + (list(bad_pages(listed, given.built)) if given.built else [])
    if found:
        sys.exit("\n".join(found))
    print(f"{len(listed)} chapters: links, anchors, included files, charts and paths are there")
    if secateur is None:
        return
    if not secateur.is_file():
        sys.exit(f"--secateur {secateur}: no such file; build it with `cargo build --release --package secateur`")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="secateur-book-") as scratch:
        count = run_all([read(path) for path in listed], secateur.resolve(), Path(scratch))
    print(f"{count} commands ended as the book says, in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
