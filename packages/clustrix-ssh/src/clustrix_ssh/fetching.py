"""What jobs have written so far, brought into their folders on this machine; the result last."""

from __future__ import annotations

import os
from collections.abc import Sequence

from clustrix.backends import JobSpec
from clustrix.runner import layout, whole
from clustrix_ssh.agent.transfers import download, write_at
from clustrix_ssh.farhost import FarHost

_GROWING = (layout.OUTPUT, layout.ERRORS, layout.MAP_RESULTS)
_WHOLE = (layout.PROGRESS, layout.CLAIM)
"""Small, and written anew each time."""
_PART_BYTES = 16 << 20


async def fetch(host: FarHost, jobs: Sequence[JobSpec]) -> None:
    """Bring what is new.  Raises HostUnreachable, AgentError, OSError."""
    rest = [job for job in jobs if not _fetched_small(host, job)]
    if not rest:
        return
    agent = await host.agent()
    folders = {host.paths.job(job.id): job for job in rest}
    waiting = list(folders)
    results: dict[str, int] = {}
    while waiting:
        asked = [[folder, _sizes(folders[folder].folder)] for folder in waiting]
        reply = await agent.ask(
            "gather",
            folders=asked,
            prefixes=[*_GROWING, *_WHOLE, layout.RESULT],
            whole=[*_WHOLE],
            later=[layout.RESULT],
            limit=_PART_BYTES,
        )
        at, again = 0, set()
        for folder, name, offset, size, total in reply.header["rows"]:
            part = reply.payload[at : at + size]
            at += size
            if name == layout.RESULT:
                results[folder] = total
            elif name.startswith(_WHOLE):
                _replace(folders[folder].folder, name, part)
            else:
                _add(folders[folder].folder, name, offset, part)
                if offset + size < total:
                    again.add(folder)
        waiting = [folder for folder in waiting if folder in again]
    for folder, total in results.items():
        target = folders[folder].file(layout.RESULT)
        if not os.path.exists(target):
            os.makedirs(folders[folder].folder, mode=0o700, exist_ok=True)
            result = f"{folder}/{layout.RESULT}"
            host.syncing[folders[folder].id] = await download(agent, result, target, total)


def _fetched_small(host: FarHost, job: JobSpec) -> bool:
    """Whether all of it has come along with the commit record."""
    if os.path.exists(job.file(layout.RESULT)):
        return True
    if job.kind == "map" or job.id not in host.small:
        return False
    files = host.small.pop(job.id)
    have = _sizes(job.folder)
    for name in (layout.OUTPUT, layout.ERRORS):
        known = have.get(name, 0)
        if known <= len(files.get(name, b"")):  # who reads along has the file open: it has to be the same
            _add(job.folder, name, known, files.get(name, b"")[known:])
        else:
            _replace(job.folder, name, files[name])
    if files.get(layout.RESULT):  # it is never empty
        _replace(job.folder, layout.RESULT, files[layout.RESULT])
    return layout.RESULT in files


def _sizes(folder: str) -> dict[str, int]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name: entry.stat().st_size for entry in entries if entry.name.startswith(_GROWING)}
    except FileNotFoundError:
        return {}


def _replace(folder: str, name: str, data: bytes) -> None:
    os.makedirs(folder, mode=0o700, exist_ok=True)
    whole.write(os.path.join(folder, name), [data], "fetch")


def _add(folder: str, name: str, offset: int, data: bytes) -> None:
    if not data:
        return
    os.makedirs(folder, mode=0o700, exist_ok=True)
    fd = os.open(os.path.join(folder, name), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        write_at(fd, data, offset)
    finally:
        os.close(fd)
