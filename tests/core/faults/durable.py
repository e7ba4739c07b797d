"""``hatch run durable``: 50 jobs, their submitter killed, the dispatcher killed 10 times; prints what came of them."""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.core.faults.home import Home
from tests.core.faults.test_kills import submit_and_die

_JOBS = 50
_KILLS = 10
_JOB_SECONDS = 0.3


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="durable-") as folder:
        home = Home(Path(folder))
        try:
            return _show(home)
        finally:
            home.stop()


def _show(home: Home) -> int:
    started = time.monotonic()
    ids = submit_and_die(home, _JOBS, _JOB_SECONDS)
    print(f"{len(ids)} jobs submitted; the submitter has killed itself with SIGKILL")
    killed = 0
    chance = random.Random()
    while killed < _KILLS and len(home.runs()) < _JOBS:
        time.sleep(chance.uniform(0.1, 0.7))
        killed += home.kill_dispatcher()
    print(f"dispatcher killed {killed} times; until then {len(home.runs())} jobs had been begun")
    found = home.results(ids)
    right = sum(got == repr(n * n) for n, got in enumerate(found))
    runs = Counter(home.runs().values())
    print(f"right results: {right} of {_JOBS}")
    print(f"runs of a job, as a file that each run appends to says: {dict(runs)}")
    print(f"{time.monotonic() - started:.1f} s")
    return 0 if (killed, right, runs) == (_KILLS, _JOBS, Counter({1: _JOBS})) else 1


if __name__ == "__main__":
    sys.exit(main())
