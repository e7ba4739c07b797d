"""``clustrix run``, as one runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from clustrix import JobState, attach
from tests.core.support import alive, lines, live_jobs, newest_job, run_command, wait_until

pytestmark = pytest.mark.usefixtures("state")

FUNCTIONS = """
import os, sys
from clustrix import cluster

def plain(*args, **more):
    print("called", flush=True)
    return args, more

@cluster(cores=1, tags=["own"])
def decorated(x):
    return [x]

def fail(x, y=2):
    raise ValueError(f"no {x}")

def nothing():
    return None

class Model:
    @staticmethod
    def fit():
        return "fitted"

def squares():
    import multiprocessing
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.map(abs, [-1, -2])

def generate():
    yield 1

number = 5
"""

SCRIPT = """
import json, os, sys
print(json.dumps([sys.argv[1:], os.getcwd(), os.environ.get("MARK")]))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the commands are typed."""
    (tmp_path / "mine.py").write_text(FUNCTIONS)
    (tmp_path / "script.py").write_text(SCRIPT)
    return tmp_path


def run(folder: Path, *arguments: str, code: int = 0, **env: str) -> subprocess.CompletedProcess[str]:
    """``clustrix run ARGUMENTS`` in a folder; fails unless it exits with the code."""
    return run_command("run", *arguments, code=code, folder=folder, **env)


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The same while it runs."""
    with subprocess.Popen(
        [sys.executable, "-m", "clustrix", "run", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def job_of(shown: str) -> str:
    """The id in the first line on stderr."""
    word, job = shown.splitlines()[0].split()
    assert word == "job"
    return job


# -- functions


def test_function_is_run_and_its_result_printed(folder: Path) -> None:
    """Arguments are Python's literals, or texts; its output comes before."""
    shown = run(folder, "mine.py::plain", "1", "x", "-2", "--kw", "y=[2]", "--kw", "z=a b")
    assert shown.stdout == "called\n((1, 'x', -2), {'y': [2], 'z': 'a b'})\n"
    assert attach(job_of(shown.stderr)).state is JobState.SUCCEEDED


def test_function_may_be_decorated_and_nested(folder: Path) -> None:
    """A decorated one keeps its options, and those of the command come over them."""
    job = attach(job_of(run(folder, "mine.py::decorated", "1").stderr))
    assert job.result() == [1]
    assert json.loads(run_command("status", job.id, "--json", folder=folder).stdout)[0]["tags"] == ["own"]
    assert run(folder, "mine.py::Model.fit").stdout == "'fitted'\n"
    assert run(folder, "mine.py::nothing").stdout == ""
    assert run(folder, "mine.py::decorated", "ä", PYTHONIOENCODING="ascii").stdout == "['ä']\n"


def test_function_of_a_module_or_a_package(tmp_path: Path) -> None:
    """By its dotted name from the folder of the command, or by its file, whose relative imports work."""
    package = tmp_path / "pack"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "one.py").write_text("from .two import two\ndef f():\n    return two\n")
    (package / "two.py").write_text("two = 2\n")
    for target in ("pack.one::f", "pack/one.py::f", f"{package}/one.py::f"):
        assert run(tmp_path, target).stdout == "2\n"
    assert run(tmp_path, "os.path::basename", "a/b").stdout == "'b'\n"


def test_options_come_from_the_fields(folder: Path) -> None:
    """Each as the decorator takes it; a bad value gets the field's own error, and nothing is submitted."""
    options = ["--cores", "1", "--memory", "1GB", "--time", "00:10:00", "--name", "other", "--retries", "1"]
    shown = run(
        folder, *options, "--tag", "a,b", "--tag", "c", "mine.py::decorated", "1", "--cluster-type", "local"
    )
    (row,) = json.loads(run_command("status", job_of(shown.stderr), "--json", folder=folder).stdout)
    assert (row["cores"], row["memory_bytes"], row["time_s"]) == (1, 1 << 30, 600.0)
    assert (row["name"], row["tags"]) == ("other", ["a,b", "c"])
    for option, value, says in (
        ("--cores", "x", "must be a whole number"),
        ("--memory", "lots", "a number above zero with a unit"),
        ("--time", "-1", "time"),
        ("--retries", "many", "from 0 to 100"),
        ("--tag", "", "a text of 1 to 50"),
        ("--profile", "nope", "no profile 'nope'"),
        ("--cluster-type", "nowhere", "nowhere"),
    ):
        before = newest_job(Path(os.environ["XDG_STATE_HOME"]))
        assert says in run(folder, option, value, "mine.py::decorated", "1", code=2).stderr
        assert newest_job(Path(os.environ["XDG_STATE_HOME"])) == before


def test_exception_is_one_block_with_the_next_step(folder: Path) -> None:
    """Type, text, the line of the user's own, and exit code 1; with --debug the traceback."""
    shown = run(folder, "mine.py::fail", "4", code=1).stderr
    job = job_of(shown)
    assert shown.splitlines()[1:] == [
        f"Error: job {job} (fail) failed",
        "  ValueError: no 4",
        f"  at {folder}/mine.py:14, fail",
        f"  Next: clustrix why {job}; clustrix retry {job}",
    ]
    assert "Traceback" in run_command("--debug", "run", "mine.py::fail", "4", code=1, folder=folder).stderr


def test_call_that_cannot_be_is_refused_before_it_is_submitted(folder: Path) -> None:
    """A name that is not there, arguments that do not fit, what is no function, a slip in an option."""
    (folder / "codecs.py").write_text("def f(): pass\n")
    for arguments, says in (
        (["mine.py::fial"], "did you mean 'fail'?"),
        (["mine.py::"], "has no function ''"),
        (["mine.py::number"], "is no function"),
        (["mine.py::Model"], "takes a function"),
        (["mine.py::generate"], "is a generator function"),
        (["mine.py::fail"], "fail(x, y=2): missing a required argument: 'x'"),
        (["mine.py::fail", "1", "--kw", "z=1"], "'z'"),
        (["mine.py::fail", "1", "--kw", "y=1", "--kw", "y=2"], "given twice"),
        (["mine.py::fail", "1", "--core", "4"], "no such option: --core"),
        (["--core", "4", "mine.py::fail"], "No such option"),
        (["mine.py::fail", "--grid", "x=1,2"], "map()"),
        (["other.py::f"], "there is no file other.py"),
        (["nomodule::f"], "there is no module nomodule"),
        (["codecs.py::f"], "Rename the file"),
        (["mine.py:fail"], "two colons"),
        (["script.py", "--kw", "a=1"], "--kw is for functions"),
        ([], "Missing argument"),
    ):
        shown = run(folder, *arguments, code=2)
        assert says in shown.stderr
        assert "Traceback" not in shown.stderr


def test_file_that_cannot_be_imported_says_where(folder: Path) -> None:
    """What it raised, and in which of its lines."""
    (folder / "broken.py").write_text("x = 1\n1 / 0\n")
    (folder / "needs.py").write_text("import not_there\n")
    (folder / "wrong.py").write_text("def f(:\n")
    shown = run(folder, "broken.py::f", code=1).stderr
    assert "Error: broken.py cannot be imported: ZeroDivisionError: division by zero" in shown
    assert f"at {folder}/broken.py:2, <module>" in shown
    assert "No module named 'not_there'" in run(folder, "needs.py::f", code=1).stderr
    assert "SyntaxError" in run(folder, "wrong.py::f", code=1).stderr


@pytest.mark.parametrize("call", ["f()", "f.submit()", "f.map([])", "f.options(reuse=True).submit()"])
def test_file_that_submits_when_it_is_imported_is_refused(folder: Path, call: str) -> None:
    """Each of its jobs would do so again: it is told where the guard belongs, and nothing is submitted."""
    (folder / "unguarded.py").write_text(
        f"from clustrix import cluster\n@cluster\ndef f():\n    return 1\n{call}\n"
    )
    before = newest_job(Path(os.environ["XDG_STATE_HOME"]))
    shown = run(folder, "unguarded.py::f", code=1).stderr
    assert 'Put what it runs as a script under `if __name__ == "__main__":`' in shown
    assert f"at {folder}/unguarded.py:5, <module>" in shown
    assert newest_job(Path(os.environ["XDG_STATE_HOME"])) == before


def test_file_that_ends_the_program_is_refused(folder: Path) -> None:
    """As a script without the guard does that reads its arguments."""
    (folder / "parses.py").write_text(
        "import argparse\nargparse.ArgumentParser(prog='mine').parse_args(['-x'])\n"
    )
    assert 'under `if __name__ == "__main__":`' in run(folder, "parses.py::f", code=1).stderr


def test_function_may_start_processes_of_its_own(folder: Path) -> None:
    """Those of multiprocessing import the main script: that of the command does nothing."""
    assert run(folder, "mine.py::squares").stdout == "[1, 2]\n"


# -- scripts and programs


def test_script_has_its_arguments_folder_and_environment(folder: Path) -> None:
    """As if it had been run without clustrix; behind -- also options that this command has."""
    shown = run(folder, "script.py", "--epochs", "3", "-x", MARK="here")
    assert json.loads(shown.stdout) == [["--epochs", "3", "-x"], str(folder), "here"]
    assert attach(job_of(shown.stderr)).name == "script.py"
    shown = run(folder, "--name", "n", "script.py", "--", "--name", "q", "--", "y")
    assert json.loads(shown.stdout)[0] == ["--name", "q", "--", "y"]
    assert attach(job_of(shown.stderr)).name == "n"


def test_programs_failure_has_command_code_and_stderr(folder: Path) -> None:
    """Exit code 1, and a job that has failed; its error is data, too."""
    shown = run(folder, "--", "sh", "-c", "echo out; echo one >&2; echo two >&2; exit 3", code=1)
    job = job_of(shown.stderr)
    assert shown.stdout == "out\n"
    assert f"Error: job {job} (sh): exit code 3: two\n  of `sh -c 'echo out; " in shown.stderr
    assert "  | one\n  | two\n  Next: clustrix why" in shown.stderr
    assert attach(job).state is JobState.FAILED
    error = attach(job).exception()
    assert (error.command[0], error.returncode, error.stderr) == ("sh", 3, "one\ntwo\n")  # type: ignore[union-attr]
    assert "ProgramFailed: exit code 3: two" in run_command("result", job, code=1, folder=folder).stderr


def test_programs_failure_has_no_secrets(folder: Path) -> None:
    """They are blotted out of the error as they are of the output."""
    command = ["--", "sh", "-c", "echo key $WORD >&2; exit 1"]
    shown = run(folder, *command, code=1, WORD="hunter2hunter2", CLUSTRIX_SECRETS="WORD")
    assert shown.stderr.count("key ***") == 2
    assert "hunter2" not in shown.stderr
    assert "hunter2" not in attach(job_of(shown.stderr)).exception().stderr  # type: ignore[union-attr]


def test_program_that_a_signal_has_ended_says_which(folder: Path) -> None:
    """By its name."""
    assert "killed by SIGKILL" in run(folder, "--", "sh", "-c", "kill -9 $$", code=1).stderr


def test_program_that_leaves_others_behind_ends(folder: Path) -> None:
    """They have its stderr open; they are ended with the job."""
    run(folder, "--", "sh", "-c", "sleep 50 & echo $! > left; exit 0")
    left = int((folder / "left").read_text())
    wait_until(lambda: not alive(left), "what it left is ended")


def test_program_may_be_a_script_of_the_shell_without_a_first_line(folder: Path) -> None:
    """Shells run it, too."""
    (folder / "tool").write_text("echo $1\n")
    (folder / "tool").chmod(0o755)
    assert run(folder, "./tool", "x").stdout == "x\n"


def test_program_that_is_not_there_is_said_before_submission(folder: Path) -> None:
    """Missing, not executable, a folder, a line of the shell."""
    (folder / "plain").touch()
    (folder / "tool").touch(0o755)
    for command, says in (
        ("nowhere", "there is no program nowhere"),
        ("./nowhere", "there is no program ./nowhere"),
        ("./plain", "chmod +x ./plain"),
        ("tool", "./tool"),
        (str(folder), "is a folder"),
        ("echo a | wc", "sh -c"),
        ("nowhere.py", "there is no file nowhere.py"),
    ):
        assert says in run(folder, "--", command, code=2).stderr


def test_script_is_run_again_though_settings_reuse(folder: Path) -> None:
    """What it does is not seen in its name."""
    for text in ("one", "two"):
        (folder / "script.py").write_text(f"print('{text}')")
        assert run(folder, "script.py", CLUSTRIX_REUSE="true").stdout == f"{text}\n"


# -- waiting


def test_output_is_seen_as_it_comes(folder: Path) -> None:
    """Also that of a script, which would keep it until its end."""
    (folder / "slow.py").write_text("import time\nprint('first')\ntime.sleep(50)\n")
    with running(folder, "slow.py") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "first\n"
        process.send_signal(signal.SIGINT)
        process.wait(20)


def test_ctrl_c_cancels_the_job(folder: Path) -> None:
    """Exit code 130, and nothing of it goes on."""
    with running(folder, "--", "sh", "-c", "echo begun; exec sleep 50") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        shown = process.stderr.read()
    job = job_of(shown)
    assert f"job {job} is cancelled" in shown
    assert "Traceback" not in shown
    assert attach(job).state is JobState.CANCELLED


@pytest.mark.parametrize("grid", [[], ["--grid", "n=50,51"]])
def test_job_that_somebody_else_cancels_says_so(folder: Path, grid: list[str]) -> None:
    """Exit code 1: it came to no result."""
    with running(folder, *grid, "--", "sleep", "{n}" if grid else "50") as process:
        assert process.stderr is not None
        job = process.stderr.readline().split()[1]
        assert "is cancelled" in run_command("cancel", job, folder=folder).stdout
        assert process.wait(20) == 1
        assert "cancel" in process.stderr.read()


def test_killed_command_leaves_the_job_alone(folder: Path) -> None:
    """Its result is fetched later: kill -9 of who waits loses nothing, and runs nothing twice."""
    command = "echo run >> runs; while [ ! -e gate ]; do sleep 0.05; done"
    with running(folder, "--", "sh", "-c", command) as process:
        assert process.stderr is not None
        job = process.stderr.readline().split()[1]
        wait_until(lambda: lines(folder / "runs"), "it runs")
        process.kill()
        process.wait(20)
    (folder / "gate").touch()
    shown = run_command("result", job, "--format", "json", "--timeout", "20", folder=folder).stdout
    assert json.loads(shown) == {"parameters": {}, "returncode": 0}
    assert lines(folder / "runs") == ["run"]


def test_detached_command_prints_the_id_alone(folder: Path) -> None:
    """And does not wait; the job is run, though nobody is there any more."""
    shown = run(folder, "--detach", "--", "sh", "-c", "until [ -e gate ]; do sleep 0.05; done")
    job = shown.stdout.strip()
    assert (shown.stdout, shown.stderr) == (f"{job}\n", "")
    assert job in live_jobs(Path(os.environ["XDG_STATE_HOME"]))
    (folder / "gate").touch()
    assert attach(job).result(timeout=20)["returncode"] == 0


# -- grids


def test_pain_60_scripts_and_parameter_grids(folder: Path) -> None:
    """Users want scripts, other languages and parameter grids, and submit/collect/status: a grid is one job, and its values are options."""
    submitted = run(folder, "--detach", "script.py", "--grid", "alpha=0.10,-1", "--grid", "seed=1:2")
    job = submitted.stdout.strip()
    collected = json.loads(
        run_command("result", job, "--timeout", "30", "--format", "json", folder=folder).stdout
    )
    assert [row["parameters"] for row in collected] == [
        {"alpha": 0.1, "seed": 1},
        {"alpha": 0.1, "seed": 2},
        {"alpha": -1, "seed": 1},
        {"alpha": -1, "seed": 2},
    ]
    (status,) = json.loads(run_command("status", job, "--json", folder=folder).stdout)
    assert (status["state"], status["items"], status["finished"]) == ("SUCCEEDED", 4, 4)
    seen = sorted(json.loads(line)[0] for line in run_command("logs", job, folder=folder).stdout.splitlines())
    assert seen == [
        ["--alpha=-1", "--seed", "1"],
        ["--alpha=-1", "--seed", "2"],
        ["--alpha=0.10", "--seed", "1"],
        ["--alpha=0.10", "--seed", "2"],
    ]


def test_grid_fills_placeholders(folder: Path) -> None:
    """In scripts and programs; other braces stay as they are."""
    shown = run(folder, "--grid", "a=x,y", "--grid", "b=1:2", "--", "echo", "{a}{b}", "{c} {print $1}")
    assert sorted(shown.stdout.splitlines()) == [
        f"{word} {{c}} {{print $1}}" for word in ("x1", "x2", "y1", "y2")
    ]
    shown = run(folder, "--grid", "a=x", "script.py", "in-{a}.csv")
    assert json.loads(shown.stdout)[0] == ["in-x.csv"]
    assert json.loads(run(folder, "--grid", "a=script", "{a}.py").stdout)[0] == []
    assert "no file other.py" in run(folder, "--grid", "a=script,other", "{a}.py", code=2).stderr


def test_grid_that_does_not_reach_the_command_is_refused(folder: Path) -> None:
    """Named, for a program as for a script."""
    assert "no {a}" in run(folder, "--grid", "a=1,2", "--", "echo", "x", code=2).stderr
    for command in ("echo", "script.py"):
        arguments = ["--grid", "a=1,2", "--grid", "b=1,2", "--", command, "{a}"]
        assert "--grid b: there is no {b}" in run(folder, *arguments, code=2).stderr


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ("a,b", ["a", "b"]),
        ("1:3", ["1", "2", "3"]),
        ("0:10:5", ["0", "5", "10"]),
        ("0:10:4", ["0", "4", "8"]),
        ("3:1:-1", ["3", "2", "1"]),
        ("0:1:0.25", ["0", "0.25", "0.5", "0.75", "1"]),
        ("0:0.3:0.1", ["0", "0.1", "0.2", "0.3"]),
        ("1e-3:2e-3:1e-3", ["0.001", "0.002"]),
        ("1:3,10, 0.50", ["1", "2", "3", "10", "0.50"]),
        ('"x,y","12:30",""', ["x,y", "12:30", ""]),
        ("a:b,http://c", ["a:b", "http://c"]),
    ],
)
def test_values_of_a_grid(values: str, words: list[str]) -> None:
    """Lists, ranges with both ends, fractions without the noise of binary ones, quotes for commas and colons."""
    from clustrix.cli.grids import parsed

    assert parsed([f"x={values}"]).values == {"x": words}


