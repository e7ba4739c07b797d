"""Disks that fill, directories that vanish, files that are damaged, clocks that jump: clear errors, and nothing lost."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from clustrix.errors import JournalError
from clustrix.journal import Journal, state_place
from tests.core.faults.home import Home, until
from tests.core.support import no_more_files
from tests.core.support import small_disk as disk

pytestmark = [pytest.mark.fault, pytest.mark.slow]


@pytest.fixture
def small_disk(home: Home) -> Iterator[Home]:
    """A home whose state directory is on a disk of 4 MiB."""
    with disk(home.state, "4m"):
        yield home
        home.stop()


def test_full_disk_at_submission(small_disk: Home) -> None:
    """No room for an argument: JournalFull says so, nothing is half-written, and what was there before still works."""
    out = small_disk.run("""
from clustrix.errors import JournalFull
assert work(3) == 9
try:
    work.submit(os.urandom(8 << 20))
except JournalFull as error:
    print("full:", error)
assert work(4) == 16
""")
    assert out.startswith("full:")
    assert "no space is left" in out
    leftovers = [path for path in (small_disk.state / "blobs").rglob("*") if path.is_file()]
    assert not leftovers


def test_full_disk_at_the_journal(small_disk: Home) -> None:
    """No room for a row: JournalFull; when there is room again, the next submission works and no job was lost."""
    out = small_disk.run("""
from clustrix.errors import JournalFull
assert work(3) == 9
ballast = os.path.join(HOME, "clustrix", "ballast")
with open(ballast, "wb", buffering=0) as file:
    try:
        while file.write(bytes(4096)) == 4096:
            pass
    except OSError:
        pass
try:
    [work.submit("x" * 8000) for n in range(2000)]
except JournalFull as error:
    print("full:", error)
os.unlink(ballast)
assert work(5) == 25
""")
    assert "full:" in out


def test_full_disk_at_the_result(small_disk: Home) -> None:
    """No room for a result: ResultNotStored says what to do."""
    out = small_disk.run("""
from clustrix.errors import ResultNotStored

@cluster
def large():
    return os.urandom(8 << 20)

try:
    large()
except ResultNotStored as error:
    print(error)
""")
    assert "could not be written" in out
    assert "Free some space" in out


def test_full_disk_at_an_item_of_a_map(small_disk: Home) -> None:
    """No room for an item's result: that item says so, the others have theirs, and the disk is not left full."""
    out = small_disk.run("""
from clustrix.errors import ResultNotStored

@cluster
def large(n):
    return os.urandom(n)

jobs = large.map([10, 20_000_000, 11])
print(len(jobs[0]), len(jobs[2]), type(jobs.error(1)).__name__)
try:
    jobs.result(timeout=30)
except ResultNotStored as error:
    print("Free some space" in str(error))
print(jobs.state.value, len(large(100)))
""")
    assert out.splitlines() == ["10 11 ResultNotStored", "True", "FAILED 100"]


def test_state_directory_vanishes(home: Home) -> None:
    """The state directory is removed while a job runs: who waits is told, new submissions work, nothing is left running."""
    out = home.run("""
import shutil
from clustrix.errors import ClustrixError

@cluster
def long():
    time.sleep(60)

job = long.submit()
while not job.running():
    time.sleep(0.05)
while os.path.exists(os.path.join(HOME, "clustrix")):  # what is in it is just being mended, perhaps
    shutil.rmtree(os.path.join(HOME, "clustrix"), ignore_errors=True)
print(work(4))
try:
    job.result(timeout=20)
except ClustrixError as error:
    print(type(error).__name__, error)
""")
    lines = out.splitlines()
    assert lines[0] == "16"
    assert lines[1].startswith("JournalUnusable")
    assert "gone" in lines[1]


def test_folder_of_a_running_job_vanishes(home: Home) -> None:
    """Its claim is gone with it: the job is not run again, and says what became of it."""
    out = home.run("""
import shutil

@cluster
def work(n):
    count(n)
    shutil.rmtree(os.path.join(HOME, "clustrix", "live", os.environ["CLUSTRIX_JOB_ID"]))

try:
    work(1)
except Exception as error:
    print(type(error).__name__)
""")
    assert out.strip() == "ResultNotStored"
    assert home.runs() == {"1": 1}


