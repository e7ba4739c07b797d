"""A session is cut short at every point: nothing is lost or run twice, and what went wrong is told as what it is."""

from __future__ import annotations

import pwd
from collections import Counter

import pytest

from tests.testbed.fixtures import slurm, user
from tests.torture.cuts import Cut
from tests.torture.cutting import counted, cut_all, cuts, elsewhere
from tests.torture.places import Batch, Here, Machine, Make
from tests.torture.points import ROOT, points, steps

__all__ = ["slurm", "user"]

EXEMPT = {
    "clustrix/blocking.py": "shows a person what a job prints",
    "clustrix/cli/": "a person at a terminal sees what fails, and types it again",
    "clustrix/config/secrets.py": "asks a password manager, and tells what it says",
    "clustrix/dispatcher/answering.py": "a person at a terminal sees what fails, and types it again",
    "clustrix/runner/faults.py": "is what makes the faults",
    "clustrix/runner/frames.py": "is called behind a point",
    "clustrix/runner/processes.py": "asks ps, where there is no /proc",
    "clustrix/runner/warm.py: self._wakeup.recv": "empties a pipe of this process's own",
    "clustrix/runner/watch.py: self._wakeup.recv": "empties a pipe of this process's own",
    "clustrix/testing/": "are tests",
    "clustrix_ssh/agent/parts/programs.py: subprocess.run": "asks the user's shell what it would find",
    "clustrix_ssh/agent/parts/pythons.py: subprocess.run": "asks a Python for its version",
    "clustrix_ssh/authorize.py": "is sent to a host as text, where there are no points; a person who copies a key types it again",
    "clustrix_ssh/transport/sshconfig.py: subprocess.run": "asks ssh -G, before anything is done",
}
"""Files and their calls that need no point: nothing that was promised depends on them."""
OURS = ("outbox", "_clients", "_connection", "_notifier", "agent", "stream", "_stream", "wire", "call")
"""What has methods of its own with such names, in which the point is."""
_ON_THE_WAY = (
    "batch.submit",
    "batch.submitted",
    "agent.link",
    "agent.run-once",
    "agent.run",
    "far.begin",
)


def _is_exempt(file: str, call: str) -> bool:
    where = file.partition("/src/")[2]
    receiver = call.rpartition(".")[0].removeprefix("self.").removeprefix("parent.").removeprefix("client.")
    if receiver in OURS or call in ("self.write", "self.send"):
        return True
    return any(f"{where}: {call}".startswith(exempt) for exempt in EXEMPT)


def test_every_step_that_a_promise_depends_on_has_a_point() -> None:
    """Directly before each write, sync, rename, commit, message, fork and program; what needs none is listed with the reason."""
    bare = [step for step in steps() if not step.guarded and not _is_exempt(step.file, step.call)]
    assert not bare, "\n".join(f"{step.file}:{step.line}: {step.function}: {step.call}" for step in bare)
    assert len(steps()) > 100


def test_each_exemption_is_needed() -> None:
    """What is listed is there."""
    used = {f"{step.file.partition('/src/')[2]}: {step.call}" for step in steps() if not step.guarded}
    for exempt in EXEMPT:
        assert any(step.startswith(exempt) for step in used), exempt


def test_a_name_is_a_place_in_the_code() -> None:
    """A point that has the name of another is in the same file."""
    files = {(point.name, point.file) for point in points()}
    assert not [name for name, times in Counter(name for name, _ in files).items() if times > 1]


def test_points_are_free() -> None:
    """Without a fault, nothing is looked up but a name in an empty dictionary."""
    text = (ROOT / "packages/clustrix-core/src/clustrix/runner/faults.py").read_text()
    body = text.partition("def point(")[2].partition("def _pass")[0]
    assert "if name in _ORDERS:" in body
    assert "environ" not in body


def _all_keep_the_promises(make: Make, chosen: list[Cut]) -> None:
    found = list(cut_all(make, chosen))
    broken = [one for one in found if one.broken]
    assert not broken, "\n".join(f"{one.cut}: {one.broken}\n{one.log}" for one in broken)
    # Which process passes a point first, and whether the second does, is a matter of chance in a few places.
    assert sum(one.passed for one in found) >= 0.9 * len(found)


@pytest.mark.slow
@pytest.mark.fault
@pytest.mark.timeout(900)
@pytest.mark.parametrize("action", ["kill", "ENOSPC"])
def test_session_is_cut_short_here(action: str) -> None:
    """At every third point that it passes; `hatch run cuts` does all."""
    chosen = cuts("local", counted(Here), [action], 1)
    assert len(chosen) >= {"kill": 60, "ENOSPC": 45}[action]
    _all_keep_the_promises(Here, chosen[{"kill": 0, "ENOSPC": 1}[action] :: 3])


@pytest.mark.slow
@pytest.mark.fault
@pytest.mark.timeout(900)
def test_session_with_a_machine_is_cut_short(user: pwd.struct_passwd) -> None:
    """A process is killed at every third point there, and of what speaks with it here."""
    chosen = cuts("ssh", elsewhere(counted(lambda: Machine(user))), ["kill"], 1)
    assert len(chosen) >= 40
    _all_keep_the_promises(lambda: Machine(user), chosen[::3])


@pytest.mark.slow
@pytest.mark.fault
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("slurm")
def test_session_with_slurm_is_cut_short(user: pwd.struct_passwd) -> None:
    """A process is killed at each point on the way to the batch system."""
    passed = counted(lambda: Batch(user))
    only = Counter({name: times for name, times in passed.items() if name in _ON_THE_WAY})
    _all_keep_the_promises(lambda: Batch(user), cuts("slurm", only, ["kill"], 1))
