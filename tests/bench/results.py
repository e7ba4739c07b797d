"""Much that is finished: the results of a hundred thousand items, and a journal of as many jobs."""

from __future__ import annotations

import subprocess
import sys
from statistics import median

from tests.bench.row import Row, seconds
from tests.bench.state import copy_job, here
from tests.bench.work import echo

_ITEMS = 100_000
_OLD = 100_000
_TIMES = 5

_READ_ALL = f"""
import resource
from tests.bench.work import echo
jobs = echo.map(range({_ITEMS}))
assert sum(jobs) == sum(range({_ITEMS}))
assert not jobs.errors()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)
"""
_AS_JSON = """
import sys
from clustrix.listing import rows_as_json
sys.stdout.buffer.writelines(rows_as_json())
"""
_COMMAND = """
import sys
sys.argv = ["clustrix", "jobs", "--json"]
from clustrix.cli import main
main()
"""
_NEWEST = "from clustrix import jobs; assert len(jobs(limit=20)) == 20"
_FAILED = "from clustrix import jobs; assert not jobs(state='FAILED')"


def many_results() -> list[Row]:
    most = float(_python(_READ_ALL))
    bare = float(
        _python("import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)")
    )
    what = f"results of {_ITEMS:,} items: resident at most"
    return [Row(what, most, "MB", 150, rival="python, bare", baseline=bare)]


def list_jobs() -> list[Row]:
    """Each in an interpreter of its own, whose start is in the time."""
    job = echo.submit(1)
    job.result()
    copy_job(here(), job.id, _OLD)
    assert len(_python(_AS_JSON)) > _OLD * 100
    assert _python(_AS_JSON) == _python(_COMMAND)
    bare = _start_s("pass")
    return [
        Row(
            f"{_OLD:,} jobs as JSON, start included",
            _start_s(_AS_JSON),
            "s",
            0.3,
            rival="python, bare",
            baseline=bare,
        ),
        Row("  by clustrix jobs --json", _start_s(_COMMAND), "s", 0.3, rival="python, bare", baseline=bare),
        Row("  the newest 20 of them", _start_s(_NEWEST), "s", rival="python, bare", baseline=bare),
        Row("  those that failed", _start_s(_FAILED), "s", rival="python, bare", baseline=bare),
    ]


def _start_s(text: str) -> float:
    return median(seconds(_python, text) for _ in range(_TIMES))


def _python(text: str) -> bytes:
    return subprocess.run([sys.executable, "-c", text], stdout=subprocess.PIPE, check=True).stdout
