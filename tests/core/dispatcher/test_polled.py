"""Places that have to be asked, and do not always answer: no job's fate hangs on one call."""

from __future__ import annotations

import ast
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clustrix import JobState, cluster, configure, plugins
from clustrix.errors import JobCancelled, JobLost, JobNotStarted, ResultDamaged
from clustrix.job import AsyncJobResult
from tests.core.plugins.installing import write_plugin
from tests.core.support import add_line, lines, wait_for_file, wait_until

PLUGIN = """
from clustrix.config import Field
from clustrix.config import kinds
from clustrix.plugins import hookimpl
HOOK_API = 1
FIELDS = [
    Field("odd_host", kinds.text(), "nowhere", "Which odd host.", "one", scope="place"),
    Field("odd_queue", kinds.text(), None, "Which queue there.", "long", scope="job", option="odd_queue"),
]
@hookimpl
def clustrix_register(registry):
    registry.backend("odd", "odd_place:Odd", title="Odd", fields=FIELDS)
"""

PLACE = """
import os, signal, subprocess
from clustrix.backends import Backend, HostUnreachable, Phase, Receipt, Status

class Odd(Backend):
    fastest_poll_s = 0.02
    slowest_poll_s = 0.1
    settle_s = 0.2

    def __init__(self, host):
        super().__init__(host)
        self.started = {}

    def times(self, job):
        path = self.host.folder / f"{job.id}-{job.name}"
        with open(path, "a") as file:
            file.write("x")
        return path.stat().st_size

    async def submit(self, jobs):
        receipts = []
        for job in jobs:
            fault, _, number = job.name.partition("-")
            if fault == "refused":
                receipts.append(Receipt(refused="no such queue"))
                continue
            often = self.times(job) <= int(number or 0)
            if often and fault == "unreachable":
                raise HostUnreachable("the host is asleep")
            if often and fault == "later":
                receipts.append(Receipt(later="the house is full"))
                continue
            if often and fault == "crash":
                raise RuntimeError("a fault of the plugin")
            if often and fault == "short":
                return receipts
            if not (often and fault == "vanish"):
                job.prepare()
                null = subprocess.DEVNULL
                self.started[job.id] = subprocess.Popen(job.command(), stdin=null, stdout=null, stderr=null)
            (self.host.folder / f"{job.id}-settings").write_text(
                repr((id(self), dict(self.host.settings), dict(job.settings)))
            )
            receipts.append(Receipt("handle of " + job.name))
        return receipts

    async def poll(self, jobs):
        return [self.where(job) for job in jobs]

    def where(self, job):
        if job.name.startswith("looked"):
            self.times(job)
        if job.name.startswith("deaf") and self.times(job) <= 4:
            raise HostUnreachable("the host does not answer")
        assert job.handle in ("", "handle of " + job.name)
        phase = job.look()
        if job.name == "empty" and phase is Phase.DONE:
            os.unlink(job.file("result"))
            self.started["empty"] = True
        if job.name == "empty" and "empty" in self.started:
            return Status(Phase.DONE)
        if phase is None and job.id not in self.started:
            return Status(Phase.GONE, "the queue has swallowed it")
        return Status(phase or Phase.QUEUED, "" if phase else "the queue is long")

    async def cancel(self, jobs):
        for job in jobs:
            runner = job.forbid()
            if runner:
                os.kill(runner, signal.SIGTERM)

    async def clean(self, jobs):
        for job in jobs:
            (self.host.folder / f"{job.id}-cleaned").touch()
            if job.id in self.started:
                self.started.pop(job.id).wait()
"""


@pytest.fixture(scope="module", autouse=True)
def odd(tmp_path_factory: pytest.TempPathFactory, state: Path) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("odd")
    write_plugin(folder, "odd", PLUGIN)
    (folder / "odd_place.py").write_text(PLACE)
    patch = pytest.MonkeyPatch()
    patch.syspath_prepend(str(folder))
    patch.setenv("PYTHONPATH", str(folder))
    plugins.look_again()
    yield
    patch.undo()
    plugins.look_again()


def submit(name: str, function: Callable[..., Any], *args: Any) -> AsyncJobResult[Any]:
    function.__name__ = function.__qualname__ = name
    return cluster(cluster_type="odd")(function).submit(*args)


def counted(path: str) -> int:
    add_line(path)
    return os.getpid()


def wait_then_count(path: str, gate: str) -> int:
    wait_for_file(gate)
    return counted(path)


def looks(state: Path, job: AsyncJobResult[Any]) -> int:
    """How often the place was asked about a job."""
    return (state / "clustrix" / "backends" / "odd" / f"{job.id}-{job.name}").stat().st_size


def add(name: str, path: Path) -> AsyncJobResult[Any]:
    """Submit a function of that name, which counts its runs."""

    def function(path: str) -> int:
        return counted(path)

    return submit(name, function, str(path))


@pytest.mark.parametrize(
    "name", ["plain", "unreachable-2", "crash-2", "short-1", "vanish-1", "vanish-2", "deaf"]
)
def test_job_runs_once_whatever_a_call_comes_to(tmp_path: Path, name: str) -> None:
    """Calls are made again, and a job that is gone before it was begun is submitted again."""
    job = add(name, tmp_path / "runs")
    assert job.result(timeout=60) > 0
    assert lines(tmp_path / "runs") == ["run"]
    assert job.status().state is JobState.SUCCEEDED


