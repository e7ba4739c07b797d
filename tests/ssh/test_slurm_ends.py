"""How jobs end on a real Slurm, and what their submitters are told: through the dispatcher, over SSH, as users do it."""

from __future__ import annotations

import json
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from clustrix import cluster
from clustrix.errors import (
    JobCancelled,
    JobKilled,
    JobNotStarted,
    MemoryLimitExceeded,
    TimeLimitExceeded,
)
from tests.ssh.support import until
from tests.ssh.work import double, note, tell_and_wait, wait
from tests.testbed.slurm import Slurm
from tests.testbed.sshd import Sshd
from tests.testbed.user import run_as

pytestmark = [
    pytest.mark.slow,
    pytest.mark.fault,
    pytest.mark.timeout(200),
    pytest.mark.usefixtures("home", "state", "on_slurm"),
]


def _number(name: str) -> str:
    found = subprocess.run(["squeue", "-h", "-o", "%A %j"], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in found.splitlines()]
    return next(number for number, shown in rows if shown.startswith(name))


def test_call_runs_there_as_the_user_of_the_cluster() -> None:
    """Nothing is installed there but Python: pain 3."""

    @cluster
    def who() -> tuple[str, str | None]:
        import getpass
        import os

        return getpass.getuser(), os.environ.get("SLURM_JOB_ID")

    name, number = who()
    assert name == "clxuser"
    assert number is not None


def test_exception_comes_home_with_its_type_and_traceback() -> None:
    """As from a local call."""

    @cluster
    def fail() -> None:
        raise LookupError("no such thing")

    with pytest.raises(LookupError, match="no such thing") as told:
        fail()
    assert any(entry.name == "fail" for entry in told.traceback)


def test_many_calls_are_one_array() -> None:
    """Still separate jobs, each with its own result: pain 32."""
    jobs = [double.submit(number) for number in range(20)]
    assert [job.result(100) for job in jobs] == [2 * number for number in range(20)]


def test_map_comes_home() -> None:
    """In order, all of it."""
    assert list(double.map(range(1000)).results()) == [2 * number for number in range(1000)]


def test_queue_that_does_not_exist_is_the_schedulers_word() -> None:
    """Refused at once, and not tried again."""
    with pytest.raises(JobNotStarted, match=r"(?i)invalid partition"):
        double.options(partition="nonesuch")(1)


def test_more_memory_than_any_node_has_is_refused() -> None:
    """The scheduler's text, too."""
    with pytest.raises(JobNotStarted, match=r"(?i)memory|configuration"):
        double.options(memory="900GB")(1)


def test_waiting_job_says_why() -> None:
    """The scheduler's word, and ours beside it: pain 34."""
    job = double.options(partition="closed").submit(1)
    until(lambda: "PartitionDown" in job.status().reason)
    assert "its partition is down" in job.status().reason
    job.cancel()
    with pytest.raises(JobCancelled):
        job.result(60)


def test_memory_over_the_limit_says_so() -> None:
    """It has an error of its own, with what was asked for and what was seen, whoever ended it: pains 7 and 43."""

    @cluster(memory="100MB")
    def hold() -> int:
        import time

        data = bytearray(400 << 20)
        data[::4096] = b"x" * len(data[::4096])
        time.sleep(30)
        return len(data)

    with pytest.raises(MemoryLimitExceeded):
        hold()


def test_cgroups_word_for_memory_is_understood(tmp_path: Path) -> None:
    """A runner that is killed with its job leaves nothing but what the scheduler says."""

    @cluster(memory="100MB")
    def vanish() -> None:
        import os
        import signal

        # All of it, the process that watches over it too: as the kernel does with a cgroup.
        os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(JobKilled, match=r"signal 9.*sacct: State FAILED, ExitCode 0:9"):
        vanish()


def test_time_limit_says_so() -> None:
    """It is clustrix that ends it, to the second, before Slurm does at its next full minute."""
    with pytest.raises(TimeLimitExceeded):
        wait.options(time="2 s")(60)


def test_slurms_own_time_limit_says_so() -> None:
    """One that Slurm ends: here since its own option allows less."""

    @cluster(time="10 min", scheduler_options={"time": "0:01"})
    def sleepy() -> None:
        import time

        time.sleep(300)

    with pytest.raises(TimeLimitExceeded):
        sleepy()


def test_cancelled_by_its_user() -> None:
    """It is gone from the queue, too."""
    job = wait.submit(100)
    until(lambda: job.status().state == "RUNNING")
    assert job.cancel()
    with pytest.raises(JobCancelled):
        job.result(60)


