"""Plugins are found one by one: what is wrong with one is told, and stops nobody else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.core.plugins.installing import write_plugin
from tests.core.support import dispatchers_of, run_script

GOOD = """
from clustrix.plugins import hookimpl
HOOK_API = 1
@hookimpl
def clustrix_register(registry):
    registry.backend("{backend}", "{module}:Missing", title="A place")
"""

ASK = """
import json
from clustrix import plugins
print(json.dumps([
    [plugin.name, plugin.distribution, plugin.version, plugin.problem, plugin.slow, plugin.disabled,
     [entry.name for entry in plugin.entries]]
    for plugin in plugins.discovered()
]))
"""

CHOOSE = """
import sys
from clustrix import configure
from clustrix.errors import ClustrixError
try:
    configure(cluster_type={name!r})
except ClustrixError as error:
    print(type(error).__name__, error)
else:
    print("chosen")
"""


def good(backend: str, module: str = "nothing") -> str:
    return GOOD.format(backend=backend, module=module)


def found(folder: Path, **env: str) -> dict[str, list[Any]]:
    """What is discovered with a folder of plugins on the search path, by the plugin's name."""
    shown = run_script(ASK, PYTHONPATH=str(folder), **env).stdout
    return {row[0]: row[1:] for row in json.loads(shown)}


def choose(folder: Path, name: str, **env: str) -> str:
    return run_script(CHOOSE.format(name=name), PYTHONPATH=str(folder), **env).stdout.strip()


def test_plugin_brings_its_backend(tmp_path: Path) -> None:
    """An installed distribution with the entry point is enough."""
    write_plugin(tmp_path, "moon", good("moon"), version="2.3")
    assert found(tmp_path)["moon"] == ["moon", "2.3", "", False, False, ["moon"]]
    assert choose(tmp_path, "moon") == "chosen"


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("import not_there_at_all", "ModuleNotFoundError: No module named 'not_there_at_all'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("def (", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError"),
        ("x = 1", "it does not say HOOK_API = 1: its authors have to add that"),
        ("HOOK_API = 0", "this clustrix has version 1: pip install --upgrade bad"),
        ("HOOK_API = 2", "this clustrix has version 1: pip install --upgrade clustrix"),
        ("HOOK_API = 'x'", "this clustrix has version 1: pip install --upgrade clustrix"),
        (good("moon").replace("registry.backend", "raise OSError"), "OSError"),
        (good("moon").replace("moon", "The Moon"), "backend 'The Moon' is no name"),
        (good("moon", "no-module"), "target 'no-module:Missing' is not of the form package.module:attribute"),
        (good("moon").replace("clustrix_register", "clustrix_regsiter"), "clustrix_regsiter"),
        (good("moon").replace("(registry)", "(registry, more)"), "PluginValidationError"),
    ],
    ids=lambda text: text.strip().splitlines()[-1][:40],
)
def test_broken_plugin_is_told_and_left_out(tmp_path: Path, code: str, problem: str) -> None:
    """Whatever is wrong with it; the others are there."""
    write_plugin(tmp_path, "bad", code)
    write_plugin(tmp_path, "good", good("good"))
    plugins = found(tmp_path)
    assert problem in plugins["bad"][2]
    assert plugins["bad"][5] == []
    assert plugins["good"][2] == ""
    assert choose(tmp_path, "good") == "chosen"


def test_what_a_plugin_prints_is_not_in_the_way(tmp_path: Path) -> None:
    """It goes to stderr, where no program reads it as JSON."""
    write_plugin(tmp_path, "loud", "print('hello from loud')\n" + good("loud"))
    run = run_script(ASK, PYTHONPATH=str(tmp_path))
    assert "loud" in [row[0] for row in json.loads(run.stdout)]
    assert run.stderr == "hello from loud\n"


def test_slow_plugin_is_told(tmp_path: Path) -> None:
    """It holds up everybody who asks for plugins."""
    write_plugin(tmp_path, "slow", "import time; time.sleep(0.2)" + good("slow"))
    assert found(tmp_path)["slow"][3] is True


def test_disabled_plugins_are_not_loaded(tmp_path: Path) -> None:
    """By the name of the plugin or of its distribution."""
    flag = tmp_path / "loaded"
    code = f"open({str(flag)!r}, 'w')" + good("moon")
    write_plugin(tmp_path, "moon", code, distribution="luna")
    for name in ("moon", "luna", "other, moon"):
        plugins = found(tmp_path, CLUSTRIX_DISABLE_PLUGINS=name)
        assert plugins["moon"][2:5] == ["it is named in CLUSTRIX_DISABLE_PLUGINS", False, True]
        assert choose(tmp_path, "moon", CLUSTRIX_DISABLE_PLUGINS=name).startswith("UnknownBackend")
    assert not flag.exists()


