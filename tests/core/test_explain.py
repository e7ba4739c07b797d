"""What a submission would be."""

from __future__ import annotations

import pytest

import clustrix
from clustrix import cluster
from tests.core.support import run_command

pytestmark = pytest.mark.usefixtures("state")


def test_nothing_is_submitted() -> None:
    """It is only said."""

    @cluster(cores=1, memory="100MB", time=60)
    def explained() -> None:
        raise AssertionError("it was run")

    assert explained.explain() == (
        f"{explained._function.__qualname__} would run on local, on this machine, with 1 core, 100.0 MiB of memory, at most 60 s."
    )
    assert "for each of 1,000 items" in explained.explain(items=1000)
    assert not clustrix.jobs(name=explained._function.__qualname__)


def test_dry_run() -> None:
    """Of a program, and of a grid."""
    for more, words in (
        (["--", "false"], "false would run on local, on this machine, with 1 core"),
        (["--grid", "a=1:5", "--", "false", "{a}"], "for each of 5 items"),
    ):
        assert words in run_command("run", "--dry-run", "--cores", "1", *more).stdout
