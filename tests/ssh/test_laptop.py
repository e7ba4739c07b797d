"""A session on a laptop, from an empty home: a key with a passphrase, a jump host, and a machine behind it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.core.support import run_command
from tests.ssh.terminal import Terminal
from tests.testbed.network import ADDRESS, NAMESPACE, Network
from tests.testbed.sshd import Sshd, make_key
from tests.testbed.user import remove_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150), pytest.mark.usefixtures("fresh_state")]

_SCRIPT = """
from clustrix import cluster

@cluster(cores=1, profile="hpc")
def fit(data, alpha):
    import platform, os
    print("fitting on", os.uname().nodename)
    if alpha < 0:
        raise ValueError("alpha must not be negative")
    return sum(data) * alpha

print("result:", fit([1, 2, 3], 2.0))
print("map:", list(fit.map([[1], [2], [3]], [1.0] * 3).result()))
try:
    fit([1], -1.0)
except ValueError as error:
    print("error:", error)
"""


@pytest.fixture
def inner(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A host that only the one on the network's other end can reach."""
    folder = tmp_path_factory.mktemp("inner")
    for path in (folder, *folder.parents[:2]):
        path.chmod(0o755)
    prefix = ["ip", "netns", "exec", NAMESPACE]
    server = Sshd(folder, network.sshd.user, address="127.0.0.1", prefix=prefix)
    yield server
    server.stop()
    remove_for(server.user, ".clustrix-laptop")


def _trust(host: str, passphrase: str = "") -> None:
    """The inner host is asked through the outer one, which wants to know who that is."""
    terminal = Terminal([sys.executable, "-m", "clustrix", "hosts", "trust", host])
    if passphrase:
        terminal.wait_for("Enter passphrase for key")
        terminal.type(passphrase)
    terminal.wait_for("Are these the host's?")
    terminal.type("y")
    terminal.wait_for("written to")
    assert terminal.end() == 0


def test_laptop_session(
    home: Path, network: Network, inner: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From nothing but an account: trust the host, look at it, run code there; the passphrase is asked for once."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    key = make_key(home / ".ssh" / "id_ed25519", "ed25519", "open sesame")
    for server in (network.sshd, inner):
        server.allow((server.folder / "authorized_keys").read_text(), key.with_suffix(".pub").read_text())
    user = inner.user.pw_name
    known = home / ".ssh" / "known_hosts"
    known.write_text("")
    (home / ".ssh" / "config").write_text(
        f"Host gate\n  HostName {ADDRESS}\n  Port {network.sshd.port}\n"
        f"Host hpc\n  HostName 127.0.0.1\n  Port {inner.port}\n  ProxyJump gate\n"
        f"Host *\n  User {user}\n  IdentityFile {key}\n  UserKnownHostsFile {known}\n  GlobalKnownHostsFile none\n"
    )
    settings = home / ".config" / "clustrix" / "config.yml"
    settings.parent.mkdir(parents=True)
    settings.write_text(
        "profiles:\n  hpc:\n    cluster_type: ssh\n    cluster_host: hpc\n    remote_work_dir: ~/.clustrix-laptop\n"
    )
    _trust("gate")
    _trust("hpc", "open sesame")
    assert len(known.read_text().splitlines()) == 2
    script = tmp_path / "fit.py"
    script.write_text(_SCRIPT)
    terminal = Terminal([sys.executable, str(script)])
    terminal.wait_for("Enter passphrase for key")
    terminal.type("open sesame")
    terminal.wait_for("result: 12.0")
    terminal.wait_for("map: [1.0, 2.0, 3.0]")
    terminal.wait_for("error: alpha must not be negative")
    assert terminal.end() == 0
    assert terminal.shown.count("Enter passphrase") == 1
    shown = run_command("jobs").stdout
    assert shown.count("SUCCEEDED") == 2
    assert shown.count("FAILED") == 1
