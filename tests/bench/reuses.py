"""Calls that are recognised: what it costs to give an earlier result."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from clustrix import cluster
from clustrix.bundle.fingerprint import fingerprint_call
from tests.bench.row import Row, in_turn, ms, seconds
from tests.bench.work import echo

_TIMES = 250
_BYTES = 100_000_000


def reuse() -> list[Row]:
    """A call that has been made before, beside the job that it saves; and the digest of a large argument."""
    by_name = echo.options(reuse=True)
    by_value: Any = cluster(reuse=True)(
        lambda value: value
    )  # travels by value, as one that was typed at a prompt
    small = {"alpha": 0.1, "names": ["a", "b"], "shape": (3, 4)}
    for call in (by_name, by_value, echo):
        call(small)
    found = [(seconds(by_value, small), seconds(by_name, small), seconds(echo, small)) for _ in range(_TIMES)]
    value, name, job = (ms(column) for column in zip(*found[_TIMES // 10 :], strict=True))
    array = np.frombuffer(os.urandom(_BYTES), np.uint8)
    large, floor = in_turn(5, lambda: fingerprint_call(len, None, (array,), {}), lambda: _sha256(array))
    return [
        Row("a reused call: p50", value, "ms", 3, rival="the job itself", baseline=job),
        Row("  of a function in a local module", name, "ms", 3, rival="the job itself", baseline=job),
        Row("digest of a 100 MB array", large, "s", 0.15, rival="sha256 of as much", baseline=floor),
    ]


def _sha256(array: Any) -> None:
    import hashlib

    hashlib.sha256(array).digest()
