"""A machine over SSH and a Slurm, both real, both reached as another user; beside what scp and sbatch alone take."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from clustrix import configure
from tests.bench.crowds import thousand
from tests.bench.rivals import CALL, HUNDRED, TEN_THOUSAND, Rivals
from tests.bench.row import Row, in_turn, ms, seconds
from tests.bench.work import size, zeros
from tests.ssh.work import double
from tests.testbed.packages import why_not
from tests.testbed.slurm import Slurm
from tests.testbed.sshd import Sshd
from tests.testbed.user import cluster_user, remove_for, run_as

_BYTES = 100 << 20
_FAR = ".clustrix-bench"


def over_ssh() -> list[Row]:
    """Requests, calls and large values on the backend ``ssh``."""
    if why_not("sshd"):
        return []
    with _host() as server:
        configure(cluster_type="ssh", remote_work_dir=f"~/{_FAR}", **server.settings)
        double(1)
        requests = asyncio.run(_requests(server))
        calls = [seconds(lambda: double(2)) for _ in range(50)]
        data = bytearray(os.urandom(_BYTES))
        (server.folder / "scp-bench").write_bytes(data)
        argument, up = in_turn(3, lambda: _send(data), lambda: _scp(server, up=True))
        again = seconds(lambda: size(data))
        result, down = in_turn(3, lambda: zeros(_BYTES), lambda: _scp(server, up=False))
        return [
            Row("SSH: empty request", ms(requests), "ms", 0.3),
            Row("SSH: a call that does nothing", ms(calls), "ms", 12),
            Row("SSH: 100 MiB argument", argument, "s", 0.5, "ratio", rival="scp", baseline=up),
            Row("  the same again", again * 1e3, "ms", 50),
            Row("SSH: 100 MiB result", result, "s", 0.5, "ratio", rival="scp", baseline=down),
        ]


def on_slurm() -> list[Row]:
    """Calls and maps on Slurm."""
    if why_not("sshd", "slurm", "accounting"):
        return []
    with _host() as server, _cluster() as cluster:
        configure(cluster_type="slurm", remote_work_dir=f"~/{_FAR}", **server.settings)
        double(1)
        calls, raw = _apart(10, lambda: double(2), lambda: _sbatch(server))
        hundred = median(seconds(lambda: list(double.map(range(100)).results())) for _ in range(3))
        ten_thousand = min(_cold(server) for _ in range(3))
        many, array = in_turn(1, lambda: _separate(100), lambda: _sbatch(server, 100))
        rivals = Rivals(server)
        call_by, call = rivals.best(CALL)
        hundred_by, hundred_takes = rivals.best(HUNDRED)
        thousands_by, thousands = rivals.best(TEN_THOUSAND)
        crowd = thousand(server, _FAR)
        cluster.quiet(server.user)
        return [
            Row(
                "Slurm: a call that does nothing",
                calls - raw,
                "s",
                0.1,
                rival="less sbatch until its file",
                baseline=raw,
            ),
            Row("  all of it", calls, "s", rival=call_by, baseline=call),
            Row("Slurm: map of 100 nothings", hundred, "s", 1, rival=hundred_by, baseline=hundred_takes),
            Row("Slurm: map of 10,000, cold", ten_thousand, "s", 1, rival=thousands_by, baseline=thousands),
            Row(
                "Slurm: 100 separate calls", many, "s", 1.1, "ratio", rival="raw array of 100", baseline=array
            ),
            *crowd,
        ]


def _apart(times: int, *calls: Callable[[], object]) -> list[float]:
    """In turn, with pauses: Slurm looks at new jobs at once only if it has not done so a moment ago."""
    found: list[list[float]] = [[] for _ in calls]
    for _ in range(times):
        for call, row in zip(calls, found, strict=True):
            time.sleep(2)
            row.append(seconds(call))
    return [median(row) for row in found]


async def _requests(server: Sshd) -> list[float]:
    from clustrix.backends.interface import Onlooker
    from clustrix_ssh.farhost import FarHost

    far = FarHost(Onlooker({**server.settings, "remote_work_dir": f"~/{_FAR}"}, Path("/nonexistent")))
    agent = await far.agent()
    found = []
    for _ in range(500):
        began = time.perf_counter()
        await agent.ask("nothing")
        found.append(time.perf_counter() - began)
    await far.close()
    return found


def _send(data: bytearray) -> None:
    data[:8] = os.urandom(8)
    assert size(data) == _BYTES


def _scp(server: Sshd, up: bool) -> None:
    path = server.folder / "scp-bench"
    there = f"{server.user.pw_name}@{server.host}:scp-bench"
    options = [
        "-q",
        "-F",
        "none",
        "-c",
        "aes128-gcm@openssh.com",
        "-i",
        str(server.key),
        "-P",
        str(server.port),
    ]
    options += ["-o", f"UserKnownHostsFile={server.known_hosts}"]
    pair = [str(path), there] if up else [there, str(path)]
    subprocess.run(["scp", *options, *pair], check=True)


def _sbatch(server: Sshd, count: int = 1) -> None:
    """Submit, and wait for what it writes."""
    folder = Path(server.user.pw_dir, "sbatch-bench")
    shutil.rmtree(folder, ignore_errors=True)
    array = f"--array=1-{count}" if count > 1 else ""
    run_as(
        server.user,
        "sh",
        "-c",
        f"mkdir -p {folder} && sbatch -Q {array} -o /dev/null --wrap 'touch {folder}/$SLURM_JOB_ID'",
    )
    while not folder.exists() or len(list(folder.iterdir())) < count:
        time.sleep(0.005)


def _separate(count: int) -> None:
    for job in [double.submit(number) for number in range(count)]:
        job.result()


_SCRIPT = """
import time
began = time.perf_counter()
from clustrix import configure
from tests.ssh.work import double
configure(cluster_type="slurm", remote_work_dir="~/{far}", **{settings!r})
found = list(double.map(range(10000)).results())
assert found[-1] == 19998
print(time.perf_counter() - began)
"""


def _cold(server: Sshd) -> float:
    """From the import to the last result; no dispatcher, no connection and no agent is there yet."""
    with tempfile.TemporaryDirectory() as state:
        env = {**os.environ, "XDG_STATE_HOME": state}
        text = _SCRIPT.format(far=_FAR, settings=server.settings)
        done = subprocess.run(
            [sys.executable, "-c", text], env=env, capture_output=True, text=True, check=True
        )
        subprocess.run(
            [sys.executable, "-m", "clustrix", "dispatcher", "stop"], env=env, capture_output=True, check=True
        )
        return float(done.stdout)


@contextmanager
def _host() -> Iterator[Sshd]:
    folder = Path(tempfile.mkdtemp(prefix="clustrix-bench-"))
    folder.chmod(0o755)
    server = Sshd(folder / "sshd", cluster_user())
    home = folder / "home"
    (home / ".ssh").mkdir(parents=True)
    shutil.copy(server.known_hosts, home / ".ssh" / "known_hosts")
    before = os.environ["HOME"]
    os.environ["HOME"] = str(home)
    try:
        yield server
    finally:
        os.environ["HOME"] = before
        server.stop()
        for name in (_FAR, "scp-bench", "sbatch-bench"):
            remove_for(server.user, name)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _cluster() -> Iterator[Slurm]:
    folder = Path(tempfile.mkdtemp(prefix="clustrix-bench-"))
    cluster = Slurm(folder)
    try:
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)
