"""The backend ``ssh``: a machine without a batch system.  A keeper there runs the jobs, and counts its cores."""

from __future__ import annotations

import json
import posixpath
import signal
import time
from collections.abc import Sequence
from typing import Any, ClassVar

from clustrix.backends import Host, JobSpec, Phase, Receipt, Status
from clustrix.runner.faults import point
from clustrix_ssh.agent.client import AgentError
from clustrix_ssh.backend import FarBackend, forbid, is_forbidden
from clustrix_ssh.far import records
from clustrix_ssh.mapends import Maps
from clustrix_ssh.orders import FarJob, Shape
from clustrix_ssh.sending import files_of, portions
from clustrix_ssh.verdicts import write, write_verdict

_IDLE_SECONDS = 60
"""How long a keeper stays when it has nothing to do."""
_POKE_SECONDS = 1.0
"""Between questions whether the keeper is still there, while jobs wait."""
_UNKNOWN = "it is not known there"


class Machine(FarBackend):
    """Jobs on one machine."""

    settle_s: ClassVar[float] = 2.0
    """A process is seen to be gone before its keeper has said how it ended."""

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._poked_at = 0.0
        self._maps = Maps(self.far, self._another_element)

    @property
    def _folder(self) -> str:
        return self.far.paths.host(self.far.facts["host"])

    @property
    def _queue(self) -> str:
        return posixpath.join(self._folder, "queue")

    async def _submit(self, jobs: Sequence[JobSpec]) -> Sequence[Receipt]:
        agent = await self.far.agent()
        await self.far.kit()
        shapes = [_shape(job, self.far.facts["cores"]) for job in jobs]
        found = await self.prepared(agent, jobs, shapes, scripts=True)
        ready = [job for job in found if isinstance(job, FarJob)]
        for some in portions(ready):
            await self._queue_up([job.spec for job in some], *files_of(some))
        return [Receipt() if isinstance(job, FarJob) else job for job in found]

    async def _queue_up(self, jobs: Sequence[JobSpec], ops: Sequence[Any] = (), payload: bytes = b"") -> None:
        """``ops``: what is to be done before, with what it needs."""
        agent = await self.far.agent()
        links = [[self.far.paths.job(job.id), posixpath.join(self._queue, job.id)] for job in jobs]
        begin = [
            {"do": "stir"},
            {"do": "folders", "paths": [self._queue]},
            {"do": "link", "links": links},
            {"do": "poke", "path": posixpath.join(self._folder, "poke")},
        ]
        point("keeper.submit")
        reply = await agent.ask("many", payload, ops=[*ops, *begin])
        point("keeper.submitted")
        self._poked_at = time.monotonic()
        if not reply.header["answers"][-1]["heard"]:
            await self._start_keeper()
        for job in jobs:
            self._states.pop(job.id, None)

    async def _another_element(self, job: JobSpec, offset: int, left: int) -> None:
        """Whose number is for the machine to say: it has one at a time."""
        await self._queue_up([job])

    async def _start_keeper(self) -> None:
        agent = await self.far.agent()
        python, refused = await self.far.python()
        if refused:
            raise AgentError(self.far.name, refused, "python")
        kit = await self.far.kit()
        lock = posixpath.join(self._folder, f"keeper-{posixpath.basename(kit)}.lock")
        await agent.ask(
            "spawn",
            argv=[python, f"{kit}/start.py", "keeper", self._folder, lock, python, str(_IDLE_SECONDS)],
            lock=lock,
            log=posixpath.join(self._folder, "log"),
        )

    async def poll(self, jobs: Sequence[JobSpec]) -> Sequence[Status]:
        agent = await self.far.agent()
        open_jobs = [job for job in jobs if not self.is_done(job)]
        with self.asking():
            if open_jobs:
                await self.states(open_jobs, self._queue)
                late = time.monotonic() - self._poked_at > _POKE_SECONDS
                if late and any(self._waits_for_nobody(job) for job in open_jobs):
                    self._poked_at = time.monotonic()
                    poke = await agent.ask("poke", path=posixpath.join(self._folder, "poke"))
                    if not poke.header["heard"]:
                        await self._start_keeper()
            return [await self._status(job) for job in jobs]

    def _waits_for_nobody(self, job: JobSpec) -> bool:
        state = self._states[job.id]
        begun = any(lives for _, lives, _ in state["claims"]) if job.kind == "map" else state["claims"]
        return bool(state["queued"] and not begun and not state["result"])

    async def _status(self, job: JobSpec) -> Status:
        if self.is_done(job):
            return Status(Phase.DONE)
        state = self._states[job.id]
        if state["result"]:
            return Status(Phase.DONE)
        if any(lives for _, lives, _ in state["claims"]):
            return Status(Phase.RUNNING)
        if job.kind == "map" and state["claims"] and not is_forbidden(state):
            return await self._map_ended(job, queued=state["queued"])
        if job.id + records.ENDED in self.far.records:
            return await self._ended(job)
        if state["claims"]:
            away = not all(here for _, _, here in state["claims"])
            why = (
                ""
                if is_forbidden(state)
                else "the machine was started anew"
                if away
                else "nobody saw how its process ended"
            )
            return Status(Phase.GONE, why)
        if state["queued"] or job.id + records.BEGUN in self.far.records:
            return Status(Phase.QUEUED, "" if not state["queued"] else "waits for free cores")
        return Status(Phase.GONE, _UNKNOWN)

    async def _map_ended(self, job: JobSpec, queued: bool) -> Status:
        """Its process is gone without a result: the next one has what is left."""
        if queued:
            return Status(Phase.QUEUED, "waits for free cores")
        agent = await self.far.agent()
        reply = await agent.ask(
            "texts", paths=[f"{self.far.paths.job(job.id)}/{name}" for name in ("log", "err")]
        )
        found = await self._maps.go_on(job, None, "".join(text or "" for text in reply.header["texts"]))
        if found.verdict is not None:
            write(job, found.verdict)
            return Status(Phase.DONE)
        assert found.status is not None
        return found.status

    async def _ended(self, job: JobSpec) -> Status:
        """Its processes are gone without a result, and the keeper has seen how."""
        agent = await self.far.agent()
        folder = self.far.paths.job(job.id)
        texts = {"do": "texts", "paths": [f"{folder}/exit", f"{folder}/log", f"{folder}/err"]}
        # Its claim may be younger than the last look at it.
        reply = await agent.ask("many", ops=[texts, {"do": "states", "folders": [folder]}])
        (told, log, err), (state,) = (
            reply.header["answers"][0]["texts"],
            reply.header["answers"][1]["states"],
        )
        if told is None:
            return Status(Phase.GONE, _UNKNOWN)
        if is_forbidden(state):
            return Status(Phase.GONE)
        if job.kind == "map" and state["claims"]:
            return await self._map_ended(job, queued=state["queued"])
        write_verdict(job, json.loads(told)["status"], bool(state["claims"]), (log or "") + (err or ""))
        return Status(Phase.DONE)

    async def reset(self, jobs: Sequence[JobSpec]) -> None:
        await super().reset(jobs)
        for job in jobs:
            self._maps.forget(job.id)

    async def cancel(self, jobs: Sequence[JobSpec]) -> None:
        if not jobs:
            return
        agent = await self.far.agent()
        folders = [self.far.paths.job(job.id) for job in jobs]
        with self.asking():
            reply = await agent.ask("many", ops=[*forbid(folders), {"do": "states", "folders": folders}])
            states = reply.header["answers"][-1]["states"]
            held = [text for state in states for text, lives, _ in state["claims"] if lives]
            running = [[int(text.split("|")[0]), text.split("|")[1]] for text in held]
            await agent.ask(
                "many",
                ops=[
                    {"do": "remove", "paths": [posixpath.join(self._queue, job.id) for job in jobs]},
                    {"do": "signal", "processes": running, "signal": int(signal.SIGTERM)},
                    {"do": "stir"},
                ],
            )
        for job in jobs:
            self._states.pop(job.id, None)


def _shape(job: JobSpec, cores: int) -> Shape:
    if job.kind != "map":
        return Shape()
    spec = json.loads(job.spec)
    return Shape(workers=max(1, min(job.items or 1, spec.get("workers") or cores)))
