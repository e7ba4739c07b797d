"""Everything that has a part in a job is killed at each of its steps: right results, one run of each, or an error that tells."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from clustrix import configure
from clustrix.errors import JobKilled, JobNotStarted
from tests.ssh.support import know
from tests.ssh.work import fail_first, note, size_of, wait, zeros
from tests.testbed.sshd import Sshd

pytestmark = [
    pytest.mark.slow,
    pytest.mark.fault,
    pytest.mark.timeout(200),
    pytest.mark.usefixtures("home", "fresh_state"),
]

_BYTES = 3 << 20
"""More than comes along with a record, or goes along with a request."""

REQUESTS = (
    "hello",
    "watch",
    "exists",
    "unpack",
    "many",
    "have",
    "put",
    "finish",
    "write",
    "link",
    "spawn",
    "gather",
    "get",
)
FAR = {
    "claim.write": (JobNotStarted, None),
    "far.begin": (JobKilled, None),
    "far.concluded": (JobKilled, "run\n"),
    "record.d.write": (None, "run\n"),
}
"""Of a job's own process: the error that its user is told, and what has been run."""
NEAR = (
    "dispatcher.looked",
    "journal.finish",
    "journal.finish-done",
    "ssh.upload",
    "ssh.uploaded",
    "keeper.submit",
    "keeper.submitted",
    "download.write",
    "download.rename",
)


def _work(folder: Path) -> None:
    """An argument, results small and large, a map; each call and each item counts its runs."""
    sent = size_of.submit(os.urandom(_BYTES))
    large = zeros.submit(_BYTES)
    calls = [note.submit(number, str(folder)) for number in range(3)]
    items = note.map(range(10, 20), folder=str(folder))
    assert sent.result(100) == _BYTES
    assert len(large.result(100)) == _BYTES
    assert [job.result(100) for job in calls] == [0, 1, 2]
    assert list(items.results(100)) == list(range(10, 20))
    runs = {int(path.name): path.read_text() for path in folder.iterdir() if path.name.isdigit()}
    assert runs == dict.fromkeys([0, 1, 2, *range(10, 20)], "run\n")


Host = Callable[..., None]


@pytest.fixture
def host_with(home: Path, user: object, open_path: Path, far_folder: str) -> Iterator[Host]:
    """Jobs go to a host where this environment variable kills."""
    servers: list[Sshd] = []

    def start(*faults: str, folder: str = far_folder) -> None:
        lines = [f"SetEnv CLUSTRIX_FAULT={','.join(faults)}"]
        server = Sshd(open_path / "sshd", user, lines=lines)  # type: ignore[arg-type]
        servers.append(server)
        know(home, server)
        configure(cluster_type="ssh", remote_work_dir=folder, **server.settings)

    yield start
    for server in servers:
        server.stop()


@contextmanager
def _passed(*flags: Path) -> Iterator[None]:
    assert not any(flag.exists() for flag in flags)
    yield
    assert all(flag.exists() for flag in flags), "a point was not passed"


@pytest.mark.parametrize("request_", REQUESTS)
def test_agent_is_killed_at_each_request(request_: str, host_with: Host, open_path: Path) -> None:
    """Before it and after it: the next agent goes on, and all have run once."""
    before, after = open_path / "before", open_path / "after"
    faults = [f"agent.before-{request_}@{before}", f"agent.after-{request_}@{after}"]
    if request_ in ("exists", "unpack", "spawn"):  # what runs jobs must not be there yet
        host_with(*faults, folder=str(open_path / "c"))
    else:
        host_with(*faults)
    with _passed(before, after):
        _work(open_path)


@pytest.mark.parametrize("point", FAR)
def test_job_is_killed_at_each_of_its_steps(point: str, host_with: Host, open_path: Path) -> None:
    """Before its claim it was not begun, and says so; after it, it is not run twice, and says that it was killed."""
    error, ran = FAR[point]
    flag, runs = open_path / "flag", open_path / "runs"
    host_with(f"{point}@{flag}", folder=str(open_path / "c"))  # what runs jobs has that environment, too
    with _passed(flag):
        job = wait.submit(0.1, str(runs))
        if error is None:
            assert job.result(100) == "slept"
        else:
            with pytest.raises(error):
                job.result(100)
    assert (runs.read_text() if runs.exists() else None) == ran


def _work_though_killed(point: str, folder: Path, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flag = own / "flag"
    monkeypatch.setenv("CLUSTRIX_FAULT", f"{point}@{flag}")
    with _passed(flag):
        if point == "dispatcher.looked":  # only one that is there looks for what is new
            assert size_of.submit(b"it").result(100) == 2
        _work(folder)


@pytest.mark.usefixtures("on_machine")
@pytest.mark.parametrize(
    "point",
    ["journal.again", "journal.again-done", "retry.put-away", "journal.prepare", "journal.prepare-done"],
)
def test_dispatcher_is_killed_between_attempts(
    point: str, open_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one makes the second attempt, and takes nothing of the first for its result."""
    flag, runs = tmp_path / "flag", open_path / "runs"
    monkeypatch.setenv("CLUSTRIX_FAULT", f"{point}@{flag}")
    with _passed(flag):
        assert fail_first.options(retries=1, retry_delay=0.3).submit(str(runs)).result(100) == 2
    assert runs.read_text() == "run\n" * 2


@pytest.mark.usefixtures("on_machine")
@pytest.mark.parametrize("point", NEAR)
def test_dispatcher_is_killed_at_each_of_its_steps(
    point: str, open_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one goes on, and all have run once."""
    _work_though_killed(point, open_path, tmp_path, monkeypatch)


@pytest.mark.usefixtures("on_slurm")
@pytest.mark.parametrize("point", ["batch.submit", "batch.submitted"])
def test_dispatcher_is_killed_as_it_submits_to_slurm(
    point: str, open_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was submitted is found by its name."""
    _work_though_killed(point, open_path, tmp_path, monkeypatch)


def test_agent_is_killed_as_it_submits_to_slurm(slurm: object, host_with: Host, open_path: Path) -> None:
    """Before sbatch is begun, and after it has answered, which nobody hears."""
    before, after = open_path / "before", open_path / "after"
    host_with(f"agent.before-once@{before}", f"agent.after-once@{after}")
    configure(cluster_type="slurm")
    with _passed(before, after):
        _work(open_path)
