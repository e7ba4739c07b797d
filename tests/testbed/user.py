"""The user of the cluster: somebody else than who runs the tests, with a home of their own."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path

NAME = "clxuser"
_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"


def cluster_user(name: str = NAME, shell: str = "/bin/bash") -> pwd.struct_passwd:
    """Made if need be.  Its home is readable by nobody else, and no password fits."""
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        subprocess.run(["useradd", "-m", "-s", shell, name], check=True)
        # Not "!": sshd refuses locked accounts.
        subprocess.run(["usermod", "-p", "*", name], check=True)
        found = pwd.getpwnam(name)
    if found.pw_shell != shell:
        subprocess.run(["usermod", "-s", shell, name], check=True)
        found = pwd.getpwnam(name)
    os.makedirs(found.pw_dir, exist_ok=True)
    os.chown(found.pw_dir, found.pw_uid, found.pw_gid)
    os.chmod(found.pw_dir, 0o700)
    return found


def run_as(user: pwd.struct_passwd, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command as that user, from its home."""
    return subprocess.run(
        ["/usr/sbin/runuser", "-u", user.pw_name, "--", *argv],
        cwd=user.pw_dir,
        env={
            "HOME": user.pw_dir,
            "USER": user.pw_name,
            "LOGNAME": user.pw_name,
            "PATH": _PATH,
            "SHELL": user.pw_shell,
        },
        capture_output=True,
        text=True,
        check=check,
    )


def write_for(user: pwd.struct_passwd, path: Path, text: str, mode: int = 0o600) -> None:
    """A file of that user's."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_text(text)
    for made in (path, path.parent):
        if Path(user.pw_dir) in made.parents:
            os.chown(made, user.pw_uid, user.pw_gid)
    path.chmod(mode)


def remove_for(user: pwd.struct_passwd, name: str) -> None:
    """Something below its home."""
    shutil.rmtree(Path(user.pw_dir, name), ignore_errors=True)
