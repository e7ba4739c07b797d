"""The processes of a torture: a state directory of its own, clients, and ways to break them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.core.faults.home import Home, until
from tests.torture import client
from tests.torture.clients import Client, Nursery
from tests.torture.places import Place, kill

HERE = "here"
"""The client that is this very process."""
AHEAD = "ahead"
"""The client whose clock is a day ahead of the others'."""
CLIENTS = (HERE, "one", "two", AHEAD)
_DAY_SECONDS = 86400
_LEAVING_SECONDS = 20.0
_SHIFTED = """
import time
_now = time.time
time.time = lambda: _now() + {seconds}
"""


class World:
    """Everything that is to be ended at the end."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.root = place.root
        self._before = dict(os.environ)
        os.environ |= {
            **place.variables(),
            "HOME": str(self.root),
            "XDG_STATE_HOME": str(self.root),
            "XDG_CONFIG_HOME": str(self.root / "config"),
            "TORTURE_HOME": str(place.shared),
            "CLUSTRIX_ENVIRONMENT_VARIABLES": json.dumps({"TORTURE_HOME": str(place.shared)}),
        }
        self.home = Home(self.root)
        self._clients: dict[str, Client] = {}
        self._nursery = Nursery()
        self._flags = 0
        self.trace: list[str] = []
        self._began = time.monotonic()
        self.parents_killed = False
        self.kills: Counter[str] = Counter()
        """How many processes of each kind were killed."""
        self._standing: set[int] = set()
        self._asked = 0
        """The latest dispatcher that was asked to leave."""
        first = {"kind": "value", "token": "first", "options": {}}
        self.ask(HERE, "submit", **first)  # which makes the journal
        assert until(lambda: self.home.dispatcher() is not None), "no dispatcher has come up"

    # -- clients

    def ask(self, name: str, op: str, **given: Any) -> Any:
        """Have a client do something, and return what it tells."""
        self.note(f"{name}: {op} {given}")
        told = client.perform(op, **given) if name == HERE else self._client(name).ask(op, given)
        self.note(f"{name}: -> {told}")
        return told

    def ask_and_kill(self, name: str, pause_s: float, op: str, **given: Any) -> None:
        """Have a client begin something, and kill it, whether it has done it or not."""
        name = "one" if name == HERE else name
        self.ask(name, "begin")
        self.note(f"{name}: {op} {given}, and is killed after {pause_s} s")
        self._client(name).send(op, given)
        time.sleep(pause_s)
        self.kill_client(name)

    def _client(self, name: str) -> Client:
        known = self._clients.get(name)
        if known is None:
            known = self._clients[name] = self._nursery.fork(
                self.shifted(_DAY_SECONDS) if name == AHEAD else dict(os.environ),
                _DAY_SECONDS if name == AHEAD else 0,
                self.root / f"{name}.err",
            )
        return known

    def kill_client(self, name: str) -> None:
        known = self._clients.pop(name, None)
        if known is not None:
            known.kill()
            self.kills["client"] += 1

    # -- what is broken

    def kill_dispatcher(self) -> None:
        self.note(f"kill dispatcher {self.home.dispatcher()}")
        self.kills["dispatcher"] += self.home.kill_dispatcher()

    def end_dispatcher(self) -> None:
        pid = self.home.dispatcher()
        self.note(f"SIGTERM {pid}")
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    def kill_parent(self, which: int) -> bool:
        """One of the dispatcher's warm parents; whether there was one."""
        parents = self.home.warm_parents()
        self.note(f"kill one of the warm parents {parents}")
        killed = bool(parents) and kill(parents[which % len(parents)])
        self.parents_killed = self.parents_killed or killed
        self.kills["warm parent"] += killed
        return killed

    def kill_runner(self, job: str, which: int) -> bool:
        runners = self.place.runners(job)
        self.note(f"kill runner of {job}: {runners}")
        killed = bool(runners) and kill(runners[which % len(runners)])
        self.kills["runner"] += killed
        return killed

    def kill_helper(self, which: int) -> bool:
        """Of those that the place has; whether there was one."""
        helpers = self.place.helpers()
        self.note(f"kill one of the helpers {helpers}")
        killed = bool(helpers) and kill(helpers[which % len(helpers)])
        self.kills["agent or keeper"] += killed
        return killed

    def cut_lines(self) -> None:
        """By the end of the server's processes."""
        self.note("cut all lines")
        self.kills["sshd"] += self.place.cut()

    def stop(self, which: int) -> None:
        """Have the dispatcher, or one of its warm parents, stand still until ``go_on``."""
        standing = [self.home.dispatcher(), *self.home.warm_parents()]
        pid = standing[which % len(standing)]
        if pid is None:
            return
        self.note(f"SIGSTOP {pid}")
        if self.home.stand_still(pid):
            self._standing.add(pid)

    def go_on(self) -> None:
        for pid in self._standing:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self._standing.clear()

    def replace_dispatcher(self, ahead_s: int, point: str) -> None:
        """Kill the dispatcher, and start another with the clock shifted, or that is killed when it passes a point."""
        name = next((self.home.state / "dispatchers").glob("*.lock")).stem
        environ = self.shifted(ahead_s) if ahead_s else dict(os.environ)
        if point:
            self._flags += 1
            environ["CLUSTRIX_FAULT"] = f"{point}@{self.root / f'flag{self._flags}'}"
        self.kill_dispatcher()
        command = [sys.executable, "-m", "clustrix.dispatcher", str(self.home.state), name]
        subprocess.Popen(
            ["sh", "-c", '"$@" &', "sh", *command],  # not a child of ours, as it never is
            env=environ,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        ).wait()

    def disarm(self) -> None:
        """Have no dispatcher be killed at a point any more: who comes after it has its environment, and would be in a later run."""
        for number in range(1, self._flags + 1):
            with open(self.root / f"flag{number}", "ab") as flag:
                flag.write(b".")

    def shifted(self, seconds: int) -> dict[str, str]:
        """Variables of a Python whose wall clock is ahead by so much; the monotonic one is not."""
        folder = self.root / f"clock{seconds}"
        folder.mkdir(exist_ok=True)
        (folder / "sitecustomize.py").write_text(_SHIFTED.format(seconds=seconds))
        path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
        return {**os.environ, "PYTHONPATH": path}

    def open_gate(self, token: str) -> None:
        """Let the jobs with a token go on."""
        (self.place.shared / "gates" / token).touch()

    def is_open(self, token: str) -> bool:
        return (self.place.shared / "gates" / token).exists()

    # -- the end

    def note(self, text: str) -> None:
        self.trace.append(f"{time.monotonic() - self._began:8.3f} {text}")

    def close(self, kept: bool = False) -> None:
        """End everything; fails if something does not leave when it is told to, unless ``kept``, for a look at it."""
        try:
            self.go_on()
            for one in self._clients.values():
                one.close()
            self._nursery.close()
            if not kept:
                assert until(self._has_left, _LEAVING_SECONDS), self._still_there()
        finally:
            self.home.stop()
            os.environ.clear()
            os.environ.update(self._before)
            self.place.close(kept)

    def _has_left(self) -> bool:
        """Asked of each dispatcher: one may just be starting that a warm parent has sent for."""
        dispatcher = self.home.dispatcher()
        if dispatcher is not None and dispatcher != self._asked:
            self._asked = dispatcher
            self.end_dispatcher()
        return not self.home.processes()

    def _still_there(self) -> str:
        found = self.home.processes()
        return "still there: " + "\n".join(
            f"{pid} {Path(f'/proc/{pid}/cmdline').read_bytes()[:300]!r}" for pid in found
        )
