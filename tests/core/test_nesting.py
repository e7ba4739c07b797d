"""Jobs within jobs end somewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from clustrix import cluster
from clustrix.errors import NestedTooDeep, WaitsForItself
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


@pytest.mark.parametrize("option", ["reuse=True", "key='once'"])
def test_call_that_is_made_within_itself_is_told(tmp_path: Path, option: str) -> None:
    """The job finds itself by its key; it would wait for ever."""
    (tmp_path / "within.py").write_text(
        f"from clustrix import cluster\n@cluster({option})\ndef f():\n    return 1\nf.submit().result()\n"
    )
    run = run_script("import within", folder=tmp_path, timeout_s=60)
    assert "WaitsForItself" in run.stderr
    assert 'if __name__ == "__main__":' in run.stderr


@cluster(reuse=True)
def there(number: int) -> int:
    return back.submit(number).result()


@cluster(reuse=True)
def back(number: int) -> int:
    return there.submit(number).result()


def test_calls_that_wait_for_one_another_are_told() -> None:
    """However many there are between."""
    with pytest.raises(WaitsForItself, match="would wait for itself"):
        there.submit(7).result(timeout=60)


def test_call_with_another_argument_is_another_call() -> None:
    """A recursion that comes to an end is none of these."""

    @cluster(reuse=True)
    def down(number: int) -> int:
        return down.submit(number - 1).result() + 1 if number else 0

    assert down.submit(2).result(timeout=60) == 2
