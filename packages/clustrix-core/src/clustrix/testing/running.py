"""Rules of running: what goes in, what comes out, and what is told meanwhile."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from clustrix.backends import Phase
from clustrix.errors import (
    JobCrashed,
    JobExited,
    JobKilled,
    MemoryLimitExceeded,
    TimeLimitExceeded,
)
from clustrix.journal import JobState
from clustrix.runner import layout
from clustrix.testing import work
from clustrix.testing.bench import Bench

HOSTILE = [
    "$(touch INJECTED)",
    "`touch INJECTED`",
    "'; touch INJECTED; '",
    '"; touch INJECTED; "',
    "a\nb\ttouch INJECTED",
    "../../INJECTED",
    "-rf --help",
    "~ * ? [a] {b} | & > < ! \\ %d %s #",
    "Zürich 東京 🙂",
    "x" * 500,
]
"""Names of functions that a shell, a file system or a scheduler would trip over."""


class RunningRules:
    """One job at a time."""

    @pytest.mark.parametrize(
        "value",
        [None, 1.5, "ü\n\0\x7f", b"\x00\xff", [1, {"a": (2, None)}], {"k": {1, 2}}],
        ids=["none", "float", "text", "bytes", "nested", "set"],
    )
    def test_result_is_what_the_function_returned(self, bench: Bench, value: Any) -> None:
        """A value goes there and comes back as it was."""
        job = bench.job(work.identity, value)
        bench.submit(job)
        assert bench.result(job) == value

    def test_exception_comes_home_with_its_type(self, bench: Bench) -> None:
        """The user's exception, not one of ours."""
        job = bench.job(work.fail, "no such luck")
        bench.submit(job)
        assert bench.outcome(job).state is JobState.FAILED
        with pytest.raises(ValueError, match="no such luck"):
            bench.result(job)

    def test_waiting_job_is_not_done(self, bench: Bench, tmp_path: Path) -> None:
        """Until its function has returned, it is QUEUED or RUNNING, and fetch() brings no result."""
        job = bench.job(work.note_and_wait, str(tmp_path / "runs"), str(tmp_path / "gate"))
        (job,) = bench.submit(job)
        assert bench.phase(job) in (Phase.QUEUED, Phase.RUNNING)
        bench.until(job, Phase.RUNNING)
        bench.fetch(job)
        assert not os.path.exists(job.file(layout.RESULT))
        assert bench.phase(job) is Phase.RUNNING
        (tmp_path / "gate").touch()
        assert bench.result(job) == str(tmp_path / "runs")

    def test_phases_come_in_order(self, bench: Bench) -> None:
        """QUEUED, RUNNING, DONE: none comes back, DONE stays."""
        (job,) = bench.submit(bench.job(work.wait, 0.3))
        order = [Phase.QUEUED, Phase.RUNNING, Phase.DONE]
        seen = [bench.phase(job)]
        while seen[-1] is not Phase.DONE:
            seen.append(bench.phase(job))
            assert seen[-1] in order, f"{seen[-1]} before DONE"
            assert order.index(seen[-1]) >= order.index(seen[-2]), f"{seen[-1]} after {seen[-2]}"
        assert bench.phase(job) is Phase.DONE

    @pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
    def test_name_is_only_a_name(
        self, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        """Whatever a function is called, it runs, and no shell takes its name for a command."""
        monkeypatch.chdir(tmp_path)
        job = bench.job(work.identity, name, name=name)
        bench.submit(job)
        assert bench.result(job) == name
        assert list(tmp_path.rglob("INJECTED*")) == []

    def test_variables_arrive(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        """The submitter's environment variables, to the letter."""
        odd = {"KIT_PLAIN": "1", "KIT_ODD": "ü 'q' \"d\" $HOME `x`\nline = two", "KIT_EMPTY": ""}
        for name, value in odd.items():
            monkeypatch.setenv(name, value)
        job = bench.job(work.surroundings, list(odd))
        bench.submit(job)
        found = bench.result(job)
        assert {name: found[name] for name in odd} == odd

    def test_job_knows_itself(self, bench: Bench) -> None:
        """Its id is in CLUSTRIX_JOB_ID."""
        job = bench.job(work.surroundings, ["CLUSTRIX_JOB_ID"])
        bench.submit(job)
        assert bench.result(job)["CLUSTRIX_JOB_ID"] == job.id

    def test_libraries_are_told_their_cores(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        """OMP_NUM_THREADS and its kin are the cores of the job, not of the machine."""
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        job = bench.job(work.surroundings, ["OMP_NUM_THREADS", "MKL_NUM_THREADS"], cores=1)
        bench.submit(job)
        found = bench.result(job)
        assert (found["OMP_NUM_THREADS"], found["MKL_NUM_THREADS"]) == ("1", "1")

    def test_secret_is_in_no_command_line(
        self, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Anybody on a machine can read the arguments of its processes."""
        monkeypatch.setenv("KIT_SECRET", "hush-4711")
        job = bench.job(work.note_and_wait, str(tmp_path / "runs"), str(tmp_path / "gate"))
        (job,) = bench.submit(job)
        bench.until(job, Phase.RUNNING)
        assert [path for path in _command_lines() if b"hush-4711" in path] == []
        (tmp_path / "gate").touch()
        bench.result(job)

    def test_output_comes_home(self, bench: Bench) -> None:
        """Standard output and error are in the job's folder after fetch()."""
        job = bench.job(work.talk, "Grüße")
        bench.submit(job)
        bench.outcome(job)
        assert Path(job.file(layout.OUTPUT)).read_text(encoding="utf-8") == "out Grüße\n"
        assert Path(job.file(layout.ERRORS)).read_text(encoding="utf-8") == "err Grüße\n"

    def test_output_can_be_read_while_it_runs(self, bench: Bench, tmp_path: Path) -> None:
        """What is printed is not kept back to the end."""
        (job,) = bench.submit(bench.job(work.talk_and_wait, "early", str(tmp_path / "gate")))
        bench.until(job, Phase.RUNNING)
        output = Path(job.file(layout.OUTPUT))
        deadline = time.monotonic() + 60
        while not output.exists() or output.read_text() != "early\n":
            assert time.monotonic() < deadline, "its output stays there"
            assert bench.phase(job) is Phase.RUNNING
            bench.fetch(job)
            time.sleep(0.02)
        (tmp_path / "gate").touch()
        bench.outcome(job)

    def test_os_exit_is_told(self, bench: Bench) -> None:
        """A process that leaves without a result is no success, and its code is known."""
        job = bench.job(work.leave, 3)
        bench.submit(job)
        with pytest.raises(JobExited) as told:
            bench.result(job)
        assert told.value.code == 3

    def test_crash_is_told(self, bench: Bench) -> None:
        """A segmentation fault is a crash."""
        job = bench.job(work.die, int(signal.SIGSEGV))
        bench.submit(job)
        with pytest.raises(JobCrashed):
            bench.result(job)

    def test_kill_is_told(self, bench: Bench) -> None:
        """A kill from outside is one, with its signal."""
        job = bench.job(work.die, int(signal.SIGKILL))
        bench.submit(job)
        with pytest.raises(JobKilled) as told:
            bench.result(job)
        assert told.value.signal == signal.SIGKILL

    def test_time_limit_holds(self, bench: Bench) -> None:
        """A job that takes longer than it may is ended, and says so."""
        job = bench.job(work.wait, 60, time_s=0.5)
        bench.submit(job)
        assert bench.outcome(job).state is JobState.TIMED_OUT
        with pytest.raises(TimeLimitExceeded):
            bench.result(job)

    def test_memory_limit_holds(self, bench: Bench) -> None:
        """A job that takes more memory than it may is ended, and says so."""
        job = bench.job(work.hold, 300 << 20, memory_bytes=100 << 20)
        bench.submit(job)
        with pytest.raises(MemoryLimitExceeded):
            bench.result(job)

    def test_large_argument_arrives(self, bench: Bench) -> None:
        """100 MB there."""
        data = work.many_bytes(100_000_000)
        job = bench.job(work.size_and_sum, data)
        bench.submit(job)
        assert bench.result(job) == (len(data), hashlib.sha256(data).hexdigest())

    def test_large_result_comes_home(self, bench: Bench) -> None:
        """100 MB back."""
        job = bench.job(work.many_bytes, 100_000_000)
        bench.submit(job)
        found = bench.result(job)
        assert hashlib.sha256(found).digest() == hashlib.sha256(work.many_bytes(100_000_000)).digest()

    @pytest.mark.parametrize("days", [-400, 400], ids=["behind", "ahead"])
    def test_clocks_need_not_agree(self, bench: Bench, days: int) -> None:
        """A job that was submitted in the place's past or future runs as any other."""
        job = bench.job(work.identity, days)
        job.record = job.record._replace(created=job.record.created + days * 86400)
        bench.submit(job)
        assert bench.result(job) == days


def _command_lines() -> list[bytes]:
    """Of all processes of this machine."""
    found = []
    for entry in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        with suppress(OSError), open(f"/proc/{entry}/cmdline", "rb") as file:
            found.append(file.read())
    if not found:
        listed = subprocess.run(["ps", "-A", "-ww", "-o", "args="], capture_output=True, check=True)
        found = listed.stdout.splitlines()
    return found
