"""What would be submitted is shown as it is, and nothing is submitted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from clustrix import configure
from tests.core.support import run_command
from tests.ssh.support import as_variables
from tests.ssh.work import double
from tests.testbed.sshd import Sshd
from tests.testbed.user import run_as

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(120),
    pytest.mark.usefixtures("home", "fresh_state"),
]


def _plain(script: str) -> str:
    """Without what each submission has of its own."""
    return re.sub(r"double-[0-9a-z]{26}-[0-9a-f]{4}|[0-9A-HJKMNP-TV-Z]{26}", "ITS-OWN", script)


def _queued(sshd: Sshd) -> set[str]:
    """The numbers of jobs there; those of other tests may just be ending."""
    shown = run_as(sshd.user, "squeue", "--noheader", "--format=%A", "--user", sshd.user.pw_name)
    return set(shown.stdout.split())


@pytest.mark.usefixtures("on_slurm")
def test_script_is_the_very_one(sshd: Sshd, far_folder: str) -> None:
    """To the byte."""
    before = _queued(sshd)
    function = double.options(cores=2, memory="1GB", time=600, module_loads=[], scheduler_options={"nice": 7})
    text = function.explain()
    assert "double would run on slurm at 127.0.0.1, with 2 cores, 1.0 GiB of memory, at most 600 s." in text
    assert _queued(sshd) <= before
    shown = text.partition("#!/bin/bash")[2]
    assert function.submit(4).result(100) == 8
    (script,) = Path(sshd.user.pw_dir, far_folder[2:], "batches").glob("*/script")
    assert _plain("#!/bin/bash" + shown) == _plain(script.read_text())


@pytest.mark.usefixtures("on_slurm")
def test_map_is_shown_as_an_array() -> None:
    """Of few elements."""
    text = double.options(cores=1).explain(items=1000)
    assert "for each of 1,000 items" in text
    assert "#SBATCH --array=0-3" in text


@pytest.mark.usefixtures("on_slurm")
def test_what_the_scheduler_would_not_get_is_said() -> None:
    """In the words of the refusal."""
    assert "Slurm would not get it: account has" in double.options(account="a$(id)").explain()


def test_host_that_cannot_be_reached_is_said(far_folder: str) -> None:
    """The script is shown all the same."""
    configure(cluster_type="slurm", cluster_host="127.0.0.1", cluster_port=1, remote_work_dir=far_folder)
    text = double.explain()
    assert "not asked" in text
    assert "#SBATCH --job-name=double-" in text


@pytest.mark.usefixtures("on_slurm")
def test_dry_run_of_a_program(sshd: Sshd, far_folder: str, tmp_path: Path) -> None:
    """From the shell."""
    variables = as_variables(sshd, cluster_type="slurm", remote_work_dir=far_folder)
    command = ("run", "--dry-run", "--cores", "3", "--", "echo", "hello")
    done = run_command(*command, folder=tmp_path, **variables)
    assert "echo would run on slurm" in done.stdout
    assert "#SBATCH --cpus-per-task=3" in done.stdout
    assert "exec " in done.stdout
