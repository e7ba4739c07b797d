"""Every module that submits jobs has a state directory of its own, and leaves nothing running.

Such a module says ``pytestmark = pytest.mark.usefixtures("state")``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from clustrix import plugins
from clustrix.config import store
from tests.core.support import end_everything


@pytest.fixture(scope="session", autouse=True)
def no_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Whoever runs the tests has settings of their own: they are not to be seen."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        yield


@pytest.fixture(scope="package", autouse=True)
def core_alone() -> Iterator[None]:
    """What the core does without other packages, whichever are installed beside it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLUSTRIX_DISABLE_PLUGINS", "ssh,notebook")
        plugins.look_again()
        yield
    plugins.look_again()


@pytest.fixture(autouse=True)
def same_settings() -> Iterator[None]:
    """What a test configures does not outlive it."""
    before = store.process.explicit
    yield
    store.process.restore(before)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A new XDG_STATE_HOME for the tests of one module; its processes are ended with it."""
    with _state_home(tmp_path_factory.mktemp("s")) as path:
        yield path


@pytest.fixture
def fresh_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The same for one test."""
    with _state_home(tmp_path_factory.mktemp("s")) as path:
        yield path


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Path]:
    """A file for which jobs can wait; it is there at the end of the test."""
    path = tmp_path / "gate"
    yield path
    path.touch()


@pytest.fixture
def runs(tmp_path: Path) -> str:
    """A file that gets a line each time that a job's function is called."""
    return str(tmp_path / "runs")


@contextmanager
def _state_home(path: Path) -> Iterator[Path]:
    before = os.environ.get("XDG_STATE_HOME")
    os.environ["XDG_STATE_HOME"] = str(path)
    try:
        yield path
        end_everything(path)
    finally:
        if before is None:
            del os.environ["XDG_STATE_HOME"]
        else:
            os.environ["XDG_STATE_HOME"] = before
