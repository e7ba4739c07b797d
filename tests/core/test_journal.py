"""The journal: whoever writes, reads or dies meanwhile, its rows are all there or not at all."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from clustrix.errors import JournalError, UnknownJob
from clustrix.journal import FINAL, Change, JobState, Journal, NewJob, Outcome, Place, state_place
from clustrix.journal.schema import STEPS, VERSION
from clustrix.runner import variables

HERE = "d1"
SPAWN = multiprocessing.get_context("spawn")


def new_job(id: str, key: str | None = None, dispatcher: str = HERE) -> NewJob:
    return NewJob(id, "f", "call", dispatcher, "local", 1, None, None, "{}", b"payload", key=key)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(str(tmp_path))
    Path(made.environments).mkdir()
    return made


@pytest.fixture
def journal(place: Place) -> Iterator[Journal]:
    opened = Journal(place)
    yield opened
    opened.close()


def submit(journal: Journal, id: str, **more: str) -> int:
    """Add a job; its number."""
    assert journal.submit(new_job(id, **more)) == id
    return journal.job(id).seq


def ask(place: Place, query: str) -> list[tuple[object, ...]]:
    """What SQLite itself finds in the file."""
    with closing(sqlite3.connect(place.database)) as sql:
        return sql.execute(query).fetchall()


def count_elsewhere(place: Place) -> int:
    """How many jobs another process finds, which closes the journal behind it."""
    text = "import sqlite3, sys; sql = sqlite3.connect(sys.argv[1]); print(*sql.execute('SELECT count(*) FROM jobs').fetchone()); sql.close()"
    done = subprocess.run(
        [sys.executable, "-c", text, place.database], check=True, capture_output=True, text=True
    )
    return int(done.stdout)


# -- the file


def test_new_journal_is_private_and_current(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders 0700, files 0600, whatever the umask; the tables of this version, and a write-ahead log."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    before = os.umask(0)
    try:
        place = state_place()
        with closing(Journal(place)) as journal:
            submit(journal, "A")
            found = [Path(place.root), *Path(place.root).rglob("*")]
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in found}
    finally:
        os.umask(before)
    folders = {"clustrix", "blobs", "environments", "live", "ready", "free", "kept", "dispatchers"}
    (environment,) = os.listdir(place.environments)
    files = {"journal.db", "journal.db-wal", "journal.db-shm", "journal.db.lock", environment}
    assert modes == {**dict.fromkeys(folders, 0o700), **dict.fromkeys(files, 0o600)}
    assert ask(place, "PRAGMA user_version") == [(VERSION,)]
    assert ask(place, "PRAGMA journal_mode") == [("wal",)]


def test_journal_is_opened_again_as_it_was(place: Place) -> None:
    """Its rows stay; a file that was created and never written, as a kill leaves it, becomes a journal."""
    Path(place.database).touch(0o600)
    for id in ("A", "B"):
        with closing(Journal(place)) as journal:
            submit(journal, id)
    with closing(Journal(place)) as journal:
        assert [record.id for record in journal.live(HERE)] == ["A", "B"]
        assert journal.payload(2) == ("{}", b"payload")


# -- jobs


def test_second_connection_of_a_process_leaves_the_first_its_locks(journal: Journal, place: Place) -> None:
    """What is submitted over the first is there for others, also when another process has closed the journal meanwhile."""
    submit(journal, "1")
    Journal(place).close()
    assert count_elsewhere(place) == 1
    submit(journal, "2")
    assert count_elsewhere(place) == 2


def test_history_has_every_change_in_order(journal: Journal) -> None:
    """Each new state with its time and reason; what is no news is not in it, but counts as held."""
    began = time.time()
    seq = submit(journal, "A")
    created = time.time()
    changes = [
        Change(seq, created + 1, JobState.QUEUED, "no core is free"),
        Change(seq, created + 2, JobState.RUNNING, "", 2, 1 << 20),
        Change(seq, created + 3, JobState.RUNNING, "", 1, 1 << 19, news=False),
    ]
    journal.move(changes[:1])
    journal.move(changes[1:])
    assert journal.held_elsewhere("another") == {HERE: (1, 1 << 19)}
    assert journal.held_elsewhere(HERE) == {}
    journal.finish([Outcome(seq, JobState.SUCCEEDED, data=b"49")])
    (first, *rest, last) = journal.history("A")
    assert first[1:] == (JobState.CREATED, "")
    assert began <= first[0] == journal.job("A").created <= created
    assert rest == [(change.at, change.state, change.reason) for change in changes[:2]]
    assert last[1:] == (JobState.SUCCEEDED, "")
    assert created <= last[0] <= time.time()
    assert journal.held_elsewhere("another") == {}


@pytest.mark.parametrize("state", sorted(FINAL))
def test_ended_job_stays_as_it_is(journal: Journal, state: JobState) -> None:
    """Whatever is said of it later: state, outcome, history and what it holds are those of its end."""
    seq = submit(journal, "A")
    journal.finish([Outcome(seq, state, "first", b"first")], [Change(seq, 1.0, JobState.RUNNING)])
    before = journal.outcome("A"), journal.history("A")
    assert before[0][1] == Outcome(seq, state, "first", b"first")
    assert [row[1] for row in before[1]] == [JobState.CREATED, JobState.RUNNING, state]
    journal.finish([Outcome(seq, JobState.FAILED, "later", b"later", "path", "error")])
    journal.move([Change(seq, time.time(), JobState.RUNNING, "later", 4, 4)])
    assert journal.request_cancel("A") is False
    assert (journal.outcome("A"), journal.history("A")) == before
    assert journal.held_elsewhere("another") == {}
    assert journal.live(HERE) == []
    assert journal.finished_among(["A", "B"]) == {"A": state}


def test_cancel_is_a_wish_until_the_job_ends(journal: Journal) -> None:
    """It is written down for whoever looks after the job, and for no other job."""
    seq, _ = submit(journal, "A"), submit(journal, "B")
    assert journal.cancel_requested(["A", "B"]) == []
    assert journal.request_cancel("A") is True
    assert journal.cancel_requested(["A", "B"]) == ["A"]
    assert [record.cancel for record in journal.live(HERE)] == [True, False]
    journal.finish([Outcome(seq, JobState.CANCELLED)])
    assert journal.cancel_requested(["A", "B"]) == []


def test_live_jobs_are_those_of_one_dispatcher_in_order(journal: Journal) -> None:
    """Others' are not seen, nor those up to the one that was seen last."""
    for id in "CAB":
        submit(journal, id)
        submit(journal, id + "2", dispatcher="another")
    assert [record.id for record in journal.live(HERE)] == ["C", "A", "B"]
    assert [record.id for record in journal.live(HERE, journal.job("C").seq)] == ["A", "B"]
    with pytest.raises(UnknownJob):
        journal.history("D")


