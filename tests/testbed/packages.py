"""What has to be installed for each service, and that it is: by this, where it may."""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

_TESTS = f"/usr/lib/python3.{sys.version_info.minor}/test/cjkencodings"
"""Of CPython's own tests; some of the folder `test` is there without them, in Debian as in others' builds."""
PACKAGES: dict[str, dict[str, str]] = {
    "sshd": {"sshd": "openssh-server", "ssh": "openssh-client"},
    "shells": {"tcsh": "tcsh", "fish": "fish"},
    "slurm": {"slurmctld": "slurmctld", "slurmd": "slurmd", "sbatch": "slurm-client", "munged": "munge"},
    "sge": {
        "sge_qmaster": "gridengine-master",
        "sge_execd": "gridengine-exec",
        "qsub": "gridengine-client",
        "ip": "iproute2",
    },
    "network": {"ip": "iproute2"},
    "clock": {"faketime": "faketime"},
    "quota": {"mkfs.btrfs": "btrfs-progs"},
    "modules": {"modulecmd": "environment-modules"},
    "browser": {
        "chromium": "chromium",
        "fc-match": "fontconfig",
        "/usr/share/fonts/truetype/dejavu": "fonts-dejavu-core",
    },
    "otp": {"google-authenticator": "libpam-google-authenticator"},
    "cpython": {_TESTS: f"libpython3.{sys.version_info.minor}-testsuite"}
    if importlib.util.find_spec("test.test_concurrent_futures") is None
    else {},
    "accounting": {"slurmdbd": "slurmdbd", "mariadbd": "mariadb-server"},
}
"""By service: a program or a folder, and the package that brings it."""
_SECONDS = 900
_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


@functools.cache
def why_not(*services: str) -> str:
    """One line that says why these cannot be had here; empty if they can: what is missing is installed then."""
    missing = [
        package
        for service in services
        for program, package in PACKAGES[service].items()
        if shutil.which(program, path=_PATH) is None and not os.path.isdir(program)
    ]
    if os.getuid() != 0:
        return f"{', '.join(services)}: these tests need root, to act as another user"
    if not missing:
        return ""
    if shutil.which("apt-get") is None:
        return f"{', '.join(services)}: {', '.join(missing)} are not installed, and this is no Debian"
    _install(missing)
    return ""


def _install(packages: list[str]) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    policy = Path("/usr/sbin/policy-rc.d")
    ours = not policy.exists()
    if ours:  # the packages would start their services, where there is a systemd
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        command = ["apt-get", "-q", "install", "-y", "--no-install-recommends", *packages]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_SECONDS)
        if done.returncode != 0:  # the lists may be old, or none
            subprocess.run(
                ["apt-get", "-q", "update"],
                env=environment,
                check=True,
                capture_output=True,
                timeout=_SECONDS,
            )
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_SECONDS)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    finally:
        if ours:
            policy.unlink()


if __name__ == "__main__":
    print(why_not(*PACKAGES) or "all services can be had")
