"""One submission to a scheduler, of one job or of an array of many: made once, whatever is cut or killed meanwhile.

Below ``batches/NAME``: ``jobs``, the folder of each job in the order of the array; ``script``; and what ``clustrix_ssh.agent.parts.once`` keeps of the
scheduler's answer.  Each job's folder has a file ``batch`` with that NAME, which only one submission can make.

What holds after a kill between any two steps: a job without the file ``batch`` was never given to the scheduler; one with it is in that
submission, whose answer is there, or whose name the scheduler knows, or which was never made.  Should a submission be made twice all
the same, the jobs' claims let one of them run.
"""

from __future__ import annotations

import json
import os
import posixpath
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from clustrix.backends import HostUnreachable
from clustrix.runner.faults import point
from clustrix_ssh.agent.client import Agent, AgentError
from clustrix_ssh.agent.incoming import Reply
from clustrix_ssh.farhost import FarHost
from clustrix_ssh.orders import FarJob
from clustrix_ssh.schedulers.directives import safe_name
from clustrix_ssh.schedulers.interface import Answer, Command, Full, Scheduler, Unavailable
from clustrix_ssh.sending import files_of

JOBS = "jobs"
SCRIPT = "script"
BATCH = "batch"
SUBMIT_SECONDS = 120.0
"""How long a scheduler may take to answer a submission; what it does later is found by the name."""


class Submission(NamedTuple):
    """Jobs that are submitted together."""

    name: str
    jobs: Sequence[FarJob]
    render: Callable[[str, Sequence[FarJob]], str]
    """The script of a submission of that name, of these jobs.  Raises Refused."""


def fresh_name(function: str, job: str) -> str:
    """What the scheduler shows; it has the id of the first job, and something that no other submission has."""
    known = safe_name(function)
    if not known[0].isalpha():  # SGE and PBS take no other
        known = f"j{known}"[:24]
    return f"{known}-{job.lower()}-{os.urandom(2).hex()}"


