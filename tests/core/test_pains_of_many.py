"""What users of such systems complain about when there is more than one job; as in ``test_pains``, the docstring has their words."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from clustrix import cluster
from clustrix.errors import JobNotStarted, MemoryLimitExceeded, RemoteError
from tests.core.support import add_line, everything_waits, lines, run_script, wait_for_file, wait_until

pytestmark = pytest.mark.usefixtures("state")


def test_pain_10_exception_class_missing_here(tmp_path: Path) -> None:
    """An exception class missing on this side hides the real error: a RemoteError with type name, text, traceback."""
    (tmp_path / "lab_errors.py").write_text("class DetectorDown(Exception):\n    pass\n")

    @cluster(environment_variables={"PYTHONPATH": str(tmp_path)})
    def measure(folder: str) -> None:
        import sys

        sys.path.insert(0, folder)
        import lab_errors  # type: ignore[import-not-found]

        raise lab_errors.DetectorDown("no photons")

    with pytest.raises(RemoteError) as caught:
        measure(str(tmp_path))
    assert "DetectorDown" in str(caught.value)
    assert "no photons" in str(caught.value)
    assert "raise lab_errors.DetectorDown" in caught.value.traceback_text


class NeverArrives:
    """Cannot be unpickled: that raises something, or ends the process."""

    def __init__(self, end: Any) -> None:
        self.end = end

    def __reduce__(self) -> Any:
        return _raise if isinstance(self.end, Exception) else _die, (self.end,)


def _raise(error: Exception) -> None:
    raise error


def _die(number: int) -> None:
    os.kill(os.getpid(), number)


def test_pain_34_jobs_wait_and_nobody_says_why(tmp_path: Path) -> None:
    """Jobs wait, or workers never start or vanish, with no reason shown: reason in status(); three start failures stop the map."""
    with everything_waits(tmp_path):
        waits = cluster(add_line).submit(str(tmp_path / "runs"))
        wait_until(lambda: "core" in waits.status().reason, "the reason is shown")
    waits.result(timeout=20)

    lame, doomed = NeverArrives(OSError("no licence for this host")), NeverArrives(signal.SIGKILL)

    @cluster
    def use(number: int) -> Any:
        return number, lame

    jobs = use.map(range(1000))
    assert str(jobs.exception(timeout=30)) == "no licence for this host"

    @cluster
    def never(number: int) -> Any:
        return number, doomed

    jobs = never.map(range(1000))
    error = jobs.exception(timeout=30)
    assert isinstance(error, JobNotStarted)
    assert "3 processes in a row ended before they began" in str(error)
    assert "SIGKILL" in jobs.status().reason


def one_is_bad(number: int) -> int:
    if number == 3:
        raise ValueError("three")
    return number


def wait_after_the_first(number: int, gate: str) -> int:
    if number:
        wait_for_file(gate)
    return one_is_bad(3 - number)


def test_pain_40_one_failure_costs_all(gate: Path) -> None:
    """One failure shows only after hours, or costs all results: on_error; finished items stay."""
    raising = cluster(one_is_bad).map(range(6))
    with pytest.raises(ValueError, match="three"):
        list(raising.results())
    raising.exception(timeout=20)
    assert raising.partial() == {0: 0, 1: 1, 2: 2, 4: 4, 5: 5}

    collected = cluster(on_error="collect")(one_is_bad).map(range(6)).result(timeout=20)
    assert [repr(value) for value in collected] == ["0", "1", "2", "ValueError('three')", "4", "5"]

    long = cluster(wait_after_the_first).map(range(3), gate=str(gate))
    (group,) = wait_until(long.errors, "the failure shows while the others still run")
    assert group.count == 1
    assert not long.done()
    gate.touch()

    jobs = cluster(on_error="stop", chunk=1)(one_is_bad).map(range(100_000))
    assert isinstance(jobs.exception(timeout=30), ValueError)
    assert {0: 0, 1: 1, 2: 2}.items() <= jobs.partial().items()
    assert len(jobs.partial()) < 10_000


def hold(path: str, megabytes: int) -> int:
    add_line(path)
    return len(bytearray(megabytes * 1_000_000))


def test_pain_43_the_same_memory_again(tmp_path: Path) -> None:
    """Out of memory is retried with the same memory: retry_memory=2.0 with a cap."""
    runs = tmp_path / "runs"
    needs = cluster(memory="150MB", retry_memory=2.0, retry_memory_limit="600MB")(hold)
    job = needs.submit(str(runs), 400)
    assert job.result(timeout=60) == 400_000_000
    assert len(lines(runs)) == 3  # 150, 300, 600 MB

    capped = cluster(memory="150MB", retry_memory=2.0, retry_memory_limit="300MB")(hold)
    with pytest.raises(MemoryLimitExceeded):
        capped.submit(str(tmp_path / "capped"), 400).result(timeout=60)
    assert len(lines(tmp_path / "capped")) == 2

    plain = cluster(memory="150MB", retries=3)(hold)
    with pytest.raises(MemoryLimitExceeded):
        plain.submit(str(tmp_path / "plain"), 400).result(timeout=60)
    assert len(lines(tmp_path / "plain")) == 1


UPLOAD = """
import os
from clustrix import cluster

@cluster(secrets=["LAB_KEY"])
def upload(how):
    key = os.environ["LAB_KEY"]
    print("uploading with", key, flush=True)
    os.system("echo child: $LAB_KEY")
    if how == "refused":
        raise ConnectionError(f"refused: https://lab/?key={key}", key)
    return len(key)

print(upload("well"))
job = upload.submit("refused")
error = job.exception()
print(type(error).__name__, error.args)
print(job.logs())
jobs = upload.map(["well", "refused"])
print(jobs.exception(), jobs.errors())
"""


def test_pain_58_secrets_of_jobs(fresh_state: Path) -> None:
    """Secrets for the job end in logs; vaults ask at every call: secrets=["KEY"]; grep logs, scripts, journal."""
    key = "hunter2-and-more-than-that"
    run = run_script(UPLOAD, LAB_KEY=key)
    assert str(len(key)) in run.stdout
    assert "refused: https://lab/?key=" + "*" * len(key) in run.stdout
    assert "child: ***" in run.stdout
    assert key not in run.stdout + run.stderr
    found = [path for path in fresh_state.rglob("*") if path.is_file() and key.encode() in path.read_bytes()]
    assert found == []