@pytest.mark.parametrize("state", JobState)
def test_key_is_free_again_after_a_failure(journal: Journal, state: JobState) -> None:
    """A job that waits, runs or has succeeded is what its key means; one that came to nothing makes room for the next."""
    seq = submit(journal, "A", key="k")
    if state.final:
        journal.finish([Outcome(seq, state)])
    else:
        journal.move([Change(seq, time.time(), state)])
    free = state.final and state is not JobState.SUCCEEDED
    assert journal.submit(new_job("B", "k")) == ("B" if free else "A")
    assert journal.submit(new_job("C", "k")) == ("B" if free else "A")
    assert journal.job("A").state is state


def test_environment_file_stays_while_a_job_needs_it(journal: Journal, place: Place) -> None:
    """It goes with the last of the jobs that share it."""
    first, second = submit(journal, "A"), submit(journal, "B")
    name = journal.job("A").environ
    assert name == journal.job("B").environ
    path = os.path.join(place.environments, name)
    assert variables.read(path) == dict(os.environ)
    (file,) = Path(place.environments).iterdir()
    for seq, there in ((first, True), (second, False)):
        journal.finish([Outcome(seq, JobState.SUCCEEDED)])
        journal.drop_environs()
        assert any(file.read_bytes()) is there
    with pytest.raises(ValueError, match="gone"):
        variables.read(path)


