"""TOML and JSON, with the lines of names as far as they can be told: their readers do not keep them."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

from clustrix.errors import ConfigFileError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Lines = dict[tuple[str, ...], int]

_PREFIX = ("tool", "clustrix")
_DEEPEST = 12


def parse_toml(path: str, text: str) -> tuple[dict[str, Any], Lines]:
    """The settings of a TOML text: its table ``[tool.clustrix]``, or all of it where there is no ``[tool]``."""
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        where = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
        line, column = (int(where[1]), int(where[2])) if where else (0, 0)
        problem = str(error).partition(" (at ")[0]
        raise ConfigFileError(path, f"no valid TOML: {problem}", "Mend it there.", line, column) from None
    except (RecursionError, ValueError):
        raise ConfigFileError(path, "no valid TOML that could be read") from None
    inner = "tool" in found
    if inner:
        tool = found["tool"]
        found = tool.get("clustrix", {}) if isinstance(tool, dict) else {}
    if not isinstance(found, dict):
        raise ConfigFileError(path, "[tool.clustrix] must be a table")
    _limit(path, found)
    return found, _toml_lines(text, _PREFIX if inner else ())


def has_tool_table(data: bytes) -> bool:
    """Whether a TOML text says anything about clustrix under ``tool``."""
    try:
        tool = tomllib.loads(data.decode("utf-8-sig")).get("tool")
    except (ValueError, RecursionError):  # then it is not for us to complain of it
        return False
    return isinstance(tool, dict) and "clustrix" in tool


def _toml_lines(text: str, prefix: tuple[str, ...]) -> Lines:
    lines: Lines = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[\s*([^\[\]]+?)\s*\]", line)
        entry = re.match(r"\s*(\"?)([\w.-]+)\1\s*=", line)
        if header:
            table = tuple(part.strip().strip("\"'") for part in header[1].split("."))
            where = table
        elif entry:
            where = (*table, *(entry[2].split(".") if not entry[1] else (entry[2],)))
        else:
            continue
        if where[: len(prefix)] == prefix:
            lines.setdefault(where[len(prefix) :], number)
    return lines


def parse_json(path: str, text: str) -> tuple[dict[str, Any], Lines]:
    """The settings of a JSON text."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            name = next(name for index, (name, _) in enumerate(pairs) if name in dict(pairs[:index]))
            lines = [number for number, line in enumerate(text.splitlines(), 1) if _names(line, name)]
            where = f", in lines {' and '.join(map(str, lines[:4]))}" if len(lines) > 1 else ""
            raise ConfigFileError(
                path, f"{name!r} stands twice{where}", "Remove one of them.", lines[-1] if lines else 0
            )
        return found

    try:
        found = json.loads(text, object_pairs_hook=unique) if text.strip() else {}
    except json.JSONDecodeError as error:
        raise ConfigFileError(
            path, f"no valid JSON: {error.msg}", "Mend it there.", error.lineno, error.colno
        ) from None
    except (RecursionError, ValueError) as error:
        if isinstance(error, ConfigFileError):
            raise
        raise ConfigFileError(path, "no valid JSON that could be read") from None
    if not isinstance(found, dict):
        raise ConfigFileError(path, 'it must be an object, as {"default_cores": 4}', "", 1)
    _limit(path, found)
    lines: Lines = {}
    for number, line in enumerate(text.splitlines(), 1):
        for name in re.findall(r'"([^"\\]+)"\s*:', line):
            for where in _places(found, name):
                lines.setdefault(where, number)
    return found, lines


def _names(line: str, name: str) -> bool:
    return re.search(rf"{re.escape(json.dumps(name))}\s*:", line) is not None


def _places(found: dict[str, Any], name: str) -> list[tuple[str, ...]]:
    """Where a name stands, if it stands in one place only: others cannot be told apart by their lines."""
    profiles = found.get("profiles")
    places: list[tuple[str, ...]] = [(name,)] if name in found else []
    if isinstance(profiles, dict):
        places += [("profiles", name)] if name in profiles else []
        places += [
            ("profiles", profile, name)
            for profile, inner in profiles.items()
            if isinstance(inner, dict) and name in inner
        ]
    return places if len(places) == 1 else []


def _limit(path: str, value: Any, depth: int = 0) -> None:
    if depth > _DEEPEST:
        raise ConfigFileError(path, f"nested deeper than {_DEEPEST} levels")
    if isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            _limit(path, inner, depth + 1)
