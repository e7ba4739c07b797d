"""A job run by a program of its own, as a batch system starts it: claim, fork the runners, watch them, leave a result whatever comes.

What holds after a kill between any two steps: without the claim, nothing has been run, and the command may be given again;
with it, nothing of the job will ever be begun again.  A result comes into being in one step, and stays.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import Any

from clustrix.runner import bundles, call, claim, layout, maps, processes, setup
from clustrix.runner.faults import point
from clustrix.runner.frames import Damaged
from clustrix.runner.watch import CallWatch, MapWatch, Watch


class Deaf:
    """Nobody is told: whoever wants to know reads the files."""

    def send(self, kind: bytes) -> None:
        return


class Standing:
    """A folder that is there before its runner: the counterpart of ``clustrix.runner.folders.Folder``."""

    def __init__(self, order: setup.Order) -> None:
        self._order = order

    def claim(self, path: str) -> bool:
        if self._order.kind == "map":
            try:
                with suppress(FileExistsError):  # of a worker before
                    os.mkdir(path, 0o700)
            except FileNotFoundError:
                return False  # the map has ended and was cleaned away: its folder must not come back
            if not claim.take(path, claim.myself()):
                return False
        setup.print_into(self._order)
        return True


def main(folder: str) -> int:
    """Run the job; returns the exit code: 0 when the function returned, 1 when it did not, 75 when somebody else has the job."""
    folder = os.path.abspath(folder)
    with open(os.path.join(folder, layout.ORDER), encoding="utf-8") as file:
        told: dict[str, Any] = json.load(file)
    if not claim.take(folder, claim.myself()):
        return layout.EX_CLAIMED
    point("standalone.begin")
    processes.become_subreaper()
    order = setup.Order.of(told, folder, os.path.join(folder, f"{layout.ENVIRON}.{told['job']}"))
    setup.print_into(order)
    setup.open_standard_files()
    setup.remember_inheritance()
    setup.environment.put_on(order)
    os.unlink(os.path.join(folder, layout.ENVIRON))  # there may be secrets in it
    with open(os.path.join(folder, layout.PAYLOAD), "rb") as content:
        bundle = bundles.read_bundle(content.read(), order.blobs)
    return _watch(order, told, bundle).run()


def _watch(order: setup.Order, told: dict[str, Any], bundle: bundles.Bundle | Damaged) -> Watch:
    def run(worker: int, claims: list[list[int]]) -> int:
        return work(order._replace(worker=worker, claims=claims), bundle)

    return (MapWatch if order.kind == "map" else CallWatch)(order, told, run)


def work(order: setup.Order, bundle: bundles.Bundle | Damaged) -> int:
    """Do what is ordered, in the child; returns its exit code."""
    run: Any = maps.run if order.kind == "map" else call.run
    code: int = run(order, bundle, Deaf(), Standing(order))
    return code
