"""The blocks of code in the documentation's pages, and what a test does with each.

=================  ===========================================================================================
``python``         typed into a Python session that all blocks of the page share
``console``        each line behind ``$`` is run by a shell; the lines below it are its output
``sh``             run by a shell
``text``           the output of the block before it
any, with a file   written to that file: ``<!-- file: clustrix.yml -->`` stands in the line above, or it is a
                   ``{literalinclude}`` with a ``:caption:``
=================  ===========================================================================================

In outputs ``…`` stands for anything.  A block that fails has to show how.  What cannot run is listed in ``not-run`` with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        *(path for path in ROOT.glob("docs/**/*.md") if "_build" not in path.parts),
        ROOT / "README.md",
        *ROOT.glob("packages/*/README.md"),
    ]
)
LISTED = Path(__file__).with_name("not-run")

RUN = ("python", "console", "sh")
_NO_CODE = ("toctree", "eval-rst")
_FENCE = re.compile(r"(?P<indent> *)(?P<fence>`{3,})(?P<info>[^`]*)$")
_FILE = re.compile(r"<!-- file: (\S+) -->")
_CAPTION = re.compile(r":caption: (\S+)")


class Block(NamedTuple):
    """One block of code."""

    page: str
    """From the project's folder on."""
    line: int
    """Of its first line of code, from 1 on."""
    language: str
    text: str
    file: str = ""
    """Where it is to be written, in the page's folder; empty: it is no file."""
    output: str | None = None
    """What it shows of its output; None: nothing."""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def title(self) -> str:
        """Its first line, by which ``not-run`` names it."""
        return self.text.strip().partition("\n")[0].strip()


def blocks_of(page: Path) -> list[Block]:
    """All blocks of a page, each with its output, in their order."""
    blocks: list[Block] = []
    for block in _raw(page):
        last = blocks[-1] if blocks else None
        if (
            block.language == "text"
            and not block.file
            and last
            and last.language in RUN
            and last.output is None
        ):
            blocks[-1] = last._replace(output=block.text)
        else:
            blocks.append(block)
    return blocks


def _raw(page: Path) -> Iterator[Block]:
    name = page.relative_to(ROOT).as_posix()
    lines = page.read_text(encoding="utf-8").splitlines()
    number = 0
    while number < len(lines):
        match = _FENCE.match(lines[number])
        number += 1
        if not match:
            continue
        end = next(at for at in range(number, len(lines)) if lines[at].strip() == match["fence"])
        indent = len(match["indent"])
        text = "".join(f"{line[indent:]}\n" for line in lines[number:end])
        told = _FILE.search(lines[number - 2]) if number > 1 else None
        directive = re.match(r"\{([\w-]+)\}\s*(\S*)", match["info"].strip())
        if directive is None:
            yield Block(name, number + 1, match["info"].strip(), text, told[1] if told else "")
        elif directive[1] == "literalinclude":
            caption = _CAPTION.search(text)
            if caption is None:
                number = end + 1
                continue  # a part of a file: nothing that somebody types
            included = (page.parent / directive[2]).read_text(encoding="utf-8")
            yield Block(name, number, "literalinclude", included, caption[1] if caption else "")
        elif directive[1] not in _NO_CODE:
            raise ValueError(f"{name}:{number}: {match['info']}: write a plain fence, as GitHub shows it")
        number = end + 1


ALL = "*"
"""Instead of a first line: all blocks of a page that another program writes."""


def is_listed(block: Block, listed: Container[tuple[str, str]]) -> bool:
    """Whether a block is one of those that are not run."""
    return (block.page, block.title) in listed or (block.page, ALL) in listed


def not_run() -> dict[tuple[str, str], str]:
    """Page and first line of each block that is not run, and why."""
    found = {}
    for line in LISTED.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            page, _, rest = line.partition(" | ")
            title, _, reason = rest.rpartition(" | ")
            found[page.strip(), title.strip()] = reason.strip()
    return found
