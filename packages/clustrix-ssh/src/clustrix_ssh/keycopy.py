"""Has a host let a key in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

from clustrix.plugins.checks import OK, Check, failed, warning
from clustrix_ssh.agent.client import Agent
from clustrix_ssh.transport.interface import Connection

_SECONDS = 60


async def copy(
    host: str, connection: Connection, settings: Mapping[str, Any], line: str
) -> Mapping[str, Any]:
    """What ``clustrix_ssh.authorize`` tells.  Raises HostUnreachable, AgentError.

    By the agent: it begins whatever the login shell is, and whatever that prints.
    """
    folder = str(settings.get("remote_work_dir") or "~/.clustrix")
    python = str(settings.get("agent_python") or "")
    loop = asyncio.get_running_loop()
    agent = await asyncio.to_thread(
        Agent.open, host, connection, folder, loop, lambda header, payload: None, python
    )
    try:
        argv = [agent.facts["executable"], "-ESs", "-", line]
        reply = await agent.ask("exec", _program(), argv=argv, timeout_s=_SECONDS)
    finally:
        agent.close()
    out = str(reply.header["out"])
    try:
        told: Mapping[str, Any] = json.loads(out)
    except ValueError:
        tail = (reply.payload.decode("utf-8", "replace").strip() or out)[-300:]
        return {"error": tail or "nothing was said"}
    return told


def _program() -> bytes:
    return files("clustrix_ssh").joinpath("authorize.py").read_bytes()


def checks(told: Mapping[str, Any], who: str) -> Iterator[Check]:
    """The same for a person; ``who``: user and host."""
    if "error" in told:
        yield failed("copy", f"{who}: {told['error']}", "free some space there, or see whose that file is")
        return
    note = "".join(f"; {path} cannot be written to by others any more" for path in told["tightened"])
    if told["state"] == "limited":
        found = f"{told['path']} of {who} has the key already, with options before it{note}"
        yield warning("copy", found, "if jobs are refused there, take those options out")
    else:
        done = "added to" if told["state"] == "added" else "already in"
        yield Check("copy", OK, f"{done} {told['path']} of {who}{note}")


def causes(told: Mapping[str, Any]) -> Iterator[Check]:
    """Why the host may not take the key all the same.  Not said where it does: Debian's sshd lets the user's own group write."""
    for path, mode in told["loose"]:
        yield warning(
            "modes",
            f"{path} there has mode {mode}, so that others can write to it, or is not yours: sshd takes no keys then (StrictModes)",
            f"if it is yours, call there: chmod go-w {path}",
        )
