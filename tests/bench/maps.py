"""``map`` beside a warm ``joblib.Parallel``, which keeps nothing on disk."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import joblib

from tests.bench.row import Row, in_turn
from tests.bench.work import SPIN_SECONDS, echo, spin

_NOTHINGS = 10_000
_SPINS = 4_000
_CORES = len(os.sched_getaffinity(0))
_WARM = 500


def map_nothings() -> list[Row]:
    ours, theirs = _race(echo, _NOTHINGS, 7)
    return [
        Row(f"map of {_NOTHINGS:,} no-ops", ours, "s", 1.5, "ratio", rival="joblib, warm", baseline=theirs),
    ]


def map_spins() -> list[Row]:
    ours, theirs = _race(spin, _SPINS, 5)
    what = f"map of {_SPINS:,} items of {SPIN_SECONDS * 1e3:g} ms"
    ours, theirs = _SPINS / ours, _SPINS / theirs
    return [
        Row(what, ours, "/s", 0.97, "ratio", True, "joblib, warm", theirs),
        Row("  the same", ours, "/s", rival="all cores, nothing but work", baseline=_CORES / SPIN_SECONDS),
    ]


def _race(function: Any, count: int, times: int) -> list[float]:
    items = range(count)
    plain: Callable[[Any], Any] = function.local
    with joblib.Parallel(n_jobs=_CORES) as parallel:

        def ours() -> None:
            assert function.map(items).result() == list(items)

        def theirs() -> None:
            assert parallel(joblib.delayed(plain)(item) for item in items) == list(items)

        function.map(range(_WARM)).result()
        theirs()
        return in_turn(times, ours, theirs)
