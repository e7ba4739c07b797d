"""One host as the dispatcher knows it: its agent, made when it is needed and made again when it is lost; what is known of the host."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import random
import shlex
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from clustrix.backends import Host, HostUnreachable
from clustrix.runner import sealing
from clustrix_ssh import farpaths, kit
from clustrix_ssh.agent.client import Agent, AgentError
from clustrix_ssh.errors import NeedsPerson, NobodyThere
from clustrix_ssh.far import records
from clustrix_ssh.farpaths import FarPaths, Seal
from clustrix_ssh.people import Asker
from clustrix_ssh.preamble import NO_PREAMBLE, Preamble
from clustrix_ssh.transport import shared
from clustrix_ssh.transport.interface import Target

log = logging.getLogger("clustrix.ssh")

_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0
_HELD_SECONDS = 8 * 3600.0
"""A connection that a person has opened is kept for a working day after its last use."""
_UNUSED_SECONDS = 30 * 86400.0
"""After so long without use an argument is removed there."""
_PERSON_SECONDS = 600.0
"""Between attempts where somebody has to do something first."""
_PREAMBLE_SECONDS = 60
_PREAMBLE = (
    "what comes before the job (pre_execution_commands, module_loads, conda_env_name, python_executable)"
)
_HERE = "{}.{}".format(*sys.version_info[:2])


class FarHost:
    """One place's connection.  All methods are for the event loop.

    What is known of jobs by their commit records is kept here, for as long as the agent lives: a new one tells of all that is there.
    """

    def __init__(self, host: Host, keeps_passwords: bool = True) -> None:
        """``keeps_passwords``: see ``clustrix_ssh.people.Asker``."""
        self._host = host
        self._keeps_passwords = keeps_passwords
        self.target = target_of(host.settings)
        self.name = self.target.host or "this machine"
        known = hashlib.sha256(f"{self.target.host}|{self.target.port}|{self.target.username}".encode())
        self._reached = host.folder / f"reached-{known.hexdigest()[:16]}"
        self.paths: FarPaths
        self.facts: Mapping[str, Any] = {}
        self.records: dict[str, float] = {}
        """Names of commit records, and the monotonic time when each was seen first."""
        self.small: dict[str, dict[str, bytes]] = {}
        """Small results that came along with their records, by job."""
        self.syncing: dict[str, asyncio.Future[None]] = {}
        """Results that are here, and not on disk yet, by job."""
        self._agent: Agent | None = None
        self._connection: shared.Shared | None = None
        self._was_asked = False
        """Whether a connection that is lost was one that a person had opened."""
        self._answerers = 0
        self._used_at = 0.0
        self._connecting = asyncio.Lock()
        self._not_before = 0.0
        self._pause_s = _FIRST_PAUSE_SECONDS
        self._latest: HostUnreachable | None = None
        self._stamped: tuple[float, ...] = ()
        self._kits: set[str] = set()
        self._pythons: dict[Preamble, str] = {}
        self._looking: dict[Preamble, asyncio.Future[tuple[str, str]]] = {}

    async def agent(self) -> Agent:
        """The agent, ready to be asked.  Raises HostUnreachable; one that was tried a moment ago is not tried again at once."""
        if self._agent is not None and self._agent.alive():
            self._used_at = time.monotonic()
            return self._agent
        async with self._connecting:  # one attempt at a time: hosts shut out who knocks too often
            if self._agent is not None and self._agent.alive():
                return self._agent
            if (
                self._latest is not None
                and time.monotonic() < self._not_before
                and self._stamp() == self._stamped
            ):
                raise self._latest
            try:
                self._agent = await self._open()
            except HostUnreachable as error:
                self._latest = error
                self._not_before = time.monotonic() + self._pause_s * random.uniform(0.7, 1.3)  # noqa: S311 -- jitter
                self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_SECONDS)
                if isinstance(error, NobodyThere):
                    self._not_before = math.inf  # never unattended: until somebody comes
                elif isinstance(error, NeedsPerson):
                    # A host shuts out who fails again and again.
                    self._not_before = time.monotonic() + _PERSON_SECONDS
                self._stamped = self._stamp()
                raise
            self._latest, self._pause_s = None, _FIRST_PAUSE_SECONDS
            return self._agent

    def _stamp(self) -> tuple[float, ...]:
        """Changes when the user has changed something that may help."""
        folder = Path.home() / ".ssh"
        paths = [folder / "config", folder / "known_hosts"]
        paths += [Path(self.target.key_file).expanduser()] if self.target.key_file else []
        times = [path.stat().st_mtime if path.exists() else 0.0 for path in paths]
        return (*times, float(self._host.answerers()))

    async def _open(self) -> Agent:
        loop = asyncio.get_running_loop()
        if self._agent is not None:
            self._agent.close()
        if self._connection is not None:
            if self._connection.asked and self._connection.alive():
                with suppress(
                    HostUnreachable
                ):  # login nodes end processes that live long, and leave connections alone
                    return await self._begin(self._connection)
            self._was_asked = self._was_asked or self._connection.asked
            self._connection.discard()
            self._connection = None
        if self._was_asked and self._host.answerers() == self._answerers:
            raise NobodyThere(
                f"the connection to {self.name} is lost, and opening it needs you: clustrix login {self.name}"
            )
        self._answerers = self._host.answerers()
        connection = self._connection = await asyncio.to_thread(
            shared.acquire, self.target, Asker(self.name, self._host, loop, self._keeps_passwords)
        )
        self._was_asked = False
        return await self._begin(connection)

    async def _begin(self, connection: shared.Shared) -> Agent:
        """Its agent.  Raises HostUnreachable."""
        loop = asyncio.get_running_loop()
        self._used_at = time.monotonic()
        folder = str(self._host.settings.get("remote_work_dir") or "~/.clustrix")
        python = str(self._host.settings.get("agent_python") or "")
        agent = await asyncio.to_thread(Agent.open, self.name, connection, folder, loop, self._event, python)
        with suppress(OSError):  # nobody's, where it is only looked at
            self._reached.touch()
        self.facts = agent.facts
        self.paths = farpaths.below(agent.facts["home"], folder)
        self.records.clear()
        self.small.clear()
        await agent.ask("watch", folder=self.paths.records, jobs=self.paths.jobs)
        self._sweep(agent)
        return agent

    def _sweep(self, agent: Agent) -> None:
        """Have old arguments removed there, meanwhile."""
        sweeping = agent.send(
            "sweep",
            blobs=self.paths.blobs,
            jobs=self.paths.jobs,
            mark=self.paths.swept,
            age_s=_UNUSED_SECONDS,
        )
        sweeping.add_done_callback(lambda done: done.cancelled() or done.exception())

    def was_reached(self) -> bool:
        """Whether there ever was a connection."""
        return self._reached.exists()

    def held(self) -> bool:
        """Whether the connection is one that a person has opened, and that was used not long ago."""
        connection = self._connection
        if connection is None or not connection.asked or not connection.alive():
            return False
        return time.monotonic() - self._used_at < _HELD_SECONDS

    def _event(self, header: dict[str, Any], payload: bytes) -> None:
        if header["event"] == "records":
            at = 0
            for job, name, size in header["files"]:
                self.small.setdefault(job, {})[name] = payload[at : at + size]
                at += size
            now = time.monotonic()
            for name in header["names"]:
                self.records.setdefault(name, now)
            self._host.changed()
        elif header["event"] == "lost":
            self._host.changed()
        else:
            log.warning("%s: %s", self.name, header)

    def forget(self, job: str) -> None:
        """It is cleaned away."""
        for kind in records.KINDS:
            self.records.pop(job + kind, None)
        self.small.pop(job, None)

    async def kit(self) -> str:
        """The folder of what runs jobs, sent there if need be.  Raises HostUnreachable, AgentError."""
        agent = await self.agent()
        path = self.kit_path()
        if path not in self._kits:
            there = await agent.ask("exists", paths=[f"{path}/{kit.START}"])
            if not there.header["there"][0]:
                archive = await asyncio.to_thread(kit.archive)
                await agent.ask("unpack", archive, path=path)
            self._kits.add(path)
        return path

    def kit_path(self) -> str:
        """Where that is, or will be.  Once it was connected."""
        return self.paths.kit(kit.digest())

    async def seal(self) -> Seal:
        """The key for secrets, the same for all jobs from here.  Raises HostUnreachable, AgentError, OSError."""
        agent = await self.agent()
        key = await asyncio.to_thread(sealing.made_key, str(self._host.folder / "seal"))
        path = f"{self.paths.root}/keys/{hashlib.sha256(key).hexdigest()[:16]}"
        if path not in self._kits:
            files = [[path, len(key), 0o600]]
            ops = [{"do": "folders", "paths": [f"{self.paths.root}/keys"]}]
            await agent.ask(
                "many", key, ops=[*ops, {"do": "write", "files": files, "new": True, "size": len(key)}]
            )
            self._kits.add(path)
        return Seal(path, key)

    async def python(
        self, before: Preamble = NO_PREAMBLE, patience_s: float | None = None
    ) -> tuple[str, str]:
        """The interpreter of a job there, which has this one's minor version; or empty, and why there is none.

        Raises HostUnreachable, AgentError; TimeoutError when the user's commands have not ended within ``patience_s``: they go on,
        and asking again waits for the same.
        """
        if before in self._pythons:
            return self._pythons[before], ""
        looking = self._looking.get(before)
        if looking is None:
            looking = self._looking[before] = asyncio.ensure_future(self._look_for_python(before))
            looking.add_done_callback(lambda done: self._outdate(before, done))
        done, _ = await asyncio.wait([looking], timeout=patience_s)
        if not done:
            raise TimeoutError
        self._looking.pop(before, None)
        return looking.result()

    def _outdate(self, before: Preamble, done: asyncio.Future[tuple[str, str]]) -> None:
        """Whoever waited for it may be gone: who comes much later has it looked at anew."""

        def forget() -> None:
            if self._looking.get(before) is done:
                del self._looking[before]

        if not done.cancelled():
            done.exception()  # else it is complained of that nobody has asked
        asyncio.get_running_loop().call_later(2 * _PREAMBLE_SECONDS, forget)

    async def _look_for_python(self, before: Preamble) -> tuple[str, str]:
        agent = await self.agent()
        if before.python:
            found, why = await self._asked_python(agent, before)
        else:
            found, why = await self._found_python(agent)
        if not why:
            self._pythons[before] = found
        return found, why

    async def _found_python(self, agent: Agent) -> tuple[str, str]:
        reply = await agent.ask("pythons", version=list(sys.version_info[:2]))
        if reply.header["found"]:
            return str(reply.header["found"][0]), ""
        others = ", ".join(reply.header["others"]) or "none"
        return "", (
            f"{self.name} has no Python {_HERE}, which this is (it has: {others}); bytecode does not travel between "
            "minor versions. Name one: python_executable=..., or module_loads=... or conda_env_name=... with one"
        )

    async def _asked_python(self, agent: Agent, before: Preamble) -> tuple[str, str]:
        ask = "import sys; print(); print(*sys.version_info[:2], sys.executable)"
        lines = [*before.lines, f"exec {before.python} -c {shlex.quote(ask)}", ""]
        try:
            reply = await agent.ask(
                "exec", "\n".join(lines).encode(), argv=["/bin/bash", "-s"], timeout_s=_PREAMBLE_SECONDS
            )
        except AgentError as error:
            if error.kind != "timeout":
                raise
            return "", f"{_PREAMBLE} did not come to an end on {self.name} within {_PREAMBLE_SECONDS:.0f} s"
        said = reply.header["out"].strip().rpartition("\n")[2].split(None, 2)
        if reply.header["status"] != 0 or len(said) != 3:
            tail = (reply.payload.decode("utf-8", "replace").strip() or reply.header["out"].strip())[-500:]
            tail = tail or f"nothing was said; exit status {reply.header['status']}"
            return "", f"{_PREAMBLE} did not lead to a Python on {self.name}: {tail}"
        if said[:2] != _HERE.split("."):
            return "", (
                f"{before.python} on {self.name} is Python {said[0]}.{said[1]}, this is {_HERE}; bytecode does not travel "
                "between minor versions. Name another, or submit from one of that version"
            )
        return said[2], ""

    async def start_command(self, python: str, *arguments: str) -> str:
        """What a shell runs to start a job.  Raises HostUnreachable, AgentError."""
        path = await self.kit()
        return shlex.join([python, f"{path}/{kit.START}", *arguments])

    async def close(self) -> None:
        """Let go of it; what runs there goes on."""
        if self._agent is not None:
            self._agent.close()
        if self._connection is not None:
            await asyncio.to_thread(self._connection.close)


def target_of(settings: Mapping[str, Any]) -> Target:
    """Which host the settings of a place mean."""
    return Target(
        host=settings.get("cluster_host") or "",
        port=settings.get("cluster_port"),
        username=settings.get("username") or "",
        key_file=settings.get("key_file") or "",
        ssh_client=settings.get("ssh_client") or "auto",
        connect_timeout_s=settings.get("ssh_connect_timeout") or 10.0,
    )