@pytest.mark.parametrize(
    ("grids", "says"),
    [
        (["x"], "must be name=value"),
        (["1=2"], "must be name=value"),
        (["x="], "an empty value"),
        (["x=1,"], "an empty value"),
        (["x=1,1"], "1 is given twice"),
        (["x=1", "x=2"], "x is given twice"),
        (["x=1:2:0"], "must not be 0"),
        (["x=5:1"], "5:1:-1, or 1:5"),
        (["x=0.1:0.5"], "say the step"),
        (["x=1:1e9"], "more than 1,000,000 values"),
        (["x=1:2000", "y=1:2000"], "4,000,000 combinations"),
        (['x="a"b'], "double quotes"),
    ],
)
def test_grid_that_cannot_be(folder: Path, grids: list[str], says: str) -> None:
    """It says what is wrong, and nothing is submitted."""
    options = [word for grid in grids for word in ("--grid", grid)]
    assert says in run(folder, *options, "--", "echo", "{x}{y}", code=2).stderr


def test_failures_of_a_grid_are_grouped_and_tried_again(folder: Path) -> None:
    """Exit code 1, one line for each kind; retry runs the failed ones, with their parameters."""
    command = "[ -e mended ] || [ {n} -lt 8 ] || { echo broken by {n} >&2; exit 2; }"
    shown = run(folder, "--grid", "n=1:10", "--", "sh", "-c", command, code=1).stderr
    job = job_of(shown)
    assert "3 of 10 items failed, in 1 kind" in shown
    assert "exit code 2: broken by #" in shown
    assert "{'n': '" in shown
    assert f"clustrix retry {job}" in shown
    (folder / "mended").touch()
    again = run_command("retry", job, folder=folder).stdout.strip()
    collected = json.loads(run_command("result", again, "--format", "json", folder=folder).stdout)
    assert [row["parameters"]["n"] for row in collected] == [8, 9, 10]
    assert (
        "all 1 succeeded; their parameters: clustrix result"
        in run(folder, "--grid", "n=1", "--", "echo", "{n}").stderr
    )


def test_failures_of_a_grid_differ_by_their_exit_codes(folder: Path) -> None:
    """Each is a kind of its own."""
    shown = run(folder, "--grid", "n=0:3", "--", "sh", "-c", "exit $(( ({n} + 1) / 2 ))", code=1).stderr
    assert "3 of 4 items failed, in 2 kinds" in shown


@pytest.mark.slow
def test_grid_of_ten_thousand(folder: Path) -> None:
    """One job, whose items are all run."""
    command = ["--grid", "a=1:100", "--grid", "b=1:100", "--", "true", "{a}", "{b}"]
    assert "all 10,000 succeeded" in run(folder, *command).stderr
