"""Values that cannot be: what is refused, in which words, and that nothing is changed by it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustrix import attach, cluster, configure
from clustrix.backends.local.capacity import machine_bytes, machine_cores
from clustrix.config import get_config, parse_cores, parse_memory, parse_time
from clustrix.config.quantities import format_time
from clustrix.errors import (
    ClustrixError,
    ConfigError,
    JobNotStarted,
    ResourcesUnavailable,
    UnknownJob,
    UnknownOption,
)
from tests.core.support import everything_waits, run_script, wait_for_file

pytestmark = pytest.mark.usefixtures("state")

anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=10**300),
    st.floats(allow_nan=True, allow_infinity=True),
    st.complex_numbers(),
    st.text(),
    st.binary(),
    st.from_regex(r"\s*[\d.,:eE+-]{1,12}\s*[a-zA-Z]{0,4}\s*"),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


def refused(check: Any, value: Any) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        check("field", value)
    return caught.value


# -- the table of the issue


@pytest.mark.parametrize(
    ("option", "value", "example"),
    [
        ("memory", "16 potatoes", 'memory="16GB"'),
        ("memory", "", 'memory="16GB"'),
        ("memory", "-1GB", 'memory="16GB"'),
        ("memory", 0, 'memory="16GB"'),
        ("memory", True, 'memory="16GB"'),
        ("time", "25:61", 'time="02:30:00"'),
        ("time", "1:60:00", 'time="02:30:00"'),
        ("time", "soon", 'time="02:30:00"'),
        ("time", 0, 'time="02:30:00"'),
        ("time", -5, 'time="02:30:00"'),
        ("time", float("nan"), 'time="02:30:00"'),
        ("cores", 0, "cores=4"),
        ("cores", "all", "cores=4"),
        ("cores", 1.5, "cores=4"),
        ("cores", None, "cores=4"),
        ("cores", True, "cores=4"),
        ("cores", -2, "cores=4"),
        ("async_submit", "yes", "async_submit=True"),
        ("local_strict", 1, "local_strict=True"),
        ("cluster_type", "slrum", 'cluster_type="local"'),
        ("key", "", 'key="experiment-7"'),
        ("key", "call:0", 'key="experiment-7"'),
        ("reuse", 1, "reuse=True"),
    ],
)
def test_bad_value_names_field_value_what_is_allowed_and_an_example(
    option: str, value: Any, example: str
) -> None:
    """In the decorator and in options(), as ConfigError, which is a ValueError."""
    for give in (cluster, cluster(len).options):
        with pytest.raises(ConfigError) as caught:
            give(**{option: value})
        error = caught.value
        assert isinstance(error, ValueError)
        assert (error.field, error.example) == (option, example)
        assert error.value is value
        assert len(error.allowed) > 10
        stop = "" if error.allowed.endswith("?") else "."
        assert str(error) == f"{option}={value!r}: {error.allowed}{stop} Example: {example}."


def test_example_of_every_error_is_accepted() -> None:
    """What a message advises works."""
    for example in ('memory="16GB"', 'time="02:30:00"', "cores=4", "async_submit=True", "local_strict=True"):
        assert callable(eval(f"cluster({example})", {"cluster": cluster}))  # noqa: S307 - the texts above


def test_more_than_this_machine_has_runs_with_what_there_is_and_warns_once() -> None:
    """The same code must run on a laptop: the second submission is silent."""
    script = """
import sys, warnings
from clustrix import cluster

@cluster(cores=1000, memory="900TB")
def f(x):
    import os
    return x, os.environ["OMP_NUM_THREADS"]

if __name__ == "__main__":
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        print(f.submit(1).result(), f(2), f.map([3]).result())
    for warning in caught:
        print(warning.filename == __file__, warning.message)
"""
    run = run_script(script)
    cores = machine_cores()
    first, *rest = run.stdout.splitlines()
    assert first == f"(1, '{cores}') (2, '{cores}') [(3, '{cores}')]", run.stderr
    assert len(rest) == 2
    assert rest[0].startswith(f"True cores=1000: this machine has {cores}; the job runs with what there is")
    assert rest[1].startswith("True memory=900.0 TiB: this machine has ")
    assert all("local_strict=True" in line for line in rest)


def test_local_strict_refuses_at_submission() -> None:
    """What was asked, what there is; nothing is submitted."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(
            ResourcesUnavailable, match=rf"1000 were asked for, this machine has {machine_cores()} "
        ):
            cluster(cores=1000, local_strict=True)(len).submit("abc")
        with pytest.raises(ResourcesUnavailable, match="asked for, this machine has"):
            cluster(memory=machine_bytes() + (1 << 30), local_strict=True)(len).map(["abc"])
        assert cluster(cores=machine_cores(), local_strict=True)(len)("abc") == 3


def test_unknown_job_names_the_nearest(fresh_state: Path) -> None:
    """attach("nonsense"), and an id of another journal."""
    with pytest.raises(UnknownJob, match="no job 'nonsense' in "):
        attach("nonsense")
    job = cluster(len).submit("abc")
    with pytest.raises(LookupError, match=f"Nearest: {job.id}"):
        attach(job.id[:-2] + "ZZ")
    with pytest.raises(UnknownJob, match=f"Nearest: {job.id}"):
        attach(job.id[:8].lower())
    with pytest.raises(TypeError, match="takes the id of a job"):
        attach(5)  # type: ignore[arg-type]
    for text in ("", " ", "%", "'; DROP TABLE jobs; --", "../../etc", "\0", "é" * 1000):
        with pytest.raises(UnknownJob):
            attach(text)
    job.result(timeout=20)


