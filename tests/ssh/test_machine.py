"""Jobs on a machine over SSH, through the dispatcher, as users have them."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clustrix import cluster, configure
from clustrix.errors import JobCancelled, JobNotStarted
from tests.core.support import run_command
from tests.ssh.support import as_variables, until
from tests.ssh.work import double, wait
from tests.testbed.sshd import Sshd
from tests.testbed.user import run_as

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(120),
    pytest.mark.usefixtures("home", "state", "on_machine"),
]


def test_calls_and_maps_run_there() -> None:
    """By nothing but sshd and a Python."""

    @cluster
    def who() -> str:
        import getpass

        return getpass.getuser()

    assert who() == "clxuser"
    assert list(double.map(range(500)).results()) == [2 * number for number in range(500)]


def test_only_named_variables_go_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is set on a laptop is its own business."""
    monkeypatch.setenv("MY_TOKEN", "hush")
    monkeypatch.setenv("MY_SECRET", "hush-hush-4711")

    @cluster(environment_variables={"WANTED": "yes"}, secrets=["MY_SECRET"])
    def look() -> dict[str, str | None]:
        import os

        print("the secret is", os.environ["MY_SECRET"])
        return {name: os.environ.get(name) for name in ("WANTED", "MY_TOKEN", "HOME")} | {
            "length": str(len(os.environ["MY_SECRET"]))
        }

    job = look.submit()
    found = job.result(60)
    assert (found["WANTED"], found["MY_TOKEN"], found["length"]) == ("yes", None, "14")
    assert found["HOME"] == "/home/clxuser"
    assert "hush-hush" not in job.logs()


def test_host_that_is_down_costs_a_submission_nothing(sshd: Sshd) -> None:
    """The job waits, says why, and runs when the host is there."""
    assert double(1) == 2
    sshd.stop()
    try:
        job = double.submit(4)
        until(lambda: "nothing listens on" in job.status().reason or "lost" in job.status().reason)
        assert job.status().state == "STAGING"
    finally:
        sshd.start()
    assert job.result(100) == 8


def test_cancelling_what_runs_on_a_host_that_is_down_is_not_claimed_to_be_done(
    sshd: Sshd, open_path: Path
) -> None:
    """The wish is shown, with what it waits for, and holds when the host is there again."""
    begun = open_path / "begun"
    job = wait.submit(300, str(begun))
    until(begun.exists)
    sshd.stop()
    try:
        said = run_command("cancel", job.id).stdout
        assert "is cancelled" not in said
        assert "it is being cancelled" in said
        until(lambda: "it is being cancelled; " in job.status().reason)
        with pytest.raises(TimeoutError, match=r"is not done after 0\.1 s"):
            job.result(0.1)
    finally:
        sshd.start()
    with pytest.raises(JobCancelled):
        job.result(100)


def test_timeout_says_what_a_job_waits_for(sshd: Sshd) -> None:
    """That it goes on would not be true."""
    assert double(1) == 2
    sshd.stop()
    try:
        job = double.submit(4)
        until(lambda: job.status().reason)
        with pytest.raises(TimeoutError, match=r"is not done after 0\.1 s; it is STAGING: .*127\.0\.0\.1"):
            job.result(0.1)
    finally:
        sshd.start()
    assert job.result(100) == 8


def test_set_up_that_hangs_holds_up_nobody_else() -> None:
    """The others run; it is told, when its time is over, what has not ended: that the connection was idle meanwhile is no trouble."""
    assert double(1) == 2
    bad = double.options(pre_execution_commands=["exec sleep 977"]).submit(1)
    until(lambda: "is being tried there" in bad.status().reason)
    assert double.submit(2).result(20) == 4
    with pytest.raises(
        JobNotStarted, match=r"pre_execution_commands.* did not come to an end on .* within 60 s"
    ):
        bad.result(100)
    found = subprocess.run(["pgrep", "-f", "^sleep 977$"], capture_output=True, text=True, check=False)
    assert found.stdout == ""


def test_map_has_a_preamble_too() -> None:
    """Each of its items."""

    @cluster(pre_execution_commands=["export FROM_PREAMBLE=set"])
    def item(number: int) -> tuple[int, str]:
        import os

        return number, os.environ["FROM_PREAMBLE"]

    assert list(item.map(range(5)).results(60)) == [(number, "set") for number in range(5)]


def test_connection_that_is_cut_is_no_failure(sshd: Sshd, open_path: Path) -> None:
    """The job goes on, and its result comes by the next connection; it ran once."""
    begun = open_path / "begun"
    job = wait.submit(3, str(begun))
    until(begun.exists)
    sshd.cut()
    assert job.result(100) == "slept"
    assert begun.read_text() == "run\n"


def test_output_is_seen_while_the_job_runs(open_path: Path) -> None:
    """Not only at its end: pain 12."""

    @cluster
    def talk(gate: str) -> None:
        import os

        print("early", flush=True)
        while not os.path.exists(gate):
            time.sleep(0.05)

    gate = open_path / "gate"
    job = talk.submit(str(gate))
    until(lambda: "early" in job.logs())
    assert not job.done()
    gate.touch()
    job.result(60)


def test_script_goes_along_from_the_shell(sshd: Sshd, far_folder: str, tmp_path: Path) -> None:
    """Run by the job's Python there, alone or in a grid; a program has to be there only."""
    script = tmp_path / "train.py"
    script.write_text(
        "import getpass, sys\nsys.stdout.write(' '.join([getpass.getuser(), *sys.argv[1:]]) + '\\n')\n"
    )
    variables = as_variables(sshd, cluster_type="ssh", remote_work_dir=far_folder)

    def run(*words: str) -> str:
        return run_command("run", *words, folder=tmp_path, **variables).stdout

    name = sshd.user.pw_name
    assert run("train.py", "--fast") == f"{name} --fast\n"
    assert run("--", "id", "-un") == f"{name}\n"
    found = run("--grid", "alpha=1,2", "train.py")
    assert sorted(found.splitlines()) == [f"{name} --alpha 1", f"{name} --alpha 2"]


