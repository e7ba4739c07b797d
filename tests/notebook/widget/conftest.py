"""An editor over settings of a test's own: a home and a project without settings, a field that is secret and one of a plugin."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from clustrix import plugins
from clustrix_notebook.widget.drafts import Store
from clustrix_notebook.widget.editor import Editor
from tests.core.config.conftest import World, world

__all__ = ["Begin", "World", "begin", "kept", "world"]

Begin = Callable[[], Editor]


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where drafts are."""
    path = tmp_path / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(path))
    plugins.look_again()
    return path


@pytest.fixture
def begin(world: World) -> Begin:
    """A new process, with the drafts of the one before."""

    def begun() -> Editor:
        return Editor(world.settings(), Store())

    return begun
