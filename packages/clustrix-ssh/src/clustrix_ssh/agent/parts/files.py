"""Files there, each written in one step."""

import hashlib
import os
import shutil
import socket
import threading

from clustrix.runner.faults import point


def write_file(path, data, mode=0o600, sync=False):
    """All of it or nothing."""
    aside = "%s.%s-%d-%d" % (path, socket.gethostname(), os.getpid(), threading.get_ident())
    fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        view = memoryview(data)
        while view:
            point("agent.write")
            view = view[os.write(fd, view) :]
        if sync:
            point("agent.sync")
            os.fsync(fd)
    except OSError:
        os.unlink(aside)
        raise
    finally:
        os.close(fd)
    point("agent.rename")
    os.rename(aside, path)


def create_file(path, data):
    """The same for a file that only one can make, by a link; returns what is in it if another has."""
    aside = "%s.%s-%d-%d.new" % (path, socket.gethostname(), os.getpid(), threading.get_ident())
    write_file(aside, data)
    try:
        point("agent.link")
        os.link(aside, path)
    except FileExistsError:
        return read_part(path, 0, 1000).decode("utf-8", "replace")
    finally:
        os.unlink(aside)
    return None


def make_folder(path):
    """For this user only.  What of the path is there stays as it is."""
    os.makedirs(path, mode=0o700, exist_ok=True)


def read_part(path, offset, size):
    fd = os.open(path, os.O_RDONLY)
    try:
        return os.pread(fd, size, offset)
    finally:
        os.close(fd)


def remove(path):
    """A file or a whole folder; nothing if it is not there."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    except (IsADirectoryError, PermissionError):
        shutil.rmtree(path, ignore_errors=True)


class Put:
    """A large file that comes in parts; what comes in order is not read once more for its digest."""

    def __init__(self, path):
        make_folder(os.path.dirname(path))
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self.end = 0
        """So far its digest has been made."""
        self._digest = hashlib.sha256()

    def add(self, data, at):
        in_order = at == self.end
        view = memoryview(data)
        while view:
            point("agent.put")
            count = os.pwrite(self.fd, view, at)
            view, at = view[count:], at + count
        if in_order:
            self._digest.update(data)
            self.end = at

    def digest(self):
        """Of all that is in the file."""
        while True:
            data = os.pread(self.fd, 1 << 20, self.end)
            if not data:
                return self._digest.hexdigest()
            self._digest.update(data)
            self.end += len(data)
