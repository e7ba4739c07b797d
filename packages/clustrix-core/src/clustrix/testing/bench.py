"""A backend on the bench: real jobs in a journal of their own, and its methods called as the dispatcher calls them."""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from clustrix import outcomes
from clustrix.backends import Backend, HostUnreachable, JobSpec, Phase, Status
from clustrix.backends.committed import committed
from clustrix.backends.interface import Onlooker, PushingBackend
from clustrix.bundle import BlobStore, pack_call, pack_map
from clustrix.journal import Change, JobRecord, Journal, NewJob, Outcome, state_place
from clustrix.journal.ids import new_id
from clustrix.runner import layout
from clustrix.runner.frames import records
from clustrix.submission import place_of_submission

T = TypeVar("T")

_CALL_SECONDS = 120.0
_PAUSE_SECONDS = 0.02


class BenchHost(Onlooker):
    """What the backend gets when it is made; the bench polls all the time.  It has more than a ``Host``: the core's own backend needs that."""

    def __init__(self, bench: Bench, settings: dict[str, Any]) -> None:
        folder = Path(bench.journal.place.root, "backends", "bench")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        super().__init__(MappingProxyType(settings), folder)
        self.journal = bench.journal
        self.loop = bench.loop
        self.report = bench


Make = Callable[[Any], Backend]


