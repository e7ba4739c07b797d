"""Where things are on the far side, below the folder that the setting ``remote_work_dir`` names."""

from __future__ import annotations

import posixpath
from typing import NamedTuple


class FarPaths:
    """All of them absolute."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.records = posixpath.join(root, "records")
        """Commit records, see ``clustrix_ssh.far.records``."""
        self.jobs = posixpath.join(root, "jobs")
        self.blobs = posixpath.join(root, "blobs")
        """Content-addressed, as in the state directory here."""
        self.swept = posixpath.join(root, "swept")
        """Its time tells when blobs were last removed."""
        self.work = posixpath.join(root, "work")
        """Where jobs run: files that they leave with a relative name are here, and stay."""

    def kit(self, digest: str) -> str:
        """What runs jobs, see ``clustrix_ssh.kit``."""
        return posixpath.join(self.root, "kit", digest)

    def job(self, name: str) -> str:
        return posixpath.join(self.jobs, name)

    def checkpoint(self, name: str) -> str:
        """What a job has saved for its next attempt."""
        return posixpath.join(self.root, "checkpoints", name)

    def batch(self, name: str) -> str:
        """What has become of one submission to a scheduler."""
        return posixpath.join(self.root, "batches", name)

    def blob(self, digest: str) -> str:
        return posixpath.join(self.blobs, digest[:2], digest)

    def host(self, name: str) -> str:
        """What belongs to one machine that runs jobs without a scheduler: home folders may be shared by many."""
        return posixpath.join(self.root, "hosts", name)


class Seal(NamedTuple):
    """What secrets are sealed with on their way through files."""

    path: str
    """Where the far side has the key."""
    key: bytes


def below(home: str, folder: str) -> FarPaths:
    """``folder``: as the user sets it; ``~`` is the far home."""
    if folder == "~" or folder.startswith("~/"):
        folder = posixpath.join(home, folder[2:])
    return FarPaths(posixpath.normpath(posixpath.join(home, folder)))
