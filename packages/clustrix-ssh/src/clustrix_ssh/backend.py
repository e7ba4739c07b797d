"""What all places behind an agent have in common: connection, files, results."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

from clustrix.backends import Backend, Host, HostUnreachable, JobSpec, Receipt
from clustrix.runner import claim
from clustrix.runner.sealing import Unsealable
from clustrix_ssh.agent.client import Agent, AgentError
from clustrix_ssh.far import records
from clustrix_ssh.farhost import FarHost
from clustrix_ssh.fetching import fetch
from clustrix_ssh.orders import FarJob, Shape, far_job
from clustrix_ssh.preamble import Preamble, preamble
from clustrix_ssh.sending import send_blobs

_FULL = {
    "ENOSPC": "its disk is full",
    "EDQUOT": "your quota there is used up",
    "EROFS": "its file system cannot be written to",
}


_PATIENCE_SECONDS = 3.0
"""So long all wait for the commands of one job's user; after that only that job does."""


def forbid(folders: Sequence[str]) -> list[dict[str, Any]]:
    """Operations after which nobody begins these jobs, and who has begun one knows that its user wants it to end."""
    return [
        {"do": "folders", "paths": folders},
        {"do": "write", "files": [[f"{folder}/cancelled", 0, 0o600] for folder in folders]},
        {"do": "claim", "folders": folders, "claim": claim.encoded(claim.NOBODY).decode()},
    ]


def is_forbidden(state: Mapping[str, Any]) -> bool:
    """Whether the claim was taken for nobody, by the agent's word on the job."""
    return bool(state["claims"]) and state["claims"][0][0].startswith("0|")


class FarBackend(Backend):
    """Jobs on a host that is reached through an agent."""

    fastest_poll_s: ClassVar[float] = 0.01
    slowest_poll_s: ClassVar[float] = 2.0
    settle_s: ClassVar[float] = 0.0
    """What takes time to become visible is waited for here, by what is known of it."""

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self.far = FarHost(host)
        self._states: dict[str, Mapping[str, Any]] = {}
        self._states_at = 0.0
        self._states_took = 0.0

    @property
    def same_machine(self) -> bool:
        """Whether jobs run where this process does, or on nodes that share its files."""
        return not self.host.settings.get("cluster_host")

    # -- submission

    async def submit(self, jobs: Sequence[JobSpec]) -> Sequence[Receipt]:
        if not jobs:
            return []
        try:
            await self.far.agent()
        except HostUnreachable as error:
            error.nothing_sent = True
            raise
        with self.asking():
            return await self._submit(jobs)

    async def _submit(self, jobs: Sequence[JobSpec]) -> Sequence[Receipt]:
        raise NotImplementedError

    @contextmanager
    def asking(self) -> Iterator[None]:
        """What the agent cannot do now, it may do later: AgentError becomes HostUnreachable, and nothing is known of the jobs."""
        try:
            yield
        except AgentError as error:
            what = _FULL.get(error.kind)
            advice = (
                f"Free some space there, or set remote_work_dir to another place than {self.far.paths.root}"
            )
            text = f"{self.far.name}: {what} ({error.text}). {advice}" if what is not None else str(error)
            raise HostUnreachable(text) from error

    async def prepared(
        self, agent: Agent, jobs: Sequence[JobSpec], shapes: Sequence[Shape], scripts: bool
    ) -> list[FarJob | Receipt]:
        """Each as files, or why it cannot be begun there.  ``scripts``: whether one with a preamble needs a script of its own."""
        found: list[FarJob | Receipt] = []
        seal = await self.far.seal()
        for job, shape in zip(jobs, shapes, strict=True):
            before = preamble(job.settings)
            try:
                python, refused = await self.far.python(before, _PATIENCE_SECONDS)
            except TimeoutError:
                what = "what comes before the job (pre_execution_commands, ...) is being tried there"
                found.append(Receipt(later=f"{self.far.name}: {what}"))
                continue
            if refused:
                found.append(Receipt(refused=refused))
                continue
            script = await self.script(job, before, python) if scripts and before.lines else None
            try:
                found.append(
                    await asyncio.to_thread(
                        far_job,
                        job,
                        self.far.paths,
                        shape,
                        python,
                        script,
                        self.same_machine,
                        seal,
                        self.far.facts["umask"],
                    )
                )
            except (Unsealable, FileNotFoundError) as error:
                found.append(Receipt(refused=f"what was submitted is not whole: {error}"))
        await send_blobs(agent, self.far.paths, [job for job in found if isinstance(job, FarJob)])
        return found

    async def script(self, job: JobSpec, before: Preamble, python: str) -> str:
        """Runs the job by itself: its preamble, then its Python."""
        start = await self.far.start_command(python, "job", self.far.paths.job(job.id))
        return "\n".join(["#!/bin/bash", *before.lines, f"exec {start}", ""])

    # -- where jobs are

    async def states(self, jobs: Sequence[JobSpec], queue: str = "") -> None:
        """Look at the claims of jobs, at most so often that it costs the far side little."""
        now = time.monotonic()
        if now - self._states_at < max(0.1, 20 * self._states_took) and all(
            job.id in self._states for job in jobs
        ):
            return
        agent = await self.far.agent()
        folders = [self.far.paths.job(job.id) for job in jobs]
        reply = await agent.ask("states", folders=folders, queue=queue)
        self._states = {job.id: state for job, state in zip(jobs, reply.header["states"], strict=True)}
        self._states_at = time.monotonic()
        self._states_took = self._states_at - now

    def is_done(self, job: JobSpec) -> bool:
        """Whether its result is there."""
        return job.id + records.DONE in self.far.records

    # -- results

    async def fetch(self, jobs: Sequence[JobSpec]) -> None:
        with self.asking():
            await fetch(self.far, jobs)

    async def clean(self, jobs: Sequence[JobSpec]) -> None:
        await self.reset(jobs)
        if jobs:
            agent = await self.far.agent()
            with self.asking():
                await agent.ask("remove", paths=[self.far.paths.checkpoint(job.id) for job in jobs])

    async def reset(self, jobs: Sequence[JobSpec]) -> None:
        if not jobs:
            return
        for job in jobs:
            syncing = self.far.syncing.pop(job.id, None)
            if syncing is not None:
                await syncing
        agent = await self.far.agent()
        paths = [self.far.paths.job(job.id) for job in jobs]
        paths += [f"{self.far.paths.records}/{job.id}{kind}" for job in jobs for kind in records.KINDS]
        with self.asking():
            await agent.ask("remove", paths=paths)
        for job in jobs:
            self.far.forget(job.id)
            self._states.pop(job.id, None)

    async def login(self) -> None:
        await self.far.agent()

    def was_reached(self) -> bool:
        return self.far.was_reached()

    def held(self) -> bool:
        return self.far.held()

    async def close(self) -> None:
        await self.far.close()
