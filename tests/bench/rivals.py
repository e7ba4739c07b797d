"""What others need for the same on the same Slurm: on its login node, as its user, since they cannot be anywhere else.

Each script prints seconds.  A rival that is not installed, or fails, has no figure.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.testbed.sshd import Sshd

_SECONDS = 120
_INSIDE = "import time\nimport sys\nfolder = sys.argv[1]\n"
SCRIPTS = {
    "submitit": """
import submitit
executor = submitit.AutoExecutor(folder=folder)
executor.update_parameters(timeout_min=5, slurm_array_parallelism=100)
began = time.perf_counter()
{work}
print(time.perf_counter() - began)
""",
    "clusterfutures": """
import os
os.chdir(folder)
import cfut
with cfut.SlurmExecutor() as executor:
    executor.submit(abs, -1).result()
    began = time.perf_counter()
    {work}
    print(time.perf_counter() - began)
""",
    "dask-jobqueue": """
began = time.perf_counter()
from dask.distributed import Client
from dask_jobqueue import SLURMCluster
import os
os.chdir(folder)
cluster = SLURMCluster(cores=4, processes=1, memory="512MiB", interface="lo", job_extra_directives=["--mem=0"], job_directives_skip=["--mem"])
cluster.scale(jobs=4)
with Client(cluster) as client:
    {work}
    print(time.perf_counter() - began)
cluster.close()
""",
    "parsl": """
began = time.perf_counter()
import parsl
from parsl.app.app import python_app
from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.providers import SlurmProvider
import os
os.chdir(folder)
provider = SlurmProvider(init_blocks=4, max_blocks=4, cores_per_node=4, walltime="00:05:00", exclusive=False, launcher=parsl.launchers.SimpleLauncher(),
                         worker_init="export PATH=" + os.environ["PATH"] + " PYTHONPATH=" + os.environ["PYTHONPATH"])
parsl.load(Config(executors=[HighThroughputExecutor(address="127.0.0.1", max_workers_per_node=4, provider=provider)]))
@python_app
def double(number):
    return 2 * number
{work}
print(time.perf_counter() - began)
parsl.dfk().cleanup()
""",
}
CALL = {
    "submitit": "assert executor.submit(abs, -2).result() == 2",
    "clusterfutures": "assert executor.submit(abs, -2).result() == 2",
}
HUNDRED = {
    "submitit": "assert [job.result() for job in executor.map_array(abs, range(100))][-1] == 99",
    "clusterfutures": "assert list(executor.map(abs, range(100)))[-1] == 99",
}
TEN_THOUSAND = {
    "dask-jobqueue": "assert client.gather(client.map(abs, range(10000)))[-1] == 9999",
    "parsl": "assert [future.result() for future in [double(number) for number in range(10000)]][-1] == 19998",
}


class Rivals:
    """Where the cluster's user finds them."""

    def __init__(self, server: Sshd) -> None:
        self._server = server
        self._packages = server.folder / "rivals"
        site = Path(sysconfig.get_paths()["purelib"])
        shutil.copytree(site, self._packages, ignore=shutil.ignore_patterns("*.pth", "clustrix*"))
        subprocess.run(["chmod", "-R", "a+rX", str(self._packages)], check=True)
        (self._packages / "bin").mkdir(exist_ok=True)
        for name in ("process_worker_pool.py", "interchange.py"):
            found = Path(sys.prefix, "bin", name)
            if found.exists():
                text = found.read_text().partition("\n")[2]
                (self._packages / "bin" / name).write_text(f"#!/usr/bin/python3.11\n{text}")
                (self._packages / "bin" / name).chmod(0o755)

    def seconds(self, name: str, work: str) -> float | None:
        """How long it takes; None if it cannot."""
        home = self._server.user.pw_dir
        folder = f"{home}/rival-bench"
        script = self._server.folder / "rival.py"
        script.write_text(_INSIDE + SCRIPTS[name].format(work=work))
        script.chmod(0o644)
        path = f"{self._packages}/bin:/usr/local/bin:/usr/bin:/bin"
        command = [
            "/usr/sbin/runuser", "-u", self._server.user.pw_name, "--", "env", "-i", f"HOME={home}", f"PATH={path}",
            f"PYTHONPATH={self._packages}", "sh", "-c", f"mkdir -p {folder} && exec /usr/bin/python3.11 {script} {folder}",
        ]  # fmt: skip
        try:
            done = subprocess.run(
                command, cwd=home, capture_output=True, text=True, timeout=_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            print(f"{name}: not done after {_SECONDS} s", file=sys.stderr)
            return None
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        lines = done.stdout.split()
        if done.returncode != 0 or not lines:
            print(f"{name}: {done.stderr.strip()[-400:]}", file=sys.stderr)
            return None
        return float(lines[0])

    def best(self, works: dict[str, str]) -> tuple[str, float | None]:
        """The quickest of those that can, with its name."""
        found = {
            name: seconds for name, work in works.items() if (seconds := self.seconds(name, work)) is not None
        }
        if not found:
            return "", None
        print(", ".join(f"{name} {seconds:.2f} s" for name, seconds in found.items()), file=sys.stderr)
        name = min(found, key=lambda one: found[one])
        return name, found[name]
