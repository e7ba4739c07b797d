"""How OpenPBS writes what it tells: JSON of its own layout, and tables."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from tests.testbed.pbs.records import HOST, VERSION, Job, clock


def as_json(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """With tabs; without ``Jobs`` when there are none."""
    whole: dict[str, Any] = {"timestamp": int(time.time()), "pbs_version": VERSION, "pbs_server": HOST}
    if rows:
        whole["Jobs"] = rows
    return f"{{\n{_members(whole, 1)}\n}}\n"


def _members(row: Mapping[str, Any], depth: int) -> str:
    lines = []
    for name, value in row.items():
        if isinstance(value, Mapping):
            text = "{\n" + _members(value, depth + 1) + "\n" + "\t" * depth + "}"
        else:
            text = json.dumps(value, ensure_ascii=False)
        lines.append("\t" * depth + f"{json.dumps(name)}:\t{text}")
    return ",\n".join(lines)


def table(jobs: Sequence[Job]) -> str:
    """Of ``qstat``, without options."""
    if not jobs:
        return ""
    lines = [
        "Job id            Name             User              Time Use S Queue",
        "----------------  ---------------- ----------------  -------- - -----",
    ]
    for job in jobs:
        used = "00:00:00" if job.started is not None and job.indices is None else "0"
        name, user = job.name[:15], job.user[:15]
        lines.append(f"{job.id[:17]:<17} {name:<16} {user:<16}  {used:>8} {job.state} {'workq':<16}")
    return "\n".join(lines) + "\n"


def wide(jobs: Sequence[Job]) -> str:
    """Of ``qstat -a -w``."""
    if not jobs:
        return ""
    lines = ["", f"{HOST}: ", " " * 100 + "Req'd  Req'd   Elap"]
    lines.append(
        f"{'Job ID':<30} {'Username':<15} {'Queue':<15} {'Jobname':<15} {'SessID':>8} NDS  TSK   Memory Time  S Time"
    )
    lines.append(f"{'-' * 30} {'-' * 15} {'-' * 15} {'-' * 15} {'-' * 8} ---- ----- ------ ----- - -----")
    for job in jobs:
        asked = clock(job.walltime)[:5] if job.walltime else "--"
        passed = clock(time.time() - job.started)[:5] if job.started and not job.over else "--"
        memory = f"{job.memory >> 20}mb" if job.memory else "--"
        lines.append(
            f"{job.id[:30]:<30} {job.user[:15]:<15} {'workq':<15} {job.name[:15]:<15} {job.session or '--':>8} {1:>4} {job.cores:>5} "
            f"{memory:>6} {asked:>5} {job.state} {passed:>5}"
        )
    return "\n".join(lines) + "\n"


def blocks(kind: str, name: str, row: Mapping[str, Any]) -> str:
    """Of ``qstat -Q -f`` and ``-B -f``."""
    return f"{kind}: {name}\n" + "".join(f"    {key} = {value}\n" for key, value in row.items()) + "\n"
