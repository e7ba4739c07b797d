"""Ways into a real sshd: kinds of keys, jump hosts, both clients; and what is said when there is no way."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paramiko
import pytest

from clustrix.errors import HostUnreachable
from clustrix_ssh.errors import HostKeyChanged, HostKeyUnknown, LoginRefused, NobodyThere
from clustrix_ssh.transport.connect import connect
from clustrix_ssh.transport.interface import Question, Target
from clustrix_ssh.transport.paramiko_connection import host_keys
from clustrix_ssh.transport.sshconfig import look_up
from clustrix_ssh.transport.translated import translated
from tests.ssh.support import know
from tests.testbed.proxy import Proxy
from tests.testbed.sshd import Sshd, make_key

pytestmark = pytest.mark.usefixtures("home")

Make = Callable[..., Sshd]


@pytest.fixture
def make(user: Any, tmp_path_factory: pytest.TempPathFactory, home: Path) -> Iterator[Make]:
    """Another sshd, which the home knows."""
    made: list[Sshd] = []

    def one(**options: Any) -> Sshd:
        folder = tmp_path_factory.mktemp("sshd")
        for path in (folder, *folder.parents[:2]):
            path.chmod(0o755)
        server = Sshd(folder, user, **options)
        made.append(server)
        know(home, server)
        return server

    yield one
    for server in made:
        server.stop()


def nobody(question: Question) -> str:
    raise NobodyThere(question.text)


def target(server: Sshd, **more: Any) -> Target:
    return Target(
        **{
            "host": server.host,
            "port": server.port,
            "username": server.user.pw_name,
            "key_file": str(server.key),
            **more,
        }
    )


def says(where: Target, ask: Callable[[Question], str] = nobody) -> str:
    """What a command there prints."""
    connection = connect(where, ask)
    try:
        stream = connection.start("id -un")
        found = b""
        while data := stream.receive(100):
            found += data
        return found.decode().strip()
    finally:
        connection.close()


@pytest.mark.parametrize("client", ["paramiko", "openssh"])
@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_key_of_each_kind_lets_in(sshd: Sshd, tmp_path: Path, kind: str, client: str) -> None:
    """In OpenSSH's own format; RSA with SHA-2, since this sshd takes no ssh-rsa: pain 28."""
    key = make_key(tmp_path / "key", kind)
    before = (sshd.folder / "authorized_keys").read_text()
    sshd.allow(before, key.with_suffix(".pub").read_text())
    assert says(target(sshd, key_file=str(key), ssh_client=client)) == sshd.user.pw_name


def test_key_in_the_old_format_lets_in(sshd: Sshd, tmp_path: Path) -> None:
    """PEM, as before OpenSSH 7.8."""
    key = make_key(tmp_path / "key", "rsa", "", "-m", "PEM")
    sshd.allow((sshd.folder / "authorized_keys").read_text(), key.with_suffix(".pub").read_text())
    assert says(target(sshd, key_file=str(key))) == sshd.user.pw_name


def test_passphrase_is_asked_for_until_it_is_right(sshd: Sshd, tmp_path: Path) -> None:
    """By whom can answer."""
    key = make_key(tmp_path / "key", "ed25519", "open sesame")
    sshd.allow((sshd.folder / "authorized_keys").read_text(), key.with_suffix(".pub").read_text())
    answers, asked = ["wrong", "open sesame"], []

    def answer(question: Question) -> str:
        asked.append(question.kind)
        return answers.pop(0)

    assert says(target(sshd, key_file=str(key), ssh_client="paramiko"), answer) == sshd.user.pw_name
    assert asked == ["passphrase", "passphrase"]


def test_key_with_a_passphrase_and_nobody_there(sshd: Sshd, tmp_path: Path) -> None:
    """It says what it would have asked."""
    key = make_key(tmp_path / "key", "ed25519", "open sesame")
    with pytest.raises(NobodyThere, match="passphrase for key"):
        says(target(sshd, key_file=str(key)))


