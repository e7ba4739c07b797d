"""The rules of a torture: what may be done in any order."""

from __future__ import annotations

import time

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.torture.model import CALLS, FAILED, ITEMS, Job
from tests.torture.run import Run, step
from tests.torture.world import AHEAD, CLIENTS

_POINTS = (
    "dispatcher.recover",
    "dispatcher.looked",
    "journal.move",
    "journal.move-done",
    "journal.finish",
    "journal.finish-done",
    "journal.again",
    "journal.again-done",
    "retry.put-away",
    "books.given",
    "nursery.receive",
    "tidier.keep",
)
"""That only a dispatcher passes."""
PAUSES = (0.0, 0.0005, 0.001, 0.002, 0.005)

clients = st.sampled_from(CLIENTS)
which = st.integers(0, 1000)
"""Of things whose number depends on the past: taken modulo that, so that a seed means the same actions whatever the timing."""


class Torture(Run):
    """Every rule may come at any time, and as often as it likes."""

    # -- submissions

    @rule(client=clients, kind=st.sampled_from(sorted(CALLS)))
    @step
    def call(self, client: str, kind: str) -> None:
        self._submit(client, self._call(kind))

    @rule(
        client=clients,
        items=st.text("".join(ITEMS) + "oo", min_size=0, max_size=8),
        on_error=st.sampled_from(["raise", "collect", "stop"]),
        chunk=st.sampled_from([None, 1, 3]),
        retries=st.sampled_from([0, 0, 1]),
    )
    @step
    def map(self, client: str, items: str, on_error: str, chunk: int | None, retries: int) -> None:
        self._submit(client, self._map(items, on_error, chunk, retries))

    @rule(client=clients, name=st.sampled_from("ab"), kind=st.sampled_from(["value", "hold"]))
    @step
    def reuse(self, client: str, name: str, kind: str) -> None:
        """The same call as an earlier one is that one, unless that has failed or is to end."""
        token = f"{self.own}-{name}-{kind}"
        job = Job(token, kind, False, {"reuse": True})
        self._submit(client, job, self.reusable.get((name, kind)))
        self.reusable[name, kind] = next(known for known in self.jobs if known.id == job.id)

    @rule(client=clients, name=st.sampled_from("ab"), kind=st.sampled_from(["value", "hold"]))
    @step
    def forget(self, client: str, name: str, kind: str) -> None:
        """The next such call is a job of its own."""
        told = self.here.ask(client, "forget", kind=kind, token=f"{self.own}-{name}-{kind}")
        earlier = self.reusable.pop((name, kind), None)
        assert earlier is not None or not told["forgotten"]

    @rule(client=clients, kind=st.sampled_from(["value", "hold", "flaky"]), pause=st.sampled_from(PAUSES))
    @step
    def submitter_killed(self, client: str, kind: str, pause: float) -> None:
        """Its job is there or not, but never half."""
        job = self._call(kind)
        self._disturb()
        self.here.ask_and_kill(client, pause, "submit", kind=kind, token=job.token, options=job.options)
        self._find(job)

    @rule(client=clients, items=st.text("oof", min_size=1, max_size=6), pause=st.sampled_from(PAUSES))
    @step
    def submitter_of_a_map_killed(self, client: str, items: str, pause: float) -> None:
        job = self._map(items, "raise", None)
        self._disturb()
        self.here.ask_and_kill(client, pause, "map", items=job.kind, token=job.token, options=job.options)
        self._find(job)

    @rule(client=clients, n=which)
    @step
    def retry(self, client: str, n: int) -> None:
        """What has failed, once more, as a job of its own."""
        ended = [job for job in self.jobs if job.settled == FAILED and not job.reuses]
        if not ended:
            return
        first = ended[n % len(ended)]
        job = Job(first.token, first.kind, first.is_map, first.options)
        told = self.here.ask(client, "retry", job=first.id)
        job.id = told["id"]
        if first.is_map:
            job.numbers = told["indices"]  # in the map that was submitted first
            job.kind = "".join(first.kind[first.numbers.index(number)] for number in job.numbers)
        self._accept(job)

    # -- what may be done to jobs

    @rule(client=clients, n=which)
    @step
    def cancel(self, client: str, n: int) -> None:
        """True is a promise; False says that it has ended."""
        job = self._one(n)
        if job is not None:
            self._cancel(client, job)

    @rule(client=clients, n=which)
    @step
    def wait(self, client: str, n: int) -> None:
        """Any process may attach to a job and wait for it."""
        job = self._one(n)
        if job is not None:
            self._open(job)
            if job.kind not in ("postponed",):
                self._settle(client, job)

    @rule(client=clients, n=which)
    @step
    def find(self, client: str, n: int) -> None:
        """Any process finds a job by its tag."""
        job = self._one(n)
        if job is not None and not job.reuses:
            told = self.here.ask(client, "find", tag=job.token)
            assert job.id in told["ids"], told

    @rule(n=which)
    @step
    def open_gate(self, n: int) -> None:
        if self.closed_gates:
            self.here.open_gate(self.closed_gates.pop(n % len(self.closed_gates)))

    @rule(pause=st.sampled_from([0.01, 0.05, 0.2]))
    @step
    def pass_time(self, pause: float) -> None:
        time.sleep(pause)

    # -- what may break

    @rule()
    @step
    def kill_dispatcher(self) -> None:
        self._disturb()
        self.here.kill_dispatcher()

    @rule()
    @step
    def dispatcher_leaves(self) -> None:
        """As it is asked to, by SIGTERM."""
        self._disturb()
        self.here.end_dispatcher()

    @rule(n=which)
    @step
    def kill_parent(self, n: int) -> None:
        self._disturb()
        if self.here.kill_parent(n):
            for job in self.jobs:
                job.blind = job.blind or not job.settled

    @rule(n=which, worker=which)
    @step
    def kill_runner(self, n: int, worker: int) -> None:
        live = [job for job in self.jobs if not job.settled and job.kind != "nests"]
        if not live:
            return
        job = live[n % len(live)]
        held = not job.is_map and job.kind == "hold" and job.token in self.closed_gates
        if self.here.kill_runner(job.id, worker):
            job.kills += 1
            job.disturbed = True
            job.surely_killed = job.surely_killed or (held and not job.cancelled)

    @rule(n=which)
    @step
    def kill_helper(self, n: int) -> None:
        """Of a place that is another machine: those there that speak with this side, or look after jobs."""
        self._disturb()
        if self.here.kill_helper(n):
            for job in self.jobs:
                job.blind = job.blind or not job.settled

    @rule()
    @step
    def cut_lines(self) -> None:
        self._disturb()
        self.here.cut_lines()

    @rule(name=st.sampled_from(CLIENTS[1:]))
    @step
    def kill_client(self, name: str) -> None:
        self.here.note(f"kill client {name}")
        self.here.kill_client(name)

    @rule(client=clients)
    @step
    def cut_connection(self, client: str) -> None:
        self.here.ask(client, "cut")

    @rule(ahead=st.sampled_from([0, 3600, -3600]), point=st.sampled_from(["", *_POINTS]))
    @step
    def replace_dispatcher(self, ahead: int, point: str) -> None:
        """By one with another clock, or that will be killed at some point."""
        self._disturb()
        self.doomed = self.doomed or bool(point)
        self.here.replace_dispatcher(ahead, point)

    @rule(n=which)
    @step
    def stand_still(self, n: int) -> None:
        self._disturb()
        self.here.stop(n)

    @rule()
    @step
    def go_on(self) -> None:
        self.here.go_on()

    @rule()
    @step
    def clean(self) -> None:
        """By a client for which all that has ended did so long ago; jobs that were waited for go first."""
        told = self.here.ask(AHEAD, "command", args=["clean", "--older-than", "0", "--yes"])
        assert told["exit"] == 0, told
        there = self.audit.states()
        gone = [job for job in self.jobs if job.id not in there]
        self.jobs = [job for job in self.jobs if job.id in there]
        for job in gone:
            assert job.settled or self._may_have_ended(job), f"{job} was removed"
        self.reusable = {key: job for key, job in self.reusable.items() if job.id in there}
