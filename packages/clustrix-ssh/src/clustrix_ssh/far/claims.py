"""The claim of a job, or of one element of a map, by a process that a batch system may have started anew.

Whoever makes the claim file first has the job.  When the batch system starts the very same job again (a node has failed, it was
preempted, an administrator wished so), the run before is over: the new one may take its place, once for each restart.
"""

from __future__ import annotations

import json
import os
import time

from clustrix.runner import claim, whole
from clustrix_ssh.far.surroundings import Surroundings

_TAKER = "claim.job"
_NOTE_SECONDS = 2.0


def take(folder: str, around: Surroundings) -> bool | None:
    """True: it is ours, for the first time; None: ours, after a restart; False: somebody else's."""
    if claim.take(folder, claim.myself()):
        _note(folder, around)
        return True
    if not around.number or around.restarts == 0:
        return False
    noted = _noted(folder)
    if noted is None:  # that run was ended before it could note, or is about to
        time.sleep(_NOTE_SECONDS)
        noted = _noted(folder)
    if around.restarts is None:
        # A scheduler runs no job twice at a time: who has its number, and is not the first, is the next.
        if noted is None or noted[0] != around.number:
            return False
        around = around._replace(restarts=noted[1] + 1)
    elif noted is not None and (noted[0] != around.number or noted[1] >= around.restarts):
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
    text = json.dumps([around.number, around.restarts or 0])
    whole.write(os.path.join(folder, _TAKER), [text.encode()], "taker")


def _noted(folder: str) -> tuple[str, int] | None:
    try:
        with open(os.path.join(folder, _TAKER), encoding="ascii") as file:
            number, restarts = json.load(file)
    except FileNotFoundError:
        return None
    return number, restarts
