"""PBS: how a job has ended, by its attributes.  Source: pbs_job_attributes(7B), Torque's exit codes, and what OpenPBS 23.06 was seen to say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from clustrix_ssh.schedulers.interface import Cause, End

_ASKED = 143
"""What runs jobs there leaves so, without a result, when it was asked to end, and not by clustrix."""
_DELETED = 91
"""The substate of what was deleted."""
_MEMORY = {-27, -26}
_TIME = {-29, -28}
_OTHER_LIMITS = {-25, -24}
"""More cores were used than were asked for."""
_NODE = {-4, -5, -6, -18}
_TORQUE_MEMORY, _TORQUE_TIME = {-10}, {-11, -12}


def end(row: Mapping[str, Any]) -> End | None:
    """None while it has not ended.  OpenPBS says F, Torque C."""
    state = row.get("job_state")
    if state not in ("F", "C", "X"):
        return None
    comment = str(row.get("comment") or "")
    text = row.get("Exit_status", row.get("exit_status"))
    status = int(text) if text is not None and re.fullmatch(r"-?\d+", str(text)) else None
    used = row.get("resources_used") or {}
    peak = size(str(used.get("mem") or ""))
    torque = "exit_status" in row or state == "C"
    signal = _signal(status)
    end_text = [
        f"Exit_status {status}" if status is not None else "",
        f'"{_short(comment)}"' if comment else "",
    ]
    end_text.append(f"mem {used.get('mem')}" if peak else "")
    who = re.search(r"(?:terminated|deleted) by ([\w.-]+)", comment)
    return End(
        _cause(status, comment, str(row.get("substate", "")), torque),
        None if signal is not None or (status is not None and status < 0) else status,
        signal,
        peak,
        str(row.get("exec_host") or "").partition("/")[0],
        who[1] if who else "",
        "qstat: " + (", ".join(part for part in end_text if part) or f"job_state {state}"),
    )


def _cause(status: int | None, comment: str, substate: str, torque: bool) -> Cause:
    if "exceeded resource walltime" in comment or "exceeded resource cput" in comment:
        return Cause.TIME
    if re.search(
        r"exceeded resource (?:v?mem|pv?mem)|mem(?:ory)? limit exceeded|out of memory|oom",
        comment,
        re.IGNORECASE,
    ):
        return Cause.MEMORY
    if "terminated by" in comment or "deleted by" in comment or substate == str(_DELETED):
        return Cause.CANCELLED
    if "could not be run" in comment or ("Not Running" in comment and status is None):
        return Cause.REFUSED
    if status is None:
        return Cause.UNKNOWN
    if status < 0:
        return _by_number(status, torque)
    if status in (_ASKED, 256 + 15):
        return Cause.CANCELLED
    return Cause.FINISHED if status == 0 else Cause.EXITED


def _by_number(status: int, torque: bool) -> Cause:
    if status in (_TORQUE_MEMORY if torque else _MEMORY):
        return Cause.MEMORY
    if status in (_TORQUE_TIME if torque else _TIME):
        return Cause.TIME
    if status in _NODE:
        return Cause.NODE
    if status in _OTHER_LIMITS and not torque:
        return Cause.CANCELLED
    return Cause.REFUSED


def _signal(status: int | None) -> int | None:
    """256 and more: of the batch system's own; above 128: as a shell tells it."""
    if status is None:
        return None
    if 256 < status < 256 + 65:
        return status - 256
    return status - 128 if 128 < status < 128 + 65 else None


def _short(comment: str) -> str:
    """Without where and when it was run."""
    return re.sub(r"^Job run at .*? on \(.*?\)(?: and )?", "", comment).strip() or comment


def size(text: str) -> int | None:
    """``6568kb``, ``2gb``, ``100b``; None for what is no size, or none."""
    found = re.fullmatch(r"(\d+)\s*([kmgtp]?)([bw]?)", text.strip(), re.IGNORECASE)
    if not found:
        return None
    factor = 1 << (10 * " kmgtp".index(found[2].lower() or " "))
    return int(found[1]) * factor * (8 if found[3] in ("w", "W") else 1) or None
