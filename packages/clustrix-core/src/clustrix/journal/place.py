"""The state directory: where it is, whose it is, and what kind of file system it is on."""

from __future__ import annotations

import os
import re
import stat
import sys
from contextlib import suppress

import platformdirs

from clustrix.errors import JournalUnusable, storage_error
from clustrix.runner.folders import FREE

NETWORK_FILE_SYSTEMS = frozenset(
    [
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "afs",
        "ceph",
        "lustre",
        "gpfs",
        "beegfs",
        "beegfs_nodev",
        "pvfs2",
        "orangefs",
        "fuse.sshfs",
        "fuse.glusterfs",
        "glusterfs",
        "9p",
        "fuse.juicefs",
        "fuse.s3fs",
        "fuse.rclone",
        "wekafs",
        "panfs",
        "virtiofs",
    ]
)


_ESCAPE = re.compile(r"\\([0-7]{3})")
"""How the kernel writes spaces and the like in /proc/self/mountinfo."""


class Place:
    """The folders below one state directory."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.database = os.path.join(root, "journal.db")
        self.blobs = os.path.join(root, "blobs")
        self.environments = os.path.join(root, "environments")
        self.live = os.path.join(root, "live")
        """A folder for each job that runs."""
        self.ready = os.path.join(root, "ready")
        """Folders for calls that are to come, see ``clustrix.runner.folders``."""
        self.kept = os.path.join(root, "kept")
        """What finished jobs leave: logs, large results, the results of maps."""
        self.checkpoints = os.path.join(root, "checkpoints")
        """What jobs have saved for their next attempts."""
        self.dispatchers = os.path.join(root, "dispatchers")

    def job_folder(self, job: str) -> str:
        """Where the files of a job are now: the live folder while it runs, then the kept one."""
        live = os.path.join(self.live, job)
        return live if os.path.isdir(live) else os.path.join(self.kept, job)

    def open(self, job: str, name: str) -> int | None:
        """A descriptor of a file of a job's, to read from; None if there is none."""
        for _ in range(2):  # the folder moves once, perhaps just now
            with suppress(FileNotFoundError):
                return os.open(os.path.join(self.job_folder(job), name), os.O_RDONLY)
        return None


def move_away(database: str) -> str:
    """The command that puts a journal aside, with all that belongs to it."""
    aside = os.path.join(os.path.dirname(database), "broken")
    return f"mkdir {aside} && mv {database}* {aside}"


def state_place() -> Place:
    """This user's state directory, made if need be.

    ``$XDG_STATE_HOME/clustrix``, else what platformdirs says for the system.  Raises JournalUnusable when
    it cannot be used, JournalFull when there is no room for it.
    """
    try:
        root = platformdirs.user_state_dir("clustrix")
    except RuntimeError as error:  # no HOME, and a user who is not in the list of users
        raise JournalUnusable(
            "the state directory", f"cannot be told ({error})", "Set XDG_STATE_HOME."
        ) from error
    place = Place(root)
    free = os.path.join(place.ready, FREE)
    folders = place.blobs, place.environments, place.live, place.ready, free, place.kept, place.dispatchers
    for folder in (root, *folders):
        _private(folder)
    return place


def _private(folder: str) -> None:
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        found = os.stat(folder)
    except NotADirectoryError as error:
        raise JournalUnusable(folder, "a file stands where a folder should be", "Move it away.") from error
    except FileExistsError as error:
        raise JournalUnusable(folder, "is not a folder", "Move it away.") from error
    except OSError as error:
        raise storage_error(folder, error) from error
    if found.st_uid != os.geteuid():
        raise JournalUnusable(
            folder,
            f"belongs to user {found.st_uid}, not to you ({os.geteuid()})",
            "Set XDG_STATE_HOME to a folder of your own.",
        )
    if stat.S_IMODE(found.st_mode) & 0o077:
        # Results are unpickled from here: nobody else may put anything in.
        try:
            os.chmod(folder, 0o700)
        except OSError as error:
            raise storage_error(folder, error) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise JournalUnusable(folder, "cannot be written", "Make it writable, or set XDG_STATE_HOME.")


def file_system_of(path: str, mounts: str | None = None) -> str:
    """The type of the file system that holds ``path``; empty where the system does not tell.

    ``mounts``: the text of /proc/self/mountinfo, read if not given.
    """
    if mounts is None:
        mounts = ""
        with suppress(OSError), open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
            mounts = file.read()
    real = os.path.realpath(path)
    best = ("", "")
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        point = _ESCAPE.sub(lambda found: chr(int(found[1], 8)), before.split()[4])
        inside = real == point or real.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best[0]):  # a later mount on the same point hides the earlier
            best = (point, after.split()[0])
    return best[1]


def on_network(path: str, mounts: str | None = None) -> bool:
    """Whether ``path`` is on a file system that several machines share."""
    return file_system_of(path, mounts) in NETWORK_FILE_SYSTEMS


def dispatcher_name(place: Place) -> str:
    """Names the dispatcher of this machine and Python environment."""
    # A virtual environment's python and python3 are one environment.
    identity = [_machine_id(), os.path.realpath(sys.executable), sys.prefix]
    if on_network(place.root):
        identity.append(os.uname().nodename)  # diskless nodes may share a machine id
    import hashlib  # 5 ms that a list of jobs can spare

    return hashlib.sha256("\0".join(identity).encode()).hexdigest()[:12]


def _machine_id() -> str:
    for path in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        with suppress(OSError), open(path, encoding="ascii") as file:
            text = file.read().strip()
            if text:
                return text
    return os.uname().nodename
