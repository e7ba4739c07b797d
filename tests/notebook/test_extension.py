"""``%load_ext clustrix`` and its way back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.core.support import run_script
from tests.notebook.kernel import Kernel

pytestmark = pytest.mark.timeout(120)


def test_unloading_takes_all_of_it_away(kernel: Kernel) -> None:
    """And it can be loaded again, however often."""
    parts = (
        "(ip := get_ipython()) and (len(ip.Completer.custom_matchers), len(ip.input_transformers_cleanup))"
    )
    loaded = kernel.value(parts)
    kernel.run("%reload_ext clustrix")
    assert kernel.value(parts) == loaded
    assert kernel.run("%%cluster\n4").result == "4"
    kernel.run("%unload_ext clustrix")
    assert kernel.value(parts) != loaded
    assert "not found" in kernel.run("%clustrix status").stderr
    assert "not found" in kernel.run("%%cluster\n1").stderr
    kernel.run("%load_ext clustrix")
    assert kernel.value(parts) == loaded


def test_loading_is_quick_and_light(state: Path) -> None:
    """At most 150 ms over an IPython that runs; what magics and widgets need is not imported."""
    done = run_script(
        """
import sys, time
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
before = set(sys.modules)
began = time.perf_counter()
shell.run_line_magic("load_ext", "clustrix")
took = time.perf_counter() - began
print(took, sorted({"ipywidgets", "anywidget", "click", "clustrix.dispatcher.client", "clustrix.job"} & (set(sys.modules) - before)))
"""
    )
    seconds, _, modules = done.stdout.strip().partition(" ")
    assert modules == "[]"
    assert float(seconds) < 0.15
