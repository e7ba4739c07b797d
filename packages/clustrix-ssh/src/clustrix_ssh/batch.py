"""Jobs on a cluster with a batch system: submitted in arrays, seen by their commit records, asked for in one question for all."""

from __future__ import annotations

import json
import posixpath
import shlex
import time
from collections.abc import Mapping, Sequence
from typing import Any

from clustrix.backends import Host, HostUnreachable, JobSpec, Phase, Receipt, Status
from clustrix_ssh.agent.client import Agent, AgentError
from clustrix_ssh.backend import FarBackend, forbid, is_forbidden
from clustrix_ssh.far import records
from clustrix_ssh.farpaths import below
from clustrix_ssh.lost import Left, decide
from clustrix_ssh.mapends import Maps
from clustrix_ssh.orders import FarJob, Shape
from clustrix_ssh.preamble import preamble
from clustrix_ssh.queueview import QueueView
from clustrix_ssh.schedulers.interface import End, Full, Need, Refused, Scheduler, State, Unavailable
from clustrix_ssh.shapes import shape_of
from clustrix_ssh.submitting import BATCH, JOBS, Submission, Submitter, fresh_name, run
from clustrix_ssh.verdicts import write

_MOST_IN_AN_ARRAY = 1000
_NEVER_TOO_MANY = 10
_FULL_SECONDS = 2.0
"""Between questions whether it takes more jobs again."""


