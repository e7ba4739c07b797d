"""The server: ``python -m tests.testbed.pbs.server FOLDER [--no-history]``; its clients come through a socket in that folder."""

from __future__ import annotations

import json
import os
import pwd
import re
import signal
import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.testbed.pbs.book import Book
from tests.testbed.pbs.records import CORES, HOST, VERSION, Job, attributes
from tests.testbed.pbs.submission import Refusal, parse
from tests.testbed.pbs.texts import as_json, blocks, table, wide

_TICK_SECONDS = 0.1
_FINISHED, _UNKNOWN, _NOT_ALLOWED = 35, 153, 159


class Answer(Exception):
    """What a client says."""

    def __init__(self, out: str = "", err: str = "", status: int = 0) -> None:
        super().__init__()
        self.row = {
            "out": out,
            "err": err + "\n" if err and not err.endswith("\n") else err,
            "status": status,
        }


class Server:
    """One, with one machine."""

    def __init__(self, folder: Path, history: bool) -> None:
        self.book = Book(folder / "spool")
        self.history = history
        self.programs: dict[str, Callable[[list[str], dict[str, Any], pwd.struct_passwd], Answer]] = {
            "qsub": self.qsub,
            "qstat": self.qstat,
            "qselect": self.qselect,
            "qdel": self.qdel,
            "qrls": self.qrls,
            "qrerun": self.qrerun,
            "pbsnodes": self.pbsnodes,
        }

    def answer(self, said: dict[str, Any], uid: int) -> dict[str, Any]:
        name, *argv = said["argv"]
        try:
            return self.programs[name](argv, said, pwd.getpwuid(uid)).row
        except Answer as answer:
            return answer.row
        except Refusal as error:
            return Answer("", str(error), error.status).row

    def qsub(self, argv: list[str], said: dict[str, Any], user: pwd.struct_passwd) -> Answer:
        if argv == ["--version"]:
            return Answer(f"pbs_version = {VERSION}\n")
        job = parse(argv, said["script"], said, user, self.book.next_number())
        self.book.add(job, said["script"])
        return Answer(f"{job.id}\n")

    def qstat(self, argv: list[str], said: dict[str, Any], user: pwd.struct_passwd) -> Answer:
        letters = {letter for word in argv if word.startswith("-") for letter in word[1:]}
        if {"B", "Q"} & letters:
            return Answer(self._site("B" if "B" in letters else "Q"))
        if "F" in letters:
            ids = [word for word in argv if word[:1].isdigit()]
            return self._full(ids, "x" in letters, "t" in letters)
        jobs = [job for job in self.book.in_order("t" in letters) if self._is_in_queue(job)]
        if "u" in letters:
            name = argv[argv.index("-u") + 1]
            return Answer(wide([job for job in jobs if job.user == name]))
        return Answer(table(jobs))

    def _is_in_queue(self, job: Job) -> bool:
        """An element that has ended is shown as long as its array is there."""
        return job.state != "F"

    def _full(self, ids: list[str], history: bool, with_elements: bool) -> Answer:
        rows: dict[str, dict[str, Any]] = {}
        try:
            for job in self._named(ids) if ids else self.book.in_order(with_elements):
                if job.over and job.index is None and not history:
                    if not ids:
                        continue
                    text = "Job has finished, use -x or -H to obtain historical job information"
                    raise Answer("", f"qstat: {job.id} {text}", _FINISHED)
                some = self.book.elements(job) if job.indices is not None else []
                for one in [job, *some] if with_elements else [job]:
                    rows[one.id] = attributes(one, some)
        except Answer as answer:  # what was found before it is told; what comes after it is not
            return Answer(as_json(rows), answer.row["err"], answer.row["status"])
        return Answer(as_json(rows))

    def _named(self, ids: list[str], program: str = "qstat"):  # type: ignore[no-untyped-def]
        for name in ids:
            key = name.partition(".")[0]
            job = self.book.jobs.get(key)
            if job is None or (job.over and not self.history and job.index is None):
                raise Answer("", f"{program}: Unknown Job Id {key}.{HOST}", _UNKNOWN)
            yield job

    def _site(self, kind: str) -> str:
        if kind == "Q":
            return blocks("Queue", "workq", {
                "queue_type": "Execution", "total_jobs": len(self.book.jobs), "resources_max.walltime": "24:00:00",
                "enabled": "True", "started": "True",
            })  # fmt: skip
        row = {
            "server_state": "Active",
            "server_host": HOST,
            "default_queue": "workq",
            "max_array_size": 10000,
            "pbs_version": VERSION,
        }
        return blocks("Server", HOST, row)

    def qselect(self, argv: list[str], said: dict[str, Any], user: pwd.struct_passwd) -> Answer:
        wanted = {word: argv[place + 1] for place, word in enumerate(argv) if word in ("-u", "-N")}
        found = []
        for job in self.book.in_order(with_elements=False):
            fits = job.user == wanted.get("-u", job.user) and job.name == wanted.get("-N", job.name)
            if fits and (not job.over or ("-x" in argv and self.history)):
                found.append(job.id)
        return Answer("".join(f"{one}\n" for one in found))

    def qdel(self, argv: list[str], said: dict[str, Any], user: pwd.struct_passwd) -> Answer:
        err, status = "", 0
        for name in argv:
            try:
                (job,) = self._named([name], "qdel")
            except Answer as answer:
                err, status = err + answer.row["err"], answer.row["status"]
                continue
            if job.over:
                err, status = err + f"qdel: Job has finished {job.id}\n", _FINISHED
            elif user.pw_uid not in (0, pwd.getpwnam(job.user).pw_uid):
                err, status = err + f"qdel: Unauthorized Request {job.id}\n", _NOT_ALLOWED
            else:
                self.book.delete(job, user.pw_name)
        return Answer("", err, status)

    def qrls(self, argv: list[str], said: dict[str, Any], user: pwd.struct_passwd) -> Answer:
        for job in self._named(argv, "qrls"):
            self.book.release(job)
        return Answer()

    def qrerun(self, argv: list[str], said: dict[str, Any], user: pwd.struct_passwd) -> Answer:
        if user.pw_uid != 0:
            raise Answer("", f"qrerun: Unauthorized Request {argv[0]}", _NOT_ALLOWED)
        for job in self._named(argv, "qrerun"):
            job.deleted_by = "rerun"
            (self.book.spool / "kill" / job.key).touch()
        return Answer()

    def pbsnodes(self, argv: list[str], said: dict[str, Any], user: pwd.struct_passwd) -> Answer:
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 10
        rows = {
            "Mom": HOST,
            "state": "free",
            "resources_available.mem": f"{pages}kb",
            "resources_available.ncpus": CORES,
        }
        return Answer(f"{HOST}\n" + "".join(f"     {key} = {value}\n" for key, value in rows.items()) + "\n")


def main(argv: list[str]) -> None:
    """Until SIGTERM."""
    folder = Path(argv[0])
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    server = Server(folder, "--no-history" not in argv)
    way = folder / "server"
    way.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(way))
        way.chmod(0o777)
        door.listen(64)
        door.settimeout(_TICK_SECONDS)
        (folder / "pid").write_text(str(os.getpid()))
        while True:
            server.book.step()
            try:
                client, _ = door.accept()
            except TimeoutError:
                continue
            with client:
                client.settimeout(10)
                serve(server, client)


def serve(server: Server, client: socket.socket) -> None:
    uid = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1]
    asked = b""
    while not asked.endswith(b"\n"):
        part = client.recv(1 << 16)
        if not part:
            return
        asked += part
    server.book.step()
    client.sendall(json.dumps(server.answer(json.loads(asked), uid)).encode())


if __name__ == "__main__":
    assert re.match("/", sys.argv[1]), "an absolute folder"
    main(sys.argv[1:])
