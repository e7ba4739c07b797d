"""Runs on a host, sent there as text: lets a key in.  Python 3.6 has to understand it, and nothing of clustrix is there."""

import json
import os
import pwd
import shutil
import stat
import subprocess
import sys

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def authorize(line: str, home: str) -> "dict[str, object]":
    """Add a line to authorized_keys, unless its key is there.  Tells what was done, and what will have sshd refuse the file.  Raises OSError."""
    folder = os.path.join(home, ".ssh")
    if not os.path.isdir(folder):
        os.mkdir(folder, 0o700)
    path = path_of(home)
    data = b""
    new = not os.path.exists(path)
    if not new:
        with open(path, "rb") as file:
            data = file.read()
    state = _state(data, line)
    if state == "added":
        _append(path, data, line)
    if new and shutil.which("restorecon"):  # else sshd may not read it where SELinux is
        subprocess.call(["restorecon", "-F", folder, path], stderr=subprocess.DEVNULL)
    tightened = [one for one in (os.path.realpath(folder), path) if _tighten(one)]
    return {"state": state, "path": path, "tightened": tightened, "loose": _loose(path, home)}


def path_of(home: str) -> str:
    """The file; a link stays one."""
    return os.path.realpath(os.path.join(home, ".ssh", "authorized_keys"))


def _state(data: bytes, line: str) -> str:
    kind, blob = line.encode("ascii", "replace").split()[:2]
    state = "added"
    for one in data.splitlines():
        words = one.split()
        if not words or words[0].startswith(b"#"):
            continue
        if words[:2] == [kind, blob]:
            return "there"
        if blob in words:
            state = "limited"  # with options in front
    return state


def _append(path: str, before: bytes, line: str) -> None:
    """All of it or nothing."""
    data = line.encode("utf-8") + b"\n"
    if before and not before.endswith(b"\n"):
        data = b"\n" + data
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        size = os.fstat(fd).st_size
        try:
            while data:
                data = data[os.write(fd, data) :]
            os.fsync(fd)
        except OSError:
            os.ftruncate(fd, size)
            raise
    finally:
        os.close(fd)


def _tighten(path: str) -> bool:
    """Take away from others what has sshd refuse it."""
    mode = stat.S_IMODE(os.stat(path).st_mode)
    if not mode & _OTHERS_WRITE:
        return False
    os.chmod(path, mode & ~_OTHERS_WRITE)
    return True


def _loose(path: str, home: str) -> "list[list[str]]":
    """What has sshd not trust the file (StrictModes), from it up to the home: each with its mode."""
    found = []
    home = os.path.realpath(home)
    while True:
        known = os.stat(path)
        if known.st_mode & _OTHERS_WRITE or known.st_uid not in (0, os.getuid()):
            found.append([path, f"{stat.S_IMODE(known.st_mode):04o}"])
        if path in (home, os.path.dirname(path)):
            return found
        path = os.path.dirname(path)


def main() -> None:
    """``LINE``; prints what came of it as JSON."""
    home = pwd.getpwuid(os.getuid()).pw_dir
    try:
        told = authorize(sys.argv[1], home)
    except OSError as error:
        told = {"error": f"{error.filename or path_of(home)}: {error.strerror}"}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
