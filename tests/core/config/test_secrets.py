"""Secrets: where they are taken from, and that they are seen nowhere."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked

from clustrix.config import secrets
from clustrix.config.secrets import Entry, reveal
from clustrix.errors import ConfigError, SecretUnavailable, UnknownOption
from tests.core.config.conftest import World


class Drawer(KeyringBackend):
    """A keyring in memory, as a system's own would be; it may be locked."""

    priority = 1  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.held: dict[tuple[str, str], str] = {}
        self.locked = False

    def get_password(self, service: str, username: str) -> str | None:
        if self.locked:
            raise KeyringLocked("hunter2 cannot be had")
        return self.held.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.held[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.held[service, username]


@pytest.fixture
def drawer() -> Iterator[Drawer]:
    before = keyring.get_keyring()
    found = Drawer()
    keyring.set_keyring(found)
    yield found
    keyring.set_keyring(before)


def test_secret_is_looked_for_in_order(world: World, drawer: Drawer, monkeypatch: pytest.MonkeyPatch) -> None:
    """File, keyring, command, environment, configure(): each goes before the one before it."""
    found = world.settings()
    with pytest.raises(
        SecretUnavailable, match=r"token: not set.*secret set token.*CLUSTRIX_TOKEN.*token_command"
    ):
        reveal(found, "token")
    world.write_user("token: from-file\n")
    found = world.settings()
    with pytest.warns(
        UserWarning, match="config.yml holds a secret, token.*clustrix config secret set token"
    ):
        assert reveal(found, "token") == "from-file"
    secrets.store(found, Entry("token"), "from-keyring")
    assert reveal(found, "token") == "from-keyring"
    found.configure({"token_command": f"{sys.executable} -c \"print('from command'); print('more')\""})
    assert reveal(found, "token") == "from command"
    monkeypatch.setenv("CLUSTRIX_TOKEN", "from-environment")
    assert reveal(found, "token") == "from-environment"
    found.configure({"token": "from-configure"})
    assert reveal(found, "token") == "from-configure"


def test_profile_has_secrets_of_its_own(world: World, drawer: Drawer) -> None:
    """In the keyring those of the profile go before the common one."""
    world.write_user("profiles:\n  hpc: {host: a}\n  gpu: {host: b}\n")
    found = world.settings()
    secrets.store(found, Entry("token"), "common")
    secrets.store(found, Entry("token", "hpc"), "of-hpc")
    assert reveal(found, "token", "hpc") == "of-hpc"
    assert reveal(found, "token", "gpu") == "common"
    found.configure({"profile": "hpc"})
    assert reveal(found, "token") == "of-hpc"
    assert secrets.delete(found, Entry("token", "hpc"))
    assert not secrets.delete(found, Entry("token", "hpc"))
    assert reveal(found, "token") == "common"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("no-such-program hunter2", "no-such-program, of token_command, cannot be run"),
        ("false hunter2", "false, of token_command, ended with status 1"),
        ("true hunter2", "true, of token_command, printed no line"),
        ("'unfinished hunter2", "check its quotes"),
    ],
)
def test_failing_command_says_which_program(world: World, command: str, said: str) -> None:
    """And none of its arguments."""
    found = world.settings()
    found.configure({"token_command": command})
    with pytest.raises(SecretUnavailable, match=said) as caught:
        reveal(found, "token")
    assert "hunter2" not in f"{caught.value} {caught.value.args}"


def test_command_is_not_run_by_a_shell(world: World) -> None:
    """What a shell would take for a second command is an argument."""
    found = world.settings()
    found.configure({"token_command": "echo a; touch b $HOME"})
    assert reveal(found, "token") == "a; touch b $HOME"
    assert not (world.project / "b").exists()


def test_project_file_cannot_name_a_command(world: World) -> None:
    """A folder that somebody sends must not run a program."""
    path = world.write_project("token_command: touch /tmp/x\n")
    with pytest.raises(ConfigError, match=f"{path}:1: .*a project file cannot name a program"):
        world.settings().current()
    path.write_text("profiles:\n  a:\n    token_command: touch /tmp/x\n")
    with pytest.raises(ConfigError, match=f"{path}:3: .*a project file cannot name a program"):
        world.settings().current()


def test_locked_keyring_is_told_without_its_words(world: World, drawer: Drawer) -> None:
    """What went wrong, and what else can be done."""
    drawer.locked = True
    with pytest.raises(
        SecretUnavailable, match=r"keyring cannot be used \(KeyringLocked\).*CLUSTRIX_TOKEN"
    ) as caught:
        reveal(world.settings(), "token")
    assert "hunter2" not in f"{caught.value}"


def test_missing_keyring_says_what_to_install(world: World) -> None:
    """It is an extra; without it everything else works."""
    script = """
import sys
sys.modules["keyring"] = None
from clustrix.config import kinds, secrets
from clustrix.config.field import Field
from clustrix.config.store import Settings
token = Field("token", kinds.text(), None, "A secret.", "abc", secret=True)
try:
    secrets.reveal(Settings(fields=lambda: (token,)), "token")
except Exception as error:
    print(type(error).__name__, error)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.startswith("SecretUnavailable token: not set (")
    assert 'pip install "clustrix[keyring]"' in run.stdout


def test_list_of_secrets_reveals_nothing(
    world: World, drawer: Drawer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where each would come from; no command is run for it."""
    found = world.settings()

    def where() -> Any:
        return secrets.whereabouts(found, found.current())["token"]

    assert where() == "not set"
    secrets.store(found, Entry("token"), "hunter2")
    assert where() == "keyring"
    found.configure({"token_command": "touch b"})
    assert where() == "token_command, configure()"
    assert not (world.project / "b").exists()
    monkeypatch.setenv("CLUSTRIX_TOKEN", "hunter2")
    assert where() == "environment CLUSTRIX_TOKEN"


def test_only_secrets_are_secrets(world: World) -> None:
    """The names of others are not taken."""
    with pytest.raises(UnknownOption, match="did you mean 'token'"):
        reveal(world.settings(), "tokn")
    with pytest.raises(UnknownOption):
        secrets.store(world.settings(), Entry("default_cores"), "4")


def test_bad_secret_is_not_repeated(world: World, drawer: Drawer) -> None:
    """Neither when it is stored nor when a command prints it."""
    for bad in ("hunter2\x00", "hunter2" * 1000):
        with pytest.raises(ConfigError) as caught:
            secrets.store(world.settings(), Entry("token"), bad)
        assert "hunter2" not in f"{caught.value} {caught.value.args}"
    assert drawer.held == {}