def test_reason_is_shown_while_it_waits(tmp_path: Path) -> None:
    """What the place says goes to the user, and what a plugin raised does too."""
    job = add("unreachable-3", tmp_path / "runs")
    wait_until(lambda: "the host is asleep" in job.status().reason, "the reason is shown")
    other = add("crash-3", tmp_path / "runs")
    wait_until(lambda: "a fault of the plugin" in other.status().reason, "the fault is shown")
    assert job.status().state in (JobState.STAGING, JobState.QUEUED)
    assert job.cancel()
    assert other.cancel()
    for one in (job, other):
        with pytest.raises(JobCancelled):
            one.result(timeout=20)
    assert lines(tmp_path / "runs") == []


@pytest.mark.slow
def test_one_bad_job_does_not_hold_up_the_others(tmp_path: Path) -> None:
    """Whatever a plugin raises for one of a batch; that one is given up in the end, and says why."""
    bad = add("crash-99", tmp_path / "bad")
    good = [add("plain", tmp_path / f"runs-{number}") for number in range(3)]
    for job in good:
        assert job.result(timeout=30) > 0
    with pytest.raises(JobNotStarted, match=r"it could not be submitted: .*a fault of the plugin"):
        bad.result(timeout=60)


def test_refused_job_says_why(tmp_path: Path) -> None:
    """A place that will never take a job ends it at once."""
    with pytest.raises(JobNotStarted, match="it was not taken by odd: no such queue"):
        add("refused", tmp_path / "runs").result(timeout=20)


def test_three_failures_to_start_are_enough(tmp_path: Path) -> None:
    """What the place says of them is the reason."""
    with pytest.raises(JobNotStarted, match=r"submitted 3 times.*the queue has swallowed it"):
        add("vanish-9", tmp_path / "runs").result(timeout=30)
    assert lines(tmp_path / "runs") == []


def test_job_that_was_begun_is_lost_not_repeated(tmp_path: Path) -> None:
    """Whose runner is killed has perhaps done its work."""

    def function(path: str) -> None:
        add_line(path)
        os.kill(os.getppid(), 9)
        time.sleep(60)

    with pytest.raises(JobLost, match="it was begun, it is gone"):
        submit("killed", function, str(tmp_path / "runs")).result(timeout=30)
    assert lines(tmp_path / "runs") == ["run"]


def test_done_without_a_result_is_an_error(tmp_path: Path) -> None:
    """A place that promises a result has to bring one."""
    with pytest.raises(ResultDamaged, match="says that it is done, and brings no result"):
        add("empty", tmp_path / "runs").result(timeout=30)


def test_handle_is_kept(tmp_path: Path) -> None:
    """The journal knows what the place calls a job."""
    job = add("plain", tmp_path / "runs")
    job.result(timeout=30)
    assert job._home.journal.job(job.id).handle == "handle of plain"


def told(state: Path, job: AsyncJobResult[Any]) -> tuple[int, dict[str, Any], dict[str, Any]]:
    """Which object of the backend had the job, and with which settings."""
    found: tuple[int, dict[str, Any], dict[str, Any]] = ast.literal_eval(
        (state / "clustrix/backends/odd" / f"{job.id}-settings").read_text()
    )
    return found


def test_each_place_has_its_own_backend(tmp_path: Path, state: Path) -> None:
    """Fields that say which place is meant make places; others belong to a job. Both are the plugin's own."""
    path = str(tmp_path / "runs")
    base = cluster(cluster_type="odd")(counted)
    try:
        configure(odd_host="one")
        first, second = base.submit(path), base.options(odd_queue="long").submit(path)
        configure(odd_host="two")
        third = base.submit(path)
    finally:
        configure(odd_host="nowhere")
    for job in (first, second, third):
        job.result(timeout=30)
    one, same, two = (told(state, job) for job in (first, second, third))
    assert (one[1], one[2]) == ({"odd_host": "one"}, {"odd_queue": None})
    assert (same[1], same[2]) == ({"odd_host": "one"}, {"odd_queue": "long"})
    assert two[1] == {"odd_host": "two"}
    assert one[0] == same[0] != two[0]


def test_interval_is_that_between_two_looks(tmp_path: Path, state: Path) -> None:
    """``job_poll_interval`` holds whatever the backend would like, and is said to it with what says which place is meant."""
    path, gate = str(tmp_path / "runs"), tmp_path / "gate"
    paced = cluster(cluster_type="odd", name="looked-0")(wait_then_count)
    configure(job_poll_interval="1 s")
    job = paced.submit(path, str(gate))
    wait_until(lambda: job.state is JobState.RUNNING, "it runs", 20)
    began, before = time.monotonic(), looks(state, job)
    wait_until(lambda: looks(state, job) >= before + 3, "three more looks", 20)
    assert time.monotonic() - began > 1.9
    gate.touch()
    job.result(timeout=30)
    assert told(state, job)[1]["job_poll_interval"] == 1.0


def test_what_is_left_stays_where_it_is_wanted(tmp_path: Path, state: Path) -> None:
    """``cleanup_on_success=False``: the backend is not told to remove anything of that job."""
    path = str(tmp_path / "runs")
    left = cluster(cluster_type="odd", cleanup_on_success=False)(counted).submit(path)
    left.result(timeout=30)
    removed = cluster(cluster_type="odd")(counted).submit(path)
    removed.result(timeout=30)
    folder = state / "clustrix" / "backends" / "odd"
    wait_until((folder / f"{removed.id}-cleaned").exists, "the later one is cleaned away")
    assert not (folder / f"{left.id}-cleaned").exists()


def test_job_that_is_not_taken_now_is_asked_for_again() -> None:
    """Those that were taken with it are not held up."""
    function = cluster(abs, cluster_type="odd")
    later = function.options(name="later-2").submit(-2)
    other = function.options(name="plain").submit(-1)
    assert other.result(30) == 1
    wait_until(lambda: later.status().reason == "the house is full" or later.done(), "it says why it waits")
    assert later.result(30) == 2
