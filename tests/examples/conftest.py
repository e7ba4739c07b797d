"""Places for the examples: this machine, and the Slurm of the test bed, in homes that are empty."""

from __future__ import annotations

import pwd
import re
import shutil
import tempfile
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest

from tests.core.conftest import fresh_state, no_settings
from tests.ssh.conftest import far_folder, home
from tests.ssh.support import as_variables
from tests.testbed.fixtures import slurm, sshd, user
from tests.testbed.slurm import Slurm
from tests.testbed.sshd import Sshd

__all__ = ["far_folder", "fresh_state", "home", "no_settings", "slurm", "sshd", "user"]


@pytest.fixture(scope="session")
def packages_there(user: pwd.struct_passwd) -> Iterator[Path]:
    """A copy of what the examples import: the cluster's user may not look into the environment of the tests."""
    folder = Path(tempfile.mkdtemp(prefix="clx-"))
    folder.chmod(0o755)
    wanted, known = ["joblib", "numpy", "pandas", "pillow", "scikit-learn"], set()
    while wanted:
        found = distribution(wanted.pop())
        known.add(found.name)
        for file in found.files or ():
            target = folder / file
            if ".." not in file.parts and "__pycache__" not in file.parts:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(str(found.locate_file(file)), target)
        wanted += {
            name[0]
            for text in found.requires or ()
            if "extra ==" not in text and "sys_platform" not in text and (name := re.match(r"[\w.-]+", text))
        } - known
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def slurm_variables(
    home: Path, sshd: Sshd, slurm: Slurm, far_folder: str, packages_there: Path
) -> Iterator[dict[str, str]]:
    """All that sends an example to Slurm."""
    yield as_variables(
        sshd,
        cluster_type="slurm",
        remote_work_dir=far_folder,
        pre_execution_commands=f"export PYTHONPATH={packages_there}",
        default_memory="600MB",  # what the test bed gives without it is less than scikit-learn needs
    )
    slurm.quiet(sshd.user)
