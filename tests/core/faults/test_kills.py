"""Whatever is killed, whenever: every job has its result, and one run."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import time
from contextlib import closing

import pytest

from tests.core.faults.home import Home, until

pytestmark = [pytest.mark.fault, pytest.mark.slow]

WORK = """
@cluster
def work(n):
    count(n)
    time.sleep({seconds})
    return n * n
"""

SUBMIT = (
    WORK
    + """
jobs = [work.submit(n) for n in range({number})]
print(*[job.id for job in jobs], flush=True)
{after}
"""
)

MAP = (
    WORK
    + """
jobs = work.map(range({number}))
"""
)

KILL_MYSELF = "os.kill(os.getpid(), 9)"


def submit_and_die(home: Home, number: int, seconds: float, **environ: str) -> list[str]:
    process = home.start(SUBMIT.format(number=number, seconds=seconds, after=KILL_MYSELF), **environ)
    out, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, err
    ids = out.split()
    assert len(ids) == number
    return ids


def check(home: Home, ids: list[str]) -> None:
    assert home.results(ids) == [repr(n * n) for n in range(len(ids))]
    assert home.runs() == {str(n): 1 for n in range(len(ids))}


def test_submitter_killed_right_after_submit(home: Home) -> None:
    """The submitter dies by SIGKILL right after submit returns: 50 jobs, 50 results, 50 single runs."""
    check(home, submit_and_die(home, 50, 0.01))


def test_submitter_killed_in_the_middle_of_a_submission(home: Home) -> None:
    """Its job was never written down: its environment variables do not stay either."""
    script = SUBMIT.format(number=1, seconds=0, after="os.environ['TOKEN'] = 'hunter2'; work(1); work(2)")
    process = home.start(script, CLUSTRIX_FAULT=f"journal.submit:3@{home.root / 'flag'}")
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    environments = home.state / "environments"
    assert until(lambda: not any(b"hunter2" in path.read_bytes() for path in environments.iterdir()))
    assert home.runs() == {"0": 1, "1": 1}


def test_submitter_killed_before_it_has_said_a_word(home: Home) -> None:
    """Its job is in the journal, and the dispatcher, which is there, was not told: it hears of the job from who waits for it."""
    waiter = home.start(
        WORK.format(seconds=0)
        + """
work(1)
print("connected", flush=True)
print(attach(sys.stdin.readline().strip()).result(timeout=20))
"""
    )
    assert waiter.stdout is not None
    assert waiter.stdout.readline() == "connected\n"
    script = SUBMIT.format(number=1, seconds=0, after="")
    process = home.start(script, CLUSTRIX_FAULT=f"journal.submit-done@{home.root / 'flag'}")
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    with closing(sqlite3.connect(home.state / "journal.db")) as sql:
        ((job,),) = sql.execute("SELECT id FROM jobs WHERE state = 'CREATED'")
    out, err = waiter.communicate(job, timeout=60)
    assert out == "0\n", err + home.log()


def test_jobs_end_though_nobody_asks(home: Home) -> None:
    """The submitter is dead and nobody attaches: the jobs run all the same."""
    submit_and_die(home, 10, 0.0)
    assert until(lambda: len(home.runs()) == 10), home.log()


def test_dispatcher_killed_twenty_times(home: Home) -> None:
    """The dispatcher is killed at random 20 times while 100 jobs run: 100 results, 100 single runs."""
    ids = submit_and_die(home, 100, 0.3)  # on two cores they take 15 seconds at least
    chance = random.Random(20)
    killed = 0
    deadline = time.monotonic() + 60
    while killed < 20 and time.monotonic() < deadline:
        time.sleep(chance.uniform(0.05, 0.5))
        assert len(home.runs()) < 100, f"only {killed} kills before the jobs were done"
        killed += home.kill_dispatcher()
    assert killed == 20
    check(home, ids)


def test_second_dispatcher_killed_while_the_first_ones_job_ends(home: Home) -> None:
    """What the second dispatcher has started is not taken for leftovers of what the first has."""
    ids = submit_and_die(home, 1, 2.0)
    assert until(lambda: home.runs() == {"0": 1})
    first = home.dispatcher()
    assert home.kill_dispatcher()
    assert until(lambda: home.dispatcher() not in (None, first)), home.log()
    more = home.run(
        """
@cluster
def work(n):
    count(n)
    time.sleep(4)
    return n * n

