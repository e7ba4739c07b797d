"""What settings do to jobs."""

from __future__ import annotations

import json
import os
import sqlite3
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from clustrix import cluster
from clustrix.errors import UnknownProfile

pytestmark = pytest.mark.usefixtures("state")


def variables(*names: str) -> list[str | None]:
    return [os.environ.get(name) for name in names]


def row(state: Path, job: str, column: str) -> Any:
    with closing(sqlite3.connect(state / "clustrix" / "journal.db")) as sql:
        return sql.execute(f"SELECT {column} FROM jobs WHERE id = ?", (job,)).fetchone()[0]  # noqa: S608


def test_job_finds_the_variables_that_are_set_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the submitter's and in their stead, and no other job finds them."""
    monkeypatch.setenv("OF_THE_SUBMITTER", "kept")
    monkeypatch.setenv("OF_BOTH", "not seen")
    names = ("OF_THE_SUBMITTER", "OF_BOTH", "OF_THE_JOB", "OMP_NUM_THREADS")
    plain = cluster(variables)
    own = plain.options(
        environment_variables={"OF_BOTH": "mine", "OF_THE_JOB": "x=y\nz", "OMP_NUM_THREADS": 3}
    )
    other = plain.options(environment_variables={"OF_THE_JOB": "2"})
    jobs = [function.submit(*names) for function in (own, plain, other, own, plain)]
    mine = ["kept", "mine", "x=y\nz", "3"]
    found = [job.result(timeout=30) for job in jobs]
    assert found[0] == found[3] == mine
    assert found[1] == found[4]
    assert found[1][:3] == ["kept", "not seen", None]
    assert found[2][:3] == ["kept", "not seen", "2"]
    assert own.map(["OF_BOTH"])[0] == ["mine"]
    assert "OF_THE_JOB" not in os.environ


def test_variables_of_a_job_are_not_in_the_journal(fresh_state: Path) -> None:
    """They may be secrets: they stand where the submitter's stand, which is blanked when the job has ended."""
    secret = uuid.uuid4().hex  # not a literal: this module's source travels with the job
    job = cluster(environment_variables={"PASS": secret})(lambda: len(os.environ["PASS"])).submit()
    assert job.result(timeout=30) == len(secret)
    for path in (fresh_state / "clustrix").glob("journal.db*"):
        assert secret.encode() not in path.read_bytes()


def test_name_and_tags_are_written_down(state: Path) -> None:
    """The name stands in the handle and in the journal, the tags in the journal."""
    job = cluster(name="fit of 2026", tags=["paper", "draft"])(len).submit("abc")
    assert job.result(timeout=30) == 3
    assert job.name == "fit of 2026"
    assert row(state, job.id, "name") == "fit of 2026"
    assert json.loads(row(state, job.id, "tags")) == ["paper", "draft"]
    assert row(state, cluster(len).submit("abc").id, "tags") == ""


def test_max_parallel_jobs_bounds_the_workers_of_a_map(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The map is written down for so many."""
    from clustrix.runner.frames import unpack

    for text, workers in (("1", 1), ("", max(1, len(os.sched_getaffinity(0))))):
        monkeypatch.setenv("CLUSTRIX_MAX_PARALLEL_JOBS", text)
        job = cluster(len).map(["a", "b", "c"])
        meta, _ = unpack(row(state, job.id, "payload"))
        assert meta["workers"] <= workers
        job.result(timeout=30)


def test_unknown_profile_is_told_at_submission() -> None:
    """Nothing is submitted: at the decoration no file is read."""
    with pytest.raises(UnknownProfile, match="no profile 'hpc'; known: none"):
        cluster(profile="hpc")(len).submit("abc")


def test_options_with_a_profile_travel_with_the_function() -> None:
    """Also the order in which they were given."""
    import pickle

    function = cluster(cores=2)(variables).options(profile="gpu").options(tags=["a"])
    copy = pickle.loads(pickle.dumps(function.options(cores=1)))
    assert (
        list(copy._options)
        == list(function.options(cores=1)._options)
        == ["profile", "tags", "default_cores"]
    )
