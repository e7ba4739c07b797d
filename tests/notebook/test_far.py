"""A cell on a machine that has neither this package nor IPython."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.notebook.kernel import Kernel
from tests.testbed.sshd import Sshd

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180), pytest.mark.usefixtures("home", "state")]


def test_a_cell_runs_over_ssh(tmp_path: Path, sshd: Sshd, far_folder: str) -> None:
    """Names, displays, errors with their lines, and own modules, as here."""
    settings = {"cluster_type": "ssh", "remote_work_dir": far_folder, **sshd.settings}
    with Kernel(tmp_path) as kernel:
        kernel.run("%load_ext clustrix")
        kernel.run(f"import clustrix\nclustrix.configure(**{settings!r})")
        Path(tmp_path, "own.py").write_text("m = 6\n")
        kernel.run("K = 2\ndef f(): return K\nclass C:\n    pass\nc = C()")
        shown = kernel.run(
            "%%cluster\nimport getpass, importlib.util as util, own\nprint(getpass.getuser())\ndisplay({'k': K})\n"
            "has = util.find_spec('IPython')\n"
            "c.n = own.m\ndef g(): return f() * c.n\n!echo shell\ng()",
            timeout_s=120,
        )
        assert shown.error is None, shown.traceback
        assert shown.stdout == "clxuser\nshell\n"
        assert shown.displays[0]["data"]["text/plain"] == "{'k': 2}"
        assert shown.result == "12"
        assert kernel.value("(has, g(), type(c) is C, own.m)") == "(None, 12, True, 6)"
        shown = kernel.run("%%cluster\nx = 1\ndef h(): return x / 0\nh()", timeout_s=60)
        assert "----> 3 def h(): return x / 0" in shown.traceback
        assert "clustrix" not in shown.traceback.replace("# %%cluster", "")
        assert kernel.value("x") == "1"
