"""Writes reference/executor-conformance.md from the table of the tests: ``hatch run docs:conformance``.  A test fails when it is stale."""

from __future__ import annotations

import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/reference/executor-conformance.md"
TABLE = ROOT / "tests/core/executor_conformance.toml"

_HEAD = """\
<!-- Written by docs/conformance.py from tests/core/executor_conformance.toml: change that, then `hatch run docs:conformance`. -->

# CPython's tests of executors

CPython tests its own executors with `test.test_concurrent_futures`. The same tests run over [`ClusterExecutor`](../how-to/executors.md), and this table says
what comes of each: {held} of {all} hold. Groups whose names begin with `ThreadPool` are those for pools of threads, the others those for pools of processes, once for all ways to start
these. `FutureTests` are not among them: they make their futures themselves, without an executor. The reason stands where one does not. A test of clustrix compares this with reality, in both directions. Not every version
of Python has each of them.
"""


def page() -> str:
    """The text of the page."""
    table = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    reasons = [reason for group in table.values() for reason in group.values()]
    parts = [_HEAD.format(held=reasons.count(""), all=len(reasons))]
    for group, tests in table.items():
        rows = [f"| `{name}` | {reason or 'holds'} |" for name, reason in tests.items()]
        parts.append(
            "\n".join([f"\n## {group}\n", "| test | over ClusterExecutor |", "|---|---|", *rows]) + "\n"
        )
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