class Submitter:
    """Makes submissions on one host."""

    def __init__(self, far: FarHost, scheduler: Scheduler) -> None:
        self._far = far
        self.scheduler = scheduler

    async def submit(self, batch: Submission, anew: bool = False) -> dict[str, str]:
        """Handles by job.  Jobs that another submission has already keep the handles of that one, unless they are to have this one ``anew``.

        Raises Refused, Full, HostUnreachable, AgentError.
        """
        agent = await self._far.agent()
        try:
            reply = await self._send(agent, batch, exclusive=not anew)
        except AgentError as error:
            if error.kind != "taken":
                raise
            return await self._sort_out(batch, json.loads(error.text))
        number = await self._number(agent, batch.name, reply, batch.jobs)
        return handles(number, [job.spec.id for job in batch.jobs], self.scheduler)

    async def _send(self, agent: Agent, batch: Submission, exclusive: bool) -> Reply:
        folder = self._far.paths.batch(batch.name)
        ops, payload = files_of(batch.jobs)
        listed = "".join(f"{job.folder}\n" for job in batch.jobs).encode()
        script = batch.render(batch.name, batch.jobs).encode()
        own = [[f"{folder}/{JOBS}", len(listed), 0o600], [f"{folder}/{SCRIPT}", len(script), 0o600]]
        names = [[posixpath.join(job.folder, BATCH), batch.name] for job in batch.jobs]
        ops += [
            {"do": "folders", "paths": [folder]},
            {"do": "write", "files": own, "size": len(listed) + len(script)},
        ]
        payload += listed + script
        if exclusive:
            ops.append({"do": "name", "files": names})
        else:
            texts = [[path, len(text.encode()), 0o600] for path, text in names]
            ops.append({"do": "write", "files": texts, "size": sum(row[1] for row in texts)})
            payload += "".join(text for _, text in names).encode()
        ops += [{"do": "stir"}, {"do": "once", **self._once(batch.name), "size": len(script)}]
        point("batch.submit")
        reply = await agent.ask("many", payload + script, ops=ops)
        point("batch.submitted")
        last = reply.header["answers"][-1]
        return Reply(last, reply.payload[len(reply.payload) - last["size"] :])

    def _once(self, name: str) -> dict[str, Any]:
        return submission(self.scheduler, self._far.paths.batch(name))

    async def _number(self, agent: Agent, name: str, reply: Reply, jobs: Sequence[FarJob]) -> str:
        """The number that a submission has got, from its answer or else from the queue."""
        try:
            return self._read(reply)
        except Unavailable as error:
            why = error
        number = await self._find(agent, name)
        if number is None:
            # It is in no queue: it may be made again, when the scheduler is there again.
            if isinstance(why, Full):  # another submission may have them
                await agent.ask("remove", paths=[posixpath.join(job.folder, BATCH) for job in jobs])
                raise why
            raise HostUnreachable(f"{self.scheduler.title} does not take jobs at the moment: {why}") from why
        return number

    def _read(self, reply: Reply) -> str:
        if reply.header.get("unknown"):
            raise Unavailable("nobody saw what became of the submission")
        return self.scheduler.read_submitted(answer_of(reply))

    async def _find(self, agent: Agent, name: str) -> str | None:
        command = self.scheduler.find(self._far.facts["user"], [name])
        try:
            return self.scheduler.read_found(await run(agent, command), [name]).get(name)
        except Unavailable as error:
            raise HostUnreachable(f"{self.scheduler.title} does not answer: {error}") from error

    async def _sort_out(self, batch: Submission, taken: Mapping[str, str]) -> dict[str, str]:
        """Some of the jobs are in earlier submissions, which a dispatcher before this one has made."""
        by_name: dict[str, list[FarJob]] = {}
        rest: list[FarJob] = []
        for job in batch.jobs:
            name = taken.get(posixpath.join(job.folder, BATCH))
            (rest if name is None else by_name.setdefault(name, [])).append(job)
        found: dict[str, str] = {}
        for name, jobs in by_name.items():
            found |= await self._take_up(name, jobs)
        if rest:
            agent = await self._far.agent()
            reply = await self._send(agent, batch._replace(jobs=rest), exclusive=False)
            number = await self._number(agent, batch.name, reply, rest)
            found |= handles(number, [job.spec.id for job in rest], self.scheduler)
        return found

    async def _take_up(self, name: str, jobs: Sequence[FarJob]) -> dict[str, str]:
        agent = await self._far.agent()
        folder = self._far.paths.batch(name)
        reply = await agent.ask("texts", paths=[f"{folder}/{JOBS}", f"{folder}/{SCRIPT}"])
        listed, script = reply.header["texts"]
        if listed is None or script is None:  # its files are written before any job names it
            raise HostUnreachable(
                f"submission {name} is not whole on {self._far.name}: remove {folder} there"
            )
        folders = listed.splitlines()
        payload = script.encode()
        answer = await agent.ask("once", payload, **self._once(name))
        try:
            number = self._read(answer)
        except Unavailable:
            known = await self._find(agent, name)
            if known is None:
                answer = await agent.ask("once", payload, **self._once(name), again=True)
                known = await self._number(agent, name, answer, jobs)
            number = known
        every = handles(number, [posixpath.basename(path) for path in folders], self.scheduler)
        return {job.spec.id: every[job.spec.id] for job in jobs}


def handles(number: str, jobs: Sequence[str], scheduler: Scheduler) -> dict[str, str]:
    """What the elements of an array are called; of a submission of one job, the number itself."""
    if len(jobs) == 1:
        return {jobs[0]: number}
    return {job: f"{number}_{scheduler.first_index + index}" for index, job in enumerate(jobs)}


async def run(agent: Agent, command: Command, timeout_s: float = 60.0) -> Answer:
    """Run a command there.  Raises HostUnreachable, AgentError; a program that is not there answers with status 127."""
    try:
        reply = await agent.ask(
            "exec", command.stdin, argv=list(command.argv), timeout_s=timeout_s, login=command.login
        )
    except AgentError as error:
        if error.kind == "ENOENT":
            return Answer(127, "", error.text)
        if error.kind == "timeout":
            return Answer(124, "", f"{error.text}: Connection timed out")
        raise
    return answer_of(reply)


def answer_of(reply: Reply) -> Answer:
    """What a command has said, from what the agent tells of it."""
    return Answer(reply.header["status"], reply.header["out"], reply.payload.decode("utf-8", "replace"))


def submission(scheduler: Scheduler, folder: str) -> dict[str, Any]:
    """How the agent is asked to submit the script that comes along, once; ``folder``: keeps the answer."""
    return {
        "folder": folder,
        "argv": list(scheduler.submit_command()),
        "clear": list(scheduler.cleared_variables),
        "keep_variables": list(scheduler.kept_variables),
        "timeout_s": SUBMIT_SECONDS,
        "login": scheduler.login,
    }
