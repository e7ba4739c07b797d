"""What changes in a file of settings, as lines; no value that may be secret is among them.

Those of environment variables, those of passwords, and what stands behind such a name in a comment.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator

from clustrix.config import kinds, yamltext
from clustrix.config.field import Field
from clustrix.config.yamltext import Node
from clustrix_notebook.widget.texts import KEPT

OTHER = f"{KEPT} (another value)"
_Hidden = dict[tuple[str, ...], Node]


def difference(path: str, before: str, after: str, fields: Iterable[Field]) -> list[str]:
    """Lines that begin with ``+``, ``-``, ``@`` or a space.  The texts are YAML that has been read before."""
    names = {field.name for field in fields if field.secret or field.kind is kinds.VARIABLES}
    old, new = (_hidden(yamltext.parse(path, text), names) for text in (before, after))
    other = {key for key, node in new.items() if key in old and old[key].plain() != node.plain()}
    sides = _masked(before, old, set(), names), _masked(after, new, other, names)
    lines = difflib.unified_diff(*sides, n=2, lineterm="")
    return [line for line in lines if not line.startswith(("---", "+++"))]


def _hidden(root: Node | None, names: set[str]) -> _Hidden:
    if root is None or not isinstance(root.value, dict):
        return {}
    found = dict(_within(root, names, ()))
    profiles = root.value.get("profiles")
    if profiles is not None and isinstance(profiles.value, dict):
        for profile, inner in profiles.value.items():
            found |= _within(inner, names, (profile,))
    return found


def _within(mapping: Node, names: set[str], where: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Node]]:
    for name, node in mapping.value.items() if isinstance(mapping.value, dict) else ():
        if name in names and isinstance(node.value, dict):  # of variables the names are shown
            yield from (((*where, name, key), inner) for key, inner in node.value.items())
        elif name in names and node.value is not None:
            yield (*where, name), node


def _masked(text: str, hidden: _Hidden, other: set[tuple[str, ...]], names: set[str]) -> list[str]:
    for key, node in sorted(hidden.items(), key=lambda pair: -pair[1].start):
        value = text[node.start : node.end]
        end = value[len(value.rstrip()) :]
        text = text[: node.start] + (OTHER if key in other else KEPT) + end + text[node.end :]
    comment = re.compile(rf"(#.*)({'|'.join(map(re.escape, names)) or '-'}|{re.escape(KEPT)}).*")
    behind = re.compile(rf"({re.escape(KEPT)}[^#]*#).*")
    return [behind.sub(rf"\1 {KEPT}", comment.sub(rf"\1\2 {KEPT}", line)) for line in text.splitlines()]
