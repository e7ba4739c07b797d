"""Draws explanation/rooms.svg from the imports: ``hatch run docs:rooms``.  A test fails when it is stale.

An arrow goes from a room to one that it imports, unless it comes there by other arrows, too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "packages/clustrix-core/src/clustrix"
PICTURE = ROOT / "docs/explanation/rooms.svg"
_LEFT_OUT = {"__init__", "__main__", "runner", "errors"}
"""The face of the package; and the two that nearly all import."""
_WIDTH, _ROW, _HIGH, _LETTER = 960, 62, 26, 7.6


def imports() -> dict[str, set[str]]:
    """The rooms, and of each those that it imports, be it in a function."""
    names = {path.stem for path in SOURCE.glob("*.py")} | {
        path.parent.name for path in SOURCE.glob("*/__init__.py")
    }
    rooms = {name: set[str]() for name in sorted(names - _LEFT_OUT)}
    for name, found in rooms.items():
        file, folder = SOURCE / f"{name}.py", SOURCE / name
        for path in [file] if file.exists() else sorted(folder.rglob("*.py")):
            found.update(_imported(ast.parse(path.read_text(encoding="utf-8"))))
        found.intersection_update(rooms.keys() - {name})
    return rooms


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.ImportFrom) and node.module == "clustrix":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("clustrix."):
            yield str(node.module).split(".")[1]
        elif isinstance(node, ast.Import):
            yield from (
                alias.name.split(".")[1] for alias in node.names if alias.name.startswith("clustrix.")
            )
        yield from _imported(node)


def reduced(rooms: dict[str, set[str]]) -> dict[str, set[str]]:
    """Without the arrows that others stand for."""

    def below(name: str) -> set[str]:
        return rooms[name] | {far for near in rooms[name] for far in below(near)}

    return {
        name: {to for to in found if not any(to in below(via) for via in found - {to})}
        for name, found in rooms.items()
    }


def floors(rooms: dict[str, set[str]]) -> list[list[str]]:
    """From the top: each room is above all that it imports."""
    height: dict[str, int] = {}

    def of(name: str) -> int:
        if name not in height:
            height[name] = 1 + max(map(of, rooms[name]), default=-1)
        return height[name]

    most = max(map(of, rooms))
    return [sorted(name for name in rooms if height[name] == floor) for floor in range(most, -1, -1)]


def picture() -> str:
    """The drawing, as SVG."""
    rooms = imports()
    rows = floors(rooms)
    arrows = reduced(rooms)
    at: dict[str, tuple[float, float]] = {}
    for number, row in enumerate(rows):
        if number:  # each below the middle of those that import it
            row.sort(key=lambda name: _middle([at[above][0] for above in at if name in arrows[above]]))
        for place, name in enumerate(row):
            at[name] = ((place + 0.5) * _WIDTH / len(row), 20 + number * _ROW)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {len(rows) * _ROW - 10}" font-family="sans-serif" font-size="13">',
        '<defs><marker id="a" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#889"/></marker></defs>',
    ]
    for name, found in arrows.items():
        for to in sorted(found):
            (x, y), (to_x, to_y) = at[name], at[to]
            begin, end = y + _HIGH / 2, to_y - _HIGH / 2
            bend = (begin + end) / 2
            lines.append(
                f'<path d="M{x:.0f} {begin:.0f}C{x:.0f} {bend:.0f} {to_x:.0f} {bend:.0f} {to_x:.0f} {end:.0f}" fill="none" stroke="#889" marker-end="url(#a)"/>'
            )
    for name, (x, y) in at.items():
        wide = _LETTER * len(name) + 18
        lines.append(
            f'<rect x="{x - wide / 2:.0f}" y="{y - _HIGH / 2:.0f}" width="{wide:.0f}" height="{_HIGH}" rx="6" fill="#eef2fb" stroke="#557"/>'
        )
        lines.append(f'<text x="{x:.0f}" y="{y + 4.5:.0f}" text-anchor="middle" fill="#223">{name}</text>')
    return "\n".join([*lines, "</svg>", ""])


def _middle(places: list[float]) -> float:
    return sum(places) / len(places) if places else 0.0


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