class Batch(FarBackend):
    """A cluster."""

    scheduler: Scheduler

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._submitter = Submitter(self.far, self.scheduler)
        self._queue = QueueView(self.far, self.scheduler)
        self._is_known = not self.scheduler.dialects
        self._left: dict[str, Left] = {}
        """Jobs that are in no queue any more, and have no result that can be seen."""
        self._again: set[str] = set()
        """Jobs that were never begun, and whose submission is over."""
        self._cancelled: set[str] = set()
        self._newer: dict[str, str] = {}
        """The latest submission of maps that were submitted more than once."""
        self._most: int | None = None
        self._window = _MOST_IN_AN_ARRAY
        """How many jobs are submitted at a time: fewer while the site is full."""
        self._full, self._full_until = "", 0.0
        """What was said when it was, and until when it is not asked again."""
        self._maps = Maps(self.far, self._more_elements)

    # -- submission

    async def _submit(self, jobs: Sequence[JobSpec]) -> Sequence[Receipt]:
        agent = await self.far.agent()
        try:
            await self._know(agent)
        except Unavailable as error:
            return [Receipt(refused=f"{self.far.name}: {error}") for _ in jobs]
        await self.far.kit()
        stale = [job for job in jobs if job.id in self._again]
        if stale:
            folders = [self.far.paths.job(job.id) for job in stale]
            await agent.ask("remove", paths=[posixpath.join(folder, BATCH) for folder in folders])
            self._again -= {job.id for job in stale}
        shapes = {job.id: self._shape(job) for job in jobs}
        found = await self.prepared(agent, jobs, [shapes[job.id] for job in jobs], scripts=False)
        receipts = {job.id: one for job, one in zip(jobs, found, strict=True) if isinstance(one, Receipt)}
        groups: dict[str, list[FarJob]] = {}
        for one in found:
            if isinstance(one, FarJob):
                groups.setdefault(_alike(one.spec), []).append(one)
        for group in groups.values():
            most = await self._most_in_an_array(len(group))
            receipts |= await self._submit_group(group, shapes[group[0].spec.id], most)
        for job in jobs:
            self._left.pop(job.id, None)
        self._queue.expect([receipt.handle for receipt in receipts.values() if receipt.handle])
        return [receipts[job.id] for job in jobs]

    async def _know(self, agent: Agent) -> None:
        """Which dialect is spoken there.  Raises Unavailable when there is no such scheduler."""
        if not self._is_known:
            version = self.scheduler.read_version(await run(agent, self.scheduler.version()))
            self.scheduler = self.scheduler.of_version(version)
            self._submitter.scheduler = self._queue.scheduler = self.scheduler
            self._is_known = True

    async def _most_in_an_array(self, wanted: int) -> int:
        """What the site allows; asked once, when somebody wants many."""
        if wanted <= _NEVER_TOO_MANY:
            return _MOST_IN_AN_ARRAY
        if self._most is None:
            agent = await self.far.agent()
            answer = await run(agent, self.scheduler.limits())
            self._most = self.scheduler.read_limits(answer) or _MOST_IN_AN_ARRAY
        return min(_MOST_IN_AN_ARRAY, self._most)

    async def _submit_group(self, group: Sequence[FarJob], shape: Shape, most: int) -> dict[str, Receipt]:
        """As many at a time as the site takes; where it takes no more for now, the rest is told to come later."""
        receipts: dict[str, Receipt] = {}
        rest = list(group)
        if time.monotonic() < self._full_until:
            return {job.spec.id: Receipt(later=self._full) for job in rest}
        while rest:
            some = rest[: min(most, self._window)]
            try:
                receipts |= await self._submit_alike(some, shape)
            except Full as error:
                self._window = len(some) // 2
                if self._window == 0:
                    self._window = 1
                    self._full = f"{self.scheduler.title} takes no more jobs of yours at the moment ({error})"
                    self._full_until = time.monotonic() + _FULL_SECONDS
                    return receipts | {job.spec.id: Receipt(later=self._full) for job in rest}
                continue
            self._window = min(2 * self._window, _MOST_IN_AN_ARRAY)
            rest = rest[len(some) :]
        return receipts

    async def _submit_alike(self, jobs: Sequence[FarJob], shape: Shape) -> dict[str, Receipt]:
        try:
            handles = await self._submitter.submit(await self._submission(jobs, shape))
        except Refused as error:
            return {job.spec.id: Receipt(refused=str(error)) for job in jobs}
        return {job: Receipt(handle) for job, handle in handles.items()}

    async def _submission(self, jobs: Sequence[FarJob], shape: Shape, offset: int = 0) -> Submission:
        """``offset``: the number of a map's first element."""
        first = jobs[0].spec
        python, _ = await self.far.python(preamble(first.settings))
        kit = await self.far.kit()

        def render(name: str, some: Sequence[FarJob]) -> str:
            return self._script(name, some, shape, [python, f"{kit}/start.py"], offset)

        return Submission(fresh_name(first.name, first.id), jobs, render)

    def _script(
        self, name: str, jobs: Sequence[FarJob], shape: Shape, start: Sequence[str], offset: int
    ) -> str:
        spec, system = jobs[0].spec, self.scheduler
        folder = self.far.paths.batch(name)
        index = [system.index_variable or "-", str(system.first_index)]
        if spec.kind == "map":
            arguments = ["element", jobs[0].folder, *index, str(offset)]
        elif len(jobs) == 1:
            arguments = ["job", jobs[0].folder]
        else:
            arguments = ["array", posixpath.join(folder, JOBS), *index]
        memory = spec.memory_bytes
        need = Need(
            name=name,
            cores=spec.cores * shape.workers,
            memory_bytes=memory * shape.workers if memory is not None else None,
            time_s=shape.walltime_s,
            elements=shape.elements if spec.kind == "map" else len(jobs),
            output=posixpath.join(folder, "log"),
            settings=spec.settings,
        )
        lines = [*preamble(spec.settings).lines, "exec " + shlex.join([*start, *arguments])]
        return system.script(need, lines)

    def _shape(self, job: JobSpec) -> Shape:
        notice_s = self.scheduler.notice_s(job.settings, job.time_s)
        return shape_of(job)._replace(notice_s=notice_s, requeue=self.scheduler.requeue())

    async def explain(self, job: JobSpec) -> str:
        shape = shape_of(job)
        name = fresh_name(job.name, job.id)
        try:
            await self._know(await self.far.agent())
            python, why = await self.far.python(preamble(job.settings))
            kit = self.far.kit_path()
        except (HostUnreachable, AgentError, Unavailable) as error:
            python, kit, why = "python3", "KIT", f"not asked: {error}"
            self.far.paths = below("~", str(self.host.settings.get("remote_work_dir") or "~/.clustrix"))
        planned = FarJob(job, self.far.paths.job(job.id), {}, ())
        try:
            script = self._script(name, [planned], shape, [python or "python3", f"{kit}/start.py"], 0)
        except Refused as error:
            return f"{self.scheduler.title} would not get it: {error}"
        command = shlex.join(self.scheduler.submit_command())
        note = f"# {self.far.name}: {why}\n" if why else ""
        return f"{note}# for {self.scheduler.title}, through: {command}\n{script}"

    # -- where jobs are

    async def poll(self, jobs: Sequence[JobSpec]) -> Sequence[Status]:
        if not jobs:
            return []
        open_jobs = [job for job in jobs if not self.is_done(job)]
        with self.asking():
            if open_jobs:
                await self._know_or_wait()
                handles = [self._handle(job) for job in open_jobs]
                await self._queue.look({_number(handle) for handle in handles if handle})
            gone = [job for job in open_jobs if self._has_left(job)]
            for job in open_jobs:
                if job not in gone and self._left.pop(job.id, None) is not None:
                    self._queue.forget(self._handle(job))
            if gone:
                await self._look_after(gone)
        return [self._status(job) for job in jobs]

    async def _know_or_wait(self) -> None:
        try:
            await self._know(await self.far.agent())
        except Unavailable as error:
            raise HostUnreachable(f"{self.far.name}: {error}") from error

    def _has_left(self, job: JobSpec) -> bool:
        if not self._handle(job):
            return True
        return self._queue.answered(self._handle(job)) and not self._queue.seen(self._handle(job))

    def _status(self, job: JobSpec) -> Status:
        if self.is_done(job):
            return Status(Phase.DONE)
        left = self._left.get(job.id)
        if left is not None and left.status is not None:
            return left.status
        rows = self._queue.seen(self._handle(job))
        began = self.far.records.get(job.id + records.BEGUN, 0.0) > self._queue.asked_at
        if any(row.state is State.RUNNING for row in rows) or (rows and began):
            return Status(Phase.RUNNING, self._queue.trouble)
        if rows:
            return Status(Phase.QUEUED, self._queue.words(self._handle(job), rows[0]))
        if job.id + records.BEGUN in self.far.records:
            return Status(Phase.RUNNING, self._queue.trouble)
        return Status(Phase.QUEUED, self._queue.trouble)

    async def _look_after(self, jobs: Sequence[JobSpec]) -> None:
        """What is in no queue has ended, or was never there; what is known of that decides, and some patience."""
        await self.states(jobs)
        ends = await self._queue.past([self._handle(job) for job in jobs if self._handle(job)])
        for job in jobs:
            state = self._states[job.id]
            left = self._left.setdefault(job.id, Left(time.monotonic()))
            if state["result"]:
                left.status = Status(Phase.DONE)
            elif not state["there"] and not state["claims"]:
                left.status = Status(Phase.GONE, "it is not known there")
            elif is_forbidden(state) or job.id in self._cancelled:
                left.status = Status(Phase.GONE)
            else:
                left.status = await self._judged(job, left, state, ends)

    async def _judged(
        self, job: JobSpec, left: Left, state: Mapping[str, Any], ends: Mapping[str, End]
    ) -> Status | None:
        handle, title = self._handle(job), self.scheduler.title
        own = {name: end for name, end in ends.items() if handle in (name, _number(name))}
        if left.said is None:
            left.said, left.taken = await self._said(job)
        if job.kind == "map":
            found = await self._maps.look_after(job, left, own, state, left.said, title)
        else:
            begun = bool(state["claims"])
            found = decide(job, left, own.get(handle), begun=begun, said=left.said, system=title)
        if found.verdict is not None:
            write(job, found.verdict)
            return Status(Phase.DONE)
        if found.status is not None and found.status.phase is Phase.GONE:
            self._again.add(job.id)
        return found.status

    async def _said(self, job: JobSpec) -> tuple[str, str]:
        """The end of what it has printed, and the signal that it was ended with, if any."""
        agent = await self.far.agent()
        folder = self.far.paths.job(job.id)
        name = (await agent.ask("texts", paths=[posixpath.join(folder, BATCH)])).header["texts"][0]
        paths = [f"{self.far.paths.batch(name or '-')}/log", f"{folder}/err", f"{folder}/taken"]
        reply = await agent.ask("texts", paths=paths)
        *said, taken = reply.header["texts"]
        return "".join(text or "" for text in said), "" if taken is None else taken or "a signal"

    async def _more_elements(self, job: JobSpec, offset: int, left: int) -> None:
        agent = await self.far.agent()
        shape = self._shape(job)
        shape = shape._replace(elements=max(1, min(shape.elements, -(-left // shape.workers))))
        (one,) = await self.prepared(agent, [job], [shape], scripts=False)
        if isinstance(one, Receipt):
            raise AgentError(self.far.name, one.refused, "refused")
        submission = await self._submission([one], shape, offset)
        try:
            number = (await self._submitter.submit(submission, anew=True))[job.id]
        except Full as error:
            raise HostUnreachable(
                f"{self.scheduler.title} takes no more jobs of yours at the moment: {error}"
            ) from error
        self._newer[job.id] = number
        self._queue.expect([number])
        self._left.pop(job.id, None)

    def _handle(self, job: JobSpec) -> str:
        return self._newer.get(job.id, job.handle)

    # -- the end

    async def cancel(self, jobs: Sequence[JobSpec]) -> None:
        if not jobs:
            return
        agent = await self.far.agent()
        folders = [self.far.paths.job(job.id) for job in jobs]
        with self.asking():
            await agent.ask("many", ops=forbid(folders))
            await self._know_or_wait()
            for command in self.scheduler.cancel([self._handle(job) for job in jobs if self._handle(job)]):
                self.scheduler.check_cancelled(await run(agent, command))
        self._cancelled.update(job.id for job in jobs)
        self._queue.hurry()

    async def clean(self, jobs: Sequence[JobSpec]) -> None:
        await super().clean(jobs)
        if jobs:
            agent = await self.far.agent()
            with self.asking():
                await agent.ask("close", batches=self.far.paths.batch(""), listed=JOBS)

    async def reset(self, jobs: Sequence[JobSpec]) -> None:
        maps = [self._handle(job) for job in jobs if job.kind == "map" and self._handle(job)]
        if maps:  # some of its elements may not have begun
            agent = await self.far.agent()
            for command in self.scheduler.cancel(maps):
                await run(agent, command)
        await super().reset(jobs)
        for job in jobs:
            self._left.pop(job.id, None)
            self._cancelled.discard(job.id)
            self._again.discard(job.id)
            self._newer.pop(job.id, None)
            self._maps.forget(job.id)


def _alike(job: JobSpec) -> str:
    """Jobs with equal texts can be elements of one array."""
    if job.kind == "map":
        return job.id
    return json.dumps([job.cores, job.memory_bytes, job.time_s, dict(job.settings)], sort_keys=True)


def _number(handle: str) -> str:
    return handle.partition("_")[0]
