"""The torture as a test: a budget of runs, the same ones every time."""

from __future__ import annotations

import pwd
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.testbed.fixtures import slurm, user
from tests.torture.places import Batch
from tests.torture.points import ROOT
from tests.torture.running import torture

__all__ = ["slurm", "user"]

pytestmark = [pytest.mark.fault, pytest.mark.slow, pytest.mark.timeout(900)]

_AT_ONCE = 5
"""Each in a process and a home of its own; most of each is waiting."""
_RUNS = 8
_STEPS = 50


def _hold(place: str, seeds: Sequence[int], runs: int, steps: int) -> None:
    """Several seeds at a time, by the command that a person would type."""

    def one(seed: int) -> subprocess.CompletedProcess[str]:
        options = f"--minutes 0 --place {place} --seed {seed} --runs {runs} --steps {steps}"
        command = [sys.executable, "-m", "tests.torture", *options.split()]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    with ThreadPoolExecutor(len(seeds)) as pool:
        wrong = [done.stdout + done.stderr for done in pool.map(one, seeds) if done.returncode != 0]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("first", range(0, 25, _AT_ONCE))
def test_any_actions_in_any_order_come_to_what_the_model_says(first: int) -> None:
    """No job is lost or run twice, none leaves its end, each comes to its own, and nothing is left behind."""
    _hold("local", range(first, first + _AT_ONCE), _RUNS, _STEPS)


@pytest.mark.usefixtures("user")
def test_the_same_with_a_machine() -> None:
    """Over SSH, where connections, agents and keepers are killed as well."""
    _hold("ssh", range(3), 3, 40)


@pytest.mark.usefixtures("slurm")
def test_the_same_with_slurm(user: pwd.struct_passwd) -> None:
    """With a batch system between."""
    torture(lambda: Batch(user), 2, 4, 60)
