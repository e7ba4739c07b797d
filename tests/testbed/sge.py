"""Real SGE on this machine, as a host of its own: it refuses names on loopback, so it gets a network and a name of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from tests.testbed.network import make_namespace
from tests.testbed.processes import children, end, read_pid
from tests.testbed.sshd import Sshd

_SECONDS = 30.0
NAMESPACE = "clxsge"
HOST = "sgehost"
ADDRESS = "10.99.7.2"
_GATE = "10.99.7.1"
ROOT = Path("/var/lib/gridengine")
SPOOL = Path("/var/spool/gridengine")
MASTER_PID = SPOOL / "qmaster" / "qmaster.pid"
EXECD_PID = SPOOL / "execd" / HOST / "execd.pid"
VARIABLES = {"SGE_ROOT": str(ROOT), "SGE_CELL": "default"}


class Sge:
    """One cell with one host of eight slots; ``sshd`` is the way in."""

    def __init__(self, folder: Path, user: pwd.struct_passwd, slots: int = 8) -> None:
        self.folder = folder
        self.user = user
        self.slots = slots
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        self._end_daemons()
        self.sshd: Sshd | None = None
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    @property
    def prefix(self) -> list[str]:
        """Before a command that is to run on that host."""
        variables = " ".join(f"{name}={value}" for name, value in VARIABLES.items())
        inner = f'hostname {HOST}; export {variables}; exec "$@"'
        return ["ip", "netns", "exec", NAMESPACE, "unshare", "-u", "sh", "-c", inner, "_"]

    def _start(self) -> None:
        self._make_namespace()
        self._make_database()
        self.start_master()
        self._configure()
        self.start_node()
        self.sshd = Sshd(
            self.folder / "sshd",
            self.user,
            address=ADDRESS,
            prefix=self.prefix,
            lines=["SetEnv " + " ".join(f"{name}={value}" for name, value in VARIABLES.items())],
        )

    def _make_namespace(self) -> None:
        listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
        if NAMESPACE not in listed.split():
            make_namespace(NAMESPACE, _GATE, ADDRESS)
        hosts = Path("/etc/netns", NAMESPACE, "hosts")
        hosts.parent.mkdir(parents=True, exist_ok=True)
        hosts.write_text(f"127.0.0.1 localhost\n{ADDRESS} {HOST}\n")

    def _make_database(self) -> None:
        """A fresh one: what an earlier run has left is of no interest."""
        common = ROOT / "default" / "common"
        for path in (SPOOL / "spooldb", SPOOL / "qmaster", SPOOL / "execd"):
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(parents=True)
            shutil.chown(path, "sgeadmin", "sgeadmin")
        (common / "accounting").unlink(missing_ok=True)
        (common / "act_qmaster").write_text(f"{HOST}\n")
        for path in (common, common / "act_qmaster", SPOOL):
            shutil.chown(path, "sgeadmin", "sgeadmin")
        script = f"/usr/share/gridengine/scripts/init_cluster {ROOT} default {SPOOL}/spooldb sgeadmin"
        subprocess.run(
            ["su", "-s", "/bin/sh", "-c", script, "sgeadmin"], check=True, capture_output=True, timeout=60
        )

    def run(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A command on that host, as SGE's administrator."""
        command = [*self.prefix, "runuser", "-u", "sgeadmin", "--", *argv]
        return subprocess.run(command, capture_output=True, text=True, check=check, timeout=60)

    def run_as_user(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [*self.prefix, "runuser", "-u", self.user.pw_name, "--", *argv]
        return subprocess.run(
            command, capture_output=True, text=True, check=check, timeout=60, cwd=self.user.pw_dir
        )

    def _configure(self) -> None:
        self.run("qconf", "-ah", HOST, check=False)
        self.run("qconf", "-as", HOST, check=False)
        self.run("qconf", "-am", "root", check=False)
        none = dict.fromkeys(_HOST_LISTS.split(), "NONE")
        self._add("-Ae", "host", {"hostname": HOST, **none})
        self._add("-Ap", "pe", _PARALLEL)
        self._add("-Ahgrp", "group", {"group_name": "@allhosts", "hostlist": HOST})
        limits = {f"{kind}_{name}": "INFINITY" for name in _LIMITS.split() for kind in "sh"}
        queue = {**_QUEUE, "slots": str(self.slots), **dict.fromkeys(_QUEUE_LISTS.split(), "NONE"), **limits}
        self._add("-Aq", "queue", queue)
        now = self.run("qconf", "-ssconf").stdout
        ours = {"schedule_interval": "0:0:1", "flush_submit_sec": "1", "flush_finish_sec": "1", "schedd_job_info": "true"}  # fmt: skip
        rows = [line.split(None, 1) for line in now.splitlines() if line.strip()]
        self._add("-Msconf", "scheduler", {name: ours.get(name, value.strip()) for name, value in rows})

    def _add(self, option: str, name: str, rows: dict[str, str]) -> None:
        path = self.folder / f"{name}.conf"
        path.write_text("".join(f"{key} {value}\n" for key, value in rows.items()))
        self.run("qconf", option, str(path))

    # -- what tests do to it

    def start_master(self) -> None:
        self.run("/usr/sbin/sge_qmaster")
        self._until(lambda: self.run("qconf", "-sconf", check=False).returncode == 0, "the master")

    def stop_master(self) -> None:
        end(MASTER_PID)

    def start_node(self) -> None:
        subprocess.run([*self.prefix, "/usr/sbin/sge_execd"], check=True, capture_output=True, timeout=60)
        self._until(
            lambda: "lx-" in self.run("qhost", "-h", HOST, check=False).stdout and self._is_up(), "the node"
        )

    def _is_up(self) -> bool:
        rows = self.run("qstat", "-f", check=False).stdout.splitlines()
        row = next((line for line in rows if line.startswith("all.q@")), "")
        return bool(row) and not row.split()[5:]  # its states: "u", "a", "E"

    def kill_node(self) -> None:
        """With all that runs on it."""
        pid = read_pid(EXECD_PID)
        assert pid is not None
        for victim in [pid, *children(pid)]:
            with suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)

    def quiet(self) -> None:
        """End all jobs of the user."""
        self.run_as_user("qdel", "-u", self.user.pw_name, check=False)

    def stop(self) -> None:
        if getattr(self, "sshd", None) is not None:
            assert self.sshd is not None
            self.sshd.stop()
        self._end_daemons()
        subprocess.run(["ip", "netns", "delete", NAMESPACE], capture_output=True)
        subprocess.run(["ip", "link", "delete", f"v-{NAMESPACE}"], capture_output=True)
        shutil.rmtree(Path("/etc/netns", NAMESPACE), ignore_errors=True)

    def _end_daemons(self) -> None:
        for path in (EXECD_PID, MASTER_PID):
            pid = read_pid(path)
            if pid is not None and _is_of_sge(pid):
                for child in children(pid):
                    with suppress(ProcessLookupError):
                        os.kill(child, signal.SIGKILL)
                end(path)

    def _until(self, holds, what: str) -> None:  # type: ignore[no-untyped-def]
        deadline = time.monotonic() + _SECONDS
        while not holds():
            assert time.monotonic() < deadline, f"{what} of SGE has not come up; see {SPOOL}"
            time.sleep(0.1)


