"""The process table, ending whole trees, and the claims that make one run of one submission."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from clustrix.runner import claim, processes
from clustrix.runner.processes import Process
from tests.core.support import alive, processes_of, wait_until

MACOS_PS = """\
    1     0  14528 Ss   Mon Nov  3 07:05:09 2025    
  312     1  81920 S    Tue Nov  4 18:30:00 2025    
 4711   312      0 Z+   Tue Nov  4 18:30:01 2025    
99998   312   1024 R+   Wed Nov 12 00:00:00 2025    

"""  # noqa: W291 - ps pads the last column

MEBIBYTE = 1 << 20
SLEEP = "import time; print('ready', flush=True); time.sleep(100)"


@contextmanager
def python(script: str, *args: object) -> Iterator[subprocess.Popen[str]]:
    """A child that runs a script; it has printed its first line when the block begins, and is killed at its end."""
    command = [sys.executable, "-c", script, *map(str, args)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline(), "the child said nothing"
            yield process
        finally:
            for below in processes.descendants(process.pid):
                with suppress(ProcessLookupError):
                    os.kill(below.pid, signal.SIGKILL)
            process.kill()


def found(pid: int) -> Process:
    """One that must be there."""
    process = processes.lookup(pid)
    assert process is not None
    return process


# -- the table


def test_ps_is_read_as_macos_prints_it() -> None:
    """Padded columns, a date with spaces, zombies; lines that are no process are passed over."""
    table = processes.parse_ps(MACOS_PS)
    assert table == {
        1: Process(1, 0, "Mon Nov  3 07:05:09 2025", 14528 << 10, False),
        312: Process(312, 1, "Tue Nov  4 18:30:00 2025", 81920 << 10, False),
        4711: Process(4711, 312, "Tue Nov  4 18:30:01 2025", 0, True),
        99998: Process(99998, 312, "Wed Nov 12 00:00:00 2025", 1024 << 10, False),
    }


def test_name_with_spaces_and_parentheses_is_no_obstacle() -> None:
    """A process may call itself anything, also what looks like the columns that follow its name."""
    rename = f"open('/proc/self/comm', 'w').write(') Z 1 (x) R 2'); {SLEEP}"
    with python(rename) as child:
        assert Path(f"/proc/{child.pid}/comm").read_text() == ") Z 1 (x) R 2\n"
        process = found(child.pid)
        assert (process.parent, process.zombie) == (os.getpid(), False)
        assert process.start.isdigit()
        assert process.resident_bytes > MEBIBYTE


def test_only_that_very_process_is_alive() -> None:
    """Not one that has its pid later, not a zombie, and not one that is gone."""
    with python(SLEEP) as child:
        start = found(child.pid).start
        assert processes.alive(child.pid, start)
        assert not processes.alive(child.pid, str(int(start) - 1))
        child.kill()
        wait_until(lambda: not alive(child.pid), "it is a zombie")
        assert found(child.pid).zombie
        assert not processes.alive(child.pid, start)
    assert processes.lookup(child.pid) is None
    assert not processes.alive(child.pid, start)


# -- trees

FAMILY = """
import os, subprocess, sys, time
from clustrix.runner import processes
processes.become_subreaper()
code = "import subprocess, sys; print(subprocess.Popen(['sleep', '100'], start_new_session=True).pid, flush=True); sys.stdin.read()"
child = subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, text=True, start_new_session=True)
grandchild = int(child.stdout.readline())
dead = subprocess.Popen(["true"])
os.waitid(os.P_PID, dead.pid, os.WEXITED | os.WNOWAIT)
print(child.pid, grandchild, dead.pid, file=open(sys.argv[1], "w"))
print("ready", flush=True)
time.sleep(100)
"""


def test_descendants_are_found_across_sessions(tmp_path: Path) -> None:
    """Children and grandchildren, whatever session they made for themselves; zombies and the root are left out."""
    pids = tmp_path / "pids"
    with python(FAMILY, pids) as root:
        child, grandchild, dead = map(int, pids.read_text().split())
        assert os.getsid(grandchild) not in (os.getsid(root.pid), os.getsid(child))
        parents = {process.pid: process.parent for process in processes.descendants(root.pid)}
        assert parents == {child: root.pid, grandchild: child}
        assert found(dead).zombie
        processes.kill_tree(root.pid, found(root.pid).start)
    assert not any(map(alive, (child, grandchild)))


def test_tree_of_another_start_is_left_alone() -> None:
    """A pid that has been used again since names somebody else."""
    with python(SLEEP) as root:
        processes.kill_tree(root.pid, str(int(found(root.pid).start) + 1))
        time.sleep(0.05)
        assert Path(f"/proc/{root.pid}/stat").read_text().rpartition(")")[2].split()[0] not in "TZX"


UNRULY = """
import os, signal, time
from clustrix.runner import processes
processes.become_subreaper()
if os.fork() == 0:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    time.sleep(20)
    os._exit(0)
if os.fork() == 0:
    os.setsid()
    for _ in range(500):
        if os.fork():
            os._exit(0)
        time.sleep(0.02)
    os._exit(0)
if os.fork() == 0:
    for _ in range(500):
        if os.fork() == 0:
            break
        time.sleep(0.001)
    time.sleep(20)
    os._exit(0)
