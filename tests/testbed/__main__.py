"""``python -m tests.testbed up sshd|slurm|sge|pbs [--no-accounting]``: a cluster to try, until Ctrl-C."""

from __future__ import annotations

import signal
import sys
import tempfile
import threading
from pathlib import Path

from tests.testbed.packages import why_not
from tests.testbed.pbs.cluster import Pbs
from tests.testbed.sge import Sge
from tests.testbed.slurm import Slurm
from tests.testbed.sshd import Sshd
from tests.testbed.user import cluster_user


def main(argv: list[str]) -> int:
    """Returns the exit code."""
    if len(argv) < 2 or argv[0] != "up" or argv[1] not in ("sshd", "slurm", "sge", "pbs"):
        print(__doc__)
        return 2
    services = {"slurm": ("sshd", "slurm", "accounting"), "sge": ("sshd", "sge")}.get(argv[1], ("sshd",))
    reason = why_not(*services)
    if reason:
        print(reason)
        return 1
    folder = Path(tempfile.mkdtemp(prefix="testbed-"))
    folder.chmod(0o755)
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    cluster: Slurm | Sge | Pbs | None = None
    if argv[1] == "slurm":
        cluster = Slurm(folder / "slurm", accounting="--no-accounting" not in argv)
    elif argv[1] == "sge":
        cluster = Sge(folder / "sge", cluster_user())
    elif argv[1] == "pbs":
        cluster = Pbs(folder / "pbs", cluster_user())
    server = cluster.sshd if isinstance(cluster, (Sge, Pbs)) else Sshd(folder / "sshd", cluster_user())
    assert server is not None
    try:
        print(f"Its host key is known to {server.known_hosts}; add that to ~/.ssh/known_hosts, or:")
        print(f"    clustrix hosts trust {server.host} --port {server.port}")
        print("configure(")
        for name, value in {
            "cluster_type": "ssh" if argv[1] == "sshd" else argv[1],
            **server.settings,
        }.items():
            print(f"    {name}={value!r},")
        print(")\nCtrl-C ends it.", flush=True)
        over.wait()
    finally:
        if cluster is not None:
            cluster.stop()
        server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
