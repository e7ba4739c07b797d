"""What breaks on the way to a machine, and what comes of its jobs: right results, and one run of each."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from clustrix import configure
from clustrix.errors import JobCancelled
from tests.core.support import dispatchers_of, fill, run_command
from tests.core.support import small_disk as disk
from tests.ssh.support import as_variables, kill_agents, know, until
from tests.ssh.work import die_once, double, note, now, runs_from, size_of, wait, zeros
from tests.testbed.network import Network
from tests.testbed.packages import why_not
from tests.testbed.proxy import Proxy
from tests.testbed.sshd import Sshd
from tests.testbed.user import cluster_user, remove_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.fault,
    pytest.mark.timeout(300),
    pytest.mark.usefixtures("home", "fresh_state"),
]

_BYTES = 60 << 20


@pytest.fixture
def far_away(network: Network, home: Path, far_folder: str) -> Iterator[Network]:
    know(home, network.sshd)
    configure(cluster_type="ssh", remote_work_dir=far_folder, ssh_connect_timeout=4, **network.sshd.settings)
    yield network
    with suppress(subprocess.CalledProcessError):
        network.restore()


def _grown(folder: Path, pattern: str) -> Callable[[], bool]:
    """Whether some file of these is being written: not empty, and not whole."""

    def grown() -> bool:
        with suppress(FileNotFoundError):
            return any(1 << 20 < path.stat().st_size < _BYTES - (4 << 20) for path in folder.rglob(pattern))
        return False

    return grown


@pytest.mark.usefixtures("on_machine")
def test_connection_is_cut_before_anything_is_sent(sshd: Sshd) -> None:
    """It is made again, and the job runs."""
    assert double(1) == 2
    sshd.cut()
    assert double.submit(2).result(60) == 4


@pytest.mark.usefixtures("on_machine")
def test_connection_is_cut_half_way_through_an_argument(sshd: Sshd, far_folder: str) -> None:
    """Nothing half is taken for whole: it is sent again."""
    assert double(1) == 2
    data = os.urandom(_BYTES)
    folder = Path(sshd.user.pw_dir, far_folder[2:])
    job = size_of.submit(data)
    until(_grown(folder, "*.aside"), 30)
    sshd.cut()
    assert job.result(100) == _BYTES


@pytest.mark.usefixtures("on_machine")
def test_connection_is_cut_half_way_through_a_result(sshd: Sshd, fresh_state: Path) -> None:
    """It is fetched again, whole."""
    assert double(1) == 2
    job = zeros.submit(_BYTES)
    until(_grown(fresh_state, "result.aside"), 60)
    sshd.cut()
    assert len(job.result(100)) == _BYTES


def test_packets_are_dropped_before_anything_is_sent(far_away: Network) -> None:
    """Nobody tells: it is noticed by silence, and the job runs when the way is open again."""
    assert double(1) == 2
    far_away.drop()
    job = double.submit(2)
    time.sleep(12)
    far_away.restore()
    assert job.result(120) == 4


def test_packets_are_dropped_while_a_job_runs(far_away: Network, open_path: Path) -> None:
    """The job goes on, and its result comes when the way is open again."""
    begun = open_path / "begun"
    job = wait.submit(3, str(begun))
    until(begun.exists, 60)
    far_away.drop()
    time.sleep(12)
    far_away.restore()
    assert job.result(120) == "slept"
    assert begun.read_text() == "run\n"


def test_packets_are_dropped_half_way_through_a_result(far_away: Network, fresh_state: Path) -> None:
    """It is fetched again, whole."""
    assert double(1) == 2
    job = zeros.submit(_BYTES)
    until(_grown(fresh_state, "result.aside"), 60)
    far_away.drop()
    time.sleep(12)
    far_away.restore()
    assert len(job.result(120)) == _BYTES


def test_packets_are_dropped_half_way_through_an_argument(far_away: Network, far_folder: str) -> None:
    """It is sent again, whole."""
    assert double(1) == 2
    folder = Path(far_away.sshd.user.pw_dir, far_folder[2:])
    job = size_of.submit(os.urandom(_BYTES))
    until(_grown(folder, "*.aside"), 30)
    far_away.drop()
    time.sleep(12)
    far_away.restore()
    assert job.result(120) == _BYTES


def test_network_forgets_a_connection_and_tells_nobody(
    home: Path, sshd: Sshd, far_folder: str, open_path: Path
) -> None:
    """It is noticed by silence, within a minute; a new one is made, and the job has run once."""
    proxy = Proxy(sshd.host, sshd.port)
    try:
        know(home, sshd, proxy.port)
        settings = {**sshd.settings, "cluster_port": proxy.port}
        configure(cluster_type="ssh", remote_work_dir=far_folder, **settings)
        begun = open_path / "begun"
        job = wait.submit(2, str(begun))
        until(begun.exists, 60)
        proxy.forget()
        assert job.result(100) == "slept"
        assert begun.read_text() == "run\n"
    finally:
        proxy.close()


@contextmanager
def _again_and_again(step: Callable[[], None], pause_s: float) -> Iterator[None]:
    """More and more seldom: on a slow machine a process may need long to do anything at all."""
    over = threading.Event()

    def run() -> None:
        pause = pause_s
        while not over.wait(pause):
            step()
            pause *= 1.05

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _all_run_once(folder: Path) -> None:
    jobs = [note.submit(number, str(folder)) for number in range(15)]
    assert [job.result(150) for job in jobs] == list(range(15))
    assert {path.read_text() for path in folder.iterdir()} == {"run\n"}
    assert len(list(folder.iterdir())) == 15


@pytest.mark.usefixtures("on_machine")
def test_agent_is_killed_again_and_again(sshd: Sshd, open_path: Path) -> None:
    """At whatever request it is: each job runs once."""
    with _again_and_again(lambda: kill_agents(sshd), 0.43):
        _all_run_once(open_path)


@pytest.mark.usefixtures("on_machine")
def test_dispatcher_is_killed_again_and_again(fresh_state: Path, open_path: Path) -> None:
    """At whatever step it is: the next goes on, and each job runs once."""

    def kill() -> None:
        for pid in dispatchers_of(fresh_state):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    with _again_and_again(kill, 0.97):
        _all_run_once(open_path)


@pytest.mark.usefixtures("on_machine")
def test_server_is_started_anew(sshd: Sshd, open_path: Path) -> None:
    """The job that runs goes on, the one that is submitted meanwhile waits; each runs once."""
    begun = open_path / "begun"
    running = wait.submit(3, str(begun))
    until(begun.exists, 60)
    sshd.stop()
    later = double.submit(5)
    time.sleep(1)
    sshd.start()
    assert running.result(100) == "slept"
    assert later.result(100) == 10
    assert begun.read_text() == "run\n"


@pytest.mark.usefixtures("on_machine")
def test_map_goes_on_when_its_process_is_killed(sshd: Sshd, far_folder: str, open_path: Path) -> None:
    """What was finished stays, and the rest has another process: it was told as never begun."""
    items = note.map(range(12), folder=str(open_path))
    elements = Path(sshd.user.pw_dir, far_folder.removeprefix("~/"), "jobs", items.id, "elements")
    for number in range(2):
        begun = elements / str(number) / "claim"
        done = 3 * (number + 1)
        until(lambda: begun.exists() and len(list(open_path.iterdir())) > done)  # noqa: B023
        os.kill(int(begun.read_text().partition("|")[0]), signal.SIGKILL)
    assert list(items.results(100)) == list(range(12))
    runs = [path.read_text().count("run") for path in open_path.iterdir()]
    assert max(runs) <= 2  # one that was at work when its process was killed begins anew


@pytest.mark.usefixtures("on_machine")
def test_map_whose_first_item_takes_its_process_along(open_path: Path) -> None:
    """The others have another process, and that item, which was at work then, begins anew: all of them could be told as killed."""
    items = die_once.map(range(6), folder=str(open_path))
    assert list(items.results(100)) == list(range(6))


@pytest.mark.usefixtures("on_machine")
def test_job_that_never_got_anywhere_can_be_cancelled(fresh_state: Path) -> None:
    """Nobody has to be asked, by this dispatcher or the next."""
    configure(cluster_host="nonesuch.invalid")
    jobs = [double.submit(number) for number in range(3)]
    until(lambda: all("nonesuch" in job.status().reason for job in jobs))
    assert jobs[0].cancel()
    with pytest.raises(JobCancelled):
        jobs[0].result(20)
    for pid in dispatchers_of(fresh_state):
        os.kill(pid, signal.SIGKILL)
    assert jobs[1].cancel()
    with pytest.raises(JobCancelled):
        jobs[1].result(20)
    assert "is cancelled" in run_command("cancel", jobs[2].id).stdout


def test_doctor_sends_a_job_where_the_settings_say(sshd: Sshd, far_folder: str) -> None:
    """And not only here."""
    variables = as_variables(sshd, cluster_type="ssh", remote_work_dir=far_folder)
    assert "job on ssh: came back after" in run_command("doctor", "--job", code=None, **variables).stdout


@pytest.fixture
def small_disk(sshd: Sshd) -> Iterator[Path]:
    """A file system of 24 MiB for the cluster's user."""
    path = Path(tempfile.mkdtemp(prefix="small-"))
    with disk(path, "24m", f"uid={sshd.user.pw_uid},gid={sshd.user.pw_gid},mode=755"):
        yield path
    path.rmdir()


