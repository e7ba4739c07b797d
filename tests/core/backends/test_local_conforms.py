"""The local backend keeps the rules that every backend has to keep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from clustrix.backends.local.backend import LocalBackend, LocalHost
from clustrix.dispatcher.instance import Instance
from clustrix.testing import BackendConformance


class TestLocal(BackendConformance):
    @pytest.fixture
    def make(self) -> Callable[[Any], LocalBackend]:
        def make(host: Any) -> LocalBackend:
            instance = Instance(host.journal.place, "bench")
            return LocalBackend(LocalHost(host.journal, instance, [], host.loop, host.report))

        return make
