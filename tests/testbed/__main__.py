"""``python -m tests.testbed up sshd|slurm [--no-accounting]``: a cluster to try, until Ctrl-C."""

from __future__ import annotations

import signal
import sys
import tempfile
import threading
from pathlib import Path

from tests.testbed.packages import why_not
from tests.testbed.slurm import Slurm
from tests.testbed.sshd import Sshd
from tests.testbed.user import cluster_user


def main(argv: list[str]) -> int:
    """Returns the exit code."""
    if len(argv) < 2 or argv[0] != "up" or argv[1] not in ("sshd", "slurm"):
        print(__doc__)
        return 2
    services = ("sshd", "slurm", "accounting") if argv[1] == "slurm" else ("sshd",)
    reason = why_not(*services)
    if reason:
        print(reason)
        return 1
    folder = Path(tempfile.mkdtemp(prefix="testbed-"))
    folder.chmod(0o755)
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    server = Sshd(folder / "sshd", cluster_user())
    cluster = (
        Slurm(folder / "slurm", accounting="--no-accounting" not in argv) if argv[1] == "slurm" else None
    )
    try:
        print(f"Its host key is known to {server.known_hosts}; add that to ~/.ssh/known_hosts, or:")
        print(f"    clustrix hosts trust {server.host} --port {server.port}")
        print("configure(")
        for name, value in {"cluster_type": "slurm" if cluster else "ssh", **server.settings}.items():
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