def test_disk_there_is_full(sshd: Sshd, small_disk: Path) -> None:
    """The job waits, and says what to do; it runs when there is room."""
    configure(cluster_type="ssh", remote_work_dir=str(small_disk / "c"), **sshd.settings)
    assert double(1) == 2
    filler = small_disk / "filler"
    fill(filler)
    job = double.submit(2)
    until(lambda: "its disk is full" in (job.status().reason or ""), 60)
    assert "Free some space there, or set remote_work_dir" in job.status().reason
    assert job.status().state.value == "STAGING"
    filler.unlink()
    assert job.result(100) == 4


@pytest.fixture
def small_quota(sshd: Sshd) -> Iterator[Path]:
    """A folder in which the cluster's user may have 24 MiB, on a file system that has more."""
    reason = why_not("quota")
    if reason:
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="quota-"))
    folder.chmod(0o755)
    image, mounted = folder / "image", folder / "mounted"
    mounted.mkdir()
    with open(image, "wb") as file:
        file.truncate(256 << 20)

    def run(*command: str) -> None:
        subprocess.run(command, check=True, capture_output=True)

    run("mkfs.btrfs", "-q", "-M", str(image))
    try:
        run("mount", "-o", "loop", str(image), str(mounted))
    except subprocess.CalledProcessError as error:
        shutil.rmtree(folder)
        pytest.skip(f"no file system in a file can be mounted here: {error.stderr.decode().strip()}")
    path = mounted / "own"
    run("btrfs", "quota", "enable", str(mounted))
    run("btrfs", "subvolume", "create", str(path))
    run("btrfs", "qgroup", "limit", "24M", str(path))
    os.chown(path, sshd.user.pw_uid, sshd.user.pw_gid)
    yield path
    run("umount", "-l", str(mounted))
    shutil.rmtree(folder)