time.sleep(0.1)
print("ready", flush=True)
time.sleep(20)
"""


def test_tree_is_ended_whatever_its_members_do(tmp_path: Path) -> None:
    """One that ignores signals, one that is another process at every look, one that always starts more."""
    mark = tmp_path / "a-name-that-only-this-tree-has"
    with python(UNRULY, mark) as root:
        assert len(processes_of(mark)) > 4
        began = time.monotonic()
        processes.kill_tree(root.pid, found(root.pid).start)
        assert time.monotonic() - began < 5
        root.wait(5)
        assert root.returncode == -signal.SIGKILL
        time.sleep(0.1)
        assert processes_of(mark) == {}


SERVICES = f"""
import os, signal, subprocess, sys
other = "import subprocess; subprocess.Popen(['sleep', '100']); {SLEEP}"
command = [sys.executable, "-c", other, "clustrix.dispatcher", sys.argv[2] + "-other"]
subprocess.Popen(command, stdout=subprocess.PIPE).stdout.readline()
plain = subprocess.Popen(["sleep", "100"]).pid
forked = os.fork()
if forked:
    with open(sys.argv[3], "w") as file:
        print(plain, forked, file=file)
    {SLEEP}
signal.pause()
"""


def test_services_of_others_are_no_part_of_a_tree(tmp_path: Path) -> None:
    """A dispatcher that came to be below a runner, and what that has started, live on when the tree is ended."""
    mark, pids = tmp_path / "mine", tmp_path / "pids"
    with python(SERVICES, "clustrix.dispatcher", mark, pids) as root:
        ours = set(map(int, pids.read_text().split()))
        assert {process.pid for process in processes.descendants(root.pid)} == ours
        (other,) = processes_of(tmp_path / "mine-other")
        processes.kill_tree(root.pid, found(root.pid).start)
        assert not any(map(alive, ours))
        below = processes.descendants(other)
        assert len(below) == 1
        assert alive(other)
        for pid in (below[0].pid, other):
            os.kill(pid, signal.SIGKILL)


# -- memory


def test_memory_of_children_counts() -> None:
    """A small process with a large child is large, by either way of counting; one that is gone is nothing."""
    large = f"held = bytearray(b'x') * (64 << 20); {SLEEP}"
    start = f"import subprocess, sys; command = [sys.executable, '-c', {large!r}]\n"
    start += f"subprocess.Popen(command, stdout=subprocess.PIPE).stdout.readline(); {SLEEP}"
    with python(start) as root:
        assert found(root.pid).resident_bytes < 64 * MEBIBYTE
        assert 64 * MEBIBYTE < processes.tree_bytes(root.pid, limit=0) < 128 * MEBIBYTE
        assert 64 * MEBIBYTE < processes.tree_bytes(root.pid, limit=1 << 40) < 128 * MEBIBYTE
    assert processes.tree_bytes(root.pid, limit=0) == 0


def test_shared_memory_counts_once() -> None:
    """Forked children share what their parent holds; that is asked for only where the plain sum is over the limit."""
    fork = "import os, time; held = bytearray(b'x') * (96 << 20)\n"
    fork += "for _ in range(3): os.fork() or time.sleep(100)\n"
    with python(fork + SLEEP) as root:
        assert len(processes.descendants(root.pid)) == 3
        assert processes.tree_bytes(root.pid, limit=1 << 40) > 4 * 96 * MEBIBYTE
        assert 96 * MEBIBYTE < processes.tree_bytes(root.pid, limit=300 * MEBIBYTE) < 150 * MEBIBYTE


# -- claims


def test_claim_says_who_holds_it(tmp_path: Path) -> None:
    """What was written is read: process, its start, this boot and the time."""
    path = str(tmp_path / "claim")
    assert claim.read(path) is None
    before = time.monotonic()
    Path(path).write_bytes(claim.encoded(claim.myself()))
    holder = claim.read(path)
    assert holder is not None
    assert (holder.pid, holder.start) == (os.getpid(), found(os.getpid()).start)
    assert holder.boot == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert before <= holder.since <= time.monotonic()
    assert holder.lives()
    assert not holder.rebooted()


def test_claim_outlives_its_holder(tmp_path: Path) -> None:
    """A dead process's claim is there, and says that its holder is no more."""
    path = str(tmp_path / "claim")
    write = "open(sys.argv[1], 'wb').write(claim.encoded(claim.myself()))"
    script = f"import sys; from clustrix.runner import claim; {write}; {SLEEP}"
    with python(script, path) as child:
        holder = claim.read(path)
        assert holder is not None
        assert holder.pid == child.pid
        assert holder.lives()
        child.kill()
        wait_until(lambda: not holder.lives(), "its holder is dead, and not yet reaped")
    assert claim.read(path) == holder
    assert not holder.rebooted()


def test_claim_of_another_boot_is_of_nobody_alive(tmp_path: Path) -> None:
    """After a reboot the same pid and start time may be somebody else's."""
    path = str(tmp_path / "claim")
    other = claim.myself()._replace(boot="8c1f3a52-0000-4000-8000-5b2a3c4d5e6f")
    Path(path).write_bytes(claim.encoded(other))
    assert claim.read(path) == other
    assert other.rebooted()
    assert not other.lives()