def test_agent_has_the_key(sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real ssh-agent, and no key file at all."""
    path = str(tmp_path / "agent")
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
    try:
        while not os.path.exists(path):
            assert agent.poll() is None
        monkeypatch.setenv("SSH_AUTH_SOCK", path)
        subprocess.run(["ssh-add", "-q", str(sshd.key)], check=True, capture_output=True)
        assert says(target(sshd, key_file="")) == sshd.user.pw_name
    finally:
        agent.terminate()
        agent.wait()


@pytest.mark.parametrize("client", ["paramiko", "openssh"])
def test_wrong_key_is_refused_in_a_sentence(sshd: Sshd, tmp_path: Path, client: str) -> None:
    """And what to do."""
    with pytest.raises(LoginRefused, match=r"does not let|Permission denied"):
        says(target(sshd, key_file=str(make_key(tmp_path / "other")), ssh_client=client))


def test_key_file_that_is_not_there(sshd: Sshd, tmp_path: Path) -> None:
    """It is named."""
    with pytest.raises(LoginRefused, match="nonesuch is not there"):
        says(target(sshd, key_file=str(tmp_path / "nonesuch")))


def test_key_file_that_holds_no_private_key(sshd: Sshd, tmp_path: Path) -> None:
    """It says what it is instead."""
    with pytest.raises(LoginRefused, match="is a public key: key_file wants the private one"):
        says(target(sshd, key_file=str(sshd.key) + ".pub", ssh_client="paramiko"))
    (tmp_path / "notes").write_text("milk, bread")
    with pytest.raises(LoginRefused, match="notes is no private key"):
        says(target(sshd, key_file=str(tmp_path / "notes"), ssh_client="paramiko"))


@pytest.mark.parametrize("client", ["paramiko", "openssh"])
def test_unknown_host_is_refused(sshd: Sshd, home: Path, client: str) -> None:
    """With its fingerprint, and the command that trusts it; nothing is added by itself."""
    (home / ".ssh" / "known_hosts").write_text("")
    with pytest.raises(HostKeyUnknown) as told:
        says(target(sshd, ssh_client=client))
    assert f"clustrix hosts trust {sshd.host} --port {sshd.port}" in str(told.value)
    if client == "paramiko":  # the system's ssh does not tell
        assert "SHA256:" in str(told.value)
    assert (home / ".ssh" / "known_hosts").read_text() == ""


@pytest.mark.parametrize("client", ["paramiko", "openssh"])
def test_changed_host_is_refused_loudly(sshd: Sshd, home: Path, tmp_path: Path, client: str) -> None:
    """Somebody may be listening."""
    other = make_key(tmp_path / "other").with_suffix(".pub").read_text()
    (home / ".ssh" / "known_hosts").write_text(f"[{sshd.host}]:{sshd.port} {other}")
    with pytest.raises(HostKeyChanged, match="HAS CHANGED"):
        says(target(sshd, ssh_client=client))


def test_hashed_names_are_understood(sshd: Sshd, home: Path) -> None:
    """As ``HashKnownHosts`` writes them."""
    subprocess.run(
        ["ssh-keygen", "-H", "-f", str(home / ".ssh" / "known_hosts")], check=True, capture_output=True
    )
    assert sshd.host not in (home / ".ssh" / "known_hosts").read_text()
    assert says(target(sshd)) == sshd.user.pw_name


def test_host_with_several_keys_is_known_by_one(make: Make, home: Path) -> None:
    """It is asked for the one that is known."""
    server = make(host_key_types=("ed25519", "rsa", "ecdsa"))
    lines = [line for line in server.known_hosts.read_text().splitlines() if "ecdsa" in line]
    (home / ".ssh" / "known_hosts").write_text(lines[0] + "\n")
    assert says(target(server)) == server.user.pw_name
    assert len(host_keys(target(server), nobody)) == 3


def test_revoked_key_is_refused(sshd: Sshd, home: Path) -> None:
    """Whatever else the file says."""
    path = home / ".ssh" / "known_hosts"
    path.write_text("".join(f"@revoked {line}\n" for line in path.read_text().splitlines()))
    with pytest.raises(HostKeyChanged, match="revoked"):
        says(target(sshd))


def test_settings_of_the_users_configuration_hold(sshd: Sshd, home: Path) -> None:
    """An alias with host, port, user and key, in a file that is included, beside a ``Match exec``: pain 29."""
    (home / ".ssh" / "more").write_text(
        f"Host uni\n  HostName {sshd.host}\n  Port {sshd.port}\n  User {sshd.user.pw_name}\n  IdentityFile {sshd.key}\n  IdentitiesOnly yes\n"
    )
    config = home / ".ssh" / "config"
    config.write_text(
        f'Include {home}/.ssh/more\nMatch exec "true"\n  ServerAliveInterval 7\n' + config.read_text()
    )
    assert says(Target("uni")) == sshd.user.pw_name
    assert says(Target("uni", ssh_client="openssh")) == sshd.user.pw_name


def test_jump_host_is_passed_through(sshd: Sshd, make: Make, home: Path) -> None:
    """Two hops, each verified."""
    second, third = make(), make()
    second.allow(sshd.key.with_suffix(".pub").read_text())
    third.allow(sshd.key.with_suffix(".pub").read_text())
    blocks = [
        f"Host {name}\n  HostName {server.host}\n  Port {server.port}\n  User {server.user.pw_name}\n  IdentityFile {sshd.key}\n{more}"
        for name, server, more in (
            ("first", sshd, ""),
            ("second", second, ""),
            ("third", third, "  ProxyJump first,second\n"),
        )
    ]
    config = home / ".ssh" / "config"
    config.write_text("".join(blocks) + config.read_text())
    assert look_up(Target("third")).proxy_jump == ("first", "second")
    assert says(Target("third")) == sshd.user.pw_name
    known = home / ".ssh" / "known_hosts"
    known.write_text(
        "".join(line for line in known.read_text().splitlines(True) if str(second.port) not in line)
    )
    with pytest.raises(HostKeyUnknown, match=str(second.port)):
        says(Target("third"))


def test_open_control_master_is_used(sshd: Sshd, home: Path, tmp_path: Path) -> None:
    """No second login: pain 25."""
    path = tmp_path / "master"
    config = home / ".ssh" / "config"
    text = f"Host uni\n  HostName {sshd.host}\n  Port {sshd.port}\n  User {sshd.user.pw_name}\n  ControlPath {path}\n"
    config.write_text(text + config.read_text())
    command = ["ssh", "-F", str(config), "-i", str(sshd.key), "-o", "ControlMaster=yes", "-N", "uni"]
    master = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not path.exists():
            assert master.poll() is None
        assert look_up(Target("uni")).needs_openssh == "an open ControlMaster"
        assert says(Target("uni")) == sshd.user.pw_name  # there is no key but the master's
    finally:
        master.terminate()
        master.wait()


def test_server_that_is_gone_has_refused_nobody(make: Make, home: Path) -> None:
    """In the middle of a login: it was told as a refusal, which is tried again only after ten minutes, or as a wrong password."""
    server = make(lines=["PasswordAuthentication yes", "PubkeyAuthentication no"])
    proxy = Proxy(server.host, server.port)
    know(home, server, proxy.port)
    asked = []

    def answer(question: Question) -> str:
        asked.append(question.text)
        proxy.forget()
        threading.Timer(0.3, proxy.hang_up).start()
        return "a password"

    with pytest.raises(HostUnreachable, match="has closed the connection") as caught:
        says(target(server, port=proxy.port), answer)
    proxy.close()
    assert not isinstance(caught.value, LoginRefused)
    assert len(asked) == 1


def test_closed_port_says_so(home: Path) -> None:
    """And asks whether it is the right one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(HostUnreachable, match="nothing listens on"):
        says(Target("127.0.0.1", port))


def test_host_that_does_not_exist_says_so() -> None:
    """By name."""
    with pytest.raises(HostUnreachable, match="there is no host"):
        says(Target("nonesuch.invalid", username="ada"))


def test_server_that_is_no_ssh_server_says_so() -> None:
    """It answers, and it is something else."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            line, _ = server.accept()
            with line:
                line.sendall(b"220 mail.example.org ESMTP\r\n" * 50)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(HostUnreachable, match=r"SSH|closed|broken|port"):
            says(Target("127.0.0.1", server.getsockname()[1], "ada", connect_timeout_s=3))
        thread.join()


def test_host_that_never_answers_is_given_up_in_time() -> None:
    """Within the time that it is given."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.raises(HostUnreachable, match=r"within|banner"),
    ):
        says(Target("127.0.0.1", server.getsockname()[1], "ada", connect_timeout_s=1))


