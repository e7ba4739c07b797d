"""Lines of code as a notebook calls them: ``Cell In[3], line 2`` instead of a file that nobody has seen."""

from __future__ import annotations

import re
import sys
from typing import Any

_IN_TRACEBACK = re.compile(r'File "([^"\n]+)", line (\d+)')


def named(text: str) -> str:
    """A traceback in which cells of this notebook have their names."""
    return _IN_TRACEBACK.sub(_line, text)


def _line(found: re.Match[str]) -> str:
    cell = cell_of(found[1])
    return f"{cell}, line {found[2]}" if cell else found[0]


def cell_of(file: str) -> str:
    """``Cell In[3]``, if that file stands for a cell that was run in this kernel; else nothing."""
    shell: Any = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    compiler = getattr(shell, "compile", None)
    name = compiler.format_code_name(file) if compiler is not None and file else None
    return " ".join(name) if name and name[0] == "Cell" else ""
