"""The folder of a call: made, with its files, before the call is known, and taken for it by one rename, which is the claim.

A worker of a map takes one in the same way, for a folder within the map's.

To make files, and to remove them again, is what costs most where jobs are small: the folder of a job that has left nothing
is used again.  Below the folder *ready* are

* ``free/...``: for whoever renames it first,
* ``WARM PARENT/PID-START``: of a process that waits for its call,
* ``back-...``: on its way back from a job,
* ``gone-...``: of warm parents whose orders shall not be carried out any more.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import time
from contextlib import suppress

from clustrix.runner import claim, layout
from clustrix.runner.faults import point

FREE = "free"
_BACK = "back-"
_GONE = "gone-"
_MOST_FREE = 16
_FILES = {layout.CLAIM, layout.OUTPUT, layout.ERRORS, layout.RESULT, layout.ASIDE}


_LATER = (errno.ENOSPC, errno.EDQUOT, errno.ENOENT)


class NoFolder(OSError):
    """There can be none now: no room, or no such place any more.  It is worth waiting for."""


class Folder:
    """One that waits for a call.  Its process's standard files are in it."""

    def __init__(self, root: str) -> None:
        """``root``: the folder of its warm parent.  Raises NoFolder."""
        self._free = os.path.join(os.path.dirname(root), FREE)
        self._holder = claim.myself()
        self._path = _path_of(root, self._holder.pid, self._holder.start)
        try:
            if not any(map(self._take, os.listdir(self._free))):
                os.mkdir(self._path, 0o700)
            self._files = [self._open(name) for name in (layout.OUTPUT, layout.ERRORS, layout.CLAIM)]
        except OSError as error:
            _wait_if_worth_it(error)
            raise

    def _take(self, name: str) -> bool:
        try:
            point("folder.take")
            os.rename(os.path.join(self._free, name), self._path)
        except FileNotFoundError:  # another was first, or this process's warm parent is fenced off
            return False
        return True

    def _open(self, name: str) -> int:
        append = 0 if name == layout.CLAIM else os.O_APPEND
        return os.open(os.path.join(self._path, name), os.O_WRONLY | os.O_CREAT | append, 0o600)

    def claim(self, path: str) -> bool:
        """Make it the folder ``path``, of a call, and print into it.

        False when another process was first, when this one's warm parent has been fenced off, or when what ``path``
        belongs to is no longer there.  Raises NoFolder.
        """
        output, errors, held = self._files
        try:
            point("claim.pwrite")
            os.pwrite(held, claim.encoded(self._holder._replace(since=time.monotonic())), 0)
            point("claim.rename")
            os.rename(self._path, path)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOENT):
                _wait_if_worth_it(error)
                raise
            self.give_back()
            return False
        os.dup2(output, 1)
        os.dup2(errors, 2)
        self._close()
        return True

    def give_back(self) -> None:
        """It is not needed."""
        self._close()
        point("folder.give-back")
        with suppress(FileNotFoundError):
            os.rename(self._path, os.path.join(self._free, os.path.basename(self._path)))

    def _close(self) -> None:
        for fd in self._files:
            os.close(fd)
        self._files = []


def _wait_if_worth_it(error: OSError) -> None:
    if error.errno in _LATER:
        raise NoFolder(f"its folder could not be made: {error}") from error


def discard(root: str, pid: int, start: str) -> None:
    """Remove what a process has left that ended before it had its call, if it has left anything."""
    remove(_path_of(root, pid, start))


def fence_off(prefix: str) -> None:
    """No process below a warm parent's folder whose path begins so can have a call from now on; who has one keeps it.

    A dispatcher does this before it looks what has been begun: an order of the one before may still be on its way, and
    would be carried out when its job has come to its end by other means, and its folder is no longer there.
    """
    root, prefix = os.path.split(prefix)
    for name in os.listdir(root):
        if not name.startswith(prefix):
            continue
        gone = os.path.join(root, _GONE + name)
        point("folder.fence-off")
        os.rename(os.path.join(root, name), gone)
        for child in os.listdir(gone):
            # The kernel may have found it by its old path already: the name it is to be taken from has to go as well.
            point("folder.fence-off-child")
            with suppress(FileNotFoundError):
                os.rename(os.path.join(gone, child), os.path.join(gone, _GONE + child))
        remove(gone)


def reuse(folder: str, root: str) -> bool:
    """Put a finished job's folder back; False if it is better removed.

    It is if it holds anything, if it has no files to write to, as that of a job elsewhere, or if anybody still has it open: a process
    of the job that has escaped, or who follows its logs.
    """
    names = set(os.listdir(folder))
    free = os.path.join(root, FREE)
    if not {layout.OUTPUT, layout.ERRORS} <= names <= _FILES or len(os.listdir(free)) >= _MOST_FREE:
        return False
    back = os.path.join(root, _BACK + os.path.basename(folder))
    point("folder.back")
    os.rename(folder, back)  # from now on nobody can open its files by the job's name
    if all(_is_unused(os.path.join(back, name)) for name in (layout.OUTPUT, layout.ERRORS)):
        for name in names & {layout.RESULT, layout.ASIDE}:
            # It shall not be taken for the next job's, whatever the disk loses.
            point("folder.empty")
            os.truncate(os.path.join(back, name), 0)
        if layout.RESULT in names:
            point("folder.unname")
            os.rename(os.path.join(back, layout.RESULT), os.path.join(back, layout.ASIDE))
        point("folder.free")
        os.rename(back, os.path.join(free, os.path.basename(folder)))
    else:
        remove(back)
    return True


def _is_unused(path: str) -> bool:
    """Whether a file is empty, and nobody has it open: the kernel lends it for writing only then."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if os.fstat(fd).st_size:
            return False
        # Who opens it meanwhile has the holder told so; the usual signal for that would end this process.
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        return True
    except (OSError, AttributeError):  # somebody has it; or not Linux, or a file system that cannot tell
        return False
    finally:
        os.close(fd)


def sweep(root: str) -> None:
    """Remove what a killed dispatcher was putting back, or fencing off."""
    for name in os.listdir(root):
        if name.startswith((_BACK, _GONE)):
            remove(os.path.join(root, name))


def _path_of(root: str, pid: int, start: str) -> str:
    return os.path.join(root, f"{pid}-{start}")


def remove(folder: str) -> None:
    """What another process is removing, or moving away, as well is no error."""
    for path, _, names in os.walk(folder, topdown=False):
        for name in names:
            with suppress(OSError):
                os.unlink(os.path.join(path, name))
        with suppress(OSError):
            os.rmdir(path)
