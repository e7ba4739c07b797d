"""What users of such systems complain about, one test for each complaint; the docstring has its words."""

from __future__ import annotations

import os
import signal
import sqlite3
import statistics
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from clustrix import JobState, attach, cluster, configure, get_config
from clustrix.config import FIELDS
from clustrix.errors import (
    BundleError,
    JobCrashed,
    JobExited,
    JobKilled,
    MemoryLimitExceeded,
    TimeLimitExceeded,
)
from clustrix.runner.setup import THREAD_VARIABLES
from tests.core.support import ROOT, alive, everything_waits, lines, run_script, running_script, wait_until

pytestmark = pytest.mark.usefixtures("state")

SLOW = """
import os, time
from pathlib import Path
from clustrix import cluster

@cluster
def work(folder):
    Path(folder, "pids").write_text(f"{{os.getpid()}}\\n")
    while not Path(folder, "gate").exists():
        time.sleep(0.01)
    return "kept"

{then}
"""


def test_pain_1_closing_the_session(tmp_path: Path) -> None:
    """Closing the session cancels the jobs or loses the results: kill the kernel; attach(id).result() works elsewhere."""
    then = f"print(work.submit({str(tmp_path)!r}).id, flush=True); time.sleep(60)"
    with running_script(SLOW.format(then=then)) as session:
        assert session.stdout is not None
        job = session.stdout.readline().strip()
        wait_until(lambda: lines(tmp_path / "pids"), "it runs")
        os.killpg(session.pid, signal.SIGKILL)
    (tmp_path / "gate").touch()
    assert attach(job).result(timeout=20) == "kept"
    elsewhere = run_script(f"from clustrix import attach; print(attach({job!r}).result())")
    assert elsewhere.stdout == "kept\n"


def test_pain_4_running_a_cell_again(tmp_path: Path) -> None:
    """Re-running a cell runs finished work again, unseen: a repeated submission with the same key, or of the same call with
    ``reuse``, sends no second job."""
    runs = tmp_path / "runs"

    def cell() -> int:
        with runs.open("a") as file:
            file.write("run\n")
        return 5

    jobs = [cluster(key="the-cell")(cell).submit() for _ in range(3)]
    assert [job.result(timeout=20) for job in jobs] == [5, 5, 5]
    assert cluster(key="the-cell")(cell)() == 5
    assert lines(runs) == ["run"]
    failing = cluster(key="fails-first")(lambda: 1 / (runs.stat().st_size - 4))
    with pytest.raises(ZeroDivisionError):
        failing()
    runs.write_text("run\nrun\n")
    assert failing() == 0.25
    jobs = [cluster(reuse=True)(cell).submit() for _ in range(3)]
    assert [(job.reused, job.result(timeout=20)) for job in jobs] == [(False, 5), (True, 5), (True, 5)]
    assert lines(runs) == ["run"] * 3


def test_pain_5_ctrl_c(tmp_path: Path) -> None:
    """Ctrl-C leaves jobs running, or fails to cancel them: it detaches and prints the cancel command; cancel by id."""
    then = f"work.submit({str(tmp_path)!r}).result()"
    with running_script(SLOW.format(then=then)) as script:
        wait_until(lambda: lines(tmp_path / "pids"), "it runs")
        script.send_signal(signal.SIGINT)
        said = script.communicate(timeout=20)[1]
    command = next(line.partition("to stop it:")[2] for line in said.splitlines() if "to stop it:" in line)
    (pid,) = map(int, lines(tmp_path / "pids"))
    assert alive(pid)
    assert run_script(f"import clustrix; print({command})").stdout == "True\n"
    wait_until(lambda: not alive(pid), "it has ended")


