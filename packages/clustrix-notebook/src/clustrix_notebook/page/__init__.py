"""What runs in the browser: plain ES modules and a style sheet, sent as they are; nothing is built, nothing comes from elsewhere.

A widget has one module, so those of this folder are joined: each once, below those that it imports, without its ``import`` and ``export``.
They share one scope, so that no two may give the same name at their top; a test sees to that.
"""

from __future__ import annotations

import functools
import re
from importlib.resources import files

_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([\w-]+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default)", re.MULTILINE)


@functools.cache
def script(name: str = "main.js") -> str:
    """A module with all that it imports, as one."""
    order: list[str] = []
    _add(name, order)
    return "\n".join(_EXPORT.sub("", _IMPORT.sub("", source(one))) for one in order)


def _add(name: str, order: list[str]) -> None:
    for inner in _IMPORT.findall(source(name)):
        if inner not in order:
            _add(inner, order)
    order.append(name)


def source(name: str) -> str:
    """A file of this folder."""
    return (files(__package__) / name).read_text(encoding="utf-8")


@functools.cache
def style() -> str:
    """The style sheets."""
    return source("style.css") + source("jobs.css")