def test_read_only_state_directory(home: Home) -> None:
    """A read-only state directory is refused with its path and what to do."""
    with disk(home.state, "1m", "ro,mode=700"):
        out = home.run(_expect("JournalUnusable"))
    assert str(home.state) in out


def _expect(error: str) -> str:
    return f"""
from clustrix.errors import {error}
try:
    work.submit(1)
except {error} as error:
    print(error)
else:
    sys.exit("no error")
"""


def test_somebody_elses_state_directory(home: Home) -> None:
    """A state directory of another user is refused: results are unpickled from there."""
    if os.geteuid() != 0:
        pytest.skip("changing an owner needs root")
    home.state.mkdir(mode=0o777)
    os.chown(home.state, 12345, 12345)
    assert "belongs to user 12345" in home.run(_expect("JournalUnusable"))


def test_open_state_directory_is_closed(home: Home) -> None:
    """A state directory that others could write to is made private."""
    home.state.mkdir(mode=0o777)
    home.state.chmod(0o777)
    home.run("assert work(2) == 4")
    assert home.state.stat().st_mode & 0o777 == 0o700


def test_corrupted_journal(home: Home) -> None:
    """A file that is no journal is refused with its path and a command that moves it away; it is left as it was."""
    home.state.mkdir(mode=0o700)
    garbage = b"this is not a database, whatever it is" * 200
    (home.state / "journal.db").write_bytes(garbage)
    out = home.run(_expect("JournalDamaged"))
    assert "mv " in out
    assert (home.state / "journal.db").read_bytes() == garbage


def test_journal_from_a_newer_version(home: Home) -> None:
    """A journal with newer tables is refused with both versions, and not touched."""
    home.run("assert work(2) == 4")
    home.stop()
    with closing(sqlite3.connect(home.state / "journal.db")) as sql, sql:
        sql.execute("PRAGMA user_version = 999")
    out = home.run(_expect("JournalTooNew"))
    assert "999" in out
    assert "Upgrade" in out


@pytest.mark.parametrize("damage", ["cut", "flip"])
def test_damaged_result_file(home: Home, damage: str) -> None:
    """A result file cut short or with a flipped bit is an error that says so, never a wrong answer."""
    job = home.run("""
@cluster
def large():
    return bytes(range(256)) * 4096

job = large.submit()
job.exception(timeout=30)
print(job.id)
""").strip()
    path = home.state / "kept" / job / "result"
    assert until(path.exists)
    _damage(path, damage)
    assert home.results([job])[0].startswith("ResultDamaged")


def _damage(path: Path, damage: str) -> None:
    data = bytearray(path.read_bytes())
    if damage == "cut":
        del data[-100:]
    else:
        data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_damaged_small_result(home: Home) -> None:
    """The same for a result that is kept in the journal's row."""
    job = home.run("job = work.submit(3); job.result(timeout=30); print(job.id)").strip()
    home.stop()
    with closing(sqlite3.connect(home.state / "journal.db")) as sql, sql:
        (data,) = sql.execute("SELECT data FROM results").fetchone()
        changed = bytearray(data)
        changed[-60] ^= 4
        sql.execute("UPDATE results SET data = ?", (bytes(changed),))
    assert home.results([job])[0].startswith("ResultDamaged")


@pytest.mark.parametrize("damage", ["cut", "flip"])
def test_damaged_map_results(home: Home, damage: str) -> None:
    """A damaged results file of a map spoils the items that it hits, or all behind a record whose length is lost, and says so."""
    job = home.run("jobs = work.map(range(40)); jobs.result(timeout=30); print(jobs.id)").strip()
    folder = home.state / "kept" / job
    assert until(folder.exists)
    _damage(max(folder.glob("results-*"), key=lambda path: path.stat().st_size), damage)
    out = home.run(f"""
from clustrix.errors import ResultDamaged
jobs = attach({job!r})
good = bad = 0
for n in range(40):
    try:
        assert jobs[n] == n * n
        good += 1
    except ResultDamaged:
        bad += 1
print(good, bad)
""")
    good, bad = map(int, out.split())
    assert good + bad == 40
    assert bad >= 1


