"""Many at once: dispatchers, submitters, threads, forks, cancellations."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from tests.core.faults.home import Home, until

pytestmark = [pytest.mark.fault, pytest.mark.slow]


def test_two_dispatchers_start_at_once(home: Home) -> None:
    """Of several dispatchers that start at once, one stays; no job runs twice."""
    home.run("from clustrix.session import session; session()")
    name = home.run("from clustrix.session import session; print(session().name)").strip()
    command = [sys.executable, "-m", "clustrix.dispatcher", str(home.state), name]
    crowd = [subprocess.Popen(command, env=home.environ, cwd="/") for _ in range(6)]
    home.run("""
@cluster
def work(n):
    count(n)
    return n

print([work.submit(n) for n in range(20)][-1].result(timeout=30))
""")
    assert until(lambda: sum(process.poll() is None for process in crowd) <= 1)
    assert home.runs() == {str(n): 1 for n in range(20)}
    for process in crowd:
        process.kill()
        process.wait()


def test_eight_processes_and_eight_threads_submit(home: Home) -> None:
    """Submitting from 8 processes and 8 threads at once: each job once, each result to its own handle."""
    script = """
import threading
base = {base}

@cluster
def work(n):
    count(n)
    return n

wrong = []
def submit(k):
    jobs = {{n: work.submit(n) for n in range(base + k * 4, base + k * 4 + 4)}}
    wrong.extend((n, job.result(timeout=90)) for n, job in jobs.items() if job.result(timeout=90) != n)

