"""Kills by the thousand: rounds of submissions and kills, each from a seed of its own, at the end of which every job is accounted for."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.torture.machine import PAUSES, Torture
from tests.torture.model import CALLS, ITEMS
from tests.torture.places import Make
from tests.torture.running import show
from tests.torture.world import CLIENTS

_A_ROUND = 50
"""Kills after which all jobs come to their ends, and nothing may be left."""
_CHECKED = 0.2
"""Of the steps, those after which all is looked at."""
_Random = random.Random


@dataclass
class Account:
    """What was seen up to now, in all rounds together."""

    path: Path
    first: int
    next: int
    """The seed of the round that comes."""
    kills: Counter[str] = field(default_factory=Counter)
    """By kind of process."""
    jobs: Counter[str] = field(default_factory=Counter)
    """By their ends."""

    @classmethod
    def read(cls, path: Path, seed: int) -> Account:
        """What an earlier call has written, or a new one."""
        text = path.read_text() if path.exists() else ""
        if not text:
            return cls(path, seed, seed)
        known = json.loads(text)
        return cls(path, known["first"], known["next"], Counter(known["kills"]), Counter(known["jobs"]))

    @property
    def killed(self) -> int:
        return self.kills.total()

    def add(self, kills: Counter[str], jobs: Counter[str]) -> None:
        """A round in which nothing was wrong."""
        self.kills += kills
        self.jobs += jobs
        self.next += 1
        rows = {"first": self.first, "next": self.next, "kills": self.kills, "jobs": self.jobs}
        self.path.write_text(json.dumps(rows, indent=1) + "\n")

    def __str__(self) -> str:
        kinds = ", ".join(f"{number} of {kind}" for kind, number in self.kills.most_common())
        ends = ", ".join(f"{number} {state}" for state, number in self.jobs.most_common())
        return f"{self.killed} kills ({kinds}); {self.jobs.total()} jobs: {ends}"


def _client(rng: _Random) -> str:
    return rng.choice(CLIENTS)


def _items(rng: _Random) -> str:
    return "".join(rng.choices("".join(ITEMS) + "hhhh", k=rng.randint(1, 8)))


def _map(run: Torture, rng: _Random) -> None:
    run.map(_client(rng), _items(rng), rng.choice(["raise", "collect", "stop"]), rng.choice([None, 1, 3]), 0)


def _kill_runner(run: Torture, rng: _Random) -> None:
    """Of the first job, from any on, that has one: most wait for cores."""
    before, begin = run.here.kills["runner"], rng.randrange(1000)
    for n in range(len(run.jobs)):
        run.kill_runner(begin + n, rng.randrange(1000))
        if run.here.kills["runner"] > before:
            return


_STEPS: dict[Callable[[Torture, _Random], None], int] = {
    lambda run, rng: run.call(_client(rng), rng.choice([*sorted(CALLS), *["hold"] * len(CALLS)])): 10,
    _map: 4,
    lambda run, rng: run.submitter_killed(
        _client(rng), rng.choice(["value", "hold", "flaky"]), rng.choice(PAUSES)
    ): 4,
    lambda run, rng: run.submitter_of_a_map_killed(_client(rng), _items(rng), rng.choice(PAUSES)): 2,
    _kill_runner: 8,
    lambda run, rng: run.kill_parent(rng.randrange(1000)): 3,
    lambda run, rng: run.kill_dispatcher(): 3,
    lambda run, rng: run.kill_client(rng.choice(CLIENTS[1:])): 2,
    lambda run, rng: run.kill_helper(rng.randrange(1000)): 3,
    lambda run, rng: run.cut_lines(): 1,
    lambda run, rng: run.cancel(_client(rng), rng.randrange(1000)): 1,
    lambda run, rng: run.wait(_client(rng), rng.randrange(1000)): 2,
    lambda run, rng: run.retry(_client(rng), rng.randrange(1000)): 1,
    lambda run, rng: run.open_gate(rng.randrange(1000)): 2,
    lambda run, rng: run.pass_time(rng.choice([0.0, 0.01, 0.05, 0.2])): 4,
}
"""What is done next, and how often."""


def kill_some(make: Make, account: Account) -> None:
    """One round.  Raises what is wrong, when it has said what was done."""

    class Round(Torture):
        pass

    Round.make = staticmethod(make)
    Round.evidence = show
    Round.wrong = []
    rng = random.Random(account.next)
    steps, weights = list(_STEPS), list(_STEPS.values())
    run: Any = Round()
    world = run.here
    try:
        try:
            while world.kills.total() < _A_ROUND:
                (step,) = rng.choices(steps, weights)
                step(run, rng)
                if rng.random() < _CHECKED:
                    run.nothing_is_lost_or_run_twice()
        finally:
            run.teardown()
        account.add(world.kills, Counter(run.audit.states().values()))
    finally:
        if Round.world is not None:
            Round.world.close()
