"""What ``import clustrix`` costs, and the start of its command."""

from __future__ import annotations

import subprocess
import sys
from statistics import median

from tests.bench.row import Row, in_turn

_TIMES = 15
_RIVAL = "import concurrent.futures.process"
_COMMAND = "import sys; sys.argv = ['clustrix']; from clustrix.cli import main; main()"
_CLICK = "import click"
_HEAVY = ("click", "rich", "cloudpickle", "pluggy", "yaml")


def imports() -> list[Row]:
    statements = ("import clustrix", "from clustrix import cluster, configure")
    taken = [[_import_ms(statement) for statement in (*statements, _RIVAL)] for _ in range(_TIMES)]
    *ours, rival = (median(column) for column in zip(*taken, strict=True))
    loaded = _python(f"import sys; {statements[1]}; print(len({set(_HEAVY)} & set(sys.modules)))")
    return [
        *(
            Row(what, figure, "ms", 1, "ratio", rival=_RIVAL, baseline=rival)
            for what, figure in zip(statements, ours, strict=True)
        ),
        Row(f"of {', '.join(_HEAVY)} it loads", loaded, "modules", 0),
    ]


def start_command() -> list[Row]:
    """The help, as the bare command prints it."""
    ours, click = (
        figure * 1e3 for figure in in_turn(_TIMES, lambda: _start(_COMMAND), lambda: _start(_CLICK))
    )
    return [
        Row(
            "clustrix, without arguments",
            ours,
            "ms",
            2,
            "ratio",
            rival=f"python -c {_CLICK!r}",
            baseline=click,
        )
    ]


def _start(text: str) -> None:
    subprocess.run([sys.executable, "-c", text], capture_output=True, check=False)


def _import_ms(statement: str) -> float:
    """Inside of a fresh interpreter, whose own start is the same for all."""
    return _python(
        f"import time; t = time.perf_counter(); {statement}; print((time.perf_counter() - t) * 1e3)"
    )


def _python(text: str) -> float:
    return float(
        subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True).stdout
    )
