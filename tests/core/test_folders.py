"""The folders of calls: taken by one process, used again when nothing and nobody is left in them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
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
    """Where folders are made ready, by one warm parent; live ones are beside it."""
    (tmp_path / "ready" / "free").mkdir(parents=True)
    (tmp_path / "ready" / "warm-1").mkdir()
    (tmp_path / "live").mkdir()
    return tmp_path / "ready"


def new(ready: Path) -> folders.Folder:
    """A folder that waits for this process's call."""
    return folders.Folder(str(ready / "warm-1"))


def found(ready: Path) -> list[str]:
    """All folders that are not live, relative to the place for them."""
    return sorted(str(path.relative_to(ready)) for path in ready.rglob("*") if path.is_dir())


NOTHING = ["free", "warm-1"]
"""What is there when nothing is ready."""


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
        done = new(ready).claim(str(path))
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
    command = [sys.executable, "-c", script, str(ready / "warm-1"), str(job)]
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
    assert len(os.listdir(ready / "free")) == 19
    assert not os.listdir(ready / "warm-1")


@LINUX
def test_folder_is_used_again_with_nothing_of_the_last_job_in_it(ready: Path) -> None:
    """The same files, all empty: an earlier result can never be taken for the next one's."""
    first = finished(ready)
    inodes = {path.name: path.stat().st_ino for path in first.iterdir()}
    assert folders.reuse(str(first), str(ready))
    assert not first.exists()
    (free,) = (ready / "free").iterdir()
    assert {path.name for path in free.iterdir() if path.stat().st_size} == {layout.CLAIM}
    second = ready.parent / "live" / "second"
    assert in_child(lambda: new(ready).claim(str(second))) == 1
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
    assert found(ready) == NOTHING


@LINUX
def test_folder_that_is_still_open_is_not_used_again(ready: Path) -> None:
    """Whoever reads a finished job's output, or still writes to it, never sees or touches another job's."""
    for mode in ("rb", "ab"):
        job = finished(ready)
        with (job / layout.OUTPUT).open(mode):
            assert folders.reuse(str(job), str(ready))
        assert not job.exists()
        assert found(ready) == NOTHING


def test_folder_that_holds_something_is_not_used_again(ready: Path) -> None:
    """Output, an unknown file, or enough of them already."""
    printed = finished(ready, "printed", "hello")
    assert folders.reuse(str(printed), str(ready))
    assert found(ready) == NOTHING
    more = finished(ready, "more")
    (more / "core").touch()
    assert not folders.reuse(str(more), str(ready))
    assert more.exists()
    for number in range(16):
        (ready / "free" / str(number)).mkdir()
    (more / "core").unlink()
    assert not folders.reuse(str(more), str(ready))


def test_folder_of_a_job_elsewhere_is_not_used_again(ready: Path) -> None:
    """Its result was fetched into it, and nothing that it has printed: it stayed behind, half put back."""
    job = ready / "job"
    job.mkdir()
    (job / layout.RESULT).touch()
    assert not folders.reuse(str(job), str(ready))
    assert [path.name for path in job.iterdir()] == [layout.RESULT]


def test_left_over_result_is_not_the_next_jobs(ready: Path) -> None:
    """A runner was killed while it wrote a long one: a short one written over it would end in its bytes."""
    job = finished(ready)
    (job / layout.RESULT).rename(job / layout.ASIDE)
    assert folders.reuse(str(job), str(ready))
    assert all(not path.read_bytes() for path in ready.rglob(layout.ASIDE))


def test_nobody_below_a_warm_parent_that_is_fenced_off_gets_a_call(ready: Path) -> None:
    """It was ordered by a dispatcher that is gone; other warm parents are none of it."""
    (ready / "other-1").mkdir()
    late = ready.parent / "live" / "late"

    def work() -> bool:
        folder = new(ready)
        folders.fence_off(str(ready / "warm"))
        return folder.claim(str(late))

    assert in_child(work) == 0
    assert not late.exists()
    assert found(ready) == ["free", "other-1"]
    with pytest.raises(folders.NoFolder):
        new(ready)


def test_who_has_its_call_keeps_it(ready: Path) -> None:
    """What a process began before its warm parent was fenced off is seen, and not begun again."""
    early = finished(ready)
    folders.fence_off(str(ready / "warm"))
    assert claim.read(str(early / layout.CLAIM)) is not None
    assert found(ready) == ["free"]


def test_what_a_killed_dispatcher_was_doing_is_swept(ready: Path) -> None:
    """In the middle of putting a folder back, and of fencing a warm parent off; what others use stays."""
    ours = new(ready)
    waiting = found(ready)
    for name in ("back-job", "gone-warm-2/1-1", "free/2-2"):
        (ready / name).mkdir(parents=True)
        (ready / name / layout.OUTPUT).touch()
    folders.sweep(str(ready))
    assert found(ready) == sorted([*waiting, "free/2-2"])
    ours.give_back()
    assert len(os.listdir(ready / "free")) == 2


@LINUX
def test_folder_is_removed_though_another_removes_some_of_it(tmp_path: Path) -> None:
    """As a dispatcher and ``clustrix clean`` may: what the other was first with keeps nobody from the rest."""
    folder = tmp_path / "job"
    (folder / "worker-1").mkdir(parents=True)
    for name in range(3000):
        (folder / "worker-1" / str(name)).touch()
    (folder / "exit-1").touch()
    thread = threading.Thread(target=folders.remove, args=(str(folder),))
    thread.start()
    # The names of what is above are known by then, and come last.
    wait_until(lambda: len(os.listdir(folder / "worker-1")) < 3000, "it has begun")
    (folder / "exit-1").unlink()
    thread.join(30)
    assert not folder.exists()


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
