"""``python -m tests.bench [NAME ...] [--json]``: run the benches, each in a process and a state directory of its own.

Exits with 0 whatever the figures are, with 1 if a bench crashes.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.row import Row
from tests.bench.state import fresh_state

BENCHES = {
    "imports": "imports",
    "start_command": "imports",
    "settings": "settings",
    "find_plugins": "extensions",
    "submit": "submissions",
    "submit_waiting": "submissions",
    "submit_history": "submissions",
    "submit_starting": "submissions",
    "round_trip": "calls",
    "first_call": "calls",
    "map_nothings": "maps",
    "map_spins": "maps",
    "many_jobs": "calls",
    "many_results": "results",
    "list_jobs": "results",
    "payload": "payloads",
    "reuse": "reuses",
    "rest": "rest",
    "load_extension": "notebooks",
    "form": "notebooks",
    "jobs_table": "notebooks",
    "over_ssh": "clusters",
    "on_slurm": "clusters",
}
"""Which module each is in, in the order of the table."""

_LONGEST_SECONDS = 600
_PLAIN_WIDTH = 140


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description="Measure clustrix beside its rivals."
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of: {', '.join(BENCHES)}; all if none is given"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    unknown = set(options.names) - set(BENCHES)
    if unknown:
        parser.error(f"no bench {', '.join(sorted(unknown))}; there are: {', '.join(BENCHES)}")
    if options.into:
        _run_here(options.names[0], options.into)
        return 0
    found = {name: _run(name) for name in options.names or BENCHES}
    rows = [row for part in found.values() for row in part or ()]
    if options.json:
        print(json.dumps([_as_json(row) for row in rows], indent=1))
    else:
        _show(rows)
    return 1 if None in found.values() else 0


def _run(name: str) -> list[Row] | None:
    """A bench in its own process; None if it crashed."""
    started = time.monotonic()
    with fresh_state() as home, tempfile.TemporaryDirectory() as folder:
        into = Path(folder, "rows.json")
        command = [sys.executable, "-m", "tests.bench", name, "--into", str(into)]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("CLUSTRIX_")}
        environment["XDG_STATE_HOME"] = environment["XDG_CONFIG_HOME"] = str(home)
        try:
            run = subprocess.run(
                command, env=environment, stdout=sys.stderr, check=False, timeout=_LONGEST_SECONDS
            )
            crashed = f"exit code {run.returncode}" if run.returncode else ""
        except subprocess.TimeoutExpired:
            crashed = f"not done after {_LONGEST_SECONDS} s"
        taken = f"{time.monotonic() - started:.1f} s"
        print(f"{name}: {crashed or taken}", file=sys.stderr)
        return None if crashed else [Row(**row) for row in json.loads(into.read_text())]


def _run_here(name: str, into: Path) -> None:
    rows: list[Row] = getattr(importlib.import_module(f"tests.bench.{BENCHES[name]}"), name)()
    into.write_text(json.dumps([dataclasses.asdict(row) for row in rows]))


def _as_json(row: Row) -> dict[str, object]:
    return {**dataclasses.asdict(row), "ratio": row.ratio, "ok": row.ok}


def _show(rows: list[Row]) -> None:
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    table = Table(title=f"clustrix, {machine}", title_justify="left", header_style="bold")
    for name in ("what", "ours", "rival or baseline", "its", "ratio", "target", ""):
        table.add_column(name, justify="right" if name in ("ours", "its", "ratio", "target") else "left")
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2g} ×"
        judged = {True: "[green]ok", False: "[red]short", None: ""}[row.ok]
        table.add_row(
            row.what,
            _figure(row.ours, row.unit),
            row.rival,
            _figure(row.baseline, row.unit),
            ratio,
            row.wanted,
            judged,
        )
    Console(width=None if sys.stdout.isatty() else _PLAIN_WIDTH).print(table)


def _figure(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    return f"{value:,.0f} {unit}" if value >= 100 or value == int(value) else f"{value:.3g} {unit}"


if __name__ == "__main__":
    sys.exit(main())
