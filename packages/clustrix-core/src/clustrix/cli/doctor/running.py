"""What runs behind the jobs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from clustrix import __version__
from clustrix.cli.doctor.storage import place
from clustrix.dispatcher.instance import PROTOCOL, Instance, names
from clustrix.journal.place import dispatcher_name
from clustrix.plugins.checks import Check, failed, ok, warning
from clustrix.runner.messages import Decoder

_ANSWER_SECONDS = 3.0
_JOB_SECONDS = 60.0
_LOG_BYTES = 20_000
_RESTART = "clustrix dispatcher restart"


def dispatchers() -> Iterator[Check]:
    """Those that run, and whether they answer."""
    where = place()
    own = dispatcher_name(where)
    known = names(where)
    running = [name for name in known if Instance(where, name).running()]
    if not running:
        yield ok("dispatcher", "does not run; the next submission starts it")
    for name in running:
        yield _answer(
            Instance(where, name),
            "dispatcher" if name == own else f"dispatcher {name} of another environment",
        )
    if own in known:
        yield from _complaints(Instance(where, own).log)


def _answer(instance: Instance, what: str) -> Check:
    began = time.monotonic()
    try:
        with instance.connect() as connection:
            connection.settimeout(_ANSWER_SECONDS)
            decoder = Decoder()
            while not (messages := decoder.feed(connection.recv(1 << 16))):
                continue
    except OSError as error:
        return failed(what, f"runs, and does not answer ({error}); its log: {instance.log}", _RESTART)
    hello = messages[0][0]
    took = (time.monotonic() - began) * 1000
    if (hello.get("protocol"), hello.get("version")) != (PROTOCOL, __version__):
        return warning(
            what,
            f"is clustrix {hello.get('version')}, and this is {__version__}",
            f"The next submission replaces it, or: {_RESTART}",
        )
    return ok(what, f"answers after {took:.0f} ms")


def _complaints(log: str) -> Iterator[Check]:
    """What the end of its log calls an error."""
    try:
        with open(log, "rb") as file:
            file.seek(max(0, os.path.getsize(log) - _LOG_BYTES))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return
    errors = [line for line in lines if " ERROR " in line or " CRITICAL " in line]
    if errors:
        yield warning(
            "dispatcher's log", f"{len(errors)} errors lately, the last: {errors[-1][:300]}", f"See {log}"
        )


def job() -> Iterator[Check]:
    """One job here, there and back; and one where the settings say."""
    from clustrix.config import get_config

    yield _job("job", "local")
    place = get_config()["cluster_type"]
    if place != "local":
        yield _job(f"job on {place}", place)


def _job(what: str, place: str) -> Check:
    from clustrix import cluster
    from clustrix.errors import ClustrixError

    @cluster(cluster_type=place, name="doctor", progress=False, reuse=False)
    def call() -> None:
        """Within, since it travels by value then: this module needs more than jobs have."""

    took = []
    for _ in range(2):
        began = time.monotonic()
        sent = call.submit()
        try:
            sent.result(timeout=_JOB_SECONDS)
        except TimeoutError as error:
            sent.cancel()
            return failed(what, f"{error}", "It is cancelled. See what it waits for")
        except ClustrixError as error:
            return failed(what, f"{error}", "")
        took.append((time.monotonic() - began) * 1000)
    return ok(what, f"came back after {took[0]:.0f} ms, the next after {took[1]:.0f} ms")