class Bench:
    """One backend, and the jobs that it is given.  Every call of a method of the backend's is made in an event loop."""

    def __init__(self, make: Make, settings: dict[str, Any] | None = None, patience_s: float = 60.0) -> None:
        """``patience_s``: how long the backend may take to bring a job to where it is waited for."""
        self.patience_s = patience_s
        self.journal = Journal(state_place())
        self._blobs = BlobStore(self.journal.place.blobs)
        self._make = make
        self.backend: Backend
        self._settings = settings or {}
        self._outcomes: dict[str, Outcome] = {}
        self._handles: dict[str, str] = {}
        self.changes: list[Change] = []
        self._lost: Iterator[int] | None = None
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="bench", daemon=True)
        self._thread.start()
        self.come()

    # -- what a pushing backend tells

    def moved(self, changes: Iterable[Change]) -> None:
        self.changes += changes

    def finished(self, record: JobRecord, outcome: Outcome) -> None:
        self._outcomes[record.id] = outcome

    def progressed(self, job: str) -> None:
        """Not kept."""

    # -- jobs

    def job(self, function: Callable[..., Any], *args: Any, name: str = "f", **more: Any) -> JobSpec:
        """A call that stands in the journal and is not submitted yet.  ``more``: cores, memory_bytes, time_s."""
        return self._new("call", pack_call(self._blobs, _travelling(function), None, args, {}), 1, name, more)

    def map(
        self, function: Callable[..., Any], items: Sequence[Any], workers: int = 2, **more: Any
    ) -> JobSpec:
        """The same for a map."""
        rows = [(item,) for item in items]
        payload, count = pack_map(self._blobs, _travelling(function), None, (), rows, {}, workers)
        return self._new("map", payload, count, "f", more)

    def _new(self, kind: str, payload: bytes, items: int, name: str, more: dict[str, Any]) -> JobSpec:
        needs = {"cores": 1, "memory_bytes": None, "time_s": None, **more}
        new = NewJob(
            id=new_id(), name=name, kind=kind, dispatcher="bench", backend="bench", spec=place_of_submission(),
            payload=payload, items=items, **needs,
        )  # fmt: skip
        self.journal.submit(new)
        return JobSpec(self.journal.job(new.id), self.journal)

    # -- the backend's methods, for as many jobs as are given

    def submit(self, *jobs: JobSpec) -> list[JobSpec]:
        """Returns the jobs with their handles.  Fails if one is refused."""
        return self._received(jobs, self.call(self.backend.submit(jobs)))

    def adopt(self, *jobs: JobSpec) -> list[JobSpec]:
        """What a new dispatcher does first."""
        return self._received(jobs, self.call(self.backend.adopt(jobs)))

    def _received(self, jobs: Sequence[JobSpec], receipts: Sequence[Any]) -> list[JobSpec]:
        assert len(receipts) == len(jobs), "one receipt for each job, in their order"
        refused = [receipt.refused for receipt in receipts if receipt.refused]
        assert not refused, f"refused: {refused[0]}"
        for job, receipt in zip(jobs, receipts, strict=True):
            self._handles[job.id] = receipt.handle or job.handle
        return self._known(jobs)

    def _known(self, jobs: Sequence[JobSpec]) -> list[JobSpec]:
        """With their handles, as a dispatcher would ask for them."""
        return [job.known_as(self._handles.get(job.id, job.handle)) for job in jobs]

    def poll(self, *jobs: JobSpec) -> list[Status]:
        """Where they are."""
        found = list(self.call(self.backend.poll(self._known(jobs))))
        assert len(found) == len(jobs), "one answer for each job, in their order"
        return found

    def phase(self, job: JobSpec) -> Phase:
        """Where one is."""
        return Phase(self.poll(job)[0].phase)

    def fetch(self, *jobs: JobSpec) -> None:
        self.call(self.backend.fetch(self._known(jobs)))

    def cancel(self, *jobs: JobSpec) -> None:
        self.call(self.backend.cancel(self._known(jobs)))

    def clean(self, *jobs: JobSpec) -> None:
        """As the dispatcher does it: the outcomes are committed before."""
        for job in jobs:
            outcome = self._outcomes.get(job.id) or committed(job.record, job.folder)
            if outcome is not None:
                self.journal.finish([outcome])
        self.call(self.backend.clean(self._known(jobs)))

    @contextmanager
    def without_answers(self) -> Iterator[None]:
        """While it lasts, every call of the backend's raises HostUnreachable: each second one before it is made, the others after."""
        self._lost = itertools.count()
        try:
            yield
        finally:
            self._lost = None

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Its result, from the event loop."""
        if self._lost is None:
            return self._run(coroutine)
        if next(self._lost) % 2:
            coroutine.close()
        else:
            self._run(coroutine)
        raise HostUnreachable("the connection is lost")

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(_CALL_SECONDS)

    # -- waiting

    def until(self, job: JobSpec, *phases: Phase) -> Phase:
        """Poll until the job is in one of these phases; which."""
        found = self.all_until([job], *phases)
        return found[0]

    def all_until(self, jobs: Sequence[JobSpec], *phases: Phase) -> list[Phase]:
        """The same for many, asked for together."""
        deadline = time.monotonic() + self.patience_s
        while True:
            found = [Phase(status.phase) for status in self.poll(*jobs)]
            if all(phase in phases for phase in found):
                return found
            assert time.monotonic() < deadline, (
                f"not {' or '.join(phases)} within {self.patience_s:g} s: {found[:5]}"
            )
            time.sleep(_PAUSE_SECONDS)

    def outcome(self, job: JobSpec) -> Outcome:
        """How the job ended, fetched as the dispatcher does it."""
        self.until(job, Phase.DONE)
        self.fetch(job)
        found = self._outcomes.get(job.id) or committed(job.record, job.folder)
        assert found is not None, "DONE, and fetch() brought no result"
        return found

    def result(self, job: JobSpec) -> Any:
        """What a call returned; raises what it raised."""
        outcome = self.outcome(job)
        succeeded, value = outcomes.decode(self.journal, job.record, outcome)
        if succeeded:
            return value
        raise value

    def items(self, job: JobSpec) -> dict[int, Any]:
        """What the items of a map came to, as far as they are fetched: values and exceptions."""
        found: dict[int, Any] = {}
        subject = outcomes.Subject(job.id, job.name, "bench")
        for name in sorted(os.listdir(job.folder)):
            if name.startswith(layout.MAP_RESULTS):
                data = memoryview(bytearray(Path(job.folder, name).read_bytes()))
                for record in records(data):
                    found[record.item] = outcomes.decode_item(subject, data, record)[1]
        return found

    # -- the bench itself

    def come(self) -> None:
        """Another dispatcher comes, and makes its own backend."""

        async def make() -> Backend:
            return self._make(BenchHost(self, self._settings))

        self.backend = self.call(make())

    def leave(self) -> None:
        """The dispatcher leaves."""

        async def leave() -> None:
            if isinstance(self.backend, PushingBackend):
                self.backend.leave(heirs=False)
            await self.backend.close()

        self.call(leave())

    def close(self) -> None:
        """End what still runs, and leave."""
        jobs = [JobSpec(record, self.journal) for record in self.journal.live("bench")]
        live = [job for job in jobs if self.phase(job) in (Phase.QUEUED, Phase.RUNNING)]
        if live:
            self.cancel(*live)
            self.all_until(live, Phase.DONE, Phase.GONE)
        self.leave()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()
        self.journal.close()


def _travelling(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as one of a script: it goes along by value, since the far side may not have clustrix."""
    function.__module__ = "__main__"
    return function
