"""``reuse=True``: a call that has been made before is not run again."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clustrix import JobState, MapResult, attach, cluster, configure
from clustrix.errors import BundleError, KeyTaken
from tests.core.support import (
    ROOT,
    add_line,
    everything_waits,
    lines,
    run_script,
    wait_for_file,
    wait_until,
)

pytestmark = pytest.mark.usefixtures("state")


@cluster(reuse=True)
def add(runs: str, x: Any, y: Any = 0) -> Any:
    add_line(runs, str(x))
    return x + y


# -- what is the same


def test_finished_call_gives_its_result_at_once(runs: str) -> None:
    """By submit and by call; the handle says that nothing was submitted, and is the one of the first."""
    first = add.submit(runs, 1, 2)
    assert not first.reused
    assert first.result(timeout=20) == 3
    again = add.submit(runs, 1, y=2)
    assert again.reused
    assert again.done()
    assert again.id == first.id
    assert again.result() == add(runs, 1, 2) == 3
    assert not attach(first.id).reused
    assert lines(runs) == ["1"]


def test_large_result_is_given_again(runs: str) -> None:
    """As memory of its own each time, which may be changed."""
    array = np.arange(100_000)
    for _ in range(2):
        found = add(runs, array, 1)
        assert (found == array + 1).all()
        found[:] = 0
    assert len(lines(runs)) > 0
    assert add.submit(runs, array.copy(), 1).reused


def test_running_call_is_attached_to(runs: str, gate: Path) -> None:
    """A second submission while the first runs is the same job."""

    @cluster(reuse=True)
    def work(gate: str) -> str:
        add_line(runs)
        wait_for_file(gate)
        return "done"

    first = work.submit(str(gate))
    wait_until(lambda: lines(runs), "it runs")
    again = work.submit(str(gate))
    assert (again.id, again.reused) == (first.id, True)
    assert not again.done()
    gate.touch()
    assert [job.result(timeout=20) for job in (first, again)] == ["done", "done"]
    assert lines(runs) == ["run"]


def test_waiting_call_is_attached_to(runs: str, tmp_path: Path) -> None:
    """It need not have begun."""
    with everything_waits(tmp_path):
        jobs = [add.submit(runs, 7) for _ in range(3)]
        assert [job.reused for job in jobs] == [False, True, True]
    assert {job.result(timeout=20) for job in jobs} == {7}
    assert lines(runs) == ["7"]


def test_cores_memory_time_and_directory_do_not_count(
    runs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a job may take is not what it computes."""
    assert add(runs, 3) == 3
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOME_VARIABLE", "1")
    for options in ({"cores": 2}, {"memory": "1GB"}, {"time": 60}, {"local_strict": True}):
        assert add.options(**options).submit(runs, 3).reused
    assert lines(runs) == ["3"]


def test_reuse_can_be_set_for_all_calls(runs: str) -> None:
    """By configure; without it, each call is a job of its own."""
    plain = cluster(add.__wrapped__)
    assert [plain(runs, 4), plain(runs, 4)] == [4, 4]
    configure(reuse=True)
    try:
        assert [plain(runs, 4), plain(runs, 4)] == [4, 4]
        again = plain.options(reuse=False).submit(runs, 4)
        assert (again.reused, again.result(timeout=20)) == (False, 4)
    finally:
        configure(reuse=False)
    assert len(lines(runs)) == 4


def test_method_is_reused_for_an_equal_object(runs: str) -> None:
    """The object is an argument like the others."""

    class Scale:
        def __init__(self, factor: int) -> None:
            self.factor = factor

        @cluster(reuse=True)
        def times(self, x: int) -> int:
            add_line(runs)
            return self.factor * x

    assert [Scale(2).times(4), Scale(2).times(4), Scale(3).times(4)] == [8, 8, 12]
    assert len(lines(runs)) == 2


def test_map_is_reused_as_a_whole(runs: str) -> None:
    """The same items in the same order are the same map; any other item makes another one."""

    @cluster(reuse=True)
    def item(n: int, *, plus: int = 0) -> int:
        add_line(runs)
        return n + plus

    first = item.map([1, 2, 3], plus=1)
    assert first.result(timeout=20) == [2, 3, 4]
    again = item.map(iter([1, 2, 3]), plus=1)
    assert isinstance(again, MapResult)
    assert (again.id, again.reused) == (first.id, True)
    assert list(again) == [2, 3, 4]
    assert len(lines(runs)) == 3
    assert not item.map([1, 2], plus=1).reused
    assert not item.map([1, 2, 3], plus=2).reused
    assert not item.submit(1, plus=1).reused
    assert item.map([]).result(timeout=20) == item.map([]).result(timeout=20) == []


