"""The same at hosts of several kinds, beside others, and in a terminal."""

from __future__ import annotations

import asyncio
import pwd
import sys
from pathlib import Path

import pytest

from clustrix.backends import Question
from clustrix_ssh.errors import NobodyThere
from clustrix_ssh.farhost import target_of
from clustrix_ssh.keysetup import set_up_key
from clustrix_ssh.transport import shared
from tests.core.support import run_command
from tests.ssh.keyhosts import (
    ALL,
    PASSPHRASE,
    PASSWORD,
    USER,
    Make,
    Person,
    authorized,
    last,
    make,
    owner,
    run,
    server,
    settings,
    states,
    usual,
)
from tests.ssh.support import know, until
from tests.ssh.terminal import Terminal
from tests.testbed.otp import OtpSshd
from tests.testbed.packages import why_not
from tests.testbed.sshd import Sshd, make_key
from tests.testbed.user import cluster_user, remove_for, write_for

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("home", "state")]
__all__ = ["make", "owner", "server", "usual"]  # fixtures


@pytest.mark.parametrize(
    ("shell", "start_up"), [("tcsh", ".cshrc"), ("fish", ".config/fish/config.fish"), ("bash", ".bashrc")]
)
def test_other_login_shells(
    server: Sshd, home: Path, owner: pwd.struct_passwd, shell: str, start_up: str
) -> None:
    """With a start-up file that prints."""
    if reason := why_not("shells"):
        pytest.skip(reason)
    cluster_user(USER, f"/usr/bin/{shell}")
    path = Path(owner.pw_dir, start_up)
    write_for(owner, path, f"echo hello from {shell}\n")
    try:
        found = run(settings(server), Person(passphrase=[""], password=[PASSWORD]))
    finally:
        path.unlink()
    assert states(found) == ALL, found
    assert len(authorized(owner).read_text().splitlines()) == 1


def test_second_factor_is_asked_for_while_it_is_copied(
    otp: OtpSshd, make: Make, home: Path, owner: pwd.struct_passwd
) -> None:
    """And then it is said that it will be, at each login."""
    remove_for(owner, ".ssh")
    pam = ["UsePAM yes", "KbdInteractiveAuthentication yes", "AuthorizedKeysFile .ssh/authorized_keys"]
    methods = "AuthenticationMethods publickey,keyboard-interactive keyboard-interactive"
    server = make(*pam, methods, program=str(otp.sshd.folder.parent / "sshd-testbed-otp"))
    know(home, server)
    found = run(settings(server), Person(passphrase=[""], code=[otp.code()]))
    assert states(found) == ALL, found
    assert "keyboard-interactive" in last(found).found
    again = run(settings(server), Person())
    assert states(again) == [("host key", "ok"), ("login", "ok")]
    assert "clustrix login" in last(again).advice


def test_hosts_that_cannot_be_helped_say_so(make: Make, home: Path, owner: pwd.struct_passwd) -> None:
    """No keys at all; nothing but keys; ssh's own matter; no host; nobody there."""
    remove_for(owner, ".ssh")
    deaf = make("PasswordAuthentication yes", "PubkeyAuthentication no")
    know(home, deaf)
    found = run(settings(deaf), Person(passphrase=[""]))
    assert states(found) == [("host key", "ok"), ("login", "failed")]
    assert "takes no keys, only: password" in last(found).found
    strict = make("AuthorizedKeysFile .ssh/authorized_keys")
    know(home, strict)
    found = run(settings(strict), Person(passphrase=[""]))
    assert states(found) == [("host key", "ok"), ("key", "ok"), ("copy", "failed")]
    assert (home / ".ssh" / "id_ed25519.pub").read_text().strip() in last(found).advice
    found = run(settings(strict, ssh_client="openssh"), Person())
    assert states(found) == [("login", "warning")]
    assert f"ssh-copy-id -p {strict.port} {USER}@" in last(found).advice
    assert states(run({"cluster_type": "ssh"}, Person())) == [("host", "failed")]
    found = run({**settings(strict), "cluster_port": 1}, Person())
    assert states(found) == [("connection", "failed")]