def test_module_that_is_not_there_is_no_fault_of_the_function(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was not called: what was sent needs something that has to be installed there."""
    site = tmp_path / "site-packages"
    site.mkdir()
    (site / "only_here.py").write_text("class Thing:\n    pass\n")
    monkeypatch.syspath_prepend(str(site))
    thing = importlib.import_module("only_here").Thing()

    @cluster
    def take(thing: object) -> None:
        raise AssertionError("it was called")

    with pytest.raises(JobNotStarted, match=r"No module named 'only_here' in the Python that runs it"):
        take(thing)


def test_job_there_submits_none_and_says_so() -> None:
    """It would wait for ever: nobody there runs it. Called, the function runs in place."""

    @cluster
    def outer() -> tuple[int, str]:
        from clustrix.errors import ClustrixError

        try:
            double.submit(1)
        except ClustrixError as error:
            return double(4), str(error)
        return 0, ""

    value, said = outer()
    assert value == 8
    assert "a job on another machine submits none" in said


def test_machine_that_has_less_than_was_asked_for_is_told_of(far_folder: str, sshd: Sshd) -> None:
    """No scheduler refuses it; it runs, and says what was not there."""
    job = double.options(cores=5000, memory="900TB").submit(2)
    assert job.result(60) == 4
    assert "it asks for 5000 cores, and " in job.logs()
    assert " of memory, and " in job.logs()


def test_folder_there_is_nobody_elses(far_folder: str, sshd: Sshd) -> None:
    """All of it, from the top."""
    double(1)
    path = far_folder.replace("~", sshd.user.pw_dir)
    assert run_as(sshd.user, "stat", "-c", "%a", path).stdout.strip() == "700"


def test_files_that_a_job_leaves_have_the_users_umask(sshd: Sshd) -> None:
    """Not that of clustrix, whose own files are nobody else's."""

    @cluster
    def umask() -> int:
        import os

        mask = os.umask(0o077)
        os.umask(mask)
        return mask

    there = run_as(sshd.user, "sh", "-c", "umask").stdout
    assert umask() == int(there, 8)
    assert umask.options(pre_execution_commands=["umask 027"])() == 0o027


def test_output_is_followed_to_its_end() -> None:
    """The last lines come with the result."""

    @cluster
    def count() -> None:
        import time

        for number in range(15):
            print(number, flush=True)
            time.sleep(0.2)

    job = count.submit()
    assert list(job.logs(follow=True)) == [str(number) for number in range(15)]
    assert job.logs().split() == [str(number) for number in range(15)]


def test_preamble_runs_before_the_job() -> None:
    """Modules, commands, and variables that they set."""

    @cluster(pre_execution_commands=["export FROM_PREAMBLE='a b'"])
    def look() -> str | None:
        import os

        return os.environ.get("FROM_PREAMBLE")

    assert look() == "a b"


def test_preamble_that_fails_says_so() -> None:
    """In its own words."""
    with pytest.raises(JobNotStarted, match="no such thing"):
        double.options(pre_execution_commands=["echo no such thing >&2; exit 3"])(1)


def test_same_code_runs_here_by_one_setting() -> None:
    """That is the point of it."""
    assert double.options(cluster_type="local")(21) == double(21) == 42


def test_job_outlives_its_session(tmp_path: Path, sshd: Sshd, far_folder: str) -> None:
    """The script is gone when the job ends; its id is enough: pain 1."""
    script = tmp_path / "script.py"
    script.write_text(
        "import os, sys\n"
        "from clustrix import cluster, configure\n"
        f"configure(cluster_type='ssh', remote_work_dir={far_folder!r}, **{sshd.settings!r})\n"
        "@cluster\n"
        "def slow(x):\n"
        "    import time\n"
        "    time.sleep(3)\n"
        "    return x\n"
        "print(slow.submit(5).id, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=os.environ)
    from clustrix import attach

    assert attach(done.stdout.strip()).result(60) == 5


def test_no_secret_is_in_a_file_there_in_the_clear(
    monkeypatch: pytest.MonkeyPatch, sshd: Sshd, far_folder: str, open_path: Path
) -> None:
    """Nor in a command line; the job has it all the same: pain 58."""
    secret = os.urandom(7).hex()
    monkeypatch.setenv("MY_SECRET", secret)
    gate = open_path / "gate"

    @cluster(secrets=["MY_SECRET"])
    def look(gate: str) -> int:
        import os

        while not os.path.exists(gate):
            time.sleep(0.05)
        return len(os.environ["MY_SECRET"])

    job = look.submit(str(gate))
    until(lambda: job.status().state == "RUNNING")
    folder = f"{sshd.user.pw_dir}/{far_folder[2:]}"
    found = subprocess.run(["grep", "-rl", secret, folder], capture_output=True, text=True).stdout
    assert found == ""
    gate.touch()
    assert job.result(60) == 14


def test_login_node_itself_needs_no_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a host, jobs are this machine's, and run where they were submitted."""
    configure(cluster_type="ssh", cluster_host=None, remote_work_dir=str(tmp_path / "far"))
    monkeypatch.chdir(tmp_path)

    @cluster
    def where() -> str:
        import os

        return os.getcwd()

    assert where() == str(tmp_path)
