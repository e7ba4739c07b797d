"""``%clustrix`` in a kernel, and completion."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.notebook.kernel import Kernel

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(autouse=True, scope="module")
def profile(no_settings: None) -> None:
    """One that can be chosen."""
    path = Path(os.environ["XDG_CONFIG_HOME"], "clustrix", "config.yml")
    path.parent.mkdir(exist_ok=True)
    path.write_text("profiles:\n  hpc:\n    default_cores: 2\n")


def test_the_form_is_shown(kernel: Kernel) -> None:
    """Without words."""
    shown = kernel.run("%clustrix")
    assert shown.error is None, shown.traceback
    assert shown.displays or "setting" in shown.stdout


def test_status_tells_what_holds(kernel: Kernel) -> None:
    """Profile, place, dispatcher, and jobs by their states."""
    kernel.run("%%cluster\n1")
    shown = kernel.run("%clustrix status")
    assert "no profile; jobs run on this machine\ndispatcher: runs\njobs: " in shown.stdout
    assert "succeeded" in shown.stdout


def test_jobs_are_listed_as_asked(kernel: Kernel) -> None:
    """With the options of the command; a state that there is not is told."""
    kernel.run("%%cluster name=listed tags=a\n1")
    assert kernel.run("%clustrix jobs --name listed --limit 1").displays
    assert "did you mean RUNNING" in kernel.run("%clustrix jobs --state RUNING").traceback
    assert "--limit takes a number" in kernel.run("%clustrix jobs --limit x").traceback
    assert "%clustrix jobs takes --state" in kernel.run("%clustrix jobs --stat x").traceback
    assert '"name":"listed"' in kernel.run("%clustrix jobs --json --name listed").stdout


def test_use_chooses_a_profile(kernel: Kernel) -> None:
    """And takes it away; the nearest name is told for one that there is not."""
    assert kernel.run("%clustrix use hpc").stdout == "profile hpc; jobs run on this machine\n"
    assert kernel.value("__import__('clustrix').get_config()['default_cores']") == "2"
    shown = kernel.run("%clustrix use hcp")
    assert (shown.error, "did you mean 'hpc'?" in shown.traceback, "File" in shown.traceback) == (
        "UnknownProfile",
        True,
        False,
    )
    assert kernel.run("%clustrix use none").stdout == "no profile; jobs run on this machine\n"
    assert kernel.run("%%cluster hpc\n__import__('os').environ['OMP_NUM_THREADS']").result == "'2'"


def test_doctor_shows_a_table(kernel: Kernel) -> None:
    """The checks of the command."""
    shown = kernel.run("%clustrix doctor")
    assert "<table" in shown.displays[0]["data"]["text/html"]
    assert "journal" in shown.displays[0]["data"]["text/html"]


def test_commands_of_the_shell_run_here(kernel: Kernel) -> None:
    """With their output in the cell."""
    kernel.run("%%cluster\nprint('printed')\n7")
    assert kernel.run("%clustrix logs @last").stdout == "printed\n"
    assert "SUCCEEDED" in kernel.run("%clustrix why @last").stdout
    assert "names of a cell" in kernel.run("%clustrix result @last").stdout
    assert "cell [" in kernel.run("%clustrix status @last").stdout
    assert kernel.run("%clustrix config get default_cores").stdout == "1\n"
    assert "Usage: clustrix logs" in kernel.run("%clustrix logs --help").stdout


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("stats", "did you mean 'status'?"),
        ("xyzzy", "%clustrix help lists them"),
        ("login host", "in a terminal: clustrix login"),
        ("setup host", "add --yes"),
        ("config secret set password", "in a terminal"),
        ("clean", "--dry-run"),
        ("config get", "Missing argument"),
        ("config get nosuch", "unknown option 'nosuch'"),
        ("why 'x", "a quote is not closed"),
        ("retry @last", "has succeeded"),
        ("use", "say which"),
    ],
)
def test_what_cannot_be_done_is_one_line(kernel: Kernel, line: str, said: str) -> None:
    """Not a traceback."""
    kernel.run("%%cluster\n1")
    shown = kernel.run(f"%clustrix {line}")
    assert said in shown.traceback
    assert "File" not in shown.traceback


def test_following_logs_can_be_stopped(kernel: Kernel) -> None:
    """The job goes on."""
    kernel.run("%%cluster --async -o job\nimport time\nprint('there', flush=True)\ntime.sleep(60)")
    shown = kernel.run("%clustrix logs -f @last", interrupt_when="there")
    assert "File" not in shown.traceback
    assert kernel.value("(str(job.state), job.cancel())") == "('RUNNING', True)"


def test_help_lists_all_words(kernel: Kernel) -> None:
    """Those of notebooks and those of the shell."""
    shown = kernel.run("%clustrix help")
    assert all(word in shown.stdout for word in ("use NAME", "timeline", "%%cluster"))
    assert kernel.run("%clustrix ?").stdout == shown.stdout


COMPLETED = [
    ("%%cluster co", "cores=", "if"),
    ("%%cluster cores=2 cluster_type=", "local", "abs"),
    ("%%cluster cluster_type=lo", "local", "locals"),
    ("%%cluster progress=", "True", "abs"),
    ("%%cluster h", "hpc", "hash"),
    ("%%cluster profile=", "hpc", "abs"),
    ("%%cluster -", "-o", "-abs"),
    ("%%cluster --a", "--async", "--abs"),
    ("%clustrix ", "status", "if"),
    ("%clustrix u", "use", "until"),
    ("%clustrix use ", "hpc", "if"),
    ("%clustrix config s", "set", "slice"),
    ("%clustrix jobs --state RUN", "RUNNING", "RuntimeError"),
    ("x = 1\n%clustrix st", "status", "str"),
]


@pytest.mark.parametrize(("text", "offered", "not_offered"), COMPLETED)
def test_completion_offers_what_may_come_next(
    kernel: Kernel, text: str, offered: str, not_offered: str
) -> None:
    """And nothing else."""
    found = kernel.completions(text)
    assert offered in found
    assert not_offered not in found


def test_completion_leaves_other_lines_alone(kernel: Kernel) -> None:
    """Also within a cell that is a job."""
    kernel.run("unmistakable = 1")
    assert "unmistakable" in kernel.completions("%%cluster\nunmista")
