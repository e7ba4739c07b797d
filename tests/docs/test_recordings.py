"""The recordings of terminals in the documentation."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
PICTURES = DOCS / "pictures"
_IMAGE = re.compile(r"!\[([^\]]+)\]\((?:\.\./)*pictures/([\w-]+\.svg)\)")


def test_recordings_say_what_the_commands_say(tmp_path: Path) -> None:
    """Recorded anew, they have the same words, but for ids, times and numbers."""
    runpy.run_path(str(DOCS / "recordings.py"))["make"](tmp_path)
    made, kept = (
        json.loads((folder / "recordings.json").read_text("utf-8")) for folder in (tmp_path, PICTURES)
    )
    assert made == kept, "hatch run docs:recordings"
    assert {path.name for path in tmp_path.glob("*.svg")} == {path.name for path in PICTURES.glob("*.svg")}


def test_every_recording_is_on_a_page_and_has_nothing_from_elsewhere() -> None:
    """None is left over or missing; none loads fonts or anything else."""
    used = {name for page in DOCS.rglob("*.md") for _, name in _IMAGE.findall(page.read_text("utf-8"))}
    assert used == {path.name for path in PICTURES.glob("*.svg")}
    for path in PICTURES.glob("*.svg"):
        text = path.read_text("utf-8")
        assert "url(http" not in text
        assert "@import" not in text
