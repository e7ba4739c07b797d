"""``clustrix config``, as a process of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from tests.core.config.conftest import World
from tests.core.support import run_command

pytestmark = pytest.mark.usefixtures("world")


def clustrix(*arguments: str, code: int = 0, stdin: str = "") -> str:
    """What it prints on both streams."""
    done = run_command(*arguments, code=code, stdin=stdin)
    return done.stdout + done.stderr


def test_values_are_set_and_shown_with_their_origin(world: World) -> None:
    """In the user's file, in the project's, in a profile."""
    assert clustrix("config", "set", "default_cores", "2") == f"{world.user}: default_cores is 2\n"
    assert world.user.stat().st_mode & 0o777 == 0o600
    clustrix("config", "set", "default_memory", "4GB", "--project")
    clustrix("config", "set", "default_memory", "16GB", "--project", "--profile", "hpc")
    path = world.project / "clustrix.yml"
    assert path.read_text() == 'default_memory: "4GB"\nprofiles:\n  hpc:\n    default_memory: "16GB"\n'
    assert clustrix("config", "get", "default_memory") == f"{4 << 30}\n"
    assert clustrix("config", "get", "default_memory", "--profile", "hpc") == f"{16 << 30}\n"
    lines = [line.split(maxsplit=2) for line in clustrix("config", "show", "--origin").splitlines()]
    assert ["default_cores", "2", f"user file {world.user}:1"] in [[*map(str.strip, line)] for line in lines]
    assert ["default_memory", "4.0 GiB", f"project file {path}:1"] in [
        [*map(str.strip, re.split("  +", line, maxsplit=2))]
        for line in clustrix("config", "show", "--origin").splitlines()
    ]
    clustrix("config", "set", "profile", "hpc", "--project")
    assert clustrix("config", "show").startswith("profile hpc\n")
    assert clustrix("config", "profiles") == f"* hpc  ({path})\n"


def test_values_are_taken_out_again(world: World) -> None:
    """Comments and all other values stay; what cannot be edited without losing one is left to its author."""
    world.write_user(
        "# mine\ndefault_cores: 2  # two\nenvironment_variables:\n  A: '1'\n  B: '2'\nretries: 1\n"
        "profiles:\n  hpc:\n    # many\n    default_cores: 8\n  one: {default_cores: 1}\n"
    )
    world.user.chmod(0o600)
    assert clustrix("config", "unset", "default_cores") == f"{world.user}: default_cores is gone\n"
    clustrix("config", "unset", "environment_variables")
    clustrix("config", "unset", "default_cores", "--profile", "hpc")
    assert world.user.read_text() == (
        "# mine\nretries: 1\nprofiles:\n  hpc:\n    # many\n  one: {default_cores: 1}\n"
    )
    assert "is not there" in clustrix("config", "unset", "default_cores")
    clustrix("config", "unset", "default_cores", "--profile", "one")
    assert world.user.read_text().endswith("  one: {}\n")
    world.write_user("profiles:\n  one: {default_cores: 1 # mine\n    , retries: 2}\n")
    assert "Take default_cores out of it yourself" in clustrix(
        "config", "unset", "default_cores", "--profile", "one", code=1
    )


def test_json_has_a_stable_form(world: World) -> None:
    """As docs/how-to/configuration.md describes it."""
    path = world.write_project(
        "profile: hpc\nprofiles:\n  hpc:\n    environment_variables: {PASS: hunter2}\n"
    )
    text = clustrix("config", "show", "--json")
    assert "hunter2" not in text
    found = json.loads(text)
    assert set(found) == {"version", "profile", "settings"}
    assert (found["version"], found["profile"]) == (1, "hpc")
    origin = {"layer": "project file", "where": str(path), "line": 4, "profile": "hpc"}
    assert found["settings"]["environment_variables"] == {"value": {"PASS": "…"}, "origin": origin}
    default = {"layer": "default", "where": "", "line": 0, "profile": ""}
    assert found["settings"]["default_cores"] == {"value": 1, "origin": default}
    assert json.loads(clustrix("config", "profiles", "--json")) == {
        "version": 1,
        "profile": "hpc",
        "profiles": {"hpc": {"chosen": True, "files": [str(path)], "settings": ["environment_variables"]}},
    }


def test_every_problem_is_told_with_file_and_line(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only the first; exit code 1. What is only not used is a note."""
    assert clustrix("config", "validate") == "no problems\n"
    path = world.write_project("default_cores: x\ndefault_coers: 1\ncluster_host: a\nprofile: b\n")
    monkeypatch.setenv("CLUSTRIX_ASYNC_SUBMIT", "maybe")
    lines = clustrix("config", "validate", code=1).splitlines()
    for start in (
        f"note: {path}:3: cluster_host is not used",
        f"{path}:1: default_cores='x': ",
        f"{path}:2: unknown option 'default_coers'",
        f"{path}:4: no profile 'b'",
        "environment variable CLUSTRIX_ASYNC_SUBMIT: ",
        "4 problems",
    ):
        assert len([line for line in lines if line.startswith(start)]) == 1, (start, lines)
    assert len(lines) == 6
    good = world.home / "good.yml"
    good.write_text("default_cores: 2\n")
    assert clustrix("config", "validate", str(good)) == "no problems\n"
    good.write_text("a: [\n")
    assert clustrix("config", "validate", str(good), code=1).startswith(f"{good}:2:1: no valid YAML")


def test_error_is_one_block_with_the_next_step(world: World) -> None:
    """No traceback, unless --debug asks for it."""
    path = world.write_project("default_cores: x\n")
    said = clustrix("config", "show", code=1)
    assert said.splitlines() == [
        f"Error: {path}:1: default_cores='x': cores must be a whole number from 1 to 1,000,000. Example: default_cores: 4.",
        "  Next: clustrix config validate",
    ]
    assert "Traceback" in clustrix("--debug", "config", "show", code=1)
    assert "did you mean 'default_cores'" in clustrix("config", "get", "default_coers", code=1)
    path.unlink()
    assert "did you mean" not in clustrix("config", "set", "default_cores", "many", code=1)
    assert not world.user.exists()
    assert "no profile 'none-such'" in clustrix("config", "set", "profile", "none-such", code=1)


def test_toml_is_not_edited(world: World) -> None:
    """The line to write is told."""
    text = "[tool.clustrix]\ndefault_time = 5\n"
    path = world.write_project(text, "pyproject.toml")
    said = clustrix("config", "set", "default_cores", "4", "--project", code=1)
    assert f"{path}: only YAML files are edited. Write this into it yourself: default_cores = 4" in said
    assert path.read_text() == text


def test_secrets_without_a_plugin_that_has_one() -> None:
    """The list is empty, and says so; other names are refused."""
    assert clustrix("config", "secret", "list") == "no installed package has a secret\n"
    assert 'pip install "clustrix[ssh]"' in clustrix(
        "config", "secret", "set", "password", code=1, stdin="x\n"
    )


def test_help_imports_no_command() -> None:
    """clustrix --help stays quick: neither the settings nor rich are loaded for it."""
    script = (
        "import sys; from clustrix.cli.commands import clustrix\n"
        "try: clustrix(['--help'])\n"
        "except SystemExit: print({'rich', 'yaml', 'clustrix.cli.config', 'clustrix.config.store'} & set(sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=os.environ
    )
    assert run.stdout.endswith("set()\n")
    assert re.search(r"config +Show and change settings", run.stdout)