def test_output_of_a_finished_call_is_not_shown_again(runs: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing was run; the logs still have it."""

    @cluster(reuse=True)
    def says(x: int) -> None:
        print("at work")

    says(1)
    assert capfd.readouterr().out == "at work\n"
    says(1)
    assert capfd.readouterr().out == ""
    assert says.submit(1).logs() == "at work\n"


# -- what is not the same


def test_changed_argument_default_helper_and_global_run_anew(runs: str) -> None:
    """Each change is a run of its own, and going back to an earlier state finds that one again."""

    def cell(helper: str = "x + K", constant: int = 1, default: int = 0) -> Any:
        names: dict[str, Any] = {"__name__": "__main__", "add_line": add_line, "cluster": cluster}
        text = f"K = {constant}\ndef helper(x): return {helper}\n"
        text += f"@cluster(reuse=True)\ndef f(runs, x, y={default}):\n    add_line(runs)\n    return helper(x) + y\n"
        exec(text, names)  # noqa: S102 -- as a notebook does
        return names["f"]

    assert cell()(runs, 1) == cell()(runs, 1) == 2
    assert len(lines(runs)) == 1
    assert cell()(runs, 2) == 3
    assert cell(helper="x - K")(runs, 1) == 0
    assert cell(constant=5)(runs, 1) == 6
    assert cell(default=10)(runs, 1) == 12
    assert len(lines(runs)) == 5
    assert cell()(runs, 1) == 2
    assert len(lines(runs)) == 5


def test_global_that_was_changed_in_place_runs_anew(runs: str) -> None:
    """A table that grows between two calls of one function."""
    table = {"a": 1}

    @cluster(reuse=True)
    def look(name: str) -> Any:
        add_line(runs)
        return table.get(name)

    assert [look("b"), look("b")] == [None, None]
    table["b"] = 2
    assert [look("b"), look("b")] == [2, 2]
    assert len(lines(runs)) == 2


def test_changed_module_runs_anew(tmp_path: Path, runs: str) -> None:
    """A helper file of a script, edited between two runs of it; a comment in it is no change."""
    script = f"""
import helper
from clustrix import cluster
from tests.core.support import add_line

@cluster(reuse=True)
def f(x):
    add_line({runs!r})
    return helper.g(x)

print(f(1))
"""
    found = []
    for text in ("return x", "return x  # so", "return -x", "return x"):
        (tmp_path / "helper.py").write_text(f"def g(x):\n    {text}\n")
        run = run_script(script, folder=tmp_path, PYTHONPATH=str(ROOT), PYTHONDONTWRITEBYTECODE="1")
        found.append(run.stdout)
    assert found == ["1\n", "1\n", "-1\n", "1\n"]
    assert len(lines(runs)) == 2


# -- forgetting


def test_forgotten_call_runs_anew(runs: str) -> None:
    """The next one runs; the result of the first stays with those who have its handle or id."""
    first = add.submit(runs, 5)
    assert first.result(timeout=20) == 5
    assert add(runs, 6) == 6
    assert add.forget(runs, x=5)
    assert not add.forget(runs, 5)
    again = add.submit(runs, 5)
    assert not again.reused
    assert again.result(timeout=20) == attach(first.id).result() == 5
    assert add.submit(runs, 6).reused
    assert add.submit(runs, 5).id == again.id
    assert lines(runs) == ["5", "6", "5"]


def test_forget_all_is_for_every_call_of_the_function(runs: str) -> None:
    """Calls and maps; keys that were given by hand stay."""

    @cluster(reuse=True)
    def work(n: int) -> int:
        add_line(runs)
        return n

    def results() -> list[Any]:
        return [
            work(1),
            work(2),
            work.map([1, 2]).result(timeout=20),
            work.options(key="mine")(3),
            add(runs, 1),
        ]

    assert results() == results()
    assert len(lines(runs)) == 6
    assert work.forget_all() == 3
    assert work.forget_all() == 0
    results()
    assert len(lines(runs)) == 10


# -- keys that are given by hand


def test_key_goes_before_reuse(runs: str) -> None:
    """Whoever names the work has said what is the same."""
    work = add.options(key=f"of {runs}")
    assert [work(runs, 1), work(runs, 2)] == [1, 1]
    assert work.submit(runs, 3).reused
    assert not add.submit(runs, 1).reused


def test_key_of_another_function_is_refused(runs: str) -> None:
    """With both named, instead of the other one's result; so is that of a map for a call, and the other way round."""

    def one(n: int) -> int:
        return n

    def two(n: int) -> int:
        return -n

    job = cluster(key=runs)(one).submit(1)
    for submit in (cluster(key=runs)(two).submit, cluster(key=runs)(one).map):
        with pytest.raises(KeyTaken) as caught:
            submit([1])
        assert caught.value.job == job.id
        assert caught.value.value == runs
        assert "a call of test_key_of_another_function_is_refused.<locals>.one already" in str(caught.value)
    assert "and this is a map of test_key_of_another_function_is_refused.<locals>.one" in str(caught.value)
    assert job.result(timeout=20) == 1
    assert job.state is JobState.SUCCEEDED


def test_argument_that_cannot_be_sent_is_named_as_without_reuse(runs: str) -> None:
    """The error is that of a submission."""
    with pytest.raises(BundleError, match="argument 'x' → \\['lock'\\]"):
        add.submit(runs, {"lock": threading.Lock()})