def test_cancelled_by_an_administrator(slurm: Slurm) -> None:
    """Not by clustrix: and it says who."""
    job = wait.options(name="adm").submit(100)
    until(lambda: job.status().state == "RUNNING")
    slurm.run("scancel", _number("adm"))
    with pytest.raises(JobCancelled, match="not by clustrix"):
        job.result(100)


def test_cancelled_by_its_user_with_the_schedulers_command(sshd: Sshd) -> None:
    """That it was the user is known, and said."""
    job = wait.options(name="own").submit(100)
    until(lambda: job.status().state == "RUNNING")
    run_as(sshd.user, "scancel", _number("own"))
    with pytest.raises(JobCancelled, match="cancelled by you on the cluster"):
        job.result(100)


@pytest.mark.parametrize("name", ["TERM", "USR2"])
def test_signal_from_outside_is_told_as_one(name: str, sshd: Sshd, open_path: Path) -> None:
    """Soon, and not as a job that is lost; its ``finally`` blocks have run."""
    told = open_path / "told"
    job = tell_and_wait.options(name="sig").submit(str(told), 200)
    until(told.exists)
    run_as(sshd.user, "scancel", "--batch", f"--signal={name}", _number("sig"))
    began = time.monotonic()
    with pytest.raises(JobCancelled, match=f"interrupted by SIG{name} from outside"):
        job.result(100)
    assert time.monotonic() - began < 60
    assert told.read_text() == "begun\nended\n"


def test_early_signal_is_not_told_as_the_end_of_the_time(open_path: Path) -> None:
    """It names the signal, and how early it came."""
    options = {"signal": "B:USR1@100"}
    job = tell_and_wait.options(time=120, scheduler_options=options).submit(str(open_path / "told"), 200)
    with pytest.raises(TimeLimitExceeded, match=r"SIGUSR1 came \d+ s before its time limit of 120 s"):
        job.result(150)


def test_memory_that_the_site_allows_by_itself(slurm: Slurm) -> None:
    """Nothing was asked for, and the scheduler kills it all the same: its word is in what it has printed."""

    @cluster
    def hold() -> int:
        import time

        data = bytearray(400 << 20)
        data[::4096] = b"x" * len(data[::4096])
        time.sleep(60)
        return len(data)

    with pytest.raises(MemoryLimitExceeded, match=r"(?i)out of memory: .*memory limit"):
        hold()


def test_nodes_are_asked_for_with_a_place_of_work_on_each() -> None:
    """Slurm gives one task one node, whatever else is asked for."""

    @cluster(nodes=2)
    def nodes() -> str:
        import os

        return os.environ["SLURM_JOB_NUM_NODES"]

    assert nodes() == "2"


def test_more_cores_than_any_node_has_are_explained() -> None:
    """Slurm takes the job, and would keep it for ever."""
    job = double.options(cores=900).submit(1)
    until(lambda: "PartitionConfig" in job.status().reason)
    assert "ask for fewer cores" in job.status().reason
    job.cancel()


def test_elements_of_one_array_have_each_their_own_end(slurm: Slurm) -> None:
    """One that ends after another was asked for is asked for, too."""
    jobs = [wait.options(name="each").submit(100) for _ in range(6)]
    until(lambda: all(job.status().state == "RUNNING" for job in jobs))
    rows = [line.split() for line in slurm.run("squeue", "-h", "-r", "-o", "%i %j").splitlines()]
    handles = sorted(handle for handle, name in rows if name.startswith("each") and "_" in handle)
    # A slow machine has sent the first before the last was submitted: in one array are those that were sent together.
    [(array, _)] = Counter(handle.partition("_")[0] for handle in handles).most_common(1)
    elements = [handle for handle in handles if handle.startswith(f"{array}_")]
    assert len(elements) > 2, rows
    for count, handle in enumerate(elements[:2], 1):
        slurm.run("scancel", handle)
        until(lambda count=count: sum(job.done() for job in jobs) == count)
    for job in jobs:
        if job.done():
            with pytest.raises(JobCancelled, match="not by clustrix"):
                job.result(1)


def test_queued_again_by_an_administrator_runs_again(slurm: Slurm, open_path: Path) -> None:
    """The first run has no result; the second has."""
    begun = open_path / "begun"
    job = wait.options(name="again").submit(4, str(begun))
    until(begun.exists)
    slurm.run("scontrol", "requeue", _number("again"))
    assert job.result(150) == "slept"
    assert begun.read_text() == "run\nrun\n"


