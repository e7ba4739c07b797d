"""``hatch run torture --minutes 60 --seed 7``: any actions in any order, until the time is over or something is wrong.

``hatch run torture --kills 10000 --seed 7``: until so many processes were killed; called once more, it goes on where it was ended.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path

from tests.torture.kills import Account, kill_some
from tests.torture.places import NAMES, Make, place
from tests.torture.running import torture

_RUNS = 10
"""From one seed, in one state directory."""
_STEPS = 100


def main() -> int:
    """0 if nothing was found to be wrong."""
    parser = argparse.ArgumentParser(prog="hatch run torture", description=__doc__)
    parser.add_argument("--minutes", type=float, help="at the most; 10 without --kills")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--runs", type=int, default=_RUNS, help="from each seed")
    parser.add_argument("--steps", type=int, default=_STEPS, help="of each run")
    parser.add_argument("--place", choices=NAMES, default="local")
    parser.add_argument("--kills", type=int, help="processes of all kinds, in rounds with a seed each")
    parser.add_argument("--account", type=Path, help="where what was seen is written, and gone on with")
    given = parser.parse_args()
    with place(given.place) as make:
        return _kills(given, make) if given.kills is not None else _steps(given, make)


def _steps(given: argparse.Namespace, make: Make) -> int:
    began = time.monotonic()
    number = given.seed
    minutes = 10.0 if given.minutes is None else given.minutes
    while number == given.seed or time.monotonic() - began < minutes * 60:
        at = time.monotonic()
        try:
            torture(make, number, given.runs, given.steps)
        except BaseException:
            again = f"--minutes 0 --seed {number} --runs {given.runs} --steps {given.steps}"
            print(f"once more: hatch run torture {again} --place {given.place}", file=sys.stderr)
            raise
        print(
            f"seed {number}: {given.runs} runs of {given.steps} steps, {time.monotonic() - at:.1f} s",
            flush=True,
        )
        number += 1
    return 0


def _kills(given: argparse.Namespace, make: Make) -> int:
    began = time.monotonic()
    account = Account.read(given.account or Path(f"torture-{given.place}-{given.seed}.json"), given.seed)
    while account.killed < given.kills:
        if given.minutes is not None and time.monotonic() - began > given.minutes * 60:
            break
        number = account.next
        try:
            kill_some(make, account)
        except BaseException:
            print(
                f"once more: hatch run torture --kills 1 --seed {number} --account /dev/null --place {given.place}",
                file=sys.stderr,
            )
            raise
        print(f"seed {number}: {account}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
