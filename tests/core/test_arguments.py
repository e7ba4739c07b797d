"""Arguments and what functions refer to: sent whole, once, and named when they cannot be."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clustrix import cluster
from clustrix.errors import BundleError
from tests.core.support import everything_waits

pytestmark = pytest.mark.usefixtures("state")


class Holder:
    def __init__(self) -> None:
        self.model = {"parts": [1, threading.Lock()]}


class Slotted:
    __slots__ = ("lock",)


def test_argument_that_cannot_be_sent_is_named_by_its_path() -> None:
    """The argument by its name, and every step down to the part that refuses."""
    path = "argument 'thing' → attribute 'model' → ['parts'] → [1]"
    f = cluster(lambda thing, *more, **named: None)
    for call in (lambda: f.submit(Holder()), lambda: f.submit(thing=Holder())):
        with pytest.raises(BundleError) as caught:
            call()
        assert caught.value.path == path
        assert "_thread.lock" in caught.value.reason
        assert str(caught.value).startswith(f"cannot be sent to a job: {path}: ")
    with pytest.raises(BundleError, match="argument 2 → "):
        f.submit(1, 2, Holder())
    with pytest.raises(BundleError, match="argument 'other' → "):
        f.submit(1, other=Holder())
    slotted = Slotted()
    slotted.lock = threading.Lock()
    with pytest.raises(BundleError, match="argument 'thing' → attribute 'lock'"):
        f.submit(slotted)
    with pytest.raises(BundleError, match="make a list of it"):
        f.submit(n for n in range(3))


def test_closure_and_global_that_cannot_be_sent_are_named() -> None:
    """The function's own variables are looked through as well."""
    lock = threading.Lock()
    with pytest.raises(BundleError, match="closure variable 'lock'"):
        cluster(lambda: lock).submit()
    space: dict[str, Any] = {"cluster": cluster, "lock": lock}
    exec("@cluster\ndef f():\n    return lock", space)  # noqa: S102 - a notebook does this
    with pytest.raises(BundleError, match="global variable 'lock'"):
        space["f"].submit()


def test_endless_nesting_is_an_error_not_a_crash() -> None:
    """An object that is nested too deeply is refused in words."""
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    try:
        with pytest.raises(BundleError, match=r"nested too deeply|excessively deep recursion"):
            cluster(len).submit(nested)
    finally:
        while nested:  # taken apart by hand: its own destructor would recurse as deeply
            nested = nested.pop()


def blobs(state: Path) -> list[int]:
    return [path.stat().st_size for path in (state / "clustrix" / "blobs").rglob("*") if path.is_file()]


@pytest.mark.slow
def test_argument_of_a_thousand_calls_is_stored_once(fresh_state: Path, tmp_path: Path) -> None:
    """Large data: the journal has a thousand references, the disk one copy."""
    data, table = np.arange(20_000, dtype=np.float64), {n: str(n) for n in range(8_000)}
    f = cluster(lambda data, n, table: n)
    with everything_waits(tmp_path):
        jobs = [f.submit(data, n, table) for n in range(1_000)]
        assert sum(size > 50_000 for size in blobs(fresh_state)) == 2
        with closing(sqlite3.connect(fresh_state / "clustrix" / "journal.db")) as sql:
            (size,) = sql.execute("SELECT max(length(payload)) FROM jobs").fetchone()
        assert size < 20_000  # the text of this file, for tracebacks, is most of it
        for job in jobs[1:]:
            job.cancel()  # each would import numpy, for nothing
    assert jobs[0].result(timeout=60) == 0


@pytest.mark.parametrize("size", [1, 1023, 1024, 1025, 5_000, 8_191, 8_192, 8_193, 200_000])
def test_arrays_may_be_changed_on_both_sides(size: int) -> None:
    """Of any size, as argument and as result, in calls and in maps; the caller's own array stays as it is."""

    @cluster
    def f(array: Any) -> Any:
        array += 1
        return array

    mine = np.zeros(size)
    for result in (f(mine), f.map([mine]).result()[0], f.map([mine, mine]).result()[0]):
        result += 1
        assert (result == 2).all()
    assert (mine == 0).all()


def test_arrays_of_every_layout_arrive() -> None:
    """Fortran order, strides, zero size, structured, and not writable."""
    table = np.zeros(2_000, dtype=[("a", "i4"), ("b", "f8")])
    fixed = np.arange(5_000.0)
    fixed.flags.writeable = False
    arrays = [
        np.asfortranarray(np.eye(200)),
        np.arange(50_000)[::3],
        np.zeros((0, 5)),
        table,
        fixed,
        np.float32(2),
    ]
    found = cluster(lambda arrays: arrays)(arrays)
    for sent, got in zip(arrays, found, strict=True):
        assert got.dtype == sent.dtype
        assert (got == sent).all()


def test_arguments_that_are_one_object_stay_one() -> None:
    """An object that is passed twice, or is part of another argument, is one object in the job too, small or large."""

    @cluster
    def f(a: Any, b: Any, inner: Any) -> tuple[bool, bool, Any]:
        a.append(1)
        return a is b, inner["a"] is a, b

    for start in ([], list(range(50_000))):
        same, inside, b = f(start, start, inner={"a": start})
        assert (same, inside) == (True, True)
        assert b == [*start, 1]


def test_default_values_and_globals_travel() -> None:
    """A function by value is sent with what it refers to, as it is at that moment."""
    space: dict[str, Any] = {"cluster": cluster, "K": 1}
    exec("@cluster\ndef f(x, y=[5], *, z=6):\n    return x, y, z, K", space)  # noqa: S102 - a notebook does this
    assert space["f"](0) == (0, [5], 6, 1)
    space["K"] = 2
    assert space["f"](0, z=1) == (0, [5], 1, 2)
