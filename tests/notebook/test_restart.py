"""What becomes of a job when its notebook's kernel is restarted."""

from __future__ import annotations

from pathlib import Path

import pytest

from clustrix import attach
from tests.core.support import newest_job
from tests.notebook.kernel import Kernel

pytestmark = pytest.mark.timeout(120)

_CELLS = {
    "a call": "from clustrix import cluster\n@cluster\ndef slow():\n    import time\n    print('begun', flush=True)\n    time.sleep(6)\n    return 42\nslow()",
    "a cell": "%%cluster\nimport time\nprint('begun', flush=True)\ntime.sleep(6)\nanswer = 42",
}


@pytest.mark.parametrize("what", list(_CELLS))
def test_job_that_a_cell_waits_for_outlives_a_restart(what: str, fresh_state: Path, tmp_path: Path) -> None:
    """Jupyter interrupts a kernel before it restarts it: that is nobody's wish to have the job ended."""
    with Kernel(tmp_path) as kernel:
        kernel.run("%load_ext clustrix")
        kernel.start(_CELLS[what], "begun")
        kernel.restart()
        found = attach(newest_job(fresh_state)).result(60)
    assert (found["answer"] if what == "a cell" else found) == 42
