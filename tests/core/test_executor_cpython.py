"""The tests that CPython has for its own executors, run over ClusterExecutor.

They are imported from the standard library's ``test`` package, or, where Python comes without them, from the one that
Debian has for the same version (``tests.testbed.packages`` brings it). What should come of each is written in
executor_conformance.toml, and both directions count: one that holds no longer, and one that holds by now.
"""

from __future__ import annotations

import importlib.util
import pkgutil
import sys
import types
import unittest
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import test

from clustrix import ClusterExecutor
from clustrix.backends.local.capacity import machine_cores

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

BORROWED = importlib.util.find_spec("test.test_concurrent_futures") is None
if BORROWED:
    test.__path__.append(f"/usr/lib/python3.{sys.version_info.minor}/test")
suite = pytest.importorskip(
    "test.test_concurrent_futures", reason="this Python comes without its own tests of executors"
)

ROOT = Path(__file__).parents[2]
TABLE: dict[str, dict[str, str]] = tomllib.loads(
    (ROOT / "tests/core/executor_conformance.toml").read_text(encoding="utf-8")
)

UNTOUCHED = "It does not use the executor that is under test."

pytestmark = [pytest.mark.usefixtures("state"), pytest.mark.slow]


def _modules() -> Iterator[types.ModuleType]:
    """One until Python 3.11, a package since."""
    yield suite
    for found in pkgutil.iter_modules(getattr(suite, "__path__", [])):
        if found.name not in ("test_interpreter_pool", "test_future", "__main__"):
            with suppress(unittest.SkipTest):
                yield importlib.import_module(f"{suite.__name__}.{found.name}")


def _mixin(name: str) -> Any:
    return next((vars(module)[name] for module in _modules() if name in vars(module)), None)


def _tests() -> Iterator[str]:
    for group in TABLE:
        mixin = _mixin(group)
        assert mixin is not None, group
        yield from (f"{group}.{name}" for name in dir(mixin) if name.startswith("test"))


def _case(name: str) -> unittest.TestCase:
    group, _, method = name.partition(".")
    _Watched.used.clear()
    executor: dict[str, Any] = {"executor_type": _Watched}
    if not group.startswith("ThreadPool"):
        executor["ctx"] = "spawn"
    mixin, base, common = _mixin(group), _mixin("BaseTestCase"), _mixin("ExecutorMixin")
    bases = (
        (mixin,)
        if issubclass(mixin, base)
        else (mixin, base)
        if issubclass(mixin, common)
        else (mixin, common, base)
    )
    made = type(group, bases, {**executor, "__module__": __name__})
    return made(method)  # type: ignore[no-any-return]


class _Watched(ClusterExecutor):
    """Has as many workers as they ask for, whatever this machine has: at most five calls at once."""

    used: set[str] = set()  # noqa: RUF012 -- one for all is meant

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.used.add("made again" if "made" in self.used else "made")
        super().__init__(*args, cores=max(1, machine_cores() // 5), **kwargs)

    def submit(self, /, *args: Any, **kwargs: Any) -> Any:
        self.used.add("submit")
        return super().submit(*args, **kwargs)

    def map(self, *args: Any, **kwargs: Any) -> Any:
        self.used.add("map")
        return super().map(*args, **kwargs)


@pytest.mark.filterwarnings("default")  # theirs
@pytest.mark.parametrize("name", sorted(_tests()))
def test_result_is_as_the_table_says(name: str) -> None:
    """A test of CPython's holds exactly if the table says so; one that is skipped there by itself does not count as held."""
    found = unittest.TestResult()
    _case(name).run(found)
    group, _, method = name.partition(".")
    wrong = [text for _, text in [*found.failures, *found.errors]]
    said = TABLE[group].get(method)
    assert said is not None, f"{name} is not in the table: {wrong or found.skipped or 'it holds'}"
    if said == UNTOUCHED:
        assert _Watched.used == {"made"}, f"{name} does use it: {_Watched.used}"
        # Another process, which one of them starts, knows nothing of the borrowed module.
        unknown = BORROWED and all("No module named 'test.test_concurrent_futures'" in text for text in wrong)
        assert found.wasSuccessful() or unknown, "\n".join(wrong)
    elif said:
        assert wrong or found.skipped, f"{name} holds by now, the table says: {said}"
    else:
        assert found.wasSuccessful(), "\n".join(wrong)
        assert not found.skipped
        assert _Watched.used != {"made"}, f"{name} does not use the executor: the table has to say so"