print(work.submit(1).id)
"""
    )
    assert until(lambda: len(home.runs()) == 2)
    assert home.kill_dispatcher()
    check(home, [*ids, more.strip()])


def test_dispatcher_killed_while_the_submitter_waits(home: Home) -> None:
    """A client that waits starts the next dispatcher by itself and gets every result."""
    after = "print(*[job.result(timeout=60) for job in jobs], flush=True)"
    process = home.start(SUBMIT.format(number=40, seconds=0.05, after=after))
    chance = random.Random(7)
    for _ in range(10):
        time.sleep(chance.uniform(0.1, 0.3))
        home.kill_dispatcher()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err + home.log()
    assert out.splitlines()[-1].split() == [str(n * n) for n in range(40)]
    assert home.runs() == {str(n): 1 for n in range(40)}


LATE_ORDER = """
@cluster
def work(n):
    count(n)
    return n * n

@cluster
def first():
    pass

def wait(met):
    end = time.monotonic() + 20
    while not met() and time.monotonic() < end:
        time.sleep(0.01)
    assert met()

first()
print("warm", flush=True)
sys.stdin.readline()
{submit}
wait(job.running)
print("ordered", flush=True)
print(job.result(timeout=30))
live = os.path.join(HOME, "clustrix", "live")
wait(lambda: not os.listdir(live))
print("over", flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize(
    ("submit", "result"), [("job = work.submit(7)", "49"), ("job = work.map([7])", "[49]")]
)
def test_late_order(home: Home, submit: str, result: str) -> None:
    """A warm parent that was stopped gets to an order when its dispatcher is dead, and the job has been done by the next."""
    process = home.start(LATE_ORDER.format(submit=submit))
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "warm\n"
    (warm,) = home.warm_parents()
    os.kill(warm, signal.SIGSTOP)
    print(file=process.stdin, flush=True)
    assert process.stdout.readline() == "ordered\n"
    assert home.kill_dispatcher()
    assert process.stdout.readline() == f"{result}\n"
    assert home.runs() == {"7": 1}
    assert process.stdout.readline() == "over\n"
    os.kill(warm, signal.SIGCONT)
    assert until(lambda: warm not in home.processes(), 20)  # it has carried out its orders, and left
    assert home.runs() == {"7": 1}
    process.communicate(timeout=20)


STEPS = """
@cluster
def work(n):
    count(n)
    time.sleep(0.1)  # a start is written down before the end
    return n * n

jobs = [work.submit(0)]
jobs[0].result(timeout=60)  # now a dispatcher is there: each of the others makes it look
for n in range(1, 6):
    jobs.append(work.submit(n))
    time.sleep(0.1)
print(*[job.result(timeout=60) for job in jobs], flush=True)
"""

POINTS = [
    "dispatcher.recover",
    "dispatcher.looked",
    "journal.move",
    "journal.move-done",
    "journal.finish",
    "journal.finish-done",
]


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("point", POINTS)
def test_dispatcher_killed_at_each_of_its_steps(home: Home, point: str, nth: int) -> None:
    """The dispatcher is killed at each of its own steps: every job has its result and one run."""
    flag = home.root / "flag"
    if point == "dispatcher.recover":
        nth = 1  # it is passed once in a process
    out = home.run(STEPS, CLUSTRIX_FAULT=f"{point}:{nth}@{flag}")
    assert flag.exists(), "the point was not passed"
    assert out.splitlines()[-1].split() == [str(n * n) for n in range(6)]
    assert home.runs() == {str(n): 1 for n in range(6)}


RUNNER_POINTS = {
    "claim.rename": ("49", 1),
    "runner.begin": ("JobKilled", 0),
    "result.write": ("JobKilled", 1),
    "runner.tell": ("49", 1),
}


@pytest.mark.parametrize("point", RUNNER_POINTS)
def test_runner_killed(home: Home, point: str) -> None:
    """A runner killed before its claim is started again; after it, the job is not run twice, and says that it was killed."""
    expected, runs = RUNNER_POINTS[point]
    out = home.run(
        """
@cluster
def work(n):
    count(n)
    return n * n

job = work.submit(7)
try:
    print(job.result(timeout=30))
except Exception as error:
    print(type(error).__name__)
    assert "SIGKILL" in str(error), str(error)
""",
        CLUSTRIX_FAULT=f"{point}@{home.root / 'flag'}",
    )
    assert (home.root / "flag").exists(), "the point was not passed"
    assert out.split() == [expected]
    assert home.runs()["7"] == runs


def test_runner_that_never_begins(home: Home) -> None:
    """A runner that dies before its claim every time ends the job with JobNotStarted, not for ever."""
    flags = ",".join(f"claim.rename@{home.root}/flag{n}" for n in range(5))
    out = home.run(
        """
@cluster
def work(n):
    count(n)

try:
    work(1)
except Exception as error:
    print(type(error).__name__, error)
""",
        CLUSTRIX_FAULT=flags,
    )
    assert out.startswith("JobNotStarted")
    assert not home.runs()


@pytest.mark.parametrize("point", ["map.range", "map.in-item", "map.record"])
def test_map_worker_killed(home: Home, point: str) -> None:
    """A worker killed inside an item fails that item alone; between items it fails none; no item runs twice."""
    out = home.run(
        MAP.format(seconds=0.005, number=60)
        + """
failed = []
for n in range(60):
    error = jobs.error(n, timeout=30)
    if error is None:
        assert jobs[n] == n * n
    else:
        failed.append(type(error).__name__)
jobs.exception(timeout=30)
print(failed, jobs.state)
""",
        CLUSTRIX_FAULT=f"{point}:3@{home.root / 'flag'}",
    )
    assert (home.root / "flag").exists(), "the point was not passed"
    expected = "[] SUCCEEDED" if point == "map.range" else "['JobKilled'] FAILED"
    assert out.strip() == expected
    assert max(home.runs().values()) == 1
    assert len(home.runs()) == (59 if point == "map.in-item" else 60)


def test_dispatcher_killed_while_it_hands_on_what_a_dead_worker_had(home: Home) -> None:
    """A worker dies with items that it has not begun; the dispatcher, when it has written down who gets them: all are run."""
    flags = home.root / "worker", home.root / "dispatcher"
    out = home.run(
        MAP.format(seconds=0.005, number=60)
        + """
print(jobs.result(timeout=30) == [n * n for n in range(60)], jobs.state)
""",
        CLUSTRIX_FAULT=f"map.range:3@{flags[0]},books.given@{flags[1]}",
    )
    assert all(flag.exists() for flag in flags), "a point was not passed"
    assert out.strip() == "True SUCCEEDED"
    assert home.runs() == {str(n): 1 for n in range(60)}


def test_dispatcher_killed_after_three_deaths_of_an_item(home: Home) -> None:
    """The books of three workers are closed, and none lives: the next dispatcher took them for three that had never begun."""
    flag = home.root / "flag"
    out = home.run(
        """
@cluster(cores=os.cpu_count(), retries=5, retry_delay=0)
def work(n):
    count(n)
    with open(os.path.join(HOME, "runs")) as file:
        if len(file.readlines()) < 4:
            os.kill(os.getpid(), 9)
    return n

jobs = work.map([0])
print(jobs.result(timeout=50), jobs.state)
""",
        CLUSTRIX_FAULT=f"books.given:3@{flag}",
    )
    assert flag.exists()
    assert out.strip() == "[0] SUCCEEDED"
    assert home.runs() == {"0": 4}


def test_dispatcher_killed_while_it_cancels_a_map(home: Home) -> None:
    """The workers that it has ended are none that have failed: the items they were in were cancelled."""
    process = home.start(
        MAP.format(seconds=60, number=1)
        + """
sys.stdin.readline()
print(jobs.cancel(), flush=True)
sys.stdin.readline()
print(type(jobs.error(0, timeout=30)).__name__, jobs.state)
"""
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert until(lambda: home.runs() == {"0": 1}, 30)
    dispatcher = home.dispatcher()
    assert dispatcher is not None
    assert until(lambda: home.stand_still(dispatcher))
    print(file=process.stdin, flush=True)
    assert process.stdout.readline() == "True\n"
    for path in home.state.glob("live/*/worker-*/claim"):
        os.kill(int(path.read_text().partition("|")[0]), signal.SIGKILL)  # as the dispatcher does
    assert home.kill_dispatcher()
    out, err = process.communicate("\n", timeout=60)
    assert out == "JobCancelled CANCELLED\n", err + home.log()
    assert home.runs() == {"0": 1}  # and none of them is begun anew


def test_map_survives_dispatcher_kills(home: Home) -> None:
    """A map goes on over ten kills of the dispatcher; each item runs once."""
    process = home.start(
        MAP.format(seconds=0.03, number=150)
        + """
print(jobs.id, flush=True)
print(jobs.result(timeout=90) == [n * n for n in range(150)], jobs.state)
"""
    )
    chance = random.Random(3)
    for _ in range(10):
        time.sleep(chance.uniform(0.1, 0.35))
        home.kill_dispatcher()
    out, err = process.communicate(timeout=90)
    assert process.returncode == 0, err + home.log()
    assert out.splitlines()[-1] == "True SUCCEEDED"
    assert home.runs() == {str(n): 1 for n in range(150)}


def test_warm_parent_killed(home: Home) -> None:
    """The warm parent is killed while jobs run: they go on, later ones start, none runs twice."""
    after = "print(*[job.result(timeout=60) for job in jobs], flush=True)"
    process = home.start(SUBMIT.format(number=12, seconds=0.2, after=after))
    assert until(lambda: len(home.runs()) >= 3)
    warm = home.warm_parents()
    assert warm
    for pid in warm:
        os.kill(pid, signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err + home.log()
    assert out.splitlines()[-1].split() == [str(n * n) for n in range(12)]
    assert home.runs() == {str(n): 1 for n in range(12)}
