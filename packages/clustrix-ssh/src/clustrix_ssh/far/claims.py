"""The claim of a job, or of one element of a map, by a process that a batch system may have started anew.

Whoever makes the claim file first has the job.  When the batch system starts the very same job again (a node has failed, it was
preempted, an administrator wished so), the run before is over: the new one may take its place, once for each restart.
"""

from __future__ import annotations

import json
import os

from clustrix.runner import claim
from clustrix_ssh.far.surroundings import Surroundings

_TAKER = "claim.job"


def take(folder: str, around: Surroundings) -> bool | None:
    """True: it is ours, for the first time; None: ours, after a restart; False: somebody else's."""
    if claim.take(folder, claim.myself()):
        _note(folder, around)
        return True
    if not around.number or not around.restarts:
        return False
    number, restarts = _noted(folder)
    if number != around.number or restarts >= around.restarts:
        return False
    try:
        os.close(
            os.open(
                os.path.join(folder, f"claim-{around.restarts}"), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600
            )
        )
    except FileExistsError:
        return False
    _note(folder, around)
    return None


def _note(folder: str, around: Surroundings) -> None:
    aside = os.path.join(folder, f".{_TAKER}-{os.getpid()}")
    with open(aside, "w", encoding="ascii") as file:
        json.dump([around.number, around.restarts], file)
    os.rename(aside, os.path.join(folder, _TAKER))


def _noted(folder: str) -> tuple[str, int]:
    """Of a run that was ended before it could note: as if it had been the first of its number."""
    try:
        with open(os.path.join(folder, _TAKER), encoding="ascii") as file:
            number, restarts = json.load(file)
    except FileNotFoundError:
        return "", 0
    return number, restarts