threads = [threading.Thread(target=submit, args=(k,)) for k in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
assert not wrong, wrong
"""
    crowd = [home.start(script.format(base=100 * p)) for p in range(8)]
    for process in crowd:
        _, err = process.communicate(timeout=100)
        assert process.returncode == 0, err
    expected = {str(100 * p + n): 1 for p in range(8) for n in range(32)}
    assert home.runs() == expected


def test_forked_child_submits(home: Home) -> None:
    """A forked child submits and waits as its parent does, also while the parent's threads are at it."""
    home.run("""
@cluster
def work(n):
    count(n)
    return n + 1

first = work.submit(0)
pids = []
for n in range(1, 5):
    pid = os.fork()
    if pid == 0:
        os._exit(0 if work.submit(n).result(timeout=30) == n + 1 else 1)
    pids.append(pid)
assert all(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0 for pid in pids)
assert first.result(timeout=30) == 1
assert work.submit(9).result(timeout=30) == 10
""")
    assert home.runs() == {str(n): 1 for n in (0, 1, 2, 3, 4, 9)}


def test_forks_while_threads_submit(home: Home) -> None:
    """A child is forked in the middle of other threads' submissions: it submits too, and holds up nobody."""
    out = home.run("""
import threading

@cluster
def work(n):
    return n

work(0)
jobs, over = [], threading.Event()

def submit():
    while not over.wait(0.02):
        jobs.append(work.submit(1))

threads = [threading.Thread(target=submit) for _ in range(4)]
[thread.start() for thread in threads]
slowest = 0
for _ in range(40):
    pid = os.fork()
    if pid == 0:
        work.submit(2)
        os._exit(0)
    began = time.monotonic()
    assert os.waitpid(pid, 0)[1] == 0
    slowest = max(slowest, time.monotonic() - began)
over.set()
[thread.join() for thread in threads]
assert {job.result(timeout=60) for job in jobs} == {1}
print(slowest < 10)
""")
    assert out.strip() == "True"


def test_two_hundred_jobs_cancelled_while_starting(home: Home) -> None:
    """200 jobs cancelled while starting: each is CANCELLED or done, none runs on, none twice."""
    out = home.run(
        """
from concurrent.futures import wait

@cluster
def work(n):
    count(n)
    time.sleep(60)

jobs = [work.submit(n) for n in range(200)]
for job in jobs:
    job.cancel()
assert not wait(jobs, timeout=60).not_done
states = {job.state.value for job in jobs}
print(states)
""",
        timeout=90,
    )
    assert out.strip() == "{'CANCELLED'}"
    assert all(times == 1 for times in home.runs().values())
    # The dispatcher, its warm parent and the child that it forked ahead are left, and nothing else.
    assert until(lambda: len(home.processes()) <= 3), home.processes()


def test_descriptors_do_not_leak(home: Home) -> None:
    """After 300 jobs the dispatcher has as many descriptors open as after 10."""
    counts = []
    for number in (10, 300):
        home.run(f"""
@cluster
def work(n):
    return n

for job in [work.submit(n) for n in range({number})]:
    job.result(timeout=60)
time.sleep(0.5)
""")
        time.sleep(0.5)
        counts.append(len(os.listdir(f"/proc/{home.dispatcher()}/fd")))
    assert counts[1] <= counts[0] + 1


def test_nothing_of_a_finished_job_is_left(home: Home) -> None:
    """A finished job that printed nothing leaves a row in the journal, and empty files for the next."""
    home.run("""
@cluster
def work(n):
    return n

[job.result(timeout=30) for job in [work.submit(n) for n in range(10)]]
""")
    live = home.state / "live"
    kept = home.state / "kept"
    environments = home.state / "environments"
    assert until(lambda: not any((*live.iterdir(), *kept.iterdir())))
    assert until(lambda: not any(any(file.read_bytes()) for file in environments.iterdir()))
    free = list((home.state / "ready" / "free").iterdir())
    assert 0 < len(free) <= 16
    left = [path.name for folder in free for path in folder.iterdir() if path.stat().st_size]
    assert set(left) <= {"claim"}


def test_handle_made_before_a_fork(home: Home) -> None:
    """A forked child can ask its parent's handles: what the parent has open is not used there."""
    out = home.run(
        """
import os

@cluster
def work(n):
    time.sleep(1)
    return n * n

@cluster
def each(n):
    time.sleep(0.3)
    return n + 1

job, jobs = work.submit(7), each.map(range(3))
sys.stdout.flush()
pid = os.fork()
os.write(1, f"{job.result(timeout=30)} {list(jobs)} {job.done()}\\n".encode())
if pid == 0:
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
"""
    )
    assert out.splitlines() == ["49 [1, 2, 3] True"] * 2


@pytest.mark.parametrize("seconds", ["soon", "-1", "nan"])
def test_bad_idle_time_is_told_and_not_used(home: Home, seconds: str) -> None:
    """A dispatcher that cannot read how long to stay works all the same, and its log says what it does instead."""
    out = home.run(
        "@cluster\ndef work(n):\n    return n + 1\n\nprint(work(1))", CLUSTRIX_DISPATCHER_IDLE_SECONDS=seconds
    )
    assert out.split() == ["2"]
    assert f"CLUSTRIX_DISPATCHER_IDLE_SECONDS='{seconds}' is not a number of seconds" in home.log()


def test_first_session_that_ignores_signals(home: Home) -> None:
    """A shell starts it in the background, with SIGINT ignored: jobs of later sessions are cancelled as ever."""
    first = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    work = "@cluster\ndef work():\n    import signal\n    return [signal.getsignal(n) for n in (1, 2)]\n\n"
    home.run(first + work + "work()")
    out = home.run(work + "import signal\nprint(work() == [signal.SIG_DFL, signal.default_int_handler])")
    assert out.strip() == "True"


def test_nested_jobs_that_ask_for_memory(home: Home) -> None:
    """A job waits for one that it has submitted, and both ask for more than half of the memory."""
    out = home.run("""
from clustrix.backends.local.capacity import machine_bytes

@cluster(memory=int(machine_bytes() * 0.6))
def child(n):
    return n + 1

@cluster(memory=int(machine_bytes() * 0.6))
def parent(n):
    return child.submit(n).result(timeout=30)

print(parent.submit(1).result(timeout=40))
""")
    assert out.strip() == "2"
