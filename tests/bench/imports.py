"""What ``import clustrix`` costs."""

from __future__ import annotations

import subprocess
import sys
from statistics import median

from tests.bench.row import Row

_TIMES = 15
_RIVAL = "import concurrent.futures.process"
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


def _import_ms(statement: str) -> float:
    """Inside of a fresh interpreter, whose own start is the same for all."""
    return _python(
        f"import time; t = time.perf_counter(); {statement}; print((time.perf_counter() - t) * 1e3)"
    )


def _python(text: str) -> float:
    return float(
        subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True).stdout
    )
