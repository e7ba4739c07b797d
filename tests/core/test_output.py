"""What a job prints, and the surroundings it finds: folder, environment variables, threads, secrets."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from clustrix import attach, cluster
from clustrix.runner.setup import THREAD_VARIABLES
from tests.core.support import ROOT, everything_waits, run_script, running_script, wait_for_file, wait_until

pytestmark = pytest.mark.usefixtures("state")


@cluster
def speak(path: str = "") -> None:
    """Prints on all ways that there are, then waits for the file."""
    import subprocess

    print("by print ä日")
    print("to stderr", file=sys.stderr)
    os.write(1, b"to the descriptor\n")
    subprocess.run(["sh", "-c", "echo from a child; echo child error >&2"], check=True)
    sys.stdout.write("no newline")
    sys.stdout.flush()
    if path:
        wait_for_file(path)


PRINTED = "by print ä日\nto the descriptor\nfrom a child\nno newline"
ERRORS = "to stderr\nchild error\n"


def environment_of_a_job(**options: Any) -> dict[str, str]:
    return cluster(**options)(lambda: dict(os.environ))()


# -- output


def test_prints_of_a_call_appear_where_the_caller_prints(capsys: pytest.CaptureFixture[str]) -> None:
    """Standard output and standard error each, of the job and of its children."""
    speak()
    assert capsys.readouterr() == (PRINTED, ERRORS)


def test_prints_of_a_call_reach_the_terminal_of_a_script() -> None:
    """In a real process; and only once."""
    text = "from tests.core.test_output import speak\nspeak()\nprint()\nprint('after')\n"
    run = run_script(text, PYTHONPATH=str(ROOT), PYTHONIOENCODING="utf-8")
    assert run.stdout == PRINTED + "\nafter\n"
    assert run.stderr == ERRORS


def test_prints_appear_while_the_call_blocks(gate: Path) -> None:
    """Not at its end: each line within a second."""
    script = f"""
from clustrix import cluster
from pathlib import Path
import time

@cluster
def f():
    print("first")
    while not Path({str(gate)!r}).exists():
        time.sleep(0.01)
    print("second")

f()
"""
    with running_script(script) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "first\n"
        assert process.poll() is None
        gate.touch()
        assert process.stdout.readline() == "second\n"
        assert process.wait(20) == 0


def test_prints_before_a_failure_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """What was printed is shown before the exception comes."""

    def fail() -> None:
        print("so far")
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - it has no text
        cluster(fail)()
    assert capsys.readouterr().out == "so far\n"


def test_submitted_jobs_print_into_their_logs(capsys: pytest.CaptureFixture[str]) -> None:
    """submit() is silent here; logs() has everything, during the job and after it, in any process."""
    job = speak.submit()
    job.result(timeout=20)
    assert job.logs() == attach(job.id).logs() == PRINTED + ERRORS
    assert capsys.readouterr() == ("", "")
    silent = cluster(len).submit("abc")
    assert silent.result(timeout=20) == 3
    assert silent.logs() == ""
    assert list(silent.logs(follow=True)) == []


def test_logs_can_be_followed(gate: Path) -> None:
    """A line is seen at most a second after it was printed; the end of the job ends the loop."""

    @cluster
    def clock() -> None:
        for _ in range(5):
            print(time.time())
            time.sleep(0.2)
        sys.stdout.write("last, without an end")

    job = clock.submit()
    delays = []
    *lines, last = iter_with_delays(job, delays)
    assert len(lines) == 5
    assert max(delays) < 1
    assert last == "last, without an end"
    assert job.done()
    assert list(job.logs(follow=True)) == [*lines, last]


def iter_with_delays(job: Any, delays: list[float]) -> list[str]:
    lines = []
    for line in job.logs(follow=True):
        lines.append(line)
        if line[0].isdigit():
            delays.append(time.time() - float(line))
    return lines


def test_logs_are_there_while_the_job_runs(gate: Path) -> None:
    """Also of a job that somebody else attaches to."""
    job = speak.submit(str(gate))
    wait_until(lambda: attach(job.id).logs() == PRINTED + ERRORS, "all is printed")
    assert not job.done()
    follower = attach(job.id).logs(follow=True)
    assert sorted([next(follower) for _ in range(5)]) == sorted(
        (PRINTED + ERRORS).replace("no newline", "").split("\n")[:-1]
    )
    gate.touch()
    assert list(follower) == ["no newline"]


def test_much_output_is_complete(capsys: pytest.CaptureFixture[str]) -> None:
    """Megabytes of it, from a job that ends right after."""

    @cluster
    def chatter() -> None:
        for _ in range(50_000):
            print("y" * 99)

    chatter()
    assert len(capsys.readouterr().out) == 100 * 50_000


# -- surroundings


def test_job_has_the_submitters_folder_and_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As they are at submission: relative paths work, a changed or removed variable is changed or removed there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOME_SETTING", "first ä\nline")
    first = environment_of_a_job()
    assert first["SOME_SETTING"] == "first ä\nline"
    assert {name: first.get(name) for name in os.environ} == dict(os.environ)
    assert first["CLUSTRIX_JOB_ID"]
    assert cluster(os.getcwd)() == str(tmp_path)
    (tmp_path / "here").write_text("data")
    assert cluster(lambda: open("here").read())() == "data"  # noqa: SIM115
    monkeypatch.setenv("SOME_SETTING", "second")
    monkeypatch.delenv("HOME", raising=False)
    second = environment_of_a_job()
    assert second["SOME_SETTING"] == "second"
    assert "HOME" not in second


def test_variables_of_a_waiting_job_are_those_of_its_submission(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the submitter changes later is of no consequence."""
    monkeypatch.setenv("SOME_SETTING", "then")
    with everything_waits(tmp_path):
        job = cluster(lambda: os.environ["SOME_SETTING"]).submit()
        monkeypatch.setenv("SOME_SETTING", "now")
        other = cluster(lambda: os.environ["SOME_SETTING"]).submit()
    assert (job.result(timeout=20), other.result(timeout=20)) == ("then", "now")


