"""The folders of calls: taken by one process, used again when nothing and nobody is left in them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from clustrix import cluster
from clustrix.logs import Tail
from clustrix.runner import claim, folders, layout
from clustrix.session import session
from tests.core.support import wait_for_file, wait_until

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells whether a file is open")


@pytest.fixture
def ready(tmp_path: Path) -> Path:
    """Where folders are made ready; live ones are beside it."""
    (tmp_path / "ready").mkdir()
    (tmp_path / "live").mkdir()
    return tmp_path / "ready"


def in_child(work: Callable[[], object]) -> int:
    """Do it in a forked child, whose standard files it may change; its exit code."""
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            code = int(work() is True)
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def finished(ready: Path, name: str = "job", text: str = "") -> Path:
    """A folder that a process, which is gone, has claimed for a job, printed into and written a result into."""
    path = ready.parent / "live" / name

    def work() -> bool:
        done = folders.Folder(str(ready)).claim(str(path))
        os.write(1, text.encode())
        (path / layout.RESULT).write_bytes(b"the result of an earlier job")
        return done

    assert in_child(work) == 1
    return path


def test_one_of_many_gets_the_call(ready: Path) -> None:
    """Twenty processes are ready for one call: one has it and its claim, the others leave nothing behind."""
    job = ready.parent / "live" / "job"
    script = (
        "import sys; from clustrix.runner import folders; folder = folders.Folder(sys.argv[1]); "
        "print(flush=True); input(); sys.exit(0 if folder.claim(sys.argv[2]) else 1)"
    )
    command = [sys.executable, "-c", script, str(ready), str(job)]
    crowd = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(20)]
    for process in crowd:
        assert process.stdout is not None
        process.stdout.readline()
    for process in crowd:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
    winners = [process.pid for process in crowd if process.wait(30) == 0]
    for process in crowd:
        process.communicate()
    holder = claim.read(str(job / layout.CLAIM))
    assert holder is not None
    assert winners == [holder.pid]
    assert len(os.listdir(ready)) == 19
    assert all(name.startswith("free-") for name in os.listdir(ready))


@LINUX
def test_folder_is_used_again_with_nothing_of_the_last_job_in_it(ready: Path) -> None:
    """The same files, all empty: an earlier result can never be taken for the next one's."""
    first = finished(ready)
    inodes = {path.name: path.stat().st_ino for path in first.iterdir()}
    assert folders.reuse(str(first), str(ready))
    assert not first.exists()
    (free,) = ready.iterdir()
    assert {path.name for path in free.iterdir() if path.stat().st_size} == {layout.CLAIM}
    second = ready.parent / "live" / "second"
    assert in_child(lambda: folders.Folder(str(ready)).claim(str(second))) == 1
    assert {path.name for path in second.iterdir()} == {
        layout.CLAIM,
        layout.OUTPUT,
        layout.ERRORS,
        layout.ASIDE,
    }
    assert (second / layout.OUTPUT).stat().st_ino == inodes[layout.OUTPUT]
    assert not (second / layout.RESULT).exists()
    holder = claim.read(str(second / layout.CLAIM))
    assert holder is not None
    assert not holder.lives()
    assert not list(ready.iterdir())


@LINUX
def test_folder_that_is_still_open_is_not_used_again(ready: Path) -> None:
    """Whoever reads a finished job's output, or still writes to it, never sees or touches another job's."""
    for mode in ("rb", "ab"):
        job = finished(ready)
        with (job / layout.OUTPUT).open(mode):
            assert folders.reuse(str(job), str(ready))
        assert not job.exists()
        assert not list(ready.iterdir())


def test_folder_that_holds_something_is_not_used_again(ready: Path) -> None:
    """Output, an unknown file, or enough of them already."""
    printed = finished(ready, "printed", "hello")
    assert folders.reuse(str(printed), str(ready))
    assert not list(ready.iterdir())
    more = finished(ready, "more")
    (more / "core").touch()
    assert not folders.reuse(str(more), str(ready))
    assert more.exists()
    for number in range(16):
        (ready / f"free-{number}").mkdir()
    (more / "core").unlink()
    assert not folders.reuse(str(more), str(ready))


def test_what_killed_processes_have_left_is_swept(ready: Path) -> None:
    """Of a process that waited, and of a dispatcher in the middle of putting one back; what others use stays."""
    ours = folders.Folder(str(ready))

    def die() -> None:
        folders.Folder(str(ready))
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(die) == -signal.SIGKILL
    (ready / "back-job").mkdir()
    (ready / "free-job").mkdir()
    assert len(os.listdir(ready)) == 4
    folders.sweep(str(ready))
    assert sorted(name.partition("-")[0] for name in os.listdir(ready)) == sorted([str(os.getpid()), "free"])
    ours.give_back()
    assert len(os.listdir(ready)) == 2


@LINUX
def test_who_follows_a_silent_job_does_not_see_the_next_ones_output(fresh_state: Path, gate: Path) -> None:
    """Its file stays open here, and so is not used again; others are."""

    @cluster
    def silent(path: str) -> None:
        wait_for_file(path)

    @cluster
    def loud(text: str) -> int:
        print(text, flush=True)
        return os.fstat(1).st_ino

    @cluster
    def inode() -> int:
        return os.fstat(1).st_ino

    job = silent.submit(str(gate))
    wait_until(job.running, "it runs")
    tail = Tail(session().place, job.id)
    assert list(tail.read()) == []
    gate.touch()
    job.result(timeout=20)
    seen = [inode() for _ in range(3)]
    wait_until(lambda: seen.append(inode()) or seen[-1] in seen[:-1], "folders are used again")
    assert [loud(f"line {number}") for number in range(20)]
    assert list(tail.read()) == []
    tail.close()
