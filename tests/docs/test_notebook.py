"""The tutorial that is a notebook."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.core.conftest import state

__all__ = ["state"]

DOCS = Path(__file__).parents[2] / "docs"


def _printed(notebook: Any) -> list[str]:
    """What cells print and return, and the names of errors."""
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if output.output_type == "stream":
                found.append(output.text)
            elif output.output_type == "error":
                found.append(output.ename)
            else:
                found.append(output.data.get("text/plain") or _states(output.data["text/html"]))
    return found


def _states(html: str) -> str:
    """Of a plain picture, what does not change from run to run."""
    return " ".join(
        re.findall(r"\b[A-Z]{4,}\b|\d+ of \d+ items failed", re.sub(r"\b[0-9A-Z]{26}\b", "", html))
    )


@pytest.mark.usefixtures("state")
def test_notebook_does_what_it_shows() -> None:
    """Run from top to bottom in a new kernel, it prints what it has printed when its outputs were kept."""
    script = runpy.run_path(str(DOCS / "notebook.py"))
    kept = nbformat.read(script["PAGE"], as_version=4)
    assert _printed(script["run"]()) == _printed(kept)
