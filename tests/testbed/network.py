"""A host with a network of its own, whose packets can be dropped in silence, as firewalls and dead links do."""

from __future__ import annotations

import pwd
import subprocess
from pathlib import Path

from tests.testbed.sshd import Sshd

NAMESPACE = "clxnet"
ADDRESS = "10.99.8.2"
_GATE = "10.99.8.1"


def make_namespace(name: str, gate: str, address: str) -> None:
    """A network of that name with one address, which this machine reaches from ``gate``."""
    for command in (
        f"netns add {name}",
        f"link add v-{name} type veth peer name eth0 netns {name}",
        f"addr add {gate}/24 dev v-{name}",
        f"link set v-{name} up",
        f"-n {name} addr add {address}/24 dev eth0",
        f"-n {name} link set eth0 up",
        f"-n {name} link set lo up",
    ):
        subprocess.run(["ip", *command.split()], check=True, capture_output=True)


class Network:
    """One server behind a link; ``drop`` and ``restore`` are what happens to the link."""

    def __init__(self, folder: Path, user: pwd.struct_passwd) -> None:
        self._delete()
        make_namespace(NAMESPACE, _GATE, ADDRESS)
        prefix = ["ip", "netns", "exec", NAMESPACE]
        self.sshd = Sshd(folder / "sshd", user, address=ADDRESS, prefix=prefix)

    def drop(self) -> None:
        """Nothing comes through, and nobody is told."""
        self._blackhole("add")

    def restore(self) -> None:
        self._blackhole("del")

    def _blackhole(self, what: str) -> None:
        # Its answers find no way: to us it is as if it had gone.
        command = f"-n {NAMESPACE} route {what} blackhole {_GATE}/32"
        subprocess.run(["ip", *command.split()], check=True, capture_output=True)

    def stop(self) -> None:
        self.sshd.stop()
        self._delete()

    def _delete(self) -> None:
        subprocess.run(["ip", "netns", "delete", NAMESPACE], capture_output=True)
        subprocess.run(["ip", "link", "delete", f"v-{NAMESPACE}"], capture_output=True)
