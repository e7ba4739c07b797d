"""The magics in IPython's terminal."""

from __future__ import annotations

import pytest

from tests.notebook.terminal import Terminal

pytestmark = pytest.mark.timeout(120)


def test_cells_run_as_jobs(terminal: Terminal) -> None:
    """Prints, values, displays as text, names, errors with the cell's lines."""
    terminal.run("a = 2")
    shown = terminal.run("%%cluster\nprint('p', a)\nb = a * 3\ndisplay({'k': 1})\nb")
    assert "p 2\n{'k': 1}\n" in shown
    assert "Out[3]: 6" in shown
    assert "Out[4]: 12" in terminal.run("b * 2")
    shown = terminal.run("%%cluster\nx = 1\nx / 0")
    assert "----> 3 x / 0" in shown
    assert "ZeroDivisionError: division by zero" in shown
    assert "blocking.py" not in shown


def test_settings_and_jobs_are_texts(terminal: Terminal) -> None:
    """Where no page can be shown."""
    terminal.run("import clustrix; clustrix.configure(default_cores=2)")
    shown = terminal.run("%clustrix")
    assert "default_cores" in shown
    assert "configure()" in shown
    assert "To set:" in shown
    terminal.run("%%cluster name=listed\n1")
    assert "listed" in terminal.run("%clustrix jobs")
    assert "all is well" in (found := terminal.run("%clustrix doctor")) or "checks:" in found
    assert "jobs run on this machine" in terminal.run("%clustrix status")
    assert "did you mean 'status'" in terminal.run("%clustrix stats")
