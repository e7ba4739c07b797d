"""What users of such systems complain about, on real hosts and batch systems; each docstring has the complaint's words.

Those that have a test of their own elsewhere are named in ``docs/pains.py``.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from clustrix import jobs
from clustrix.errors import JobNotStarted
from tests.core.support import dispatchers_of
from tests.ssh.support import until
from tests.ssh.work import double, fail_at_three, from_module, hold, note, prefix, size_of, zeros
from tests.testbed.packages import why_not
from tests.testbed.sshd import Sshd
from tests.testbed.user import remove_for, run_as

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.usefixtures("home", "fresh_state"),
]

_LARGE = 512 << 20


def _peak_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) << 10


@pytest.mark.usefixtures("on_machine")
def test_pain_11_large_results(fresh_state: Path) -> None:
    """Large results are refused or choke the service: half a GiB in and out, and the dispatcher's memory is bounded."""
    assert double(1) == 2
    (pid,) = dispatchers_of(fresh_state)
    before = _peak_bytes(pid)
    assert size_of(bytes(_LARGE)) == _LARGE
    assert len(zeros(_LARGE)) == _LARGE
    assert _peak_bytes(pid) - before < 150 << 20


@pytest.fixture
def conda(sshd: Sshd) -> Iterator[str]:
    """A command ``conda`` with one environment, ``physics``: where that is, by the hook that the real one has."""
    folder = Path(sshd.user.pw_dir, "conda-bench")
    run_as(sshd.user, "python3", "-m", "venv", "--without-pip", f"{folder}/envs/physics")
    script = folder / "bin" / "conda"
    script.parent.mkdir()
    script.write_text(
        '#!/bin/sh\n[ "$*" = "shell.bash hook" ] || exit 2\n'
        f'echo \'conda() {{ [ "$1" = activate ] && [ -d {folder}/envs/"$2" ] && PATH={folder}/envs/"$2"/bin:$PATH; }}\'\n'
    )
    script.chmod(0o755)
    yield str(folder)
    remove_for(sshd.user, "conda-bench")


@pytest.mark.usefixtures("on_machine")
def test_pain_22_conda_environment(conda: str) -> None:
    """A named conda environment is silently ignored: sys.prefix in the job proves it."""
    options = {"pre_execution_commands": [f"PATH={conda}/bin:$PATH"]}
    # The commands come before the environment, so that they can say where conda is.
    assert prefix.options(conda_env_name="physics", **options)() == f"{conda}/envs/physics"
    with pytest.raises(JobNotStarted, match="conda activate nosuch"):
        prefix.options(conda_env_name="nosuch", **options)()


@pytest.fixture
def modules(sshd: Sshd) -> Iterator[str]:
    """Environment modules, as sites have them, with one of the test's: it sets a variable."""
    reason = why_not("modules")
    if reason:
        pytest.skip(reason)
    folder = Path("/usr/share/modules/modulefiles/clustrix-testbed")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "1.0").write_text("#%Module1.0\nsetenv FROM_MODULE loaded\n")
    yield "clustrix-testbed/1.0"
    shutil.rmtree(folder)


@pytest.mark.usefixtures("on_machine")
def test_pain_23_modules(modules: str) -> None:
    """``module`` or ``python`` does not exist in the job's shell: it is found, and what cannot be loaded is said."""
    assert from_module.options(module_loads=[modules])() == "loaded"
    with pytest.raises(JobNotStarted, match="module load nosuch/9"):
        from_module.options(module_loads=["nosuch/9"])()


def _listening(pids: set[int]) -> list[int]:
    """Of these processes, those that wait for connections from elsewhere."""
    inodes = set()
    for name in ("tcp", "tcp6"):
        for line in Path("/proc/net", name).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":
                inodes.add(fields[9])
    found = []
    for pid in pids:
        with suppress(OSError):  # it may be gone
            targets = [os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir()]
            found += [pid for target in targets if target.startswith("socket:[") and target[8:-1] in inodes]
    return found


def _processes_of(uid: int) -> set[int]:
    found = set()
    for path in Path("/proc").iterdir():
        with suppress(OSError):
            if path.name.isdigit() and path.stat().st_uid == uid:
                found.add(int(path.name))
    return found


@pytest.mark.usefixtures("on_machine")
def test_pain_26_no_port(sshd: Sshd, fresh_state: Path, open_path: Path) -> None:
    """Compute nodes or firewalls block the callback port: there is none, here or there."""
    job = note.map(range(12), folder=str(open_path))
    until(lambda: any(open_path.iterdir()), 60)
    theirs = _processes_of(sshd.user.pw_uid)
    assert theirs
    assert _listening(theirs | set(dispatchers_of(fresh_state))) == []
    assert list(job.result(60)) == list(range(12))


@pytest.mark.usefixtures("on_slurm")
def test_pain_40_one_failure_in_many() -> None:
    """One failure shows only after hours, or costs all results: it shows at once, and finished items stay."""
    jobs = fail_at_three.map(range(40))
    with pytest.raises(ValueError, match="row 3"):
        jobs.result(100)
    assert sorted(jobs.partial().values()) == [number for number in range(40) if number != 3]
    collected = fail_at_three.options(on_error="collect").map(range(10)).result(100)
    assert isinstance(collected[3], ValueError)
    assert [number for number in collected if isinstance(number, int)] == [0, 1, 2, 4, 5, 6, 7, 8, 9]


@pytest.mark.usefixtures("on_slurm")
def test_pain_43_memory_is_retried_with_more() -> None:
    """Out of memory is retried with the same memory: it gets more, up to a cap."""
    job = hold.submit(300)
    assert job.result(150) == 300 << 20
    (row,) = jobs(name="hold")
    assert row.attempt == 2
    assert row.memory_bytes == 4 * 150 << 20
