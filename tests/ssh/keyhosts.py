"""Hosts to which keys are copied, and who answers meanwhile."""

from __future__ import annotations

import asyncio
import pwd
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clustrix.backends import Question
from clustrix.plugins.checks import Check, Suggestion
from clustrix_ssh.keysetup import set_up_key
from tests.ssh.support import know, until
from tests.testbed.sshd import Sshd
from tests.testbed.user import cluster_user, remove_for

USER = "clxkeys"
"""Its own, since its home's mode and its keys are changed here."""
PASSWORD = "Tr0ub4dor-of-the-host"  # noqa: S105 -- it is what nobody shall find
PASSPHRASE = "correct-horse-battery"  # noqa: S105 -- nor this
TAKES_PASSWORDS = ["StrictModes yes", "AuthorizedKeysFile .ssh/authorized_keys", "PasswordAuthentication yes"]

Make = Callable[..., Sshd]


@pytest.fixture(scope="module")
def owner(user: pwd.struct_passwd) -> Iterator[pwd.struct_passwd]:
    """Somebody with a password."""
    found = cluster_user(USER)
    subprocess.run(["chpasswd"], input=f"{USER}:{PASSWORD}\n", text=True, check=True)
    yield found
    subprocess.run(["userdel", "-r", "-f", USER], check=True, capture_output=True)


@pytest.fixture(scope="module")
def make(owner: pwd.struct_passwd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    """A server for that user."""
    made: list[Sshd] = []

    def one(*lines: str, **more: Any) -> Sshd:
        folder = tmp_path_factory.mktemp("sshd")
        for path in (folder, *folder.parents[:2]):
            path.chmod(0o755)
        made.append(Sshd(folder, owner, lines=lines, **more))
        return made[-1]

    yield one
    for server in made:
        server.stop()


@pytest.fixture(scope="module")
def usual(make: Make) -> Sshd:
    return make(*TAKES_PASSWORDS)


@pytest.fixture
def server(usual: Sshd, home: Path, owner: pwd.struct_passwd) -> Iterator[Sshd]:
    """One that takes passwords, and knows no keys yet; no connection to it is left behind."""
    know(home, usual)
    remove_for(owner, ".ssh")
    yield usual
    until(lambda: usual.connections() == [])
    cluster_user(USER)


class Person:
    """Answers each kind of question with what is next; None when that is used up."""

    def __init__(self, **answers: list[str]) -> None:
        self.asked: list[Question] = []
        self._answers = answers

    async def __call__(self, question: Question) -> str | None:
        self.asked.append(question)
        left = self._answers.get(question.kind, [])
        return left.pop(0) if left else None

    def kinds(self) -> list[str]:
        return [question.kind for question in self.asked]


def settings(server: Sshd, **more: object) -> dict[str, object]:
    found = {**server.settings, "remote_work_dir": "~/.clustrix-keys", **more}
    return found if "key_file" in more else {**found, "key_file": None}


def run(values: dict[str, object], person: Person) -> list[Check | Suggestion]:
    async def main() -> list[Check | Suggestion]:
        return [found async for found in set_up_key(values, person)]

    return asyncio.run(main())


def states(found: list[Check | Suggestion]) -> list[tuple[str, str]]:
    return [(one.what, one.state) for one in found if isinstance(one, Check)]


def suggested(found: list[Check | Suggestion]) -> list[Suggestion]:
    return [one for one in found if isinstance(one, Suggestion)]


def last(found: list[Check | Suggestion]) -> Check:
    assert isinstance(found[-1], Check), found
    return found[-1]


def authorized(owner: pwd.struct_passwd) -> Path:
    return Path(owner.pw_dir, ".ssh", "authorized_keys")


def by_ssh(server: Sshd, home: Path, key: Path) -> str:
    """OpenSSH's own view of it."""
    options = ["-F", str(home / ".ssh" / "config"), "-o", "BatchMode=yes", "-i", str(key)]
    command = ["ssh", *options, "-p", str(server.port), f"{USER}@{server.host}", "id -un"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout.strip() or done.stderr


ALL = [("host key", "ok"), ("key", "ok"), ("copy", "ok"), ("login with the key", "ok")]