def test_who_goes_in_the_middle_leaves_nothing_open(server: Sshd, home: Path) -> None:
    """A form that is closed while a password is asked for."""

    async def main() -> int:
        waits = asyncio.Event()

        async def ask(question: Question) -> str | None:
            if question.kind == "passphrase":
                return ""
            waits.set()
            await asyncio.sleep(3600)
            return None

        async def go() -> None:
            async for _ in set_up_key(settings(server), ask):
                pass

        going = asyncio.ensure_future(go())
        await waits.wait()
        there = len(server.connections())
        going.cancel()
        with pytest.raises(asyncio.CancelledError):
            await going
        return there

    assert asyncio.run(main()) >= 1
    until(lambda: server.connections() == [], 5)


def test_hop_is_logged_in_at_once_only(server: Sshd, sshd: Sshd, home: Path) -> None:
    """It may want a second factor."""
    make_key(home / ".ssh" / "hop")
    sshd.allow(sshd.key.with_suffix(".pub").read_text(), (home / ".ssh" / "hop.pub").read_text())
    with open(home / ".ssh" / "config", "a") as file:
        file.write(
            f"  User {USER}\nHost hop\n  HostName {sshd.host}\n  Port {sshd.port}\n  User {sshd.user.pw_name}\n"
        )
        file.write(f"  IdentityFile {home}/.ssh/hop\nHost behind\n  HostName {server.host}\n")
        file.write(f"  Port {server.port}\n  ProxyJump hop\n")
    text = (home / ".ssh" / "config").read_text()
    (home / ".ssh" / "config").write_text(text.replace(f"  User {USER}\n", "", 1))
    log = sshd.folder / "sshd.log"
    before = log.read_text().count("Accepted publickey")
    try:
        values: dict[str, object] = {"cluster_host": "behind", "username": USER}
        found = run(values, Person(passphrase=[""], password=[PASSWORD]))
    finally:
        sshd.allow(sshd.key.with_suffix(".pub").read_text())
    assert states(found) == ALL, found
    assert log.read_text().count("Accepted publickey") == before + 1
    until(lambda: sshd.connections() == [])


def test_connections_of_others_stay(server: Sshd, home: Path) -> None:
    """Those that this process has already."""
    run(settings(server), Person(passphrase=[""], password=[PASSWORD]))

    class Nobody:
        answered = False

        def ask(self, question: Question) -> str:
            raise NobodyThere(question.text)

    target = target_of(settings(server))
    held = shared.acquire(target, Nobody())
    try:
        assert states(run(settings(server), Person()))[-1] == ("login", "ok")
        assert held.alive()
        again = shared.acquire(target, Nobody())
        assert again is held
        again.close()
    finally:
        held.close()


def _terminal(server: Sshd, *more: str) -> Terminal:
    command = [sys.executable, "-m", "clustrix", "hosts", "key", server.host, "--port", str(server.port)]
    return Terminal([*command, *more], CLUSTRIX_USERNAME=USER)


def test_in_a_terminal(server: Sshd, home: Path) -> None:
    """All is asked there; what to set is said."""
    (home / ".ssh" / "known_hosts").write_text("")
    with open(home / ".ssh" / "config", "a") as file:
        file.write("  IdentityFile ~/.ssh/other\n")
    terminal = _terminal(server)
    for prompt, answer in (
        ("Are these the host's?", "y"),
        ("Passphrase for the new key:", PASSPHRASE),
        ("again:", PASSPHRASE),
        ("'s password:", PASSWORD),
    ):
        terminal.wait_for(prompt)
        terminal.type(answer)
    assert terminal.end() == 0, terminal.shown
    assert "ok        login with the key: " in terminal.shown
    assert "clustrix config set key_file '~/.ssh/id_ed25519'" in terminal.shown
    assert PASSPHRASE not in terminal.shown
    assert PASSWORD not in terminal.shown


def test_ctrl_c_at_a_prompt(server: Sshd, home: Path) -> None:
    """It is told what was changed."""
    terminal = _terminal(server)
    terminal.wait_for("Passphrase for the new key:")
    terminal.type("")
    terminal.wait_for("'s password:")
    terminal.type("\x03")
    assert terminal.end() == 1, terminal.shown
    assert "copy: nobody has answered" in terminal.shown
    assert "~/.ssh/id_ed25519 was made" in terminal.shown


def test_without_a_terminal(server: Sshd) -> None:
    """Nothing is asked, and nothing is done."""
    shown = run_command("hosts", "key", server.host, code=1).stderr
    assert "call it in a terminal" in shown