def test_quota_there_is_used_up(sshd: Sshd, small_quota: Path) -> None:
    """It is told from a full disk; the job runs when something is removed."""
    configure(cluster_type="ssh", remote_work_dir=str(small_quota / "c"), **sshd.settings)
    assert double(1) == 2
    job = size_of.submit(os.urandom(_BYTES // 2))
    until(lambda: "your quota there is used up" in (job.status().reason or ""), 60)
    assert job.status().state.value == "STAGING"
    subprocess.run(["btrfs", "qgroup", "limit", "200M", str(small_quota)], check=True, capture_output=True)
    assert job.result(100) == _BYTES // 2


def test_clock_there_is_ten_minutes_ahead(
    home: Path, sshd: Sshd, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Nothing hangs on whose clock is right."""
    reason = why_not("clock")
    if reason:
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="clock-"))
    folder.chmod(0o755)
    library = next(Path("/usr/lib").rglob("faketime/libfaketime.so.1"))
    ahead = Sshd(
        folder, cluster_user(), lines=[f"SetEnv LD_PRELOAD={library} FAKETIME=+600 FAKETIME_NO_CACHE=1"]
    )
    try:
        know(home, ahead)
        configure(cluster_type="ssh", remote_work_dir="~/.clustrix-clock", **ahead.settings)

        there = now.submit().result(60)
        assert 500 < there - time.time() < 700
        assert list(double.map(range(50)).result(60)) == [2 * number for number in range(50)]
    finally:
        ahead.stop()
        remove_for(sshd.user, ".clustrix-clock")


def test_nothing_can_be_executed_below_tmp(home: Path, open_path: Path) -> None:
    """Sites mount it so; nothing of ours begins there."""
    script = 'mount --bind /tmp /tmp && mount -o remount,bind,noexec /tmp && exec "$0" "$@"'
    prefix = ["unshare", "-m", "sh", "-c", script]
    server = Sshd(open_path / "sshd", cluster_user(), address="127.0.0.6", prefix=prefix)
    try:
        know(home, server)
        configure(cluster_type="ssh", remote_work_dir=str(open_path / "c"), **server.settings)
        refused = runs_from.submit("/tmp")
        assert refused.result(60) == "PermissionError"
        assert list(double.map(range(20)).result(60)) == [2 * number for number in range(20)]
    finally:
        server.stop()
