"""Runs the tutorial's notebook and keeps its outputs: ``hatch run docs:notebook``.  A test runs it as well, and compares what it prints."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

PAGE = Path(__file__).parent / "tutorials" / "notebook.ipynb"
_CELL_SECONDS = 120
_WIDGET = "application/vnd.jupyter.widget-view+json"
"""Of no use without its kernel: the plain picture stands beside it."""


def run(path: Path = PAGE) -> nbformat.NotebookNode:
    """The notebook with the outputs of a new kernel.  Raises CellExecutionError for a cell that fails and should not."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook, timeout=_CELL_SECONDS, kernel_name="python3", store_widget_state=False, record_timing=False
    ).execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if _WIDGET not in output.get("data", {})]
    return notebook


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="clustrix-notebook-") as state:
        os.environ["XDG_STATE_HOME"] = state  # the list of jobs in it is that of the notebook alone
        nbformat.write(run(), sys.argv[1] if len(sys.argv) > 1 else PAGE)