def test_result_too_early_is_the_builtin_timeout_error(tmp_path: Path) -> None:
    """And the job goes on."""
    gate = tmp_path / "gate"
    job = cluster(wait_for_file).submit(str(gate))
    with pytest.raises(TimeoutError, match="goes on"):
        job.result(timeout=0.1)
    gate.touch()
    assert job.result(timeout=20) is None


def test_vanished_working_directory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At submission, in words; nothing is submitted."""
    folder = tmp_path / "gone"
    folder.mkdir()
    job = cluster(len)
    job("the machinery is loaded")
    monkeypatch.chdir(folder)
    folder.rmdir()
    with pytest.raises(ClustrixError, match="working directory does not exist any more"):
        job.submit("abc")


def test_working_directory_that_vanishes_later_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job is not run in another folder than the one it was meant for."""
    folder = tmp_path / "gone"
    folder.mkdir()
    with everything_waits(tmp_path), monkeypatch.context() as patch:
        patch.chdir(folder)
        job = cluster(len).submit("abc")
        patch.undo()
        folder.rmdir()
    with pytest.raises(JobNotStarted, match=f"{folder}, cannot be entered"):
        job.result(timeout=20)


# -- amounts


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1GB", 2**30),
        ("1 GiB", 2**30),
        ("16gb", 2**34),
        ("1.5 k", 1536),
        ("100", 100),
        (" 2 MB ", 2**21),
        (1e9, 10**9),
        (5, 5),
        (np.int64(7), 7),
        (None, None),
    ],
)
def test_memory_is_read_as_batch_systems_read_it(text: Any, size: int | None) -> None:
    """1GB is 2**30 bytes."""
    assert parse_memory("memory", text) == size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("00:10:00", 600),
        ("90:00", 5400),
        ("2-12:00:00", 216_000),
        ("1-00:30", 88_200),
        ("30s", 30),
        ("1.5 h", 5400),
        ("2d", 172_800),
        ("10 min", 600),
        ("100:00:00", 360_000),
        ("00:00:00.5", 0.5),
        (0.25, 0.25),
        (60, 60),
        (None, None),
    ],
)
def test_time_is_read_in_each_usual_form(text: Any, seconds: float | None) -> None:
    """Clock, days and clock, number and unit, seconds."""
    assert parse_time("time", text) == seconds


@given(seconds=st.floats(0.01, 1e8) | st.integers(1, 10**8).map(float))
def test_time_that_is_shown_can_be_read(seconds: float) -> None:
    """Whole seconds exactly, others to six digits."""
    assert parse_time("time", format_time(seconds)) == pytest.approx(seconds, rel=1e-5, abs=1e-6)
    assert seconds != int(seconds) or parse_time("time", format_time(seconds)) == seconds


@settings(max_examples=500, deadline=None)
@given(value=anything)
def test_amounts_are_a_number_or_a_config_error(value: Any) -> None:
    """Whatever is given: a usable amount, or ConfigError with a text; nothing else is ever raised."""
    for check, kinds, least in (
        (parse_cores, (int,), 1),
        (parse_memory, (int, type(None)), 1),
        (parse_time, (float, type(None)), 0),
    ):
        try:
            found = check("field", value)
        except ConfigError as error:
            found, text = None, str(error)
        else:
            text = f"field={found!r}"
            assert type(found) in kinds
            assert found is None or found >= least
        assert text.startswith("field=")
        assert len(text) < 600


@given(cores=st.integers(1, 10**6), memory=st.integers(1, 2**60), time=st.floats(0.001, 1e8))
def test_good_amounts_are_kept_as_they_are(cores: int, memory: int, time: float) -> None:
    """Nothing is rounded on the way."""
    assert parse_cores("c", cores) == cores
    assert parse_memory("m", memory) in (memory, int(float(memory)))
    assert parse_time("t", time) == time


@given(
    days=st.integers(0, 300), hours=st.integers(0, 23), minutes=st.integers(0, 59), seconds=st.integers(0, 59)
)
def test_clock_times_mean_what_they_say(days: int, hours: int, minutes: int, seconds: int) -> None:
    """days-hours:minutes:seconds is their sum; zero is no time limit that could be meant."""
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    text = f"{days}-{hours:02}:{minutes:02}:{seconds:02}"
    if total:
        assert parse_time("time", text) == total
    else:
        refused(parse_time, text)


# -- configure


def test_configure_takes_all_or_nothing() -> None:
    """One bad value or unknown name among good ones, and nothing is changed."""
    before = dict(get_config())
    for bad in ({"default_memory": "16 potatoes"}, {"default_coers": 3}, {"async_submit": 1}):
        with pytest.raises(ConfigError):
            configure(default_cores=3, default_time="01:00:00", **bad)
        assert dict(get_config()) == before
    configure(default_cores=3, default_memory="1GB", default_time="01:00:00")
    assert get_config()["default_cores"] == 3
    assert get_config()["default_memory"] == 2**30
    assert get_config()["default_time"] == 3600
    configure(default_memory=None)
    assert get_config()["default_memory"] is None
    assert get_config()["default_cores"] == 3


def test_unknown_setting_is_refused_with_the_nearest_name() -> None:
    """Also the decorator's own name for it."""
    for wrong, right in (
        ("default_core", "default_cores"),
        ("cores", "default_cores"),
        ("async", "async_submit"),
    ):
        with pytest.raises(UnknownOption, match=f"did you mean '{right}'"):
            configure(**{wrong: 1})


def test_settings_cannot_be_changed_past_configure() -> None:
    """What get_config() gives is read-only."""
    with pytest.raises(TypeError):
        get_config()["default_cores"] = 0  # type: ignore[index]