@pytest.mark.slow
def test_pain_6_submitting_slows_down(fresh_state: Path, tmp_path: Path) -> None:
    """Submitting slows down as the job folder grows: p50 equal with no and with many old jobs."""
    f = cluster(len)

    def p50() -> float:
        took = []
        for _ in range(200):
            began = time.perf_counter()
            jobs.append(f.submit("abc"))
            took.append(time.perf_counter() - began)
        return statistics.median(took)

    jobs: list[Any] = []
    with everything_waits(tmp_path):
        f.submit("abc").cancel()
        few = p50()
        for job in jobs:
            job.cancel()
    with closing(sqlite3.connect(fresh_state / "clustrix" / "journal.db", timeout=30)) as sql, sql:
        columns = [row[1] for row in sql.execute("PRAGMA table_info(jobs)") if row[1] not in ("seq", "id")]
        names = ", ".join(columns)
        sql.execute(
            f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "  # noqa: S608
            f"INSERT INTO jobs (id, {names}) SELECT 'OLD' || i, {names} FROM n, (SELECT * FROM jobs WHERE seq = 1)"
        )
    with everything_waits(tmp_path):
        many = p50()
        for job in jobs[200:]:
            job.cancel()
    assert many < 3 * few, (many, few)


def test_pain_7_a_killed_worker(tmp_path: Path) -> None:
    """A killed worker gives a vague error: memory, time or node?  Each cause has its own error class, with proof."""
    hog = cluster(memory="150MB")(lambda: [bytearray(b"x") * (400 << 20), time.sleep(20)])
    causes = {
        MemoryLimitExceeded: (hog, "asked for 150.0 MiB"),
        TimeLimitExceeded: (cluster(time=0.3)(lambda: time.sleep(20)), "time limit of 0.3 s"),
        JobKilled: (cluster(lambda: os.kill(os.getpid(), signal.SIGKILL)), "SIGKILL"),
        JobCrashed: (cluster(lambda: os.abort()), "SIGABRT"),
        JobExited: (cluster(lambda: os._exit(9)), "status 9"),
    }
    jobs = {cls: function.submit() for cls, (function, _) in causes.items()}
    for cls, job in jobs.items():
        error = job.exception(timeout=30)
        assert type(error) is cls
        assert causes[cls][1] in str(error)


def test_pain_8_failed_and_said_to_be_complete() -> None:
    """A job "completes successfully" though its function failed: state and exception come from one record."""
    for function, state in ((lambda: 1 / 0, JobState.FAILED), (lambda: os._exit(0), JobState.FAILED)):
        job = cluster(function).submit()
        assert job.exception(timeout=20) is not None
        assert job.state is state
        assert attach(job.id).exception() is not None
    for value in (None, False, ValueError("returned, not raised")):
        job = cluster(lambda value: value)  # type: ignore[assignment]
        done = job.submit(value)
        assert repr(done.result(timeout=20)) == repr(value)
        assert done.state is JobState.SUCCEEDED


def test_pain_12_invisible_output(tmp_path: Path) -> None:
    """Output of workers stays invisible until the end: logs(follow=True) within 2 s."""

    @cluster
    def work(folder: str) -> None:
        print("still at work")
        while not os.path.exists(folder + "/gate"):
            time.sleep(0.01)

    job = work.map([str(tmp_path)])
    began = time.monotonic()
    assert next(job.logs(follow=True)) == "still at work"
    assert time.monotonic() - began < 2
    assert not job.done()
    (tmp_path / "gate").touch()
    job.result(timeout=20)


def test_pain_13_modules_of_ones_own(tmp_path: Path) -> None:
    """Modules of one's own project are missing on the worker: function in a sibling file and in an editable package runs."""
    source = tmp_path / "src" / "mine"
    source.mkdir(parents=True)
    (source / "__init__.py").write_text("from mine.inner import deep\n")
    (source / "inner.py").write_text("def deep(x): return x + 1\n")
    (tmp_path / "sibling.py").write_text("import mine\ndef use(x): return mine.deep(x) * 2\n")
    script = "import sibling\nfrom clustrix import cluster\nprint(cluster(sibling.use)(1), cluster(lambda x: sibling.use(x))(2))"
    assert run_script(script, folder=tmp_path, PYTHONPATH=str(tmp_path / "src")).stdout == "4 6\n"


