"""The command as a program: the commands of plugins, and what it writes where nobody reads, paints or knows a letter."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clustrix import cluster
from tests.core.cli.test_jobs import say
from tests.core.plugins.installing import write_plugin
from tests.core.support import run_command as run

pytestmark = pytest.mark.usefixtures("state")

GREETING = """
import click
from clustrix.plugins import hookimpl
HOOK_API = 1
@hookimpl
def clustrix_register(registry):
    registry.command("{name}", "{module}:{target}", title="Greet somebody")
@click.command()
@click.argument("whom")
def greet(whom):
    print("hello", whom)
nothing = 1
"""


def greeting(name: str = "greet", module: str = "greeter", target: str = "greet") -> str:
    return GREETING.format(name=name, module=module, target=target)


def test_commands_of_plugins_are_among_the_others(tmp_path: Path) -> None:
    """In the list of commands, with their own help, and called as any other."""
    write_plugin(tmp_path, "greeter", greeting())
    assert "\n  greet       Greet somebody\n" in run("--help", PYTHONPATH=str(tmp_path)).stdout
    assert run("greet", "world", PYTHONPATH=str(tmp_path)).stdout == "hello world\n"
    assert "WHOM" in run("greet", "--help", PYTHONPATH=str(tmp_path)).stdout
    assert "No such command 'greet'" in run("greet", code=2).stderr


def test_plugins_take_no_command_of_the_core(tmp_path: Path) -> None:
    """The core's own is called, and ``clustrix plugins`` tells of the other."""
    write_plugin(tmp_path, "greeter", greeting("status"))
    assert "Greet" not in run("--help", PYTHONPATH=str(tmp_path)).stdout
    assert "JOB" in run("status", "--help", PYTHONPATH=str(tmp_path)).stdout
    shown = run("plugins", code=1, PYTHONPATH=str(tmp_path)).stdout
    assert "command status: clustrix has one of that name itself" in shown


def test_broken_plugins_leave_the_commands_alone(tmp_path: Path) -> None:
    """One that cannot be loaded, one whose command is none, one whose module is missing, two that are called the same."""
    write_plugin(tmp_path, "broken", "1 / 0")
    write_plugin(tmp_path, "odd", greeting("odd", "odd", "nothing"))
    write_plugin(tmp_path, "gone", greeting("gone", "nowhere"))
    write_plugin(tmp_path, "one", greeting("same", "one"))
    write_plugin(tmp_path, "two", greeting("same", "two"))
    env = {"PYTHONPATH": str(tmp_path)}
    assert "\n  jobs " in run("--help", **env).stdout
    assert json.loads(run("jobs", "--json", "--name", "none", **env).stdout) == []
    assert "odd:nothing is no click.Command" in run("odd", code=1, **env).stderr
    assert "No module named 'nowhere'" in run("gone", code=1, **env).stderr
    both = run("same", code=1, **env).stderr
    told = run("plugins", code=1, **env).stdout
    assert told.count("not used: command same: it is brought by one and two") == 2
    assert "one" in both
    assert "two" in both


def test_json_is_the_same_on_the_quick_way_and_the_other() -> None:
    """Which of them is taken depends on nothing that can be seen."""
    for number in range(3):
        cluster(name=f"quick{number}", tags=["t"])(say).submit(str(number)).result(timeout=20)
    for options in (
        [],
        ["--all"],
        ["--limit", "2"],
        ["--limit=2", "--all"],
        ["--name", "quick1"],
        ["--tag=t", "--state", "succeeded", "--state", "failed"],
        ["--since", "1 h"],
        ["--until", "2020-01-01"],
    ):
        quick = run("jobs", "--json", *options).stdout
        whole = run("--debug", "jobs", "--json", *options).stdout
        assert quick == whole
    names = [row["name"] for row in json.loads(run("jobs", "--limit", "2", "--json").stdout)]
    assert names == ["quick2", "quick1"]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--limit", "x"], "'x' is not a valid integer"),
        (["--limit", "--all"], "--limit"),
        (["--stat", "failed"], "No such option"),
        (["--state"], "requires an argument"),
        (["here"], "unexpected extra argument"),
    ],
)
def test_quick_way_leaves_mistakes_to_the_other(options: list[str], problem: str) -> None:
    """They are told as everywhere, with exit code 2."""
    assert problem in run("jobs", "--json", *options, code=2).stderr


def test_names_that_the_locale_cannot_write_end_no_list() -> None:
    """They are written as escapes."""
    cluster(name="größe")(say).submit("ü").result(timeout=20)
    shown = run("jobs", "--name", "gr*", PYTHONIOENCODING="ascii").stdout
    assert r"gr\xf6\xdfe" in shown
    assert "ü" in run("logs", "@last", PYTHONIOENCODING="utf-8").stdout


def test_nothing_is_painted_where_it_is_not_wanted() -> None:
    """No escapes in a pipe, and none with NO_COLOR."""
    for env in ({}, {"NO_COLOR": "1", "FORCE_COLOR": "1"}):
        error = run("config", "get", "default_coers", code=1, **env).stderr
        assert "default_cores" in error
        assert "\x1b[3" not in error
        assert "\x1b" not in run("jobs", **env).stdout


def test_misspelt_command_names_the_nearest() -> None:
    """As git does."""
    assert "No such command 'jbos'. Did you mean 'jobs'?" in run("jbos", code=2).stderr


def test_bad_choice_of_jobs_is_wrong_usage() -> None:
    """Told by the option's name, with exit code 2."""
    assert "Invalid value for --state: 'bad' may be CREATED" in run("jobs", "--state", "bad", code=2).stderr
    assert "Invalid value for --since" in run("jobs", "--json", "--since", "yore", code=2).stderr


def test_file_that_cannot_be_written_is_told() -> None:
    """Without a traceback, and the result stays."""
    cluster(say).submit("x").result(timeout=20)
    error = run("result", "@last", "-o", "/nowhere/at/all", code=1).stderr
    assert error == "Error: /nowhere/at/all cannot be written: No such file or directory\n"
    assert run("result", "@last").stdout == "'x'\n"


def test_shell_completes_commands_and_jobs() -> None:
    """By what click prints for bash."""
    job = cluster(name="completed")(say).submit("x")
    job.result(timeout=20)

    def completed(words: str) -> list[str]:
        count = str(len(words.split(" ")) - 1)
        env = {"_CLUSTRIX_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": count}
        return run(**env).stdout.splitlines()

    assert "plain,status" in completed("clustrix sta")
    assert f"plain,{job.id}" in completed(f"clustrix status {job.id[:8]}")
    assert completed("clustrix jobs --state q") == ["plain,QUEUED"]
    assert "plain,default_cores" in completed("clustrix config get default_")
