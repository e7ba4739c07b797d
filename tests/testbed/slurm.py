"""Real Slurm on one machine: a controller, two nodes of eight cores, and accounting if it is wanted."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from tests.testbed.processes import children, end, read_pid

_SECONDS = 30.0
CONF = Path("/etc/slurm/slurm.conf")


class Slurm:
    """One cluster.  Its clients find it by ``/etc/slurm``, which is put back when it ends."""

    def __init__(self, folder: Path, accounting: bool = True, max_array_size: int = 20001) -> None:
        self.folder = folder
        self.accounting = accounting
        self._array = max_array_size
        for name in ("state", "spool/n1", "spool/n2", "log", "db"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        _end_former()
        self._before = CONF.read_bytes() if CONF.exists() else None
        self._own_munge = False
        self._database: subprocess.Popen[bytes] | None = None
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        self._start_munge()
        CONF.parent.mkdir(exist_ok=True)
        if self.accounting:
            self._start_database()
        CONF.write_text(self._configuration())
        self.start_controller()
        for node in ("n1", "n2"):
            self.start_node(node)
        self.wait_for_nodes()

    def _start_munge(self) -> None:
        key = Path("/etc/munge/munge.key")
        for path in ("/run/munge", "/var/log/munge", "/var/lib/munge"):
            os.makedirs(path, exist_ok=True)
            shutil.chown(path, "munge", "munge")
        if not key.exists():
            key.write_bytes(os.urandom(1024))
        shutil.chown(key, "munge", "munge")
        key.chmod(0o400)
        if subprocess.run(["munge", "-n"], capture_output=True).returncode != 0:
            subprocess.run(["runuser", "-u", "munge", "--", "/usr/sbin/munged", "--force"], check=True)
            self._own_munge = True

    def _start_database(self) -> None:
        base, sock = self.folder / "db", self.folder / "db" / "s.sock"
        shutil.chown(base, "mysql", "mysql")
        if not (base / "mysql").exists():
            made = [
                "mariadb-install-db",
                "--user=mysql",
                f"--datadir={base}",
                "--auth-root-authentication-method=normal",
            ]
            subprocess.run(made, check=True, capture_output=True)
        port = _free_port()
        with open(self.folder / "log" / "mariadb", "wb") as log:
            self._database = subprocess.Popen(
                ["mariadbd", "--user=mysql", f"--datadir={base}", f"--socket={sock}", f"--pid-file={base}/pid",
                 "--bind-address=127.0.0.1", f"--port={port}", "--innodb-flush-log-at-trx-commit=0"],
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self._until(lambda: _succeeds("mariadb", "-S", str(sock), "-e", "select 1"), "the database")
        grants = "; ".join(
            f"create user if not exists slurm@'{host}' identified by 'slurm'; grant all on slurm_acct_db.* to slurm@'{host}'"
            for host in ("127.0.0.1", "localhost")
        )
        statement = f"create database if not exists slurm_acct_db; {grants}"
        subprocess.run(["mariadb", "-S", str(sock), "-e", statement], check=True)
        conf = CONF.with_name("slurmdbd.conf")
        conf.write_text(
            f"AuthType=auth/munge\nDbdHost=localhost\nDbdPort={_free_port()}\nSlurmUser=root\nStorageType=accounting_storage/mysql\n"
            f"StorageHost=127.0.0.1\nStoragePort={port}\nStorageUser=slurm\nStoragePass=slurm\n"
            f"LogFile={self.folder}/log/slurmdbd\nPidFile={self.folder}/slurmdbd.pid\n"
        )
        conf.chmod(0o600)
        self._dbd_port = next(
            line.partition("=")[2] for line in conf.read_text().splitlines() if line.startswith("DbdPort")
        )
        CONF.write_text(self._configuration())
        self.accounting_up()
        subprocess.run(["sacctmgr", "-i", "add", "cluster", "lab"], capture_output=True)

    def _configuration(self) -> str:
        host = socket.gethostname().partition(".")[0]
        storage = (
            f"accounting_storage/slurmdbd\nAccountingStorageHost=localhost\nAccountingStoragePort={self._dbd_port}"
            if self.accounting
            else "accounting_storage/none"
        )
        if not hasattr(self, "_ports"):
            self._ports = _free_port(), _free_port(), _free_port()
        controller, one, two = self._ports
        return f"""ClusterName=lab
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=cred_expire=5
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
StateSaveLocation={self.folder}/state
SlurmdSpoolDir={self.folder}/spool/%n
SlurmctldPidFile={self.folder}/slurmctld.pid
SlurmdPidFile={self.folder}/slurmd-%n.pid
SlurmctldLogFile={self.folder}/log/slurmctld
SlurmdLogFile={self.folder}/log/slurmd-%n
SlurmdParameters=config_overrides
SlurmdTimeout=10
MinJobAge=300
KillWait=2
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType={storage}
MaxArraySize={self._array}
MaxJobCount=50000
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={one} CPUs=8 RealMemory=8000 State=UNKNOWN
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={two} CPUs=8 RealMemory=8000 State=UNKNOWN
PartitionName=main Nodes=n[1-2] Default=YES MaxTime=1-0 DefaultTime=60 State=UP DefMemPerCPU=300 PriorityTier=2
PartitionName=short Nodes=n[1-2] MaxTime=5 State=UP DefMemPerCPU=300 PriorityTier=3
PartitionName=low Nodes=n[1-2] MaxTime=1-0 State=UP DefMemPerCPU=300 PriorityTier=1 PreemptMode=REQUEUE GraceTime=1
PartitionName=closed Nodes=n1 State=DOWN
"""

    # -- what tests do to it

    def start_controller(self) -> None:
        subprocess.run(["slurmctld"], check=True, capture_output=True)

    def stop_controller(self, number: int = signal.SIGTERM) -> None:
        end(self.folder / "slurmctld.pid", number=number)

    def start_node(self, node: str) -> None:
        subprocess.run(["slurmd", "-N", node], check=True, capture_output=True)

    def kill_node(self, node: str) -> None:
        """With all that runs on it."""
        path = self.folder / f"slurmd-{node}.pid"
        pid = read_pid(path)
        assert pid is not None
        steps = [
            int(name) for name in os.listdir("/proc") if name.isdigit() and self._is_step(int(name), node)
        ]
        for victim in [pid, *steps, *(child for step in steps for child in children(step))]:
            with suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        path.unlink(missing_ok=True)

    def _is_step(self, pid: int, node: str) -> bool:
        with (
            suppress(OSError),
            open(f"/proc/{pid}/cmdline", "rb") as line,
            open(f"/proc/{pid}/environ", "rb") as environ,
        ):
            if line.read().startswith(b"slurmstepd"):
                return f"SLURMD_NODENAME={node}".encode() in environ.read() or self._log_names(pid, node)
        return False

    def _log_names(self, pid: int, node: str) -> bool:
        with suppress(OSError):
            return any(node in os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd"))
        return False

    def accounting_up(self) -> None:
        subprocess.run(["slurmdbd"], check=True, capture_output=True)
        self._until(lambda: _succeeds("sacctmgr", "-n", "list", "cluster"), "accounting")

    def accounting_down(self) -> None:
        end(self.folder / "slurmdbd.pid")

    def run(self, *argv: str, check: bool = True) -> str:
        """As the administrator."""
        return subprocess.run(argv, check=check, capture_output=True, text=True).stdout

    def wait_for_nodes(self, count: int = 2) -> None:
        self._until(
            lambda: (
                self.run(
                    "sinfo", "-h", "-p", "main", "-t", "idle,mixed,alloc", "-o", "%D", check=False
                ).strip()
                == str(count)
            ),
            "the nodes",
        )

    def quiet(self, user: pwd.struct_passwd) -> None:
        """End all jobs of a user."""
        self.run("scancel", "-u", user.pw_name, check=False)

    def stop(self) -> None:
        """End all that it has started."""
        for name in ("slurmd-n1", "slurmd-n2", "slurmctld", "slurmdbd"):
            end(self.folder / f"{name}.pid")
        end(self.folder / "db" / "pid")
        if self._database is not None:
            self._database.wait()
        if self._own_munge:
            end(Path("/run/munge/munged.pid"))
        if self._before is None:
            CONF.unlink(missing_ok=True)
        else:
            CONF.write_bytes(self._before)

    def _until(self, holds: object, what: str) -> None:
        deadline = time.monotonic() + _SECONDS
        while not holds():  # type: ignore[operator]
            assert time.monotonic() < deadline, f"{what} did not come up: see {self.folder}/log"
            time.sleep(0.02)


def _end_former() -> None:
    """A test run that was killed has left its daemons, and a configuration that names their pid files."""
    if not CONF.exists():
        return
    text = CONF.read_text()
    if "ClusterName=lab\n" not in text:
        return
    folder = Path(
        next(line.partition("=")[2] for line in text.splitlines() if line.startswith("StateSaveLocation"))
    ).parent
    for path in [*folder.glob("slurm*.pid"), folder / "db" / "pid"]:
        end(path)
    CONF.unlink()


def _succeeds(*argv: str) -> bool:
    return subprocess.run(argv, capture_output=True).returncode == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
