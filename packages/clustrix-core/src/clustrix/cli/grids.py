"""Grids of parameters: ``--grid alpha=0.1,0.2 --grid seed=1:100``, and all of their combinations."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

import click

from clustrix.cli.programs import PLACEHOLDER

MOST_COMBINATIONS = 1_000_000

_NAME = re.compile(r"[A-Za-z_][\w-]*")
_PART = re.compile(r'\s*(?:"(?P<quoted>[^"]*)"|(?P<plain>[^",]*))\s*(?:,|\Z)')
_NUMBER = r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)"
_RANGE = re.compile(f"{_NUMBER}:{_NUMBER}(?::{_NUMBER})?")


class Grid(NamedTuple):
    """Parameters with the values that each has, as texts: they stand in the command as they were typed."""

    values: dict[str, list[str]]

    def __len__(self) -> int:
        return math.prod(map(len, self.values.values()))

    def combinations(self) -> Iterator[dict[str, str]]:
        """All of them; the last parameter changes first."""
        return (dict(zip(self.values, row, strict=True)) for row in itertools.product(*self.values.values()))

    def placed(self, command: Sequence[str], script: bool) -> list[str]:
        """The command with a ``{name}`` for each parameter: a script that has none gets them as options.

        Raises UsageError for a parameter that would not reach the command.
        """
        named = {name for word in command for name in PLACEHOLDER.findall(word)}
        missing = [name for name in self.values if name not in named]
        if script and len(missing) == len(self.values):
            return [*command, *(word for name in self.values for word in self._option(name))]
        if missing:
            raise click.UsageError(
                f"--grid {missing[0]}: there is no {{{missing[0]}}} in the command, so its values would reach nobody."
            )
        return list(command)

    def _option(self, name: str) -> list[str]:
        # As a word of its own, argparse would take a value like "-x" for an option.
        if any(value.startswith("-") for value in self.values[name]):
            return [f"--{name}={{{name}}}"]
        return [f"--{name}", f"{{{name}}}"]


def parsed(texts: Sequence[str]) -> Grid:
    """What several ``--grid`` say.

    ``name=a,b,c``; ``name=1:100`` for the whole numbers from 1 to 100, both included; ``name=0:1:0.25`` with a step; both mixed, as
    ``name=1:5,10``.  What stands in double quotes is one value as it is, with commas and colons.  Raises UsageError.
    """
    values: dict[str, list[str]] = {}
    for text in texts:
        name, given = named(text, "--grid")
        if name in values:
            raise click.UsageError(f"--grid {name} is given twice; write all values in one: {name}=1,2,3")
        values[name] = _values(name, given)
    grid = Grid(values)
    if len(grid) > MOST_COMBINATIONS:
        raise click.UsageError(
            f"the grid has {len(grid):,} combinations; {MOST_COMBINATIONS:,} are the most that one job may have."
        )
    return grid


def named(text: str, option: str) -> tuple[str, str]:
    """``name=value``.  Raises UsageError."""
    name, equals, value = text.partition("=")
    if not equals or not _NAME.fullmatch(name):
        raise click.UsageError(f"{option} {text}: must be name=value, as {option} alpha=0.1")
    return name, value


def _values(name: str, text: str) -> list[str]:
    found: list[str] = []
    for part, quoted in _parts(name, text):
        span = None if quoted else _RANGE.fullmatch(part)
        found += [part] if span is None else _numbers(name, part, *span.groups())
    seen: set[str] = set()
    for value in found:
        if value in seen:
            raise click.UsageError(f"--grid {name}: {value} is given twice.")
        seen.add(value)
    return found


def _parts(name: str, text: str) -> Iterator[tuple[str, bool]]:
    """Each value, and whether it stands in quotes."""
    at = 0
    while at <= len(text):
        match = _PART.match(text, at)
        if match is None:
            raise click.UsageError(
                f"--grid {name}={text}: double quotes stand around a whole value, as {name}='\"a,b\",c'"
            )
        if match["quoted"] is not None:
            yield match["quoted"], True
        elif match["plain"].strip():
            yield match["plain"].strip(), False
        else:
            raise click.UsageError(
                f'--grid {name}={text}: there is an empty value; if you mean one, write "" for it'
            )
        if match.end() == len(text) and not match[0].endswith(","):
            return
        at = match.end()


def _numbers(name: str, text: str, first: str, last: str, step: str | None) -> list[str]:
    # As decimals: 0:1:0.1 has eleven values, and none of them is 0.30000000000000004.
    start, end, width = Decimal(first), Decimal(last), Decimal(step or 1)
    if step is None and (start % 1 or end % 1):
        raise click.UsageError(f"--grid {name}={text}: say the step, as {text}:0.1")
    if width == 0:
        raise click.UsageError(f"--grid {name}={text}: the step must not be 0")
    if (end - start) * width < 0:
        raise click.UsageError(
            f"--grid {name}={text}: from {first} to {last} in steps of {step or 1} is nothing; "
            f"write {first}:{last}:{_plain(-width)}, or {last}:{first}"
        )
    count = (end - start) / width
    if count >= MOST_COMBINATIONS:
        raise click.UsageError(f"--grid {name}={text}: that is more than {MOST_COMBINATIONS:,} values.")
    return [_plain(start + number * width) for number in range(int(count) + 1)]


def _plain(number: Decimal) -> str:
    """Without exponent and needless zeros."""
    return f"{number.normalize() + 0:f}"
