"""The agent on hosts as they are: noisy shells, odd shells, no Python; and its requests, one by one."""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from clustrix.errors import HostUnreachable
from clustrix_ssh.agent import source
from clustrix_ssh.agent.client import Agent, AgentError
from clustrix_ssh.agent.transfers import download, upload
from clustrix_ssh.transport.connect import connect
from clustrix_ssh.transport.here import PipeStream
from clustrix_ssh.transport.interface import Target
from tests.core.support import wait_until
from tests.testbed.packages import why_not
from tests.testbed.sshd import Sshd
from tests.testbed.user import cluster_user, write_for


class Shell:
    """A host whose login shell is a program of our choice."""

    def __init__(self, *argv: str, **env: str) -> None:
        self._argv = argv
        self._env = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **env}
        self.streams: list[PipeStream] = []

    def start(self, command: str) -> PipeStream:
        self.streams.append(PipeStream([*self._argv, command], "shell", self._env))
        return self.streams[-1]

    def alive(self) -> bool:
        return True

    def close(self) -> None:
        for stream in self.streams:
            stream.close()


@asynccontextmanager
async def opened(
    connection: Any, folder: str, events: list[Any] | None = None, python: str = ""
) -> AsyncIterator[Agent]:
    loop = asyncio.get_running_loop()
    seen = events if events is not None else []
    try:
        agent = await asyncio.to_thread(
            Agent.open,
            "shell",
            connection,
            folder,
            loop,
            lambda header, payload: seen.append((header, payload)),
            python,
        )
        yield agent
        agent.close()
    finally:
        connection.close()


def run(
    test: Callable[[Agent], Coroutine[Any, Any, Any]], tmp_path: Path, events: list[Any] | None = None
) -> Any:
    async def main() -> Any:
        async with opened(Shell("/bin/sh", "-c"), str(tmp_path / "far"), events) as agent:
            return await test(agent)

    return asyncio.run(main())


def test_shell_that_prints_is_passed_over(tmp_path: Path) -> None:
    """Banners, greetings, whatever comes before: pain 35."""
    noisy = tmp_path / "shell"
    noisy.write_text('#!/bin/sh\nprintf "Welcome!\\n\\0\\377 quota: 98%%\\n"\nexec /bin/sh -c "$1"\n')
    noisy.chmod(0o755)

    async def main() -> list[int]:
        async with opened(Shell(str(noisy)), str(tmp_path / "far")) as agent:
            return list(agent.facts["python"][:1])

    assert asyncio.run(main()) == [3]


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash", "/bin/dash"])
def test_shells_of_several_kinds(tmp_path: Path, shell: str) -> None:
    """One line that all of them read alike."""

    async def main() -> int:
        async with opened(Shell(shell, "-c"), str(tmp_path / "far")) as agent:
            return int(agent.facts["uid"])

    assert asyncio.run(main()) == os.getuid()


def test_command_has_nothing_that_csh_or_fish_read_otherwise() -> None:
    """No line break, no single quote within, no exclamation mark."""
    text = source.command()
    assert "\n" not in text
    assert "!" not in text
    assert text.count("'") == 2


@pytest.mark.parametrize("first", ["", "exec 0<&-; sleep 0.3; "], ids=["reads", "has left before it is told"])
def test_host_without_python_says_so(tmp_path: Path, first: str) -> None:
    """And how to name one."""

    async def main() -> None:
        shell = tmp_path / "shell"
        # A root of its own would be the whole truth; here no path leads to a Python.
        shell.write_text(f"#!/bin/sh\n{first}echo clustrix-no-python; exit 96\n")
        shell.chmod(0o755)
        async with opened(Shell(str(shell)), str(tmp_path / "far")):
            pass

    with pytest.raises(HostUnreachable, match=r"no python3.*agent_python"):
        asyncio.run(main())


def test_python_that_is_too_old_says_so(tmp_path: Path) -> None:
    """Before it is sent anything that it could not read."""
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nprintf '\\n\\0clustrix-too-old\\0'\nexit 97\n")
    old.chmod(0o755)

    async def main() -> None:
        async with opened(Shell("/bin/sh", "-c"), str(tmp_path / "far"), python=str(old)):
            pass

    with pytest.raises(HostUnreachable, match=r"older than 3\.6"):
        asyncio.run(main())


