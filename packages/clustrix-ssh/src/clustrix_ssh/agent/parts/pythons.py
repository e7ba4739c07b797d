"""Python interpreters of the host."""

import os
import subprocess
import sys

from clustrix_ssh.agent.parts.programs import PROGRAMS


def find_pythons(wanted):
    """Interpreters of one minor version, as many as can be found; each is asked what it is."""
    name = "python%d.%d" % tuple(wanted)
    home = os.path.expanduser("~")
    path = os.environ.get("PATH", os.defpath) + os.pathsep + PROGRAMS.login_environment().get("PATH", "")
    candidates = [sys.executable] if list(sys.version_info[:2]) == wanted else []
    for folder in [*path.split(os.pathsep), "/usr/local/bin", "/usr/bin", home + "/.local/bin"]:
        candidates += [os.path.join(folder, name), os.path.join(folder, "python3")]
    for pattern in (
        ".pyenv/versions",
        ".local/share/uv/python",
        "miniconda3/envs",
        "miniforge3/envs",
        "anaconda3/envs",
    ):
        root = os.path.join(home, pattern)
        if os.path.isdir(root):
            candidates += [os.path.join(root, entry, "bin", "python3") for entry in sorted(os.listdir(root))]
    found, others, seen = [], [], set()
    for candidate in candidates:
        real = os.path.realpath(candidate)
        if real in seen or not os.access(candidate, os.X_OK):
            continue
        seen.add(real)
        version = ask_version(candidate)
        if version == wanted:
            found.append(candidate)
            break
        if version:
            others.append("%d.%d" % tuple(version))
    return {"found": found, "others": sorted(set(others))}


def ask_version(python):
    try:
        done = subprocess.run(
            [python, "-c", "import sys; print(*sys.version_info[:2])"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=20,
        )
        return [int(word) for word in done.stdout.split()][:2]
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return []
