"""A home and a project of its own for each test, with no settings in either."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from clustrix.config import kinds
from clustrix.config.field import Field
from clustrix.config.store import Settings

TOKEN = Field("token", kinds.text(4096), None, "A test's own secret.", "abc", secret=True, option="token")
HOST = Field("host", kinds.text(), None, "A test's own place.", "login.uni.edu", option="host", scope="place")


class World(NamedTuple):
    """Where a test's settings are."""

    home: Path
    user: Path
    """The user's configuration file."""
    project: Path
    """The folder that is the working directory."""

    def settings(self, **more: Any) -> Settings:
        """As a new process has them, with the fields of a plugin."""
        return Settings(fields=lambda: (TOKEN, HOST), user_file=str(self.user), **more)

    def write_user(self, text: str) -> None:
        self.user.parent.mkdir(parents=True, exist_ok=True)
        self.user.write_text(text)

    def write_project(self, text: str, name: str = "clustrix.yml") -> Path:
        path = self.project / name
        path.write_text(text)
        return path


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    for name in [name for name in os.environ if name.startswith("CLUSTRIX_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CLUSTRIX_DISABLE_PLUGINS", "ssh")  # as in all tests of the core
    home = tmp_path / "home"
    project = home / "work" / "project"
    project.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    monkeypatch.chdir(project)
    return World(home, home / ".config" / "clustrix" / "config.yml", project)