def _is_of_sge(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().startswith("sge_")
    return False


_HOST_LISTS: str = (
    "load_scaling complex_values user_lists xuser_lists projects xprojects usage_scaling report_variables"
)
_QUEUE_LISTS: str = (
    "prolog epilog starter_method suspend_method resume_method terminate_method owner_list user_lists xuser_lists subordinate_list "
    "complex_values projects xprojects calendar"
)
_LIMITS: str = "rt cpu fsize data stack core rss vmem"
_PARALLEL = {
    "pe_name": "smp", "slots": "999", "user_lists": "NONE", "xuser_lists": "NONE", "start_proc_args": "NONE",
    "stop_proc_args": "NONE", "allocation_rule": "$pe_slots", "control_slaves": "FALSE", "job_is_first_task": "TRUE",
    "urgency_slots": "min", "accounting_summary": "FALSE", "qsort_args": "NONE",
}  # fmt: skip
_QUEUE = {
    "qname": "all.q", "hostlist": "@allhosts", "seq_no": "0", "load_thresholds": "NONE", "suspend_thresholds": "NONE",
    "nsuspend": "1", "suspend_interval": "00:05:00", "priority": "0", "min_cpu_interval": "00:05:00",
    "processors": "UNDEFINED", "qtype": "BATCH INTERACTIVE", "ckpt_list": "NONE", "pe_list": "smp", "rerun": "FALSE",
    "tmpdir": "/tmp", "shell": "/bin/bash", "shell_start_mode": "unix_behavior", "notify": "00:00:60",
    "initial_state": "default",
}  # fmt: skip