def test_two_plugins_with_one_name_are_both_named(tmp_path: Path) -> None:
    """Neither is guessed."""
    write_plugin(tmp_path, "moon-one", good("moon"))
    write_plugin(tmp_path, "moon-two", good("moon"))
    assert choose(tmp_path, "moon") == (
        "PluginConflict backend 'moon' is brought by moon-one and moon-two. "
        "Uninstall one, or name it in CLUSTRIX_DISABLE_PLUGINS."
    )
    assert choose(tmp_path, "moon", CLUSTRIX_DISABLE_PLUGINS="moon-one") == "chosen"


def test_local_is_never_taken_over(tmp_path: Path) -> None:
    """No plugin comes between a user and the core's own backend."""
    write_plugin(tmp_path, "thief", good("local"))
    script = "from clustrix import plugins; print(plugins.backend('local').plugin)"
    assert run_script(script, PYTHONPATH=str(tmp_path)).stdout == "clustrix\n"


@pytest.mark.parametrize(
    ("name", "extra"), [("slurm", "ssh"), ("sge", "ssh"), ("kubernetes", "k8s"), ("gke", "cloud")]
)
def test_known_backend_says_what_to_install(tmp_path: Path, name: str, extra: str) -> None:
    """A missing extra is a sentence."""
    assert f'pip install "clustrix[{extra}]"' in choose(tmp_path, name)


def test_unknown_backend_says_what_is_near(tmp_path: Path) -> None:
    """A slip of the finger is recognised; what is like nothing gets the list."""
    write_plugin(tmp_path, "moon", good("moonlight"))
    assert "did you mean 'moonlight'?" in choose(tmp_path, "monlight")
    assert "did you mean 'slurm'?" in choose(tmp_path, "slrum")
    assert "known: local, moonlight" in choose(tmp_path, "qqqqqq")


@pytest.mark.usefixtures("fresh_state")
@pytest.mark.parametrize(
    ("place", "problem"),
    [
        ("nothing", "No module named 'nothing'"),
        ("json", "module 'json' has no attribute 'Missing'"),
    ],
)
def test_backend_that_cannot_be_loaded_fails_its_jobs(tmp_path: Path, place: str, problem: str) -> None:
    """Not the dispatcher, and no other job."""
    write_plugin(tmp_path, "moon", good("moon", place))
    script = """
from clustrix import cluster
from clustrix.errors import JobNotStarted

def one():
    return 1

try:
    cluster(cluster_type="moon")(one)()
except JobNotStarted as error:
    print(error)
print(cluster(one)())
"""
    run = run_script(script, PYTHONPATH=str(tmp_path))
    assert problem in run.stdout
    assert run.stdout.endswith("\n1\n"), run.stdout + run.stderr


def test_plugin_is_found_that_was_installed_later(tmp_path: Path, fresh_state: Path) -> None:
    """A dispatcher that has been running since before it was installed has it all the same."""
    write_plugin(tmp_path, "early", good("moon"))
    script = """
from clustrix import cluster
from clustrix.errors import JobNotStarted

def one():
    return 1

try:
    print(cluster(cluster_type="moon")(one)())
except JobNotStarted as error:
    print(error)
"""
    assert "No module named 'nothing'" in run_script(script, PYTHONPATH=str(tmp_path)).stdout
    code = """
from clustrix.backends import Backend, Receipt
class Missing(Backend):
    async def submit(self, jobs):
        return [Receipt(refused="it is full") for job in jobs]
"""
    (tmp_path / "nothing.py").write_text(code)
    (before,) = dispatchers_of(fresh_state)
    assert "it was not taken by moon: it is full" in run_script(script, PYTHONPATH=str(tmp_path)).stdout
    assert dispatchers_of(fresh_state) == [before]


def test_nobody_looks_for_plugins_without_need(tmp_path: Path) -> None:
    """Local work with the core's own settings never loads a plugin, nor pluggy."""
    write_plugin(tmp_path, "bomb", "raise SystemExit('loaded')")
    script = """
import sys
from clustrix import cluster, configure
configure(cluster_type="local", default_cores=1)
@cluster
def f(): return 1
print("pluggy" in sys.modules, "importlib.metadata" in sys.modules)
"""
    run = subprocess.run(
        [
            sys.executable,
            "-S",
            "-c",
            "import sys; sys.path[:0] = sys.argv[1:]\n" + script,
            *_search_path(tmp_path),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.stdout, run.stderr) == ("False False\n", "")


def _search_path(folder: Path) -> list[str]:
    return [str(folder), *(path for path in sys.path if os.path.isdir(path))]
