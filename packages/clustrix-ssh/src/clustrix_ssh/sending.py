"""Jobs on their way to the far side: blobs that are not there yet, then all small files in one request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clustrix.runner.faults import point
from clustrix_ssh.agent.client import Agent
from clustrix_ssh.agent.transfers import upload
from clustrix_ssh.farpaths import FarPaths
from clustrix_ssh.orders import FarJob

Op = dict[str, Any]

_INLINE_BYTES = 16 << 20
"""Payloads of one request; more are sent in several."""


async def send_blobs(agent: Agent, paths: FarPaths, jobs: Sequence[FarJob]) -> None:
    """Have all blobs there.  What is there already is not sent again.  Raises HostUnreachable, AgentError, OSError."""
    blobs = {blob.digest: blob for job in jobs for blob in job.blobs}
    if not blobs:
        return
    rows = list(blobs.values())
    point("ssh.upload")
    reply = await agent.ask("have", files=[[paths.blob(blob.digest), blob.size] for blob in rows])
    for number in reply.header["missing"]:
        await upload(agent, rows[number].path, rows[number].digest, paths.blob(rows[number].digest))
    point("ssh.uploaded")


def files_of(jobs: Sequence[FarJob]) -> tuple[list[Op], bytes]:
    """Operations that write the jobs' folders, and their payload.  What is there stays as it is."""
    rows: list[tuple[str, int, int]] = []
    parts: list[bytes] = []
    for job in jobs:
        for name, data in job.files.items():
            rows.append((f"{job.folder}/{name}", len(data), 0o600))
            parts.append(data)
    payload = b"".join(parts)
    return [
        {"do": "folders", "paths": [job.folder for job in jobs]},
        {"do": "write", "files": rows, "new": True, "size": len(payload)},
    ], payload


def portions(jobs: Sequence[FarJob]) -> list[list[FarJob]]:
    """As many jobs at a time as one request may carry."""
    found: list[list[FarJob]] = [[]]
    size = 0
    for job in jobs:
        own = sum(map(len, job.files.values()))
        if found[-1] and size + own > _INLINE_BYTES:
            found.append([])
            size = 0
        found[-1].append(job)
        size += own
    return found
