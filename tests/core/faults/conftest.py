"""Fixtures of the fault tests."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.core.faults.home import Home


@pytest.fixture
def home() -> Iterator[Home]:
    """A world of its own, ended whatever happens."""
    root = Path(tempfile.mkdtemp(prefix="cx-"))
    made = Home(root)
    try:
        yield made
    finally:
        made.stop()
        shutil.rmtree(root, ignore_errors=True)
