"""Slurm as sites have it: wrappers around its commands that talk, fail after they have done their work, or know no accounting."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clustrix import cluster, configure
from clustrix.errors import JobCancelled
from tests.ssh.support import know, until
from tests.ssh.work import double, note, wait
from tests.testbed.slurm import Slurm
from tests.testbed.sshd import Sshd
from tests.testbed.user import cluster_user, remove_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.fault,
    pytest.mark.timeout(240),
    pytest.mark.usefixtures("home", "fresh_state"),
]

Site = Callable[..., Sshd]


@pytest.fixture
def site(sshd: Sshd, slurm: Slurm, home: Path) -> Iterator[Site]:
    """A login node whose PATH begins with scripts of the test's: name and text, as ``sbatch="..."``."""
    folder = Path(tempfile.mkdtemp(prefix="site-"))
    folder.chmod(0o755)
    servers: list[Sshd] = []

    def make(**scripts: str) -> Sshd:
        for name, text in scripts.items():
            path = folder / name
            path.write_text(text)
            path.chmod(0o755)
        server = Sshd(
            folder / "sshd", cluster_user(), lines=[f"SetEnv PATH={folder}:/usr/local/bin:/usr/bin:/bin"]
        )
        servers.append(server)
        know(home, server)
        configure(cluster_type="slurm", remote_work_dir="~/.clustrix-site", **server.settings)
        return server

    yield make
    for server in servers:
        server.stop()
    slurm.quiet(sshd.user)
    remove_for(sshd.user, ".clustrix-site")
    shutil.rmtree(folder)


def test_sbatch_that_fails_after_it_has_submitted_runs_the_job_once(site: Site, open_path: Path) -> None:
    """It is found in the queue by its name: pain 2."""
    site(
        sbatch='#!/bin/sh\n/usr/bin/sbatch "$@" >/dev/null\n'
        "echo 'sbatch: error: Batch job submission failed: Socket timed out on send/recv operation' >&2\nexit 1\n"
    )
    begun = open_path / "begun"
    assert wait.submit(1, str(begun)).result(100) == "slept"
    assert begun.read_text() == "run\n"


def test_sbatch_that_talks_is_understood(site: Site) -> None:
    """Greetings before and after the number: pain 35."""
    site(
        sbatch="#!/bin/sh\necho 'Welcome to the 4711 cores of our site!'\n/usr/bin/sbatch \"$@\"\necho 'Have 42 nice days'\n",
        squeue="#!/bin/sh\necho 'NOTICE: maintenance on the 24th' >&2\nexec /usr/bin/squeue \"$@\"\n",
    )
    assert double(21) == 42


def test_accounting_that_is_off_hides_no_end(site: Site, slurm: Slurm) -> None:
    """The controller's own memory is asked: pains 31 and 33."""
    site(sacct="#!/bin/sh\necho 'Slurm accounting storage is disabled' >&2\nexit 1\n")
    job = wait.options(name="noacct").submit(100)
    while job.status().state != "RUNNING":
        job.done()
    slurm.run("scancel", "--name", slurm.run("squeue", "-h", "-o", "%j").split()[0])
    with pytest.raises(JobCancelled, match="scontrol: JobState CANCELLED"):
        job.result(100)


def test_empty_answers_change_nothing(site: Site, open_path: Path) -> None:
    """A queue that shows nothing for a while is no outcome: pain 31."""
    site(squeue="#!/bin/sh\nexit 0\n", sacct="#!/bin/sh\nexit 0\n", scontrol="#!/bin/sh\nexit 0\n")
    begun = open_path / "begun"
    job = wait.submit(12, str(begun))
    assert job.result(100) == "slept"
    assert begun.read_text() == "run\n"


def test_few_calls_to_the_scheduler(site: Site, tmp_path: Path) -> None:
    """A hundred jobs are one submission, and a few questions however often they are looked at: pain 32."""
    log = Path(tempfile.mkstemp(prefix="calls-")[1])
    log.chmod(0o666)
    scripts = {
        name: f'#!/bin/sh\necho {name} >> {log}\nexec /usr/bin/{name} "$@"\n'
        for name in ("sbatch", "squeue", "sacct", "scontrol", "scancel")
    }
    site(**scripts)
    try:
        jobs = [double.submit(number) for number in range(100)]
        assert [job.result(150) for job in jobs] == [2 * number for number in range(100)]
        calls = log.read_text().split()
        assert calls.count("sbatch") <= 3, calls
        assert len(calls) <= 30, calls
    finally:
        log.unlink()


def test_variables_of_an_outer_job_are_in_nobodys_way(
    slurm: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that is submitted from within another, on the cluster itself: pain 38."""
    configure(cluster_type="slurm", cluster_host=None, remote_work_dir=str(tmp_path / "far"))
    for name, value in {
        "SLURM_JOB_ID": "1",
        "SLURM_ARRAY_TASK_ID": "7",
        "SBATCH_PARTITION": "nonesuch",
        "SLURM_CPUS_PER_TASK": "999",
    }.items():
        monkeypatch.setenv(name, value)

    @cluster(name="inner")
    def look() -> tuple[str | None, str | None]:
        import os

        return os.environ.get("SLURM_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")

    number, index = look()
    assert number not in (None, "1")
    assert index is None
    assert os.environ["SLURM_JOB_ID"] == "1"


FULL = """#!/bin/sh
# No more than three jobs or elements of a user: what a QOS with MaxSubmitJobsPerUser=3 says.
script=$(mktemp); cat > $script
count=$(sed -n 's/^#SBATCH --array=0-\\([0-9]*\\).*/\\1/p' $script); count=$((${{count:-0}} + 1))
there=$(/usr/bin/squeue -h -r -u "$(id -un)" | wc -l)
echo "$count $there" >> {log}
if [ $((count + there)) -gt 3 ]; then
    echo 'sbatch: error: QOSMaxSubmitJobPerUserLimit' >&2
    echo 'sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user size and/or time limits)' >&2
    exit 1
fi
/usr/bin/sbatch "$@" < $script
rm $script
"""


def test_jobs_beyond_a_submit_limit_come_later(site: Site, open_path: Path) -> None:
    """In a window, each once, and those that were taken are not held up: pain 39."""
    log = open_path / "log"
    log.touch()
    log.chmod(0o666)
    site(sbatch=FULL.format(log=log))
    folder = open_path / "items"
    folder.mkdir()
    folder.chmod(0o777)
    jobs = [note.submit(number, str(folder)) for number in range(12)]
    until(lambda: any("takes no more jobs of yours" in (job.status().reason or "") for job in jobs), 60)
    assert [job.result(150) for job in jobs] == list(range(12))
    assert {path.read_text() for path in folder.iterdir()} == {"run\n"}
    assert len(list(folder.iterdir())) == 12
    assert len(log.read_text().splitlines()) < 40
