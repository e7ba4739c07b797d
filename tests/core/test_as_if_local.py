"""A job is, to its function, what a local call would be: arguments, warnings, limits, forks, spawned processes."""

from __future__ import annotations

import io
import os
import resource
import secrets
import subprocess
import sys
import warnings
from contextlib import redirect_stdout
from os import environ
from pathlib import Path
from typing import Any

import pytest

from clustrix import cluster

pytestmark = pytest.mark.usefixtures("state")

SPAWN = """
import multiprocessing
import sys
from clustrix import cluster

def square(x):
    return x * x

@cluster(time=60)
def pool(method):
    with multiprocessing.get_context(method).Pool(2) as workers:
        return workers.map(square, range(4)), sys.argv[1:]

if __name__ == "__main__":
    for method in ("fork", "spawn", "forkserver"):
        print(pool(method))
"""


def test_pools_of_every_kind_work(tmp_path: Path) -> None:
    """multiprocessing finds the submitter's script, however it starts its processes; the script's arguments are there."""
    script = tmp_path / "script.py"
    script.write_text(SPAWN)
    command = [sys.executable, str(script), "a", "b"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert run.stdout.splitlines() == ["([0, 1, 4, 9], ['a', 'b'])"] * 3, run.stderr


def test_forked_child_does_not_commit() -> None:
    """A child that comes out of the function as well ends there; the result is the parent's."""

    def twice(how: str) -> str:
        pid = os.fork()
        if pid == 0:
            if how == "raises":
                raise ValueError(how)
            if how == "exits":
                sys.exit(4)
            return "child"
        _, status = os.waitpid(pid, 0)
        return f"parent, child {os.waitstatus_to_exitcode(status)}"

    f = cluster(twice)
    assert [f(how) for how in ("returns", "raises", "exits")] == [
        f"parent, child {code}" for code in (0, 1, 4)
    ]
    assert list(f.map(["returns", "exits"])) == ["parent, child 0", "parent, child 4"]


def warn() -> str:
    with redirect_stdout(io.StringIO()):
        seen: list[Any] = []
        warnings.showwarning = lambda message, category, *rest: seen.append(category.__name__)
        for category in (UserWarning, DeprecationWarning, ResourceWarning):
            warnings.warn("w", category, stacklevel=1)
    return ",".join(seen)


@pytest.mark.parametrize(
    ("action", "expected"), [("ignore", ""), ("always", "UserWarning,DeprecationWarning,ResourceWarning")]
)
def test_warnings_are_filtered_as_at_the_submission(action: Any, expected: str) -> None:
    """simplefilter here holds there."""
    with warnings.catch_warnings():
        warnings.simplefilter(action)
        assert cluster(warn)() == expected


def test_warnings_that_python_ignores_are_ignored() -> None:
    """A plain script is not told of deprecations in libraries, nor of files that were not closed."""
    code = """
import warnings
from clustrix import cluster

@cluster
def f():
    open("/dev/null")
    return [row[0] for row in warnings.filters]

print(f() == [row[0] for row in warnings.filters])
"""
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (run.stdout, run.stderr) == ("True\n", "")


def test_secrets_imported_by_name_stay_out_of_the_journal(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``from os import environ``: the variables are the job's, and none is in the journal."""
    secret = secrets.token_hex(20)  # not a text that stands in this file, which travels
    monkeypatch.setenv("SECRET_TOKEN", secret)
    assert cluster(lambda: environ["SECRET_TOKEN"][:4])() == secret[:4]
    for path in (state / "clustrix").glob("journal.db*"):
        assert secret.encode() not in path.read_bytes(), path.name


def test_bounds_are_those_of_the_submitter(fresh_state: Path) -> None:
    """Niceness, cores, limits and umask of the session that happened to start the dispatcher are not those of later jobs."""
    code = """
import os, resource
from clustrix import cluster

@cluster
def look():
    limit = resource.getrlimit
    mask = os.umask(0)
    os.umask(mask)
    return [mask, os.getpriority(os.PRIO_PROCESS, 0), sorted(os.sched_getaffinity(0)),
            limit(resource.RLIMIT_FSIZE)[0], limit(resource.RLIMIT_CPU)[0], limit(resource.RLIMIT_NOFILE)]

print([look() == look.local() for _ in range(2)], look()[4])
"""
    tight = f"ulimit -t 1000; ulimit -f 100000; ulimit -n 300; umask 027; exec nice -n 5 {sys.executable} -c '{code}'"
    # Whoever may raise hard limits needs no other dispatcher.
    usual = ["setpriv", "--bounding-set=-sys_resource,-sys_nice", "--"] if os.geteuid() == 0 else []
    for command, cpu in ((["sh", "-c", tight], "1000"), ([sys.executable, "-c", code], None)):
        run = subprocess.run([*usual, *command], capture_output=True, text=True, timeout=60, check=False)
        free = str(resource.getrlimit(resource.RLIMIT_CPU)[0])
        assert run.stdout.strip() == f"[True, True] {cpu or free}", run.stderr


@pytest.mark.parametrize("stream", ["none", "full", "ascii"])
def test_result_comes_home_whatever_the_output_meets(stream: str) -> None:
    """What a job prints cannot be shown: no terminal, no room, no such letters. Its result is not lost for that."""
    code = "from clustrix import cluster\nimport os\nr = cluster(lambda: print('\u00fc') or 7)()\nos._exit(r)"
    if stream == "ascii":
        command, extra = [sys.executable, "-c", code], {"PYTHONIOENCODING": "ascii"}
    else:
        to = {"none": ">&-", "full": ">/dev/full"}[stream]
        command, extra = ["sh", "-c", f'exec "$0" -c "$1" {to}', sys.executable, code], {}
    run = subprocess.run(
        command, env={**environ, **extra}, stderr=subprocess.PIPE, text=True, timeout=60, check=False
    )
    assert (run.returncode, run.stderr) == (7, "")


def test_exception_with_a_long_message_comes_back() -> None:
    """Larger than what is read of an outcome at first."""

    @cluster
    def f() -> None:
        raise ValueError("x" * 3_000_000)

    with pytest.raises(ValueError, match="xxx") as raised:
        f()
    assert len(str(raised.value)) == 3_000_000
