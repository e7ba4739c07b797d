"""One run of a torture without its rules: which jobs there are, what is asked of them after each step, and how it ends."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any, ClassVar

from hypothesis.stateful import RuleBasedStateMachine, invariant

from tests.torture.audit import Audit
from tests.torture.model import CALLS, CANCELLED, FINAL, ITEM_SECONDS, Job
from tests.torture.places import Make
from tests.torture.world import HERE, World

_LEAK_SECONDS = 15.0
_MOST_LIVE = 12
"""More submissions than these wait for gates to be opened: a run shall end some day."""


def step(function: Callable[..., Any]) -> Callable[..., Any]:
    """A rule whose failure leaves the world as evidence."""

    @functools.wraps(function)
    def wrapper(self: Run, *args: Any, **kwargs: Any) -> None:
        try:
            function(self, *args, **kwargs)
        except Exception as error:
            self.broken = True
            type(self).wrong.append(error)
            raise

    return wrapper


class Run(RuleBasedStateMachine):
    """Runs share a world as long as it is whole: at the end of each nothing is left of it."""

    make: ClassVar[Make]
    """Of places."""
    world: ClassVar[World | None] = None
    audit: ClassVar[Audit]
    evidence: ClassVar[Callable[[World, Exception], None]]
    wrong: ClassVar[list[Exception]]
    """What has failed, the first first: hypothesis does it all once more, and then tells of that."""
    serial: ClassVar[int] = 0
    latest_world: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        cls = type(self)
        self.broken = False
        if cls.world is None:
            cls.world = World(cls.make())
            cls.audit = Audit(cls.world.home, cls.world.place)
        self.here = cls.world
        self.here.trace.clear()
        self.here.parents_killed = False
        self.own = self._token()
        self.jobs: list[Job] = []
        self.reusable: dict[tuple[str, str], Job] = {}
        self.closed_gates: list[str] = []
        self.doomed = False
        """Whether there is a dispatcher that will be killed when it passes a point, if it has not been yet."""

    # -- submissions

    def _token(self) -> str:
        type(self).serial += 1
        return f"t{type(self).serial}"

    def _call(self, kind: str) -> Job:
        token = self._token()
        kind = "value" if kind == "nests" and self.here.place.far else kind
        options = CALLS[kind]
        return Job(token, kind, False, {**options, "tags": [*options.get("tags", []), token]})

    def _map(self, items: str, on_error: str, chunk: int | None, retries: int = 0) -> Job:
        token = self._token()
        options: dict[str, Any] = {"on_error": on_error, "chunk": chunk, "tags": [token]}
        if retries:
            options |= {"retries": retries, "retry_delay": 0.02}
        if "s" in items:  # who waits for a gate has not that much time
            items = items.replace("h", "o")
            options["time"] = ITEM_SECONDS
        return Job(token, items, True, options, numbers=list(range(len(items))))

    def _submit(self, client: str, job: Job, earlier: Job | None = None) -> None:
        op, what = ("map", {"items": job.kind}) if job.is_map else ("submit", {"kind": job.kind})
        told = self.here.ask(client, op, token=job.token, options=job.options, **what)
        assert "id" in told, told
        job.id = told["id"]
        if earlier is not None and job.id == earlier.id:
            assert told["reused"]
            assert not earlier.cancelled, "a cancelled job was reused"
        else:
            sure = earlier is None or earlier.cancelled or earlier.kills
            assert sure, f"{earlier} was not reused"
            assert not told["reused"]
            self._accept(job)

    def _accept(self, job: Job) -> None:
        assert job.id not in {known.id for known in self.jobs}
        job.disturbed = self.doomed
        job.far = self.here.place.far
        self.jobs.append(job)
        if job.holds and not self.here.is_open(job.token):
            self.closed_gates.append(job.token)
        waiting = [known for known in self.jobs if not known.settled]
        if len(waiting) > _MOST_LIVE and self.closed_gates:
            self.here.open_gate(self.closed_gates.pop(0))

    def _find(self, job: Job) -> None:
        """Look whether a killed submitter had submitted it."""
        found = self.audit.tagged(job.token)
        assert len(found) <= 1, f"submitted twice: {found}"
        if found:
            job.id = found[0]
            self._accept(job)

    # -- jobs

    def _cancel(self, client: str, job: Job) -> None:
        told = self.here.ask(client, "cancel", job=job.id)
        if told["cancelled"]:
            assert not job.settled or job.settled == CANCELLED, f"{job} was cancelled after its end"
            job.cancelled = True
        else:
            state = self.audit.states()[job.id]
            assert state in FINAL, f"{job} is {state}, and could not be cancelled"
            assert not job.cancelled, f"{job} is {state}, but its cancellation was promised"

    def _may_have_ended(self, job: Job) -> bool:
        stopped = job.is_map and job.fails() and job.options["on_error"] == "stop"
        return job.token not in self.closed_gates or job.cancelled or bool(job.kills) or stopped

    # -- what is checked

    @invariant()
    @step
    def nothing_is_lost_or_run_twice(self) -> None:
        self.audit.look()
        there = self.audit.states()
        for job in self.jobs:
            assert job.id in there, f"lost: {job}"
            state = there[job.id]
            if state in FINAL:
                assert state in job.states(), f"{job} is {state}, not {job.states()}"
            if not job.settled:
                self.audit.check_history(job.id, job.is_map, job.disturbed)

    def _one(self, n: int) -> Job | None:
        return self.jobs[n % len(self.jobs)] if self.jobs else None

    def _disturb(self) -> None:
        for job in self.jobs:
            job.disturbed = job.disturbed or not job.settled

    def _open(self, job: Job) -> None:
        """Have nothing hold up a job: what runs holds up what waits."""
        self.here.go_on()
        for token in self.closed_gates:
            self.here.open_gate(token)
        self.closed_gates.clear()

    def _settle(self, client: str, job: Job) -> None:
        told = self.here.ask(client, "outcome", job=job.id, timeout=self.here.place.settle_s)
        self.audit.look()
        state = self.audit.states()[job.id]
        text = f"{job} is {state} and came to {told}"
        assert state in job.states(), text
        if job.is_map:
            wrong = job.check_items(state, told["items"])
            assert not wrong, f"{wrong}: {text}"
        else:
            assert told in job.outcomes(), f"{text}, not {job.outcomes()}"
        self._check_runs(job)
        job.settled = state
        if job.kind == "print" and state == "SUCCEEDED":
            told = self.here.ask(client, "logs", job=job.id)
            assert told["text"] == f"out {job.token}\nerr {job.token}\n", told

    def _check_runs(self, job: Job) -> None:
        found = self.audit.runs.get(job.id, [])
        assert self.audit.most_runs(job.id) <= job.most_runs(), f"{job} was run {found}"
        if not job.kills and not job.cancelled:
            if job.is_map:
                enough = job.options.get("on_error") == "stop" or len({n for _, n in found}) == len(job.kind)
            else:
                attempts = [attempt for attempt, _ in found]
                # A batch system queues a job again by itself: that is no attempt of the dispatcher's.
                again = job.kind == "saves" and job.far
                last = len(attempts) if again else self.audit.attempt(job.id)
                enough = bool(attempts) and attempts == list(range(1, last + 1))
            assert enough, f"{job} was run {found}"

    def teardown(self) -> None:
        """Every job comes to its end, and nothing is left of it."""
        try:
            if not self.broken:
                self.end()
        finally:
            if self.broken:
                cls = type(self)
                cls.world = None
                try:
                    cls.evidence(self.here, cls.wrong[-1])
                finally:
                    self.here.close(kept=True)

    @step
    def end(self) -> None:
        self.here.go_on()
        for token in self.closed_gates:
            self.here.open_gate(token)
        self.closed_gates.clear()
        for job in self.jobs:
            if job.kind == "postponed" and not job.settled and not job.cancelled:
                self._cancel(HERE, job)
        for job in self.jobs:
            self._settle(HERE, job)
            self.audit.check_history(job.id, job.is_map, job.disturbed)
        if self.doomed:
            self.here.disarm()
            self.here.kill_dispatcher()
        # What dead dispatchers have left, and submitters of which none had heard, goes with the next one and the next end of a job.
        last = self._call("value")
        self._submit(HERE, last)
        self._settle(HERE, last)
        deadline = time.monotonic() + _LEAK_SECONDS
        while leaks := self._leaks():
            assert time.monotonic() < deadline, f"left over: {leaks}"
            time.sleep(0.02)
        self.audit.end_left_behind()  # which nobody looks after when a warm parent was killed

    def _leaks(self) -> list[str]:
        live = [f"{job} {state}" for job, state in self.audit.states().items() if state not in FINAL]
        found = self.audit.leaks(not self.here.parents_killed)
        return live + found
