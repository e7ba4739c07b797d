"""What every backend has to keep, as tests to subclass.  Each is one rule of ``clustrix.backends.Backend``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from clustrix.testing.batches import BatchRules
from clustrix.testing.bench import Bench, Make
from clustrix.testing.cancelling import CancelRules
from clustrix.testing.connection import ConnectionRules
from clustrix.testing.leaving import LeavingRules
from clustrix.testing.once import OnceRules
from clustrix.testing.running import RunningRules


class BackendConformance(RunningRules, BatchRules, OnceRules, CancelRules, ConnectionRules, LeavingRules):
    """Subclass it, with one fixture: ``make`` returns what makes your backend from a host (mostly its class).

    A backend with a connection that can be cut has a second one, ``cut``: see ``clustrix.testing.connection``.

    Every test has a state directory of its own.  ``settings``: what ``host.settings`` shall hold.  ``patience_s``: how long,
    in seconds, a job may take to come to where a test waits for it.  ``many``: how many jobs are submitted at once where a
    test submits many; fewer than 1000 where each takes its time to start.
    """

    settings: ClassVar[dict[str, Any]] = {}
    patience_s: ClassVar[float] = 60.0

    @pytest.fixture
    def make(self) -> Make:
        raise NotImplementedError("return your backend's class from a fixture named make")

    @pytest.fixture
    def bench(self, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
        bench = Bench(make, self.settings, self.patience_s)
        yield bench
        bench.close()