def test_configuration_that_ssh_refuses_is_named(home: Path) -> None:
    """With ssh's own words."""
    (home / ".ssh" / "config").write_text("Nonesuch yes\n")
    if shutil.which("ssh"):
        with pytest.raises(HostUnreachable, match=r"(?i)nonesuch|bad configuration"):
            look_up(Target("uni"))


def test_lost_connection_ends_who_waits(make: Make) -> None:
    """At once, with a word."""
    server = make()
    connection = connect(target(server), nobody)
    stream = connection.start("sleep 100")
    threading.Timer(0.3, server.cut).start()
    with pytest.raises(HostUnreachable, match="lost"):
        stream.receive(10)
    assert not connection.alive()
    connection.close()


SETTINGS = {
    "no SHA-1 signatures": ["PubkeyAcceptedAlgorithms rsa-sha2-512,rsa-sha2-256"],
    "only ed25519": ["PubkeyAcceptedAlgorithms ssh-ed25519", "HostKeyAlgorithms ssh-ed25519"],
    "only ChaCha": ["Ciphers chacha20-poly1305@openssh.com"],
    "only CTR with encrypt-then-MAC": ["Ciphers aes256-ctr", "MACs hmac-sha2-512-etm@openssh.com"],
    "only post-quantum key exchange": ["KexAlgorithms sntrup761x25519-sha512@openssh.com"],
    "only curve25519": ["KexAlgorithms curve25519-sha256"],
    "only large groups": ["KexAlgorithms diffie-hellman-group16-sha512"],
    "few sessions": ["MaxSessions 1"],
}
NOT_PARAMIKO = {"only ChaCha", "only post-quantum key exchange", "only curve25519"}
"""paramiko has no such thing; the system's ssh does."""


