"""A job on the far side, from its claim to its commit record.

``python start.py job FOLDER``, or of an array: ``python start.py array LIST INDEX_VARIABLE FIRST_INDEX``, where the list has a folder a line; of a map with
several places of work: ``python start.py element FOLDER INDEX_VARIABLE FIRST_INDEX OFFSET``.

What holds after a kill between any two steps: without the claim nothing has been run; the result comes into being in one step, and
the commit record after it.  Who finds the result without the record has the result.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from contextlib import suppress

from clustrix.runner import bounds, claim, current, layout, processes, sealing, setup
from clustrix.runner.amounts import format_bytes
from clustrix.runner.faults import point
from clustrix_ssh.far import again, claims, records, surroundings
from clustrix_ssh.far.ending import STAGED, Told, read

_OURS = 0o077
"""The umask that this process was begun with: what it writes is nobody else's.  The user's code has the user's."""


def run(folder: str, element: int | None = None) -> int:
    """Run a job, or one element of a map, from its folder; returns the exit code."""
    began = time.time()
    folder = os.path.abspath(folder)
    told = read(folder)
    if told is None or os.path.exists(os.path.join(folder, layout.RESULT)):
        return 0  # it came to its end without this process
    if element is None and told["kind"] == "map":
        element = _next_element(folder)
    around = surroundings.look(began, told["walltime_s"], told["notice_s"])
    own = os.path.join(folder, layout.ELEMENTS, str(element)) if element is not None else folder
    if element is not None:
        parts = (layout.ELEMENTS, layout.ENDS, layout.WINDOWS, layout.GIVEN)
        try:
            for path in (*(os.path.join(folder, name) for name in parts), own):
                with suppress(FileExistsError):
                    os.mkdir(path, 0o700)
        except FileNotFoundError:
            return 0  # the map has ended just now, and its folder is gone: it must not come back
    taken = claims.take(own, around)
    if taken is False:
        return layout.EX_CLAIMED
    if element is not None and os.path.exists(os.path.join(folder, layout.CLAIM)):
        # The map was cancelled: who cancels takes that claim first, and then looks for ours.
        return layout.EX_CLAIMED
    point("far.begin")
    records.write(
        told["records"],
        told["job"],
        records.BEGUN,
        host=os.uname().nodename,
        pid=os.getpid(),
        number=around.number,
    )
    processes.become_subreaper()
    current.brought_along = True
    starts = max(around.restarts or 0, again.times(folder))
    order = order_of(told, folder)._replace(ends=around.ends, attempt=told["attempt"] + starts)
    setup.print_into(order)
    setup.open_standard_files()
    setup.remember_inheritance()
    if not around.number:
        _tell_what_is_missing(told, around.cores)
    _put_on(told, folder)
    # Each is imported where it is needed: what a job costs is for the most part its imports.
    if element is None:
        from clustrix_ssh.far import calls

        return calls.run(order._replace(result=STAGED), told, around)
    from clustrix_ssh.far import places

    scratch = tempfile.mkdtemp(prefix="clustrix-")
    try:
        return places.run(order, told, element, scratch, around, again=taken is None)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _next_element(folder: str) -> int:
    """The only one that lives at a time: the first, or the one after those that were killed."""
    number = 0
    while True:
        held = claim.read(os.path.join(folder, layout.ELEMENTS, str(number), layout.CLAIM))
        if held is None or held.lives():
            return number
        number += 1


def _tell_what_is_missing(told: Told, given: int | None) -> None:
    """Without a scheduler nobody refuses what a machine does not have: it is run all the same, and its user told."""
    if given is not None and given < told["cores"]:
        _note(f"it asks for {told['cores']} cores, and {os.uname().nodename} has {given}")
    size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if told["memory_bytes"] is not None and told["memory_bytes"] > size:
        asked = format_bytes(told["memory_bytes"])
        _note(f"it asks for {asked} of memory, and {os.uname().nodename} has {format_bytes(size)}")


def _note(text: str) -> None:
    print(f"clustrix: {text}: it runs all the same", file=sys.stderr, flush=True)


def order_of(told: Told, folder: str) -> setup.Order:
    """What the core's runner is to do."""
    place = {**json.loads(told["place"]), **_here(told)}
    return setup.Order.of({**told, "place": json.dumps(place)}, folder)


def _here(told: Told) -> Told:
    """Folder and search path are this machine's; what a process may use is for the batch system to say."""
    cwd = told["cwd"]
    os.makedirs(cwd, mode=0o700, exist_ok=True)
    own = bounds.mine()
    if own["umask"] == _OURS:  # else the user's own commands have set it
        own["umask"] = told["umask"]
    return {
        "cwd": cwd,
        "path": sys.path,
        "main": None,
        "bounds": json.dumps(own),
    }


def _put_on(told: Told, folder: str) -> None:
    with open(os.path.join(folder, layout.ENVIRON), encoding="utf-8") as file:
        found = json.load(file)
    variables, secret = sealing.opened(found)
    setup.environment.add(variables, secret, told["cores"])
