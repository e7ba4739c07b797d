"""The stand-in for PBS answers as a real OpenPBS 23.06 did to the same commands."""

from __future__ import annotations

import pwd
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.testbed.fixtures import user
from tests.testbed.pbs.cluster import Pbs

__all__ = ["user"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

SAMPLES = Path(__file__).parents[1] / "ssh" / "samples" / "pbs"
SUBMITTED = (
    ("2", "-N ok -j oe -l select=1:ncpus=1:mem=100mb -l walltime=00:01:00", "echo out; sleep 2"),
    ("3", "-N fail -j oe -l walltime=00:01:00", "exit 3"),
    ("4", "-N limit -j oe -l walltime=00:00:03", "trap '' TERM; sleep 60 & wait; sleep 60"),
    ("5", "-N sig -j oe", "kill -9 $$"),
    ("6", "-N toobig -l select=1:ncpus=64", "true"),
    ("7", "-N held -h", "true"),
    ("8", "-N dep -W depend=afterok:7.pbshost", "true"),
    ("9[]", "-N arr -J 0-3 -j oe", "sleep 2; [ $PBS_ARRAY_INDEX != 2 ] || exit 5"),
    ("10", "-N run -j oe -l walltime=00:05:00", "sleep 60"),
)
"""What was submitted to the real one, by the numbers that it gave; job 1 is not among the recordings."""
FIRST = ("qsub_version", "qsub_bad_queue", "qsub_bad_resource", "qsub_bad_walltime", "qstat_f_json_queued_toobig",
         "qstat_f_json_held", "qstat_f_json_dependent", "qstat_f_json_running", "qdel_unknown", "qstat_unknown")  # fmt: skip
THEN = ("qdel_running", "qstat_xf_json_ok", "qstat_xf_json_fail", "qstat_xf_json_lim", "qstat_xf_json_sig",
        "qstat_xf_json_run", "qstat_xtf_json_array", "qstat_t_json_array", "qstat_finished_without_x",
        "qstat_many_one_unknown", "qdel_finished")  # fmt: skip
TEN_MINUTES = 600


@pytest.fixture(scope="module")
def answers(user: pwd.struct_passwd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """By the recording's name, of the same commands after the same submissions."""
    folder = tmp_path_factory.mktemp("pbs")
    for path in (folder, *folder.parents[:2]):
        path.chmod(0o755)
    pbs = Pbs(folder, user)
    try:
        yield _replay(pbs)
    finally:
        pbs.stop()


def _replay(pbs: Pbs) -> dict[str, str]:
    found = {}
    _ask(pbs, "qsub -N first", "true")
    for number, options, script in SUBMITTED:
        assert _ask(pbs, f"qsub {options}", script) == f"{number}.pbshost\nexit status: 0\n"
    for name in FIRST:
        found[name] = _ask(pbs, _command(name))
    for name in THEN:
        found[name] = _ask(pbs, _command(name))
        if name == "qdel_running":
            _until_over(pbs)
    return found


def _command(name: str) -> str:
    return (
        (SAMPLES / f"{name}.txt").read_text().partition("\n")[0].removeprefix("$ ").removesuffix(" /bin/true")
    )


def _until_over(pbs: Pbs) -> None:
    deadline = time.monotonic() + 60
    while {"4.pbshost", "9[].pbshost", "10.pbshost"} & set(_ask(pbs, "qselect").split()):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def _ask(pbs: Pbs, command: str, script: str = "") -> str:
    program, *argv = command.split()
    done = subprocess.run(
        ["/usr/sbin/runuser", "-u", pbs.user.pw_name, "--", str(pbs.bin / program), *argv],
        input=f"#!/bin/bash\n{script}\n",
        cwd=pbs.user.pw_dir,
        capture_output=True,
        text=True,
        timeout=60,
        env={"HOME": pbs.user.pw_dir, "SHELL": "/bin/bash", "PATH": "/usr/bin:/bin"},
        check=False,
    )
    errors = "".join(f"stderr: {line}\n" for line in done.stderr.splitlines())
    return f"{done.stdout}{errors}exit status: {done.returncode}\n"


def _plain(text: str) -> str:
    """Without what cannot be the same: times, amounts, processes, people, machines."""
    for pattern, instead in (
        (r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}", "DATE"),
        (r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d at \d\d:\d\d", "DATE"),
        (r'("(?:history_)?timestamp":\t)\d+', r"\1N"),
        (r'\t+"session_id":\t\d+,\n', ""),  # it is not always heard of in time
        (r'("(?:mem|vmem)":\t)"\d+kb"', r"\1N"),
        (r'("walltime":\t)"00:00:\d\d"', r"\1N"),
        (r'("exec_host":\t"pbshost)/\d', r"\1/N"),
        (r'("PBS_O_PATH":\t).*', r"\1N"),
        (r"/home/\w+", "/home/HIM"),
        (r"\b(?:user|clxuser)\b", "HIM"),
        (r"A: 8 T: 8", "A: N T: N"),
        (r"A: \d T: 8", "A: N T: N"),
    ):
        text = re.sub(pattern, instead, text)
    return text


@pytest.mark.parametrize("name", [*FIRST, *THEN])
def test_answer_is_that_of_a_real_one(name: str, answers: dict[str, str]) -> None:
    """To the byte, but for times, amounts and names."""
    heard = (SAMPLES / f"{name}.txt").read_text().partition("\n")[2]
    assert _plain(answers[name]).splitlines() == _plain(heard).splitlines()