def test_job_changes_nothing_for_the_next(tmp_path: Path) -> None:
    """Variables, folder, modules and signal handlers that a job sets end with it."""

    @cluster
    def spoil() -> None:
        import signal

        os.environ["LEFT_BEHIND"] = "1"
        os.chdir("/")
        sys.path.insert(0, "/nonsense")
        sys.modules["left_behind"] = sys
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    @cluster
    def look() -> tuple[bool, ...]:
        return (
            "LEFT_BEHIND" in os.environ,
            os.getcwd() == "/",
            "/nonsense" in sys.path,
            "left_behind" in sys.modules,
        )

    spoil()
    assert look() == (False, False, False, False)


def test_standard_input_of_a_job_is_empty() -> None:
    """input() in a job ends; it does not wait for somebody at a terminal."""
    script = "from clustrix import cluster\nprint(repr(cluster(lambda: __import__('sys').stdin.read())()))"
    assert run_script(script, stdin="x").stdout == "''\n"


@pytest.mark.parametrize("cores", [1, 2])
def test_threads_of_libraries_are_the_cores_of_the_job(cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """OMP_NUM_THREADS and its kin say what was granted, not what the machine has."""
    for name in THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    found = environment_of_a_job(cores=cores)
    granted = min(cores, len(os.sched_getaffinity(0)))
    assert {found[name] for name in THREAD_VARIABLES} == {str(granted)}
    assert "OMP_NUM_THREADS" in THREAD_VARIABLES
    assert "MKL_NUM_THREADS" in THREAD_VARIABLES


def test_threads_that_the_user_set_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's own word counts; OpenMP's for those that he did not name."""
    for name in THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("MKL_NUM_THREADS", "3")
    found = environment_of_a_job()
    assert found["OMP_NUM_THREADS"] == found["OPENBLAS_NUM_THREADS"] == "7"
    assert found["MKL_NUM_THREADS"] == "3"


# -- secrets


def files_with(state: Path, secret: bytes) -> list[Path]:
    found = []
    for folder, _, names in os.walk(state):  # where things come and go meanwhile
        for name in names:
            with suppress(FileNotFoundError):
                path = Path(folder, name)
                if path.is_file() and secret in path.read_bytes():
                    found.append(path)
    return found


def test_variables_are_in_one_private_file_that_goes_with_the_job(
    fresh_state: Path, tmp_path: Path, gate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a job waits or runs a secret is in one file, 0600 in folders of 0700; after it, nowhere."""
    secret = f"hunter2-{os.getpid()}-{time.time_ns()}"
    monkeypatch.setenv("API_TOKEN", secret)

    @cluster
    def use(path: str) -> int:
        wait_for_file(path)
        return len(os.environ["API_TOKEN"])

    jobs = [use.submit(str(gate)), use.submit(str(gate)), use.map([str(gate)])]
    wait_until(jobs[0].running, "it runs")
    found = files_with(fresh_state, secret.encode())
    assert [path.parent.name for path in found] == ["environments"]
    assert found[0].stat().st_mode & 0o777 == 0o600
    for folder in (fresh_state / "clustrix").rglob("*"):
        if folder.is_dir():
            assert folder.stat().st_mode & 0o777 == 0o700, folder
    gate.touch()
    assert [job.result(timeout=20) for job in jobs] == [len(secret), len(secret), [len(secret)]]
    wait_until(lambda: not files_with(fresh_state, secret.encode()), "they are gone")
    assert all(secret not in repr(job) + str(job.status()) + job.logs() for job in jobs)


def test_variables_of_a_cancelled_or_failed_job_go_too(
    fresh_state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However it ended."""
    secret = f"hunter3-{time.time_ns()}"
    monkeypatch.setenv("API_TOKEN", secret)
    job = cluster(lambda: time.sleep(60)).submit()
    wait_until(job.running, "it runs")
    job.cancel()
    cluster(lambda: 1 / 0).submit().exception(timeout=20)
    cluster(lambda: os._exit(1)).submit().exception(timeout=20)
    wait_until(lambda: not files_with(fresh_state, secret.encode()), "they are gone")