@pytest.mark.parametrize("client", ["paramiko", "openssh", "auto"])
@pytest.mark.parametrize("name", SETTINGS)
def test_server_of_each_kind_lets_in(make: Make, tmp_path: Path, name: str, client: str) -> None:
    """By one client or the other; with ``ssh_client="auto"`` by the one that can: pain 28."""
    server = make(lines=SETTINGS[name])
    kind = "rsa" if "SHA-1" in name else "ed25519"
    key = make_key(tmp_path / "key", kind)
    server.allow(key.with_suffix(".pub").read_text())
    where = target(server, key_file=str(key), ssh_client=client)
    if client == "paramiko" and name in NOT_PARAMIKO:
        with pytest.raises(HostUnreachable, match='ssh_client="openssh"'):
            says(where)
    else:
        assert says(where) == server.user.pw_name


def test_certificate_lets_in(make: Make, tmp_path: Path, user: Any) -> None:
    """Of an authority that the server trusts, and nothing else: the system's ssh is taken for it."""
    authority, key = make_key(tmp_path / "authority"), make_key(tmp_path / "key")
    server = make(lines=[f"TrustedUserCAKeys {tmp_path}/authority.pub"])
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    server.allow("")
    with pytest.raises(LoginRefused):
        says(target(server, key_file=str(key)))
    sign = [
        "ssh-keygen",
        "-q",
        "-s",
        str(authority),
        "-I",
        "test",
        "-n",
        user.pw_name,
        str(key.with_suffix(".pub")),
    ]
    subprocess.run(sign, check=True)
    assert look_up(target(server, key_file=str(key))).needs_openssh == "certificates"
    assert says(target(server, key_file=str(key))) == user.pw_name


def _every_error(cls: type[BaseException]) -> Iterator[type[BaseException]]:
    yield cls
    for below in cls.__subclasses__():
        yield from _every_error(below)


ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "BadAuthenticationType": ("no", ["publickey"]),
    "PartialAuthentication": (["publickey"],),
    "BadHostKeyException": ("host", *[paramiko.RSAKey.generate(1024)] * 2),
    "ChannelException": (1, "refused"),
    "ProxyCommandFailure": ("nc host", 1),
    "CouldNotCanonicalize": ("no",),
    "NoValidConnectionsError": ({("127.0.0.1", 22): OSError(111, "Connection refused")},),
}


@pytest.mark.parametrize(
    "cls", list(dict.fromkeys(_every_error(paramiko.SSHException))), ids=lambda cls: cls.__name__
)
def test_no_error_of_paramikos_comes_through(cls: type[Exception]) -> None:
    """Each becomes a sentence that names the host, and keeps what it was."""
    error = cls(*ARGUMENTS.get(cls.__name__, ("some text",)))
    with pytest.raises(HostUnreachable, match="uni") as told, translated("uni", 22, 10.0):
        raise error
    assert told.value.__cause__ is error