def test_pain_14_functions_typed_at_a_prompt() -> None:
    """Functions typed at a prompt cannot be sent: REPL, exec, -c run (a notebook: test_bundle.py)."""
    import subprocess
    import sys

    typed = "from clustrix import cluster\n@cluster\ndef f(x):\n    return x + 1\n\nprint('got', f(1))\n"
    for options, given in ((["-i"], typed), (["-c", typed], ""), (["-c", f"exec({typed!r})"], "")):
        run = subprocess.run(
            [sys.executable, *options], input=given, capture_output=True, text=True, check=False
        )
        assert "got 2" in run.stdout, run.stderr


def test_pain_15_classes_of_main() -> None:
    """isinstance and enum `is` break for classes of __main__: the returned object is of the caller's class."""
    script = """
import enum
from clustrix import cluster
Color = enum.Enum("Color", "RED BLUE")
class Mine: pass
@cluster
def f(color): return Color(color.value), Mine()
color, mine = f(Color.RED)
print(color is Color.RED, isinstance(mine, Mine))
"""
    assert run_script(script).stdout == "True True\n"


def test_pain_16_a_lock_somewhere() -> None:
    """A lock in an object stops pickling without saying where: the error names the path."""
    import threading

    class Model:
        def __init__(self) -> None:
            self._lock = threading.Lock()

    with pytest.raises(BundleError, match="argument 'args' → \\['model'\\] → attribute '_lock'"):
        cluster(lambda args: None).submit({"model": Model()})


def test_pain_18_code_edited_since(tmp_path: Path) -> None:
    """Queued jobs pick up code edited since: edit after submit, old code runs."""
    (tmp_path / "helper_of_18.py").write_text("def answer(): return 'submitted'\n")
    script = """
from pathlib import Path
import helper_of_18
from clustrix import cluster
from tests.core.support import everything_waits

@cluster
def f():
    return helper_of_18.answer()

with everything_waits(Path.cwd()):
    job = f.submit()
    Path("helper_of_18.py").write_text("def answer(): return 'edited'\\n")
print(job.result(timeout=20))
"""
    assert run_script(script, folder=tmp_path, PYTHONPATH=str(ROOT)).stdout == "submitted\n"


def test_pain_24_a_thread_per_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """BLAS starts a thread per node core, not per granted core: OMP_NUM_THREADS and kin are set to cores."""
    for name in THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    found = cluster(cores=1)(lambda: dict(os.environ))()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
        assert found[name] == "1"


def test_pain_57_form_and_settings_disagree() -> None:
    """Fields of form and settings disagree: every field's example and default pass configure()."""
    for field in FIELDS.values():
        give = configure if field.setting else cluster
        kept = {field.name: get_config()[field.name]} if field.setting else {}
        try:
            for value in (field.example, field.default):
                give(**{field.name: value})
        finally:
            configure(**kept)


PROFILES = """
profiles:
  small: {default_cores: 1, environment_variables: {WHICH: small}}
  large: {default_cores: 2, environment_variables: {WHICH: large}}
"""


def test_pain_57_several_named_clusters(tmp_path: Path) -> None:
    """Several named clusters: two profiles side by side in one script do not disturb each other."""
    (tmp_path / "clustrix.yml").write_text(PROFILES)
    script = """
import os
from clustrix import cluster, configure

def which(): return os.environ.get("WHICH"), os.environ["OMP_NUM_THREADS"]
small, large, plain = cluster(profile="small")(which), cluster(profile="large")(which), cluster(which)
jobs = [f.submit() for n in range(3) for f in (small, large, plain)]
print({job.result() for job in jobs[::3]}, {job.result() for job in jobs[1::3]}, {job.result() for job in jobs[2::3]})
configure(profile="large")
print(plain()[0], small()[0], small.options(profile="large")()[0], large.options(profile=None)()[0])
"""
    shown = run_script(script, folder=tmp_path, OMP_NUM_THREADS="5").stdout
    assert shown.splitlines() == [
        "{('small', '5')} {('large', '5')} {(None, '5')}",
        "large small large None",
    ]
