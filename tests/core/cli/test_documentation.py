"""The page of the command line says what the commands say."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[3] / "docs"


def test_page_of_the_commands_is_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """``hatch run docs:commands`` writes it, with the commands of other packages."""
    monkeypatch.delenv("CLUSTRIX_DISABLE_PLUGINS")
    spec = importlib.util.spec_from_file_location("commands", DOCS / "commands.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (DOCS / "reference" / "cli.md").read_text(encoding="utf-8") == module.page()
