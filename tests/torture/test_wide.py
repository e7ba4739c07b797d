"""Long and wide on this machine: many clients, large items, long output.  Each test is named after what broke, or might."""

from __future__ import annotations

import resource
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.core.faults.home import Home, until

pytestmark = [pytest.mark.slow]

WORK = """
@cluster
def work(n=1):
    return n

"""


CLOCK = """
import sys, time

if "clustrix.dispatcher" in sys.orig_argv:
    _wall, _steady = time.time, time.monotonic

    def _ahead():
        with open({path!r}) as file:
            return float(file.read() or 0)

    time.time = lambda: _wall() + _ahead()
    time.monotonic = lambda: _steady() + _ahead()
"""
"""For the dispatcher alone, whose time goes as a file says."""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path)
    try:
        yield made
    finally:
        made.stop()


def test_more_clients_than_the_first_session_may_open_files(home: Home) -> None:
    """The first session may open 256 files; 300 clients connect to the dispatcher that it has started, and it goes on."""
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))\n"
    home.run(limit + WORK + "assert work() == 1")
    first = home.dispatcher()
    assert first is not None
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    limits = Path(f"/proc/{first}/limits").read_text().partition("Max open files")[2].split()
    assert int(limits[0]) == hard
    with ExitStack() as clients:
        for _ in range(300):
            client = clients.enter_context(closing(socket.socket(socket.AF_UNIX)))
            client.connect(str(next(home.state.glob("dispatchers/*.sock"))))
        assert until(lambda: len(list(Path(f"/proc/{first}/fd").iterdir())) > 300)
        assert home.run(WORK + "print(work.submit(2).result(timeout=20))").split() == ["2"]
    assert home.dispatcher() == first
    assert until(lambda: len(list(Path(f"/proc/{first}/fd").iterdir())) < 30)


def test_more_clients_than_a_dispatcher_may_open_files(home: Home) -> None:
    """Nobody may open more than 256 files: of 300 clients some wait at the door, and are let in when others leave."""
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))\n"
    home.run(limit + WORK + "assert work() == 1")
    first = home.dispatcher()
    with ExitStack() as clients:
        for _ in range(300):
            client = clients.enter_context(closing(socket.socket(socket.AF_UNIX)))
            client.connect(str(next(home.state.glob("dispatchers/*.sock"))))
        assert until(lambda: "others wait until one leaves" in home.log())
        assert home.dispatcher() == first
    assert home.run(limit + WORK + "print(work.submit(2).result(timeout=20))").split() == ["2"]
    assert home.dispatcher() == first
    assert "a step failed" not in home.log()


def test_job_has_its_submitters_limit_of_files(home: Home) -> None:
    """A dispatcher may open as many files as the system allows; its jobs may open as many as their submitter."""
    out = home.run("""
import resource
import shutil
resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))

@cluster
def work():
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]

print(work())
""")
    assert out.split() == ["256"]


@pytest.mark.timeout(300)
def test_item_larger_than_one_write(home: Home) -> None:
    """An item of a map may return more than the 2 GiB that the system writes at a time."""
    if free_bytes(home.root) < 8 << 30 or memory_bytes() < 8 << 30:
        pytest.skip("needs 8 GiB of memory and of room")
    out = home.run(
        """
@cluster
def work(n):
    return b"x" * n

print([len(one) for one in work.map([5, (2 << 30) + 1000])])
""",
        timeout=250,
    )
    assert out.strip() == str([5, (2 << 30) + 1000])


def test_job_of_three_hours(home: Home) -> None:
    """By the dispatcher's clock: it stays, looks after the job, ends nothing, and says nothing of it."""
    clock = home.root / "clock"
    clock.write_text("0")
    (home.root / "sitecustomize.py").write_text(CLOCK.format(path=str(clock)))
    process = home.start(
        """
@cluster(time="4 hours")
def work():
    while not os.path.exists(os.path.join(HOME, "gate")):
        time.sleep(0.01)
    return "done"

job = work.submit()
for line in sys.stdin:
    print(job.status().state, flush=True)
    if not line.strip():
        break
print(job.result(timeout=30), flush=True)
again = work.submit()
print(again.result(timeout=30))
""",
        PYTHONPATH=str(home.root),
    )
    assert process.stdin is not None
    assert process.stdout is not None

    def asked(word: str) -> str:
        print(word, file=process.stdin, flush=True)
        return process.stdout.readline().strip()  # type: ignore[union-attr]

    assert until(lambda: asked("state") == "RUNNING")
    first = home.dispatcher()
    for minutes in range(10, 190, 10):
        clock.write_text(str(minutes * 60))
        time.sleep(0.05)
        assert asked("state") == "RUNNING"
    assert asked("") == "RUNNING"
    (home.root / "gate").touch()
    out, err = process.communicate(timeout=60)
    assert out.split() == ["done", "done"], err
    assert home.dispatcher() == first
    assert "WARNING" not in home.log()