def test_environment_file_is_used_again(
    journal: Journal, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A blank file is filled by whoever needs one next, under a new name; blank ones do not become many."""
    seen = set()
    for number in range(3):
        monkeypatch.setenv("NUMBER", str(number))
        seq = submit(journal, f"A{number}")
        name = journal.job(f"A{number}").environ
        seen.add(name)
        assert variables.read(os.path.join(place.environments, name))["NUMBER"] == str(number)
        journal.finish([Outcome(seq, JobState.SUCCEEDED)])
        journal.drop_environs()
    assert len(seen) == 3
    assert len(os.listdir(place.environments)) == 1
    jobs = []
    for number in range(8):
        monkeypatch.setenv("NUMBER", str(number) * 10_000 * number)
        jobs.append(submit(journal, f"B{number}"))
    journal.finish(Outcome(seq, JobState.SUCCEEDED) for seq in jobs)
    journal.drop_environs()
    files = list(Path(place.environments).iterdir())
    assert 0 < len(files) <= 4
    assert not any(any(file.read_bytes()) for file in files)


def test_half_blanked_environment_file(
    journal: Journal, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who blanks it may die: what is left of the old variables is found, and never becomes a part of the next ones."""
    monkeypatch.setenv("NUMBER", "1" * 5000)
    seq = submit(journal, "A")
    name = journal.job("A").environ
    journal.finish([Outcome(seq, JobState.SUCCEEDED)])
    (file,) = Path(place.environments).iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:32] + bytes(4000) + whole[4032:])
    journal.drop_environs()
    assert not any(file.read_bytes())
    # As a disk may leave it that was cut off while it wrote.
    file.write_bytes(bytes(4096) + whole[4096:])
    monkeypatch.setenv("NUMBER", "2")
    submit(journal, "B")
    name = journal.job("B").environ
    assert name.startswith(file.name)
    assert variables.read(os.path.join(place.environments, name)) == dict(os.environ)


def test_half_blanked_environment_file_is_not_taken_for_whole(journal: Journal, place: Place) -> None:
    """A submitter that has filled it before, and to which nobody has told anything, has its next job find all variables."""
    seq = submit(journal, "A")
    journal.finish([Outcome(seq, JobState.SUCCEEDED)])
    (file,) = Path(place.environments).iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:32] + bytes(len(whole) - 32))
    submit(journal, "B")
    assert variables.read(os.path.join(place.environments, journal.job("B").environ)) == dict(os.environ)
    journal.drop_environs()
    assert not any(file.read_bytes())


def test_log_has_its_size_in_advance(journal: Journal, place: Place) -> None:
    """What is behind the log's last frame is nothing: rows stay, and others see them."""
    first = submit(journal, "A")
    journal.reserve()
    log = place.database + "-wal"
    size = os.path.getsize(log)
    assert size >= 4 << 20
    submit(journal, "B")
    with closing(Journal(place)) as other:
        assert [record.id for record in other.live(HERE)] == ["A", "B"]
        other.checkpoint()
        other.finish([Outcome(first, JobState.SUCCEEDED)])
        other.reserve()
    assert [record.id for record in journal.live(HERE)] == ["B"]
    assert os.path.getsize(log) == size
    assert ask(place, "PRAGMA integrity_check") == [("ok",)]


# -- many processes


def run_processes(target: Callable[..., None], *arguments: tuple[object, ...]) -> list[int | None]:
    """A process for each of the arguments; how they ended."""
    crowd = [SPAWN.Process(target=target, args=args) for args in arguments]
    for process in crowd:
        process.start()
    for process in crowd:
        process.join(60)
    return [process.exitcode for process in crowd]


def write_many(place: Place, barrier: Barrier, number: int) -> None:
    barrier.wait()
    with closing(Journal(place)) as journal:
        journal.submit(new_job(f"key-{number}", "same"))
        for count in range(50):
            submit(journal, f"{number}-{count:02}")


def test_crowd_of_writers_loses_no_row(place: Place) -> None:
    """Four processes make one new journal and write 50 jobs each at once: all are there in order, and a key is one job."""
    barrier = SPAWN.Barrier(4)
    assert run_processes(write_many, *((place, barrier, number) for number in range(4))) == [0] * 4
    with closing(Journal(place)) as journal:
        ids = [record.id for record in journal.live(HERE)]
    assert len(ids) == 4 * 50 + 1
    for number in range(4):
        own = [id for id in ids if id.startswith(f"{number}-")]
        assert own == [f"{number}-{count:02}" for count in range(50)]
    assert ask(place, "SELECT count(*), max(seq) FROM jobs") == [(201, 201)]


def die_in_the_middle(place: Place, seq: int) -> None:
    def outcomes() -> Iterator[Outcome]:
        yield Outcome(seq, JobState.SUCCEEDED, data=b"half")
        os.kill(os.getpid(), signal.SIGKILL)

    Journal(place).finish(outcomes())


