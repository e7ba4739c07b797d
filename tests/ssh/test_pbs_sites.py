"""PBS as sites have it: without a history, with wrappers that talk or fail after they have done their work."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clustrix import configure
from clustrix.errors import JobCancelled
from tests.core.support import dispatchers_of
from tests.ssh.support import know, until
from tests.ssh.work import double, wait
from tests.testbed.pbs.cluster import Pbs
from tests.testbed.user import remove_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.fault,
    pytest.mark.timeout(240),
    pytest.mark.usefixtures("home", "fresh_state"),
]

Site = Callable[..., Pbs]


@pytest.fixture
def site(home: Path, user: pwd.struct_passwd) -> Iterator[Site]:
    """A PBS of the test's own; scripts by the names of programs take their places, ``{real}`` is what was there."""
    folder = Path(tempfile.mkdtemp(prefix="site-"))
    made: list[Pbs] = []

    def make(history: bool = True, **scripts: str) -> Pbs:
        pbs = Pbs(folder, user, history=history)
        made.append(pbs)
        for name, text in scripts.items():
            real = (pbs.bin / name).rename(pbs.bin / f"real-{name}")
            real.write_text(real.read_text().replace("os.path.basename(sys.argv[0])", repr(name)))
            (pbs.bin / name).write_text(text.format(real=real))
            (pbs.bin / name).chmod(0o755)
        know(home, pbs.sshd)
        configure(cluster_type="pbs", remote_work_dir="~/.clustrix-site", **pbs.sshd.settings)
        return pbs

    yield make
    for pbs in made:
        pbs.stop()
    remove_for(user, ".clustrix-site")
    shutil.rmtree(folder)


def test_history_that_is_off_hides_no_end(site: Site, open_path: Path) -> None:
    """What has left the queue is unknown there; what the job itself has noted is not: pain 33."""
    pbs = site(history=False)
    assert double(2) == 4
    begun = open_path / "begun"
    job = wait.submit(100, str(begun))
    until(begun.exists, 60)
    (number,) = pbs.run("qselect").stdout.split()
    pbs.run("qdel", number)
    with pytest.raises(JobCancelled, match="from outside, not by clustrix, and PBS does not remember why"):
        job.result(100)


def test_qsub_that_fails_after_it_has_submitted_runs_the_job_once(site: Site, open_path: Path) -> None:
    """It is found in the queue by its name: pain 2."""
    site(
        qsub='#!/bin/sh\n{real} "$@" >/dev/null\n[ "$1" ] || {{ echo \'qsub: End of File\' >&2; exit 1; }}\necho pbs_version = 23.06.06\n'
    )
    begun = open_path / "begun"
    assert wait.submit(1, str(begun)).result(100) == "slept"
    assert begun.read_text() == "run\n"


def test_qsub_that_talks_is_understood(site: Site) -> None:
    """Greetings before and after the number: pain 35."""
    site(
        qsub="#!/bin/sh\necho 'Welcome to the 4711 cores of our site!'\n{real} \"$@\"\necho 42\n",
        qstat="#!/bin/sh\necho 'NOTICE: maintenance on the 24th' >&2\nexec {real} \"$@\"\n",
    )
    assert double(21) == 42


def test_qstat_without_wide_tables_is_enough(site: Site) -> None:
    """The plain one is asked for then."""
    site(
        qstat="#!/bin/sh\ncase $* in *-w*) echo 'qstat: invalid option -- w' >&2; exit 2;; esac\nexec {real} \"$@\"\n"
    )
    job = double.options(cores=64).submit(1)
    until(lambda: "Can Never Run" in (job.status().reason or ""), 60)
    job.cancel()
    until(job.done, 30)
    assert double(1) == 2


def test_host_without_pbs_is_told(site: Site) -> None:
    """At once: waiting does not help."""
    from clustrix.errors import JobNotStarted

    pbs = site()
    (pbs.bin / "qsub").write_text("#!/bin/sh\necho 'Unknown option --version' >&2\nexit 1\n")
    with pytest.raises(JobNotStarted, match="there is no PBS there"):
        double.submit(1).result(60)


def test_result_that_is_seen_late_is_a_result(site: Site, open_path: Path) -> None:
    """The job has left the queue 100 s before its result can be seen, and has succeeded: pain 9."""
    site(history=False)
    # The batch job is over at once, with status 0; its Python goes on, as if the file system showed it late.
    detach = 'exec() { case "$*" in *start.py*) setsid "$@" >/dev/null 2>&1 & exit 0;; *) command exec "$@";; esac; }'
    begun = open_path / "begun"
    job = wait.options(pre_execution_commands=[detach]).submit(100, str(begun))
    until(begun.exists, 60)
    until(lambda: "it has left the queue; its result is awaited" in (job.status().reason or ""), 60)
    assert job.result(150) == "slept"
    assert begun.read_text() == "run\n"


def test_connection_is_cut_between_qsub_and_its_answer(site: Site, open_path: Path) -> None:
    """The job is in the queue, and nobody has heard so: it is found, and runs once."""
    pbs = site(
        qsub='#!/bin/sh\n{real} "$@" > $HOME/.answer || exit\n[ "$1" ] || sleep 4\ncat $HOME/.answer\n'
    )
    begun = open_path / "begun"
    job = wait.submit(1, str(begun))
    until(lambda: pbs.run("qselect").stdout.strip() or begun.exists(), 60)
    pbs.sshd.cut()
    assert job.result(100) == "slept"
    assert begun.read_text() == "run\n"


def test_dispatcher_is_killed_between_qsub_and_its_answer(
    site: Site, open_path: Path, fresh_state: Path
) -> None:
    """The next one finds the submission, and the job runs once."""
    pbs = site(
        qsub='#!/bin/sh\n{real} "$@" > $HOME/.answer || exit\n[ "$1" ] || sleep 4\ncat $HOME/.answer\n'
    )
    begun = open_path / "begun"
    job = wait.submit(1, str(begun))
    until(lambda: pbs.run("qselect").stdout.strip() or begun.exists(), 60)
    for pid in dispatchers_of(fresh_state):
        os.kill(pid, signal.SIGKILL)
    assert job.result(100) == "slept"
    assert begun.read_text() == "run\n"
