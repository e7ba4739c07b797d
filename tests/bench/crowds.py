"""A thousand jobs in flight on Slurm: what their submitter waits for, and what the login node and the scheduler notice of them."""

from __future__ import annotations

import shutil
import tempfile
import time
from concurrent.futures import CancelledError
from contextlib import suppress
from pathlib import Path

from clustrix import configure
from tests.bench.row import Row, seconds
from tests.ssh.work import double, wait
from tests.testbed.processes import children
from tests.testbed.sshd import Sshd

_JOBS = 1000
_WATCHED_SECONDS = 20.0


def thousand(server: Sshd, far: str) -> list[Row]:
    """``server``: the login node; another like it is made, whose commands of the scheduler are counted."""
    folder = Path(tempfile.mkdtemp(prefix="clustrix-count-"))
    folder.chmod(0o755)
    calls = folder / "calls"
    calls.touch()
    calls.chmod(0o666)
    for name in ("squeue", "sacct", "scontrol", "sbatch"):
        script = folder / name
        script.write_text(f'#!/bin/sh\necho {name} >> {calls}\nexec /usr/bin/{name} "$@"\n')
        script.chmod(0o755)
    counted = Sshd(folder / "sshd", server.user, lines=[f"SetEnv PATH={folder}:/usr/local/bin:/usr/bin:/bin"])
    known = Path.home() / ".ssh" / "known_hosts"
    known.write_text(known.read_text() + counted.known_hosts.read_text())
    try:
        configure(cluster_type="slurm", remote_work_dir=f"~/{far}", **counted.settings)
        double(1)
        calls.write_text("")
        jobs, took = [], []
        for _ in range(_JOBS):
            took.append(seconds(lambda: jobs.append(wait.submit(300))))
        time.sleep(_WATCHED_SECONDS)
        made = calls.read_text().split()
        sizes = _agents(counted)
        for job in jobs:
            job.cancel()
        for job in jobs:
            with suppress(CancelledError):
                job.exception(100)
    finally:
        counted.stop()
        shutil.rmtree(folder, ignore_errors=True)
    status = sum(name != "sbatch" for name in made) / (_WATCHED_SECONDS / 2)
    return [
        Row("Slurm: 1,000 separate submits, the longest", max(took) * 1e3, "ms", 100),
        Row("  status calls in 2 s", status, "calls", 1),
        Row("  submissions made of them", made.count("sbatch"), "calls"),
        Row("  processes on the login node", len(sizes), "", 1),
        Row("  their memory", sum(sizes) / 1e6, "MB", 40),
    ]


def _agents(server: Sshd) -> list[int]:
    """Resident bytes of each Python on the server's connections."""
    found = []
    for pid in children(int((server.folder / "sshd.pid").read_text())):
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        if b"python3" in command:
            resident = Path(f"/proc/{pid}/statm").read_text().split()[1]
            found.append(int(resident) * 4096)
    return found
