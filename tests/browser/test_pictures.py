"""The documentation's pictures: they can be made, and they are not stale."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from clustrix_notebook.widget.describing import groups

DOCS = Path(__file__).parents[2] / "docs"
PICTURES = DOCS / "pictures"
PAGES = [*DOCS.rglob("*.md")]
LARGEST_BYTES = 120 * 1024
_IMAGE = re.compile(r"!\[([^\]]*)\]\((?:\.\./)*pictures/([\w-]+\.png)\)")


@pytest.fixture(scope="module")
def words() -> dict[str, list[str]]:
    found: dict[str, list[str]] = json.loads((PICTURES / "pictures.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_pictures_can_be_made_and_say_the_same(tmp_path: Path, words: dict[str, list[str]]) -> None:
    """A real JupyterLab is driven through all of them; what is written in them is what the committed ones have."""
    # In a process of its own: playwright takes one browser's event loop in a thread.
    done = subprocess.run(
        [sys.executable, str(DOCS / "screenshots.py"), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    made = json.loads((tmp_path / "pictures.json").read_text(encoding="utf-8"))
    assert made == words, "hatch run docs:screenshots"
    assert {path.name for path in tmp_path.glob("*.png")} == {path.name for path in PICTURES.glob("*.png")}
    sizes = {path.name: path.stat().st_size for path in tmp_path.glob("*.png")}
    assert {name: size for name, size in sizes.items() if size > LARGEST_BYTES} == {}


@pytest.mark.parametrize("place", ["local", "ssh", "slurm", "sge", "pbs"])
def test_form_in_a_picture_has_the_fields_that_are_declared(place: str, words: dict[str, list[str]]) -> None:
    """A field that is added, renamed or shown elsewhere makes the picture stale."""
    shown = [
        field["name"]
        for group in groups()
        for field in group["fields"]
        if all(name == "cluster_type" and place in values for name, values in field["shown"].items())
    ]
    assert words[f"form-{place}"] == shown, "hatch run docs:screenshots"


def test_every_picture_is_on_a_page_with_a_text_for_who_cannot_see_it() -> None:
    """No picture is left over or missing, and each has a description."""
    used = [found for page in PAGES for found in _IMAGE.findall(page.read_text(encoding="utf-8"))]
    assert {name for _, name in used} == {path.name for path in PICTURES.glob("*.png")}
    assert [name for text, name in used if len(text) < 15] == []


def test_pictures_are_sharp_and_light() -> None:
    """Twice as many points as they take on the page, and at most 120 kB each."""
    for path in PICTURES.glob("*.png"):
        assert path.stat().st_size <= LARGEST_BYTES, path.name
        with Image.open(path) as image:
            assert image.width >= 1000, path.name
