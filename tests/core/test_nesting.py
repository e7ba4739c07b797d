"""Jobs within jobs end somewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from clustrix.errors import NestedTooDeep
from tests.core.support import run_script

pytestmark = pytest.mark.usefixtures("state")


def test_module_that_calls_its_jobs_when_it_is_imported_is_told(tmp_path: Path) -> None:
    """Each job would import it, and submit the next, until the machine has no memory left."""
    (tmp_path / "unguarded.py").write_text(
        "from clustrix import cluster\n@cluster\ndef f():\n    return 1\nf.submit().result()\n"
    )
    run = run_script("import unguarded", folder=tmp_path, timeout_s=100)
    assert "NestedTooDeep" in run.stderr
    assert 'if __name__ == "__main__":' in run.stderr


def test_error_says_how_deep() -> None:
    """It is a RecursionError, too."""
    error = NestedTooDeep(16)
    assert isinstance(error, RecursionError)
    assert "16 deep" in str(error)