def test_writer_that_dies_or_fails_in_the_middle_leaves_nothing(journal: Journal, place: Place) -> None:
    """What it had begun is not there, and the next writer need not wait for it."""
    seq = submit(journal, "A")
    before = journal.outcome("A"), journal.history("A")
    assert run_processes(die_in_the_middle, (place, seq)) == [-signal.SIGKILL]
    with pytest.raises(JournalError):
        journal.submit(new_job("B"), ("/bin/python", object()))  # type: ignore[arg-type]
    with pytest.raises(ZeroDivisionError):
        journal.finish(Outcome(seq, JobState.FAILED, "x" * (1 // count)) for count in (1, 0))
    assert (journal.outcome("A"), journal.history("A")) == before
    assert [record.id for record in journal.live(HERE)] == ["A"]
    began = time.monotonic()
    submit(journal, "B")
    assert time.monotonic() - began < 5


def finish_in_tens(place: Place) -> None:
    with closing(Journal(place)) as journal:
        for first in range(1, 201, 10):
            tens = range(first, first + 10)
            ends = [Outcome(seq, JobState.SUCCEEDED, data=b"%d" % seq) for seq in tens]
            journal.finish(ends, [Change(seq, 1.0, JobState.RUNNING) for seq in tens])


def test_reader_sees_nothing_half_written(journal: Journal, place: Place) -> None:
    """What is written at once is seen at once: ten ends, each with its result and its history."""
    for seq in range(1, 201):
        assert submit(journal, str(seq)) == seq
    writer = SPAWN.Process(target=finish_in_tens, args=(place,))
    writer.start()
    seen = set()
    while left := len(journal.live(HERE)):
        seen.add(left)
        for id, state in journal.finished_among([str(201 - left - left % 7)]).items():
            assert state is JobState.SUCCEEDED
            assert journal.outcome(id)[1].data == id.encode()
            assert [row[1] for row in journal.history(id)] == [JobState.CREATED, JobState.RUNNING, state]
    writer.join(10)
    assert writer.exitcode == 0
    assert all(left % 10 == 0 for left in seen), seen
    assert len(seen) > 2, "it was read while it was written"


def test_closed_journal_is_left_alone_by_a_fork(place: Place) -> None:
    """A process that has closed a journal may fork."""
    script = f"""
import os, sys
from clustrix.journal import Journal, Place
journal = Journal(Place({place.root!r}))
journal.live("d1")
journal.close()
pid = os.fork()
if pid == 0:
    os._exit(0)
os.waitpid(pid, 0)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.parametrize("step", range(1, VERSION))
def test_journal_of_an_earlier_step_is_brought_up_to_date(place: Place, step: int) -> None:
    """Its jobs are there, those that have ended and those that have not, and new ones can be added."""
    with closing(sqlite3.connect(place.database)) as sql:
        for text in STEPS[:step]:
            sql.executescript(text)
        sql.execute(f"PRAGMA user_version = {step}")
        columns = "id, name, kind, dispatcher, backend, state, cores, environ, items, created, spec, payload"
        for number, state in enumerate(("SUCCEEDED", "QUEUED")):
            row = (f"J{number}", "f", "call", HERE, "local", state, 1, "e", 1, 1.0, "{}", b"")
            marks = ", ".join("?" * len(row))
            sql.execute(f"INSERT INTO jobs ({columns}) VALUES ({marks})", row)  # noqa: S608 -- from above
        sql.execute("INSERT INTO events VALUES (1, 1, 2.0, 'SUCCEEDED', '')")
        if step >= 3:  # since then whoever writes an end down lists it
            sql.execute("INSERT INTO listed VALUES (1, 'SUCCEEDED', 'f', 1.0, '', '{}')")
        sql.commit()
    opened = Journal(place)
    try:
        assert ask(place, "SELECT 1") == [(1,)]
        assert opened.job("J0").state is JobState.SUCCEEDED
        assert [record.id for record in opened.live(HERE)] == ["J1"]
        assert opened.job("J1").attempt == opened.job("J1").prepared == 1
        assert opened.submit(new_job("J2")) == "J2"
        assert ask(place, "PRAGMA user_version") == [(VERSION,)]
        assert ask(place, "SELECT count(*) FROM listed") == [(1,)]
    finally:
        opened.close()
