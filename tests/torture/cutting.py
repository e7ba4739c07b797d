"""``hatch run cuts``: a session with a fault at each point, each time that it is passed; what comes of them is recorded for the documentation.

Called once more, it goes on where it was ended.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.torture.cuts import ACTIONS, MOST, SESSIONS, Cut, Found, actions, count, is_far, named, run
from tests.torture.places import NAMES, Make, place

RECORD = Path(__file__).with_name("cut-points.json")
WORKERS = 6
"""Sessions at a time: most of each is waiting."""


def counted(make: Make, session: str = SESSIONS[0]) -> Counter[str]:
    """How often a session passes each point at a place."""
    at = make()
    try:
        return count(at, session)
    finally:
        at.close()


def cuts(
    place: str,
    passed: Counter[str],
    wanted: Sequence[str] = ACTIONS,
    most: int = MOST,
    session: str = SESSIONS[0],
) -> list[Cut]:
    """All that can be tried there."""
    return [
        Cut(place, name, nth, action, session)
        for name, times in sorted(passed.items())
        for nth in range(1, min(times, most) + 1)
        for action in wanted
        if action in actions(named(name))
    ]


def cut_all(make: Make, chosen: Sequence[Cut]) -> Iterator[Found]:
    """Try them, several at a time."""

    def one(cut: Cut) -> Found:
        at = make()
        try:
            return run(cut, at)
        finally:
            at.close()

    with ThreadPoolExecutor(WORKERS) as pool:
        yield from pool.map(one, chosen)


def elsewhere(passed: Counter[str]) -> Counter[str]:
    """Only those points that this machine alone does not have."""
    return Counter(
        {name: times for name, times in passed.items() if is_far(named(name)) or "ssh" in named(name).file}
    )


class Record:
    """What came of the cuts that were tried, in a file that the documentation is made from."""

    def __init__(self, path: Path = RECORD) -> None:
        self._path = path
        self.rows: dict[str, dict[str, dict[str, str]]] = (
            json.loads(path.read_text()) if path.exists() else {}
        )

    def __contains__(self, cut: Cut) -> bool:
        return f"{cut.action}:{cut.nth}" in self.rows.get(cut.place, {}).get(cut.point, {})

    def add(self, found: Found) -> None:
        """Unless the fault did not come to pass, or broke a promise: then it is tried again the next time."""
        cut = found.cut
        if found.passed and not found.broken:
            points = self.rows.setdefault(cut.place, {})
            points.setdefault(cut.point, {})[f"{cut.action}:{cut.nth}"] = found.outcome
            self._path.write_text(json.dumps(self.rows, indent=1, sort_keys=True) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(prog="hatch run cuts", description=__doc__)
    parser.add_argument("--place", choices=NAMES, default="local")
    parser.add_argument("--actions", default=",".join(ACTIONS), help="of these")
    parser.add_argument("--most", type=int, default=MOST, help="passages of each point")
    parser.add_argument("--points", default="", help="that begin so, separated by commas")
    parser.add_argument("--again", action="store_true", help="also what is on record")
    given = parser.parse_args()
    found = []
    known = Record()
    with place(given.place) as make:
        begin = tuple(given.points.split(","))
        chosen: list[Cut] = []
        for session in SESSIONS:
            passed = counted(make, session)
            if given.place == "slurm":
                passed = elsewhere(passed)
            tried = {cut.point for cut in chosen}  # by the sessions before
            passed = Counter({name: times for name, times in passed.items() if name not in tried})
            chosen += cuts(given.place, passed, given.actions.split(","), given.most, session)
        chosen = [cut for cut in chosen if cut.point.startswith(begin) and (given.again or cut not in known)]
        for one in cut_all(make, chosen):
            found.append(one)
            known.add(one)
            told = one.outcome or ("as if nothing had happened" if one.passed else "not passed")
            print(f"{one.cut}: {told}, {one.seconds:.1f} s", flush=True)
            for broken in one.broken:
                print(f"  BROKEN {broken}\n{one.log}", flush=True)
    broken = sum(bool(one.broken) for one in found)
    print(
        f"{len(found)} sessions, {sum(one.passed for one in found)} with the fault; {broken} broke a promise"
    )
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
