"""A backend that somebody else has written: it is installed, used, and put through the kit; and so are broken ones."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests.core.plugins.installing import PLUGINS, install
from tests.core.support import run_script

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("state")]

LEAST_TESTS = 40

FLAWS = {
    "RunsTwice": ["test_submitted_again_while_it_runs", "test_new_dispatcher_finds_running_jobs"],
    "MixesUpAnswers": ["test_answers_come_in_the_order_of_the_questions"],
    "FailsOnEmptyBatches": ["test_empty_batches_are_nothing"],
    "IgnoresCancellation": ["test_running_job_ends"],
    "CancelsEverything": ["test_others_go_on"],
    "KillsWithoutWarning": ["test_running_job_ends"],
    "IsDoneTooEarly": ["test_waiting_job_is_not_done"],
    "TrustsNames": ["test_name_is_only_a_name[0]", "test_name_is_only_a_name[1]"],
    "LosesVariables": ["test_variables_arrive"],
    "ShowsSecrets": ["test_secret_is_in_no_command_line"],
    "LeavesFiles": ["test_cleaned_job_leaves_nothing_behind"],
    "ForgetsOnRestart": [
        "test_new_dispatcher_finds_running_jobs",
        "test_new_dispatcher_begins_what_was_not_begun",
    ],
    "KillsOnLeaving": ["test_new_dispatcher_finds_running_jobs", "test_new_dispatcher_finds_finished_jobs"],
    "BringsHalves": ["test_waiting_job_is_not_done"],
    "BelievesInClocks": ["test_clocks_need_not_agree[ahead]"],
    "RefusesWhatItKnows": ["test_connection_is_lost_during_a_submission"],
    "TakesSilenceForAnEnd": ["test_connection_is_lost_while_jobs_run"],
    "KnowsEverybody": ["test_job_that_was_never_submitted_is_gone"],
}
"""Each flaw of ``tests/plugins/broken``, and the rules of the kit that find it."""

KIT = """
from contextlib import contextmanager
import pytest
from clustrix.testing import BackendConformance
from {module} import {backend}

# Python complains of a process that its dispatcher has let go: that it goes on is the point.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
class Test{backend}(BackendConformance):
    patience_s = {patience}
    many = 100  # each starts a Python

    @pytest.fixture
    def make(self):
        return {backend}
"""

CUT = """
    @pytest.fixture
    def cut(self, bench):
        wire = bench.backend.host.folder / "cut"
        @contextmanager
        def cut():
            wire.touch()
            yield
            wire.unlink()
        return cut
"""
"""The connection of a backend that has one: a file is there while it is cut."""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return install(tmp_path_factory.mktemp("plugins"), "nohup", "broken")


def kit(
    folder: Path, environment: dict[str, str], module: str, backend: str, patience: float, names: list[str]
) -> dict[str, bool]:
    """Run the kit (or the named tests of it) on a backend: which test has passed."""
    code = KIT.format(module=module, backend=backend, patience=patience)
    (folder / "test_kit.py").write_text(code + (CUT if backend == "TakesSilenceForAnEnd" else ""))
    tests = [f"test_kit.py::Test{backend}::{name}" for name in names] or ["test_kit.py"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml=found.xml", *tests]
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert (folder / "found.xml").exists(), run.stdout + run.stderr
    cases = ElementTree.parse(folder / "found.xml").iter("testcase")  # noqa: S314 -- pytest has just written it
    found = {case.attrib["name"]: len(case) == 0 for case in cases}
    assert found, run.stdout + run.stderr
    return found


@pytest.mark.timeout(900)
def test_third_party_backend_conforms(tmp_path: Path, environment: dict[str, str]) -> None:
    """The backend of the tutorial keeps every rule."""
    found = kit(tmp_path, environment, "clustrix_nohup.backend", "Nohup", 600, [])
    assert [name for name, passed in found.items() if not passed] == []
    assert len(found) >= LEAST_TESTS


@pytest.mark.parametrize("flaw", FLAWS)
def test_kit_finds_a_broken_backend(tmp_path: Path, environment: dict[str, str], flaw: str) -> None:
    """Each rule that is broken is named by the test that fails."""
    found = kit(tmp_path, environment, "clustrix_broken.backend", flaw, 4, FLAWS[flaw])
    assert found == dict.fromkeys(FLAWS[flaw], False)


def test_every_flaw_is_looked_for() -> None:
    """The table names each class of the broken plugin."""
    source = (PLUGINS / "broken/src/clustrix_broken/backend.py").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^class (\w+)\(", source, re.MULTILINE)) == sorted(FLAWS)


def test_tutorial_backend_is_short() -> None:
    """It fits on a page."""
    source = (PLUGINS / "nohup/src/clustrix_nohup/backend.py").read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 60


SCRIPT = """
import os, signal, sqlite3, time
from clustrix import JobState, attach, cluster, configure

configure(cluster_type="nohup")

@cluster
def double(x):
    print("doubling", x)
    return 2 * x

@cluster
def fail():
    raise KeyError("mine")

@cluster
def sleep(seconds):
    time.sleep(seconds)
    return os.getpid()

print(double(4))
try:
    fail()
except KeyError as error:
    print("KeyError", error)
print(sum(double.map(range(20)).results()))
job = sleep.submit(60)
while job.state is not JobState.RUNNING:
    time.sleep(0.02)
print(job.cancel(), job.exception is not None)
try:
    job.result()
except Exception as error:
    print(type(error).__name__, job.state)
try:
    sleep.options(time=0.3)(60)
except Exception as error:
    print(type(error).__name__)
job = sleep.submit(1)
while job.state is not JobState.RUNNING:
    time.sleep(0.02)
for lock in os.scandir(os.path.join(os.environ["XDG_STATE_HOME"], "clustrix", "dispatchers")):
    if lock.name.endswith(".lock"):
        os.kill(int(open(lock).read()), signal.SIGKILL)
print(job.result() > 0, attach(job.id).status().backend)
"""


def test_third_party_backend_is_a_backend_like_any_other(environment: dict[str, str]) -> None:
    """One line of configuration, and calls, errors, maps, limits, cancellations and a killed dispatcher are as everywhere."""
    run = run_script(SCRIPT, PYTHONPATH=environment["PYTHONPATH"], timeout_s=100)
    assert run.stderr == ""
    lines = run.stdout.splitlines()
    assert lines[:5] == ["doubling 4", "8", "KeyError 'mine'", "380", "True True"]
    assert lines[5:] == ["JobCancelled CANCELLED", "TimeLimitExceeded", "True nohup"]
