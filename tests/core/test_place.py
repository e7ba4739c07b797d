"""Where the state directory is, and what that means for the journal."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from clustrix.journal import Journal, NewJob, Place
from clustrix.journal.place import file_system_of, on_network

JOB = NewJob("A", "f", "call", "d1", "local", 1, None, None, "{}", b"")

MOUNTS = r"""
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 0:21 / /proc rw,nosuid shared:2 - proc proc rw
30 22 0:40 / /site rw,relatime shared:5 master:2 - autofs auto.site rw,fd=6
32 31 8:16 / /site/home/ada/scratch rw,relatime - xfs /dev/sdb rw
31 30 0:41 /export /site/home rw,relatime shared:6 - nfs4 filer:/export rw,vers=4.2
33 22 0:43 / /site/home2 rw - btrfs /dev/sdc rw
34 22 0:44 / /media/my\040own\040files rw - fuse.sshfs ada@far: rw
35 22 0:45 / /layers/merged rw - overlay overlay rw,lowerdir=/a:/b
36 22 8:32 / /twice rw - ext4 /dev/sdd rw
37 36 0:46 / /twice rw - nfs filer:/twice rw
38 22 0:47 / /thrice rw - cifs //filer/thrice rw
39 38 8:48 / /thrice rw - ext4 /dev/sde rw
40 22 0:48 / /odd\134name rw - nfs filer:/odd rw
""".strip()


@pytest.mark.parametrize(
    ("path", "kind", "network"),
    [
        ("/var/lib", "ext4", False),
        ("/", "ext4", False),
        ("/site/home", "nfs4", True),
        ("/site/home/ada/.local/state", "nfs4", True),
        ("/site/home/ada/scratch/state", "xfs", False),
        ("/site/home2/ada", "btrfs", False),
        ("/site/homes", "autofs", False),
        ("/media/my own files/state", "fuse.sshfs", True),
        ("/layers/merged/state", "overlay", False),
        ("/twice/state", "nfs", True),
        ("/thrice/state", "ext4", False),
        pytest.param("/odd\\name/state", "nfs", True),
    ],
)
def test_file_system_is_that_of_the_nearest_mount(path: str, kind: str, network: bool) -> None:
    """The longest mount point above it counts, the latest of several on one point, and the kernel's escapes are read."""
    assert file_system_of(path, MOUNTS) == kind
    assert on_network(path, MOUNTS) is network


def test_system_without_mounts_is_taken_for_local() -> None:
    """Where nobody tells, the state directory is as any."""
    assert file_system_of("/anywhere", "") == ""
    assert not on_network("/anywhere", "")


def test_network_file_system_gets_a_rollback_journal(tmp_path: Path) -> None:
    """There a write-ahead log's shared memory does not work: a journal that moved there is changed, and back again."""
    place = Place(str(tmp_path))
    Path(place.environments).mkdir()
    with closing(Journal(place)) as journal:
        journal.submit(JOB)
    assert _journal_mode(place) == "wal"
    script = f"""
import os
from clustrix.journal import Journal, NewJob, Place
journal = Journal(Place({place.root!r}))
journal.submit(NewJob(*{tuple(JOB._replace(id="B"))!r}))
print([record.id for record in journal.live('d1')], os.path.exists({place.database + "-wal"!r}))
"""
    assert _run_on_nfs(script, place, tmp_path) == "['A', 'B'] False\n"
    assert _journal_mode(place) == "delete"
    with closing(Journal(place)) as back:
        assert [record.id for record in back.live("d1")] == ["A", "B"]
        assert _journal_mode(place) == "wal"


def _journal_mode(place: Place) -> str:
    with closing(sqlite3.connect(place.database)) as sql:
        return str(sql.execute("PRAGMA journal_mode").fetchone()[0])


def _run_on_nfs(script: str, place: Place, folder: Path) -> str:
    """Run it where the kernel's list of mounts, as that one process sees it, has an NFS at the state directory."""
    mounts = folder / "mounts"
    real = Path("/proc/self/mountinfo").read_text()
    mounts.write_text(f"{real}9999 1 0:99 / {os.path.realpath(place.root)} rw - nfs4 filer:/home rw\n")
    own = ["unshare", "--mount", *(() if os.geteuid() == 0 else ("--map-root-user",))]
    if subprocess.run([*own, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespaces here")
    shell = 'mount --bind "$1" /proc/$$/mountinfo && exec "$2" -c "$3"'
    command = [*own, "sh", "-c", shell, "sh", mounts, sys.executable, script]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=30, check=True).stdout