def test_job_of_a_failed_node_runs_again(slurm: Slurm, open_path: Path) -> None:
    """Slurm queues it again when its node is gone; the result is right, and there is one."""
    begun = open_path / "begun"
    job = wait.options(name="node").submit(8, str(begun))
    until(begun.exists)
    node = slurm.run("squeue", "-h", "-t", "R", "-o", "%N").split()[0]
    try:
        slurm.kill_node(node)
        slurm.run("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=test")
        assert job.result(150) == "slept"
    finally:
        slurm.start_node(node)
        slurm.run("scontrol", "update", f"NodeName={node}", "State=RESUME", check=False)
        slurm.wait_for_nodes()


def test_controller_is_down_while_a_job_is_submitted(slurm: Slurm) -> None:
    """It waits, says so, and runs when the controller is there again."""
    slurm.stop_controller()
    try:
        job = double.submit(21)
        until(lambda: "Slurm" in job.status().reason, 100)
        assert job.status().state == "STAGING"
    finally:
        slurm.start_controller()
    assert job.result(150) == 42


def test_controller_is_down_while_a_job_runs(slurm: Slurm, open_path: Path) -> None:
    """Nothing is concluded from that."""
    begun = open_path / "begun"
    job = wait.submit(6, str(begun))
    until(begun.exists)
    slurm.stop_controller()
    time.sleep(5)
    assert job.status().state == "RUNNING"
    slurm.start_controller()
    assert job.result(100) == "slept"


def test_items_of_a_cancelled_map_are_cancelled(open_path: Path) -> None:
    """Those that ran, too: no interrupt that nobody has sent."""
    begun = open_path / "begun"
    jobs = wait.map([300] * 12, begun=str(begun))
    until(begun.exists)
    assert jobs.cancel()
    with pytest.raises(JobCancelled):
        jobs.result(60)
    assert {type(jobs.error(number, 10)) for number in range(12)} == {JobCancelled}


def test_item_of_a_killed_element_runs_elsewhere(slurm: Slurm, open_path: Path) -> None:
    """A map goes on when one of its elements is taken away: every item has its result."""

    jobs = note.options(name="elem").map(range(200), folder=str(open_path))
    until(lambda: len(list(open_path.iterdir())) > 20)
    rows = [line.split() for line in slurm.run("squeue", "-h", "-o", "%F %j").splitlines()]
    number = next(number for number, name in rows if name.startswith("elem"))
    slurm.run("scancel", "--signal=KILL", "--batch", f"{number}_0")
    began = time.monotonic()
    assert list(jobs.results(150)) == list(range(200))
    assert {path.read_text() for path in open_path.iterdir()} == {"run\n", "run\nrun\n"}
    assert time.monotonic() - began < 100, "its end was known, and was waited for all the same"


def test_preamble_that_fails_says_so() -> None:
    """A module that is not there, in the shell's own words: pain 23."""
    with pytest.raises(JobNotStarted, match=r"module load nonesuch has failed|Python could not be begun"):
        double.options(module_loads=["nonesuch"])(1)


def test_python_of_another_version_is_refused_before_submission(sshd: Sshd, open_path: Path) -> None:
    """Bytecode does not travel between minor versions: pain 17."""
    fake = open_path / "python3"
    fake.write_text('#!/bin/sh\necho\necho "3 6 /opt/python3.6"\n')
    fake.chmod(0o755)
    with pytest.raises(JobNotStarted, match=r"is Python 3\.6, this is"):
        double.options(python_executable=str(fake))(1)


def test_result_survives_the_submitter_and_the_dispatcher(sshd: Sshd) -> None:
    """Another process fetches it: pain 1."""
    import os
    import signal

    from clustrix import attach

    job = wait.submit(5)
    until(lambda: job.status().state == "RUNNING")
    told = subprocess.run(
        ["pgrep", "-f", "clustrix.dispatcher"], capture_output=True, text=True
    ).stdout.split()
    state = os.environ["XDG_STATE_HOME"]
    for pid in map(int, told):
        with open(f"/proc/{pid}/cmdline") as line:
            if state in line.read():
                os.kill(pid, signal.SIGKILL)
    assert attach(job.id).result(100) == "slept"


def test_nothing_is_left_in_the_cluster_folder(sshd: Sshd, far_folder: str) -> None:
    """Jobs that are over leave no folder, and no commit record."""
    assert double(4) == 8
    folder = f"{sshd.user.pw_dir}/{far_folder[2:]}"
    until(lambda: _left(sshd, folder) == [], 30)


def _left(sshd: Sshd, folder: str) -> list[str]:
    found = run_as(
        sshd.user,
        "find",
        f"{folder}/records",
        f"{folder}/jobs",
        "-mindepth",
        "1",
        "-maxdepth",
        "1",
        "-mmin",
        "-1",
    )
    return json.loads(json.dumps(found.stdout.split()))
