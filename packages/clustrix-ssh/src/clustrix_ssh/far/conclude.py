"""A map whose places of work are all gone: close the accounts of those that were killed, and see whether anything is left to do.

``python start.py conclude FOLDER``; prints JSON: ``done``, whether the map has its result; ``left``, how many items nobody has; ``next``, the number for
the next place; ``finished``.  To do it again does nothing.  It must not be called while one of them may still live.
"""

from __future__ import annotations

import json
import os

from clustrix.runner import layout
from clustrix.runner.elements import begun, close_lost, ended, finished_items, totals
from clustrix.runner.windows import Windows
from clustrix_ssh.far import job, places
from clustrix_ssh.far.ending import STAGED, read


def main(folder: str) -> int:
    """Returns the exit code."""
    told = read(folder)
    if told is None:
        print(json.dumps({"done": False, "left": 0, "next": 0, "finished": 0}))
        return 0
    for name in (layout.ELEMENTS, layout.ENDS, layout.WINDOWS, layout.GIVEN):
        os.makedirs(os.path.join(folder, name), mode=0o700, exist_ok=True)
    for element in begun(folder) - ended(folder):
        close_lost(folder, told["items"], element)
    found = totals(folder, told["items"])
    if found is not None and not os.path.exists(os.path.join(folder, layout.RESULT)):
        order = job.order_of(told, folder)._replace(result=f"{STAGED}-conclude")
        places.commit_map(order, told, *found)
    windows = Windows(folder, -1, told["items"])
    row = {
        "done": found is not None,
        "left": windows.left(),
        "next": max(begun(folder), default=-1) + 1,
        "finished": finished_items(folder),
    }
    print(json.dumps(row))
    return 0