def test_folder_that_cannot_be_written_to_is_no_hindrance(tmp_path: Path) -> None:
    """The agent is compiled each time then: no room, no cache."""

    async def main() -> int:
        async with opened(Shell("/bin/sh", "-c"), "/proc/nonesuch") as agent:
            return int(agent.facts["pid"])

    assert asyncio.run(main()) > 0


def test_agent_is_kept_compiled(tmp_path: Path) -> None:
    """By the digest of its program and the version of its Python."""

    async def nothing(agent: Agent) -> None:
        await agent.ask("nothing")

    run(nothing, tmp_path)
    (kept,) = (tmp_path / "far" / "agent").iterdir()
    before = kept.stat().st_mtime_ns
    run(nothing, tmp_path)
    assert kept.stat().st_mtime_ns == before
    kept.write_bytes(b"garbage")
    run(nothing, tmp_path)


def test_agent_leaves_when_its_connection_ends(tmp_path: Path) -> None:
    """No daemon stays on a login node."""

    async def pid(agent: Agent) -> int:
        return int(agent.facts["pid"])

    found = run(pid, tmp_path)
    assert not os.path.exists(f"/proc/{found}")


def test_program_is_one_for_python_3_6() -> None:
    """As far as a newer Python can tell."""
    import ast

    tree = ast.parse(source.program(), feature_version=(3, 6))
    for node in ast.walk(tree):
        assert not isinstance(node, (ast.NamedExpr, ast.Match)), "newer than 3.6"
        if isinstance(node, ast.ImportFrom):
            assert node.module != "__future__"
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = (
                [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            )
            assert all(name.partition(".")[0] in sys.stdlib_module_names for name in names)


def test_many_requests_at_once_have_their_own_answers(tmp_path: Path) -> None:
    """In whatever order they come."""

    async def many(agent: Agent) -> list[str]:
        asked = [agent.ask("exec", b"", argv=["sh", "-c", f"sleep 0.0{n % 7}; echo {n}"]) for n in range(40)]
        return [reply.header["out"].strip() for reply in await asyncio.gather(*asked)]

    assert run(many, tmp_path) == [str(number) for number in range(40)]


def test_program_that_is_run_once_is_run_once(tmp_path: Path) -> None:
    """Who asks again gets the answer of the first time."""

    async def twice(agent: Agent) -> list[Any]:
        argv = ["sh", "-c", f"echo run >> {tmp_path}/runs; cat; echo oops >&2; exit 3"]
        return [await agent.ask("once", b"in", folder=str(tmp_path / "once"), argv=argv) for _ in range(2)]

    first, second = run(twice, tmp_path)
    assert (first.header["status"], first.header["out"], first.payload) == (3, "in", b"oops\n")
    assert second[1:] == first[1:]
    assert (tmp_path / "runs").read_text() == "run\n"


def test_program_goes_on_when_its_agent_is_killed(tmp_path: Path) -> None:
    """And the next agent has its answer: pain 2."""

    async def ask(agent: Agent) -> Any:
        return await agent.ask(
            "once",
            b"",
            folder=str(tmp_path / "once"),
            argv=["sh", "-c", f"sleep 1; echo run >> {tmp_path}/runs"],
        )

    async def kill(agent: Agent) -> None:
        asked = asyncio.ensure_future(ask(agent))
        while not (tmp_path / "once" / "pid").exists():
            await asyncio.sleep(0.01)
        os.kill(agent.facts["pid"], 9)
        with pytest.raises(HostUnreachable):
            await asked

    run(kill, tmp_path)
    assert run(ask, tmp_path).header["status"] == 0
    assert (tmp_path / "runs").read_text() == "run\n"


def test_program_whose_end_nobody_saw_is_unknown(tmp_path: Path) -> None:
    """It is not run again by itself."""
    folder = tmp_path / "once"
    folder.mkdir()
    (folder / "begun").touch()

    async def ask(agent: Agent) -> Any:
        return await agent.ask("once", b"", folder=str(folder), argv=["true"])

    assert run(ask, tmp_path).header["unknown"]


def test_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    """By its name."""

    async def ask(agent: Agent) -> None:
        await agent.ask("exec", b"", argv=["nonesuch-program"])

    with pytest.raises(AgentError, match="nonesuch-program") as told:
        run(ask, tmp_path)
    assert told.value.kind == "ENOENT"


def test_login_shells_path_is_used_where_a_program_is_missing(tmp_path: Path) -> None:
    """A command over SSH often gets less than a login: pain 35."""
    (tmp_path / "bin").mkdir()
    tool = tmp_path / "bin" / "sbatch-of-the-site"
    tool.write_text("#!/bin/sh\necho found\n")
    tool.chmod(0o755)
    (tmp_path / ".profile").write_text(f"echo greetings; PATH=$PATH:{tmp_path}/bin; export PATH\n")

    async def main() -> str:
        shell = Shell("/bin/sh", "-c", HOME=str(tmp_path), SHELL="/bin/sh")
        async with opened(shell, str(tmp_path / "far")) as agent:
            return str((await agent.ask("exec", b"", argv=["sbatch-of-the-site"])).header["out"])

    assert asyncio.run(main()) == "found\n"


def test_files_go_there_and_back(tmp_path: Path) -> None:
    """In parts, whole or not at all."""
    data = os.urandom((5 << 20) + 17)
    here = tmp_path / "here"
    here.write_bytes(data)

    async def both(agent: Agent) -> None:
        await upload(agent, str(here), hashlib.sha256(data).hexdigest(), str(tmp_path / "there" / "file"))
        await download(agent, str(tmp_path / "there" / "file"), str(tmp_path / "back"), len(data))
        with pytest.raises(AgentError, match="did not arrive"):
            await upload(agent, str(here), "0" * 64, str(tmp_path / "there" / "other"))
        with pytest.raises(AgentError, match="shorter"):
            await download(agent, str(tmp_path / "there" / "file"), str(tmp_path / "more"), len(data) + 5)

    run(both, tmp_path)
    assert (tmp_path / "back").read_bytes() == data
    assert sorted(path.name for path in (tmp_path / "there").iterdir()) == ["file"]
    assert not (tmp_path / "more").exists()


def test_commit_records_are_told_with_small_results(tmp_path: Path) -> None:
    """Those that were there before, and those that come."""
    events: list[Any] = []
    records, jobs = tmp_path / "records", tmp_path / "jobs"
    records.mkdir()
    for name in ("one", "two"):
        (jobs / name).mkdir(parents=True)
        (jobs / name / "result").write_bytes(name.encode())
    (records / "one.d").touch()

    async def watch(agent: Agent) -> None:
        await agent.ask("watch", folder=str(records), jobs=str(jobs))
        for name in ("two.b", "two.d"):
            (records / name).touch()
        for _ in range(500):
            if len({name for header, _ in events for name in header.get("names", ())}) == 3:
                return
            await asyncio.sleep(0.02)
        pytest.fail(f"not told: {events}")

    run(watch, tmp_path, events)
    rows = [row for header, _ in events for row in header.get("files", ())]
    assert sorted(row[:2] for row in rows) == [["one", "result"], ["two", "result"]]


def test_request_that_is_none_is_an_answer(tmp_path: Path) -> None:
    """Not the end of the agent."""

    async def ask(agent: Agent) -> None:
        with pytest.raises(AgentError, match="no request"):
            await agent.ask("nonesuch")
        with pytest.raises(AgentError, match="agent failed"):
            await agent.ask("get")
        await agent.ask("nothing")

    run(ask, tmp_path)


def test_garbage_ends_the_agent_and_nothing_else(tmp_path: Path) -> None:
    """A frame of impossible size."""
    shell = Shell("/bin/sh", "-c")
    stream = shell.start(source.command())
    stream.send(source.opening(str(tmp_path / "far")))
    stream.send(b"\xff" * 64)
    seen = b""
    while data := stream.receive(1000):
        seen += data
    assert seen.endswith(source.MAGIC)
    shell.close()


@pytest.fixture
def shell_of_user(sshd: Sshd) -> Iterator[Callable[[str], None]]:
    """Gives the cluster's user another login shell, for a while."""
    reason = why_not("shells")
    if reason:
        pytest.skip(reason)
    yield lambda shell: cluster_user(sshd.user.pw_name, shell) and None
    cluster_user(sshd.user.pw_name)


@pytest.mark.parametrize(("shell", "start_up"), [("tcsh", ".cshrc"), ("fish", ".config/fish/config.fish")])
def test_other_login_shells(
    sshd: Sshd, home: Path, shell_of_user: Callable[[str], None], shell: str, start_up: str
) -> None:
    """Over SSH, with a start-up file that prints."""
    shell_of_user(f"/usr/bin/{shell}")
    path = Path(sshd.user.pw_dir, start_up)
    write_for(sshd.user, path, f"echo hello from {shell}\n")

    async def main() -> tuple[str, str]:
        where = Target(sshd.host, sshd.port, sshd.user.pw_name, str(sshd.key))
        connection = await asyncio.to_thread(connect, where, lambda question: "")
        async with opened(connection, "~/.clustrix-shell") as agent:
            reply = await agent.ask("exec", b"", argv=["id", "-un"], login=True)
            return str(agent.facts["shell"]), str(reply.header["out"]).strip()

    try:
        assert asyncio.run(main()) == (f"/usr/bin/{shell}", sshd.user.pw_name)
    finally:
        path.unlink()
        subprocess.run(["rm", "-rf", f"{sshd.user.pw_dir}/.clustrix-shell"], check=True)


def test_old_arguments_are_removed_but_not_those_of_a_job_that_is_there(tmp_path: Path) -> None:
    """Who waits in a queue for months finds them all the same; once a day is enough."""
    blobs, jobs = tmp_path / "blobs", tmp_path / "jobs"
    day = 86400.0
    ages = {"new": 1, "old": 40, "of-a-job": 60, "ancient": 90}

    def age(path: Path, days: float) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
        os.utime(path, (time.time() - days * day,) * 2)

    async def sweep(agent: Agent) -> int:
        more = {"blobs": str(blobs), "jobs": str(jobs), "mark": str(tmp_path / "swept"), "age_s": 30 * day}
        return int((await agent.ask("sweep", **more)).header["removed"])

    def left() -> set[str]:
        return {path.name for path in blobs.rglob("*") if path.is_file()}

    for name, days in ages.items():
        age(blobs / name[:2] / name, days)
    age(jobs / "job" / "order", 59.9)
    assert run(sweep, tmp_path) == 1
    assert left() == {"new", "old", "of-a-job"}
    assert run(sweep, tmp_path) == 0
    (tmp_path / "swept").unlink()
    (jobs / "job" / "order").unlink()
    assert run(sweep, tmp_path) == 2
    assert left() == {"new"}


def test_folder_is_gone_in_which_somebody_still_writes(tmp_path: Path) -> None:
    """An element of a map ends when the result is there already."""
    folders = [tmp_path / f"job{number}" for number in range(20)]
    over = threading.Event()

    def write() -> None:
        number = 0
        while not over.wait(0.001):
            number += 1
            for folder in folders:
                with suppress(OSError):  # it is gone
                    (folder / f"late-{number}").write_text("")

    for folder in folders:
        (folder / "worker-0").mkdir(parents=True)
    writer = threading.Thread(target=write)
    writer.start()
    timer = threading.Timer(1.0, over.set)
    timer.start()
    try:
        run(lambda agent: agent.ask("remove", paths=[str(folder) for folder in folders]), tmp_path)
    finally:
        over.set()
        writer.join()
        timer.cancel()
    assert not [folder for folder in folders if folder.exists()]


def test_submissions_without_jobs_are_removed(tmp_path: Path) -> None:
    """Those with one stay, and those that are being made; where there never was one, nothing is amiss."""
    batches = tmp_path / "batches"

    async def close(agent: Agent) -> None:
        await agent.ask("close", batches=str(batches), listed="jobs")

    run(close, tmp_path)
    (tmp_path / "job").mkdir()
    for name, listed in {"with": ["gone", "job"], "without": ["gone"], "new": []}.items():
        (batches / name).mkdir(parents=True)
        (batches / name / "jobs").write_text("".join(f"{tmp_path / one}\n" for one in listed))
    run(close, tmp_path)
    assert {path.name for path in batches.iterdir()} == {"with", "new"}


def test_programs_that_nobody_waits_for_end_with_the_agent(tmp_path: Path) -> None:
    """Its connection is lost, and they would stay for ever."""

    async def leave(agent: Agent) -> None:
        agent.send("exec", b"", argv=["sh", "-c", f"echo $$ > {tmp_path}/pid; exec sleep 600"])
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            await asyncio.sleep(0.01)

    run(leave, tmp_path)
    pid = int((tmp_path / "pid").read_text())
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "it has ended", 60)
