"""Values on their way into a job script's directives: passed on exactly, or refused; none is ever read by a shell."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from clustrix_ssh.schedulers.interface import Refused

_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./*&|()\[\]^~-]+")
_LONGEST_CHARACTERS = 1000
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,60}")


def value(field: str, given: Any) -> str:
    """As it stands in a directive; in double quotes if it has spaces.  Raises Refused with the field's name and the reason."""
    text = str(given)
    if not text:
        raise Refused(f"{field} is empty: leave it out, or name something")
    if len(text) > _LONGEST_CHARACTERS:
        raise Refused(f"{field} has {len(text)} characters; at most {_LONGEST_CHARACTERS} can be passed on")
    for character in text:
        if not character.isprintable():
            raise Refused(
                f"{field} has a character that no directive can hold: {character!r} in {text[:60]!r}"
            )
        if character in "\"'\\`$#!;<>":
            raise Refused(
                f"{field} has {character}, which the scheduler would read as something else: {text[:60]!r}"
            )
    return text if _PLAIN.fullmatch(text) else f'"{text}"'


def word(field: str, given: Any) -> str:
    """A single word within a list of ``name=value``.  Raises Refused."""
    text = value(field, given)
    if not re.fullmatch(r"[A-Za-z0-9_.:*+-]+", text):
        raise Refused(
            f"{field} is {str(given)[:60]!r}: a single word is needed, of letters, digits, _ . : * + -"
        )
    return text


def options(field: str, given: Mapping[str, Any]) -> dict[str, str | None]:
    """Options of the scheduler's own, by name; None: without a value.  Raises Refused."""
    found: dict[str, str | None] = {}
    for name, one in given.items():
        bare = str(name).lstrip("-")
        if not _NAME.fullmatch(bare):
            raise Refused(f"{field}: {name!r} is no option's name")
        if one is False or one is None:
            continue
        found[bare] = None if one is True else value(f"{field}[{name!r}]", one)
    return found


def resources(given: str | None) -> dict[str, str]:
    """Of an option that lists them: ``h_rt=60,gpu`` is two, the second without a value.  Raises Refused."""
    text = given or ""
    if '"' in text:
        raise Refused(f"scheduler_options['l'] has a space, which would end it: {text[:60]}")
    pairs = (part.partition("=") for part in text.split(",") if part)
    return {name: one for name, _, one in pairs}


def script(mark: str, options: Sequence[tuple[str, str | None]], lines: Sequence[str], title: str) -> str:
    """A job script whose directives begin with ``mark``, wherever in it they stand.  Raises Refused for a line that would be taken for one."""
    found = [f"{mark} -{name}" + ("" if one is None else f" {one}") for name, one in options]
    for part in "\n".join(lines).split("\n"):
        if part.startswith(mark):
            raise Refused(
                f"pre_execution_commands: {title} would read this line as its own directive: {part[:60]!r}"
            )
    return "\n".join(["#!/bin/bash", *found, *lines, ""])


def hours(seconds: float) -> str:
    """``H:MM:SS``, rounded up to full seconds."""
    whole = math.ceil(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def safe_name(text: str, length: int = 24) -> str:
    """What of a function's name a scheduler can show."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-")[:length].strip("-") or "job"