def test_damaged_argument(home: Home) -> None:
    """An argument whose stored bytes have changed is never passed to the function."""
    process = home.start("""
@cluster
def block():
    time.sleep(1.5)

@cluster
def work(data):
    return len(data)

from clustrix.backends.local.capacity import machine_cores
blockers = [block.submit() for _ in range(machine_cores())]
job = work.submit(bytes(300_000))
print(job.id, flush=True)
try:
    print(job.result(timeout=30))
except Exception as error:
    print(type(error).__name__, error)
print(work(bytes(300_000)))  # as the error says
""")
    assert process.stdout is not None
    process.stdout.readline()
    for path in (home.state / "blobs").rglob("*"):
        if path.is_file() and path.stat().st_size > 100_000:
            _damage(path, "flip")
    out, err = process.communicate(timeout=40)
    assert out.startswith("JobNotStarted"), out + err
    assert "damaged" in out
    assert out.splitlines()[-1] == "300000"


def test_stale_lock_and_socket(home: Home) -> None:
    """What a dead dispatcher leaves, and plain rubbish in their place, keeps nobody from starting the next."""
    home.run("assert work(2) == 4")
    assert home.kill_dispatcher()
    assert until(lambda: home.dispatcher() is None)
    sockets = list(home.state.glob("dispatchers/*.sock"))
    assert sockets, "a killed dispatcher leaves its socket"
    home.run("assert work(3) == 9")
    home.stop()
    for path in home.state.glob("dispatchers/*.sock"):
        path.unlink()
        path.write_text("rubbish")
    for path in home.state.glob("dispatchers/*.lock"):
        path.write_text("rubbish\n")
    home.run("assert work(4) == 16")


def test_clock_jumps(home: Home) -> None:
    """The clock jumps by days in the submitter and the dispatcher: order, limits and results are as ever."""
    hook = home.root / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text("""
import itertools, time
jumps = itertools.cycle([0, 86400 * 3, -86400 * 40, 7])
real, real_ns = time.time, time.time_ns
time.time = lambda: real() + next(jumps)
time.time_ns = lambda: real_ns() + next(jumps) * 10**9
""")
    out = home.run(
        """
assert abs(time.time() - time.time()) > 3
jobs = [work.submit(n) for n in range(20)]
assert [job.result(timeout=30) for job in jobs] == [n * n for n in range(20)]

@cluster(time=0.5)
def long():
    time.sleep(30)

try:
    long()
except Exception as error:
    print(type(error).__name__)
""",
        PYTHONPATH=str(hook),
    )
    assert out.split() == ["TimeLimitExceeded"]
    assert home.runs() == {str(n): 1 for n in range(20)}


def test_unknown_things_in_the_state_directory_are_left_alone(home: Home) -> None:
    """Foreign files in the state directory stop nothing and stay."""
    home.run("assert work(2) == 4")
    home.stop()
    strange = home.state / "live" / "strange"
    strange.mkdir()
    (strange / "file").write_text("x")
    (home.state / "live" / "plain").write_text("x")
    home.run("assert work(3) == 9")
    assert (strange / "file").exists()
    shutil.rmtree(strange)


def test_journal_that_cannot_be_opened_for_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process with too many files open is told so, and loses none to each attempt."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    place = state_place()
    Journal(place).close()
    before = os.listdir("/proc/self/fd")
    with no_more_files(), pytest.raises(JournalError, match="Too many open files"):
        Journal(place)
    with place_taken(place.database), pytest.raises(JournalError):
        Journal(place)
    assert os.listdir("/proc/self/fd") == before
    Journal(place).close()


@contextmanager
def place_taken(path: str) -> Iterator[None]:
    """By a folder, so that the file before it is opened and this one not."""
    os.rename(path, path + ".away")
    os.mkdir(path)
    try:
        yield
    finally:
        os.rmdir(path)
        os.rename(path + ".away", path)
