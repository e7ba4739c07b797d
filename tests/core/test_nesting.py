"""Jobs within jobs end somewhere."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from clustrix import cluster
from clustrix.backends.local.capacity import machine_cores
from clustrix.errors import NestedTooDeep, WaitsForItself
from tests.core.support import add_line, lines, run_script, wait_for_file, wait_until

pytestmark = pytest.mark.usefixtures("state")


def test_module_that_calls_its_jobs_when_it_is_imported_is_told(tmp_path: Path) -> None:
    """Each job would import it, and submit the next, until the machine has no memory left."""
    (tmp_path / "unguarded.py").write_text(
        "from clustrix import cluster\n@cluster\ndef f():\n    return 1\nf.submit().result()\n"
    )
    told = run_script("import unguarded", code=1, folder=tmp_path, timeout_s=100).stderr
    assert "NestedTooDeep" in told
    assert 'if __name__ == "__main__":' in told


def test_error_says_how_deep() -> None:
    """It is a RecursionError, too."""
    error = NestedTooDeep(16)
    assert isinstance(error, RecursionError)
    assert "16 deep" in str(error)


@pytest.mark.parametrize("option", ["reuse=True", "key='once'"])
def test_call_that_is_made_within_itself_is_told(tmp_path: Path, option: str) -> None:
    """The job finds itself by its key; it would wait for ever."""
    (tmp_path / "within.py").write_text(
        f"from clustrix import cluster\n@cluster({option})\ndef f():\n    return 1\nf.submit().result()\n"
    )
    told = run_script("import within", code=1, folder=tmp_path).stderr
    assert "WaitsForItself" in told
    assert 'if __name__ == "__main__":' in told


@cluster(reuse=True)
def there(number: int) -> int:
    return back.submit(number).result()


@cluster(reuse=True)
def back(number: int) -> int:
    return there.submit(number).result()


def test_calls_that_wait_for_one_another_are_told() -> None:
    """However many there are between."""
    with pytest.raises(WaitsForItself, match="would wait for itself"):
        there.submit(7).result(timeout=60)


def test_call_with_another_argument_is_another_call() -> None:
    """A recursion that comes to an end is none of these."""

    @cluster(reuse=True)
    def down(number: int) -> int:
        return down.submit(number - 1).result() + 1 if number else 0

    assert down.submit(2).result(timeout=60) == 2


def fail() -> None:
    raise ValueError("once")


@cluster(cores=machine_cores())
def cancel_a_retry(ready: str, gate: str) -> None:
    """Submits a call that fails, cancels it while it waits for its next attempt, and goes on with all cores."""
    child = cluster(retries=1, retry_delay=600)(fail).submit()
    wait_until(lambda: "attempt 2" in child.status().reason, "the first attempt has failed")
    child.cancel()
    wait_until(child.done, "the call is cancelled")
    add_line(ready)
    wait_for_file(gate)


def test_parent_of_a_call_that_was_cancelled_between_attempts_has_its_cores(
    tmp_path: Path, gate: Path
) -> None:
    """It lends them to those that it has submitted, as long as these live, and to nobody else."""
    ready, runs = tmp_path / "ready", tmp_path / "runs"
    parent = cancel_a_retry.submit(str(ready), str(gate))
    wait_until(ready.exists, "the call is cancelled")
    other = cluster(add_line).submit(str(runs))
    wait_until(lambda: other.status().reason or other.done(), "the other waits")
    time.sleep(0.3)
    assert not runs.exists()
    gate.touch()
    assert parent.result(timeout=20) is None
    other.result(timeout=20)
    assert lines(runs) == ["run"]
