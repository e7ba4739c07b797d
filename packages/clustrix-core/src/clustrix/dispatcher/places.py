"""All places that a dispatcher's jobs are at.  Each is made when its first job comes."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from clustrix import plugins
from clustrix.backends import Backend, JobSpec
from clustrix.backends.interface import Report
from clustrix.backends.local.backend import LocalBackend, LocalHost
from clustrix.backends.tidier import Tidier
from clustrix.dispatcher.instance import Instance
from clustrix.dispatcher.place import Missing, Place, Pushed
from clustrix.dispatcher.polled import Polled
from clustrix.dispatcher.questions import Questions
from clustrix.errors import ClustrixError, PluginError
from clustrix.journal import Journal

log = logging.getLogger("clustrix.dispatcher")

_CLOSE_SECONDS = 2.0


class Places:
    """Hands jobs to the place that each names.  No method but ``closed`` waits."""

    def __init__(
        self,
        journal: Journal,
        instance: Instance,
        successor: list[str],
        loop: asyncio.AbstractEventLoop,
        report: Report,
        questions: Questions,
    ) -> None:
        self._questions = questions
        self._journal = journal
        self._report = report
        self._tidier = Tidier(journal.place, loop)
        self._local = Pushed(LocalBackend(LocalHost(journal, instance, successor, loop, report)))
        self._places: dict[tuple[str, str], Place] = {("local", ""): self._local}

    def adopt(self, jobs: Sequence[JobSpec]) -> None:
        """Go on with an earlier dispatcher's live jobs.  Called first, once."""
        found = self._sorted(jobs)
        for key in {("local", ""), *found}:
            self._place(key).adopt(found.get(key, []))

    def submit(self, jobs: Sequence[JobSpec]) -> None:
        """Take new jobs."""
        for key, some in self._sorted(jobs).items():
            self._place(key).submit(some)

    def cancel(self, jobs: Sequence[JobSpec]) -> None:
        """End jobs."""
        for key, some in self._sorted(jobs).items():
            self._place(key).cancel(some)

    def clean(self, jobs: Sequence[JobSpec]) -> None:
        """The outcomes of these are committed."""
        for key, some in self._sorted(jobs).items():
            self._place(key).clean(some)

    def renew(self, jobs: Sequence[JobSpec]) -> None:
        """An attempt of these is over, and its folder put away; the next will be submitted."""
        for key, some in self._sorted(jobs).items():
            self._place(key).renew(some)

    def renewing(self, job: JobSpec) -> bool:
        """Whether something of an earlier attempt may still be there."""
        return self._place((job.record.backend, job.record.place)).renewing(job.id)

    def busy(self) -> bool:
        """Whether there is anything to do or to wait for."""
        return any(place.busy() for place in self._places.values())

    def held(self) -> bool:
        """Whether the dispatcher should stay though there is nothing to do."""
        return any(place.held() for place in self._places.values())

    async def login(self, backend: str, settings: str) -> str:
        """Reach a place while somebody answers; returns why it could not be, or nothing."""
        return await self._place((backend, settings)).login()

    def hurry(self) -> None:
        """Somebody has come who may answer: what has failed may succeed now."""
        for place in self._places.values():
            place.hurry()

    def crowded(self) -> bool:
        """Whether more jobs wait than can run: then it is the rate that counts, not the moment."""
        return any(place.crowded() for place in self._places.values())

    def abandon(self) -> None:
        """The state directory is gone."""
        for place in self._places.values():
            place.abandon()

    def leave(self, heirs: bool) -> None:
        """The dispatcher leaves."""
        for place in self._places.values():
            place.leave(heirs)
        self._tidier.close()

    async def closed(self) -> None:
        """Let the backends say goodbye to who is at the other end, if that takes no long time."""
        closed = asyncio.gather(*(place.closed() for place in self._places.values()), return_exceptions=True)
        with suppress(asyncio.TimeoutError):
            for error in await asyncio.wait_for(closed, _CLOSE_SECONDS):
                if error is not None:
                    log.warning("a backend could not be closed: %r", error)

    def _sorted(self, jobs: Iterable[JobSpec]) -> dict[tuple[str, str], list[JobSpec]]:
        found: dict[tuple[str, str], list[JobSpec]] = {}
        for job in jobs:
            found.setdefault((job.record.backend, job.record.place), []).append(job)
        return found

    def _place(self, key: tuple[str, str]) -> Place:
        known = self._places.get(key)
        if known is None or isinstance(known, Missing):
            known = self._places[key] = self._make(*key)
        return known

    def _make(self, name: str, place: str) -> Place:
        try:
            target = plugins.backend(name).load()
            return self._polled(name, target, json.loads(place) if place else {})
        except ClustrixError as error:
            log.error("backend %s cannot be used: %s", name, error)
            plugins.look_again()  # next time: it may have been installed by then
            return Missing(error, self._report)

    def _polled(self, name: str, target: Any, settings: dict[str, Any]) -> Polled:
        if not (isinstance(target, type) and issubclass(target, Backend)):
            advice = "it is a fault of the plugin: tell its authors"
            raise PluginError("", f"backend {name!r} is {target!r}, not a subclass of Backend", advice)
        folder = Path(self._journal.place.root, "backends", name)
        os.makedirs(folder, mode=0o700, exist_ok=True)
        try:
            return Polled(
                name, target, settings, folder, self._report, self._tidier.tidy_soon, self._questions
            )
        except Exception as error:  # a plugin's own
            log.exception("backend %s failed to start", name)
            problem = f"backend {name!r} failed to start: {type(error).__name__}: {error}"
            raise PluginError("", problem, "the dispatcher's log has the traceback") from error