@pytest.mark.timeout(300)
def test_map_of_a_hundred_thousand_items(home: Home) -> None:
    """Each item's result is there, and what submits it needs little memory for that."""
    out = home.run(
        """
import resource
@cluster
def work(n):
    return -n

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
jobs = work.map(range(100_000))
assert list(jobs) == [-n for n in range(100_000)]
assert str(jobs.state) == "SUCCEEDED"
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
""",
        timeout=250,
    )
    assert int(out) < 100_000  # kB


@pytest.mark.timeout(300)
def test_five_thousand_jobs_wait(home: Home) -> None:
    """A dispatcher with nothing to do has nothing to do, whatever waits; those that came before it are told as waiting, too."""
    process = home.start("""
@cluster(cores=os.cpu_count())
def work(n):
    while n == 0 and not os.path.exists(os.path.join(HOME, "gate")):
        time.sleep(0.05)
    return n

import clustrix
jobs = [work.submit(n) for n in range(5_000)]
while len(clustrix.jobs(state="QUEUED", limit=None)) < 4_999:
    time.sleep(0.1)
print(str(jobs[0].status().state), flush=True)
sys.stdin.readline()
assert all(job.cancel() for job in jobs[100:])
open(os.path.join(HOME, "gate"), "w").close()
assert [job.result(timeout=60) for job in jobs[:100]] == list(range(100))
assert all(job.cancelled() for job in jobs[100:])
""")
    assert process.stdout is not None
    assert process.stdout.readline() == "RUNNING\n"
    pid = home.dispatcher()
    assert pid is not None
    before = cpu_ticks(pid)
    time.sleep(3)
    assert cpu_ticks(pid) - before <= 10  # of 300
    _, err = process.communicate("\n", timeout=200)
    assert process.returncode == 0, err + home.log()
    status = Path(f"/proc/{pid}/status").read_text()
    assert int(status.partition("VmHWM:")[2].split()[0]) < 150_000


def test_function_with_five_megabytes_of_source(home: Home) -> None:
    """A module of the project's own, and what the function has closed over."""
    lines = "".join(f"def f{n}(x):\n    return x + {n}  # {'.' * 70}\n\n\n" for n in range(50_000))
    (home.root / "large.py").write_text(lines)
    assert len(lines) > 5 << 20
    out = home.run("""
import large
closed = {n: "x" * 100 + str(n) for n in range(50_000)}

@cluster
def work(n):
    return large.f49999(n), len(closed[n])

print(work(1), work.submit(2).result())
""")
    assert out.strip() == "(50000, 101) (50001, 101)"


def test_output_without_newlines(home: Home) -> None:
    """60 MB in one line, read at once and followed: it costs about as much as in short lines, and nothing is missing."""
    out = home.run("""
@cluster
def work(text, times):
    sys.stdout.write(text * times)

def seconds(read):
    began = time.monotonic()
    assert read() == 60_000_000
    return time.monotonic() - began

took = []
for text in ("x" * 99 + "\\n", "x" * 100):
    job = work.submit(text, 600_000)
    job.result()
    took.append(seconds(lambda: len(job.logs())) + seconds(lambda: sum(len(l) + (text[-1] != "x") for l in job.logs(follow=True))))
print(took[1] < 5 * took[0] + 0.5, took)
""")
    assert out.startswith("True"), out


def test_worker_killed_with_large_results_there(home: Home) -> None:
    """A worker dies after 400 MB of results: the dispatcher looks at their heads, and needs no memory for the rest."""
    home.run("""
@cluster(cores=os.cpu_count())
def work(n):
    if n == 2:
        os.kill(os.getpid(), 9)
    return b"x" * 200_000_000

jobs = work.map(range(4))
assert type(jobs.error(2)).__name__ == "JobKilled"
assert [len(jobs[n]) for n in (0, 1, 3)] == [200_000_000] * 3
""")
    status = Path(f"/proc/{home.dispatcher()}/status").read_text()
    assert int(status.partition("VmHWM:")[2].split()[0]) < 150_000


def cpu_ticks(pid: int) -> int:
    """Of 10 ms each."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def free_bytes(path: Path) -> int:
    return shutil.disk_usage(path).free


def memory_bytes() -> int:
    return int(Path("/proc/meminfo").read_text().partition("MemAvailable:")[2].split()[0]) << 10
