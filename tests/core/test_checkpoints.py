"""A job's time: how much is left of it, what it saves, and where it goes on."""

from __future__ import annotations

import errno
import gc
import os
import signal
import threading
import time
from functools import partial
from pathlib import Path

import pytest

import clustrix
from clustrix import checkpoint, cluster, current_job, restore
from clustrix.errors import TimeLimitExceeded
from clustrix.runner import checkpoints, frames, outcome, timelimit
from tests.core.support import wait_until

pytestmark = pytest.mark.usefixtures("state")


def count(steps: int) -> tuple[int, list[int]]:
    job = current_job()
    assert job is not None
    done, attempts = restore((0, []))
    attempts = [*attempts, job.attempt]
    checkpoint((done, attempts))
    while done < steps:
        time.sleep(0.05)
        done += 1
        checkpoint((done, attempts))
    return done, attempts


def test_call_goes_on_where_it_has_saved(state: Path) -> None:
    """Its time is up twice, and nothing is counted twice; nothing of it is left then."""
    job = cluster(count, time=2, on_time_limit="requeue").submit(80)
    steps, attempts = job.result(60)
    assert steps == 80
    assert attempts == list(range(1, len(attempts) + 1))
    assert len(attempts) >= 3
    wait_until(lambda: not list(state.rglob("checkpoints/*")), "nothing that it has saved is left")


def test_time_that_is_up_before_the_call_begins_is_told_as_that() -> None:
    """A process that was long in coming was interrupted before its time was looked at: its function was told to have raised that."""
    gc.collect()  # in a destructor, of something that an earlier test has left, an interruption would be lost
    for wait_s in (0.0, 1e-4, 1e-3) * 100:
        began = time.time()
        ends = began + wait_s + timelimit.notice(1)
        call = partial(_spin, began + 1e-3)
        parts = timelimit.of_call(call, 1, ends, "/nonexistent")
        meta, _ = frames.unpack(b"".join(parts))
        assert meta["kind"] in (outcome.ENDED, outcome.VALUE)
    time.sleep(0.01)  # no interruption comes later


def _spin(until: float) -> list[frames.Buffer]:
    while time.time() < until:
        continue
    return outcome.of_value(1)


def test_item_goes_on_where_it_has_saved() -> None:
    """Each for itself, in the worker that has it."""
    rows = cluster(count, time=1, on_time_limit="requeue").map([3, 45, 5]).result(60)
    assert [steps for steps, _ in rows] == [3, 45, 5]
    assert len(rows[1][1]) >= 3


def deaf(name: str) -> int:
    runs = restore(0) + 1
    checkpoint(runs)
    while runs < 3:
        try:
            time.sleep(30)
        except KeyboardInterrupt:
            continue
    return int(runs)


@pytest.mark.parametrize("many", [False, True], ids=["call", "map"])
def test_who_does_not_heed_the_interrupt_is_killed_and_goes_on(many: bool) -> None:
    """At the end of the time that it has."""
    function = cluster(deaf, time=1, on_time_limit="requeue")
    assert (function.map([""]).result(60)[0] if many else function.submit("").result(60)) == 3


def test_it_does_not_go_on_for_ever() -> None:
    """As often as was wished, then it is an error."""
    job = cluster(deaf, time=0.5, on_time_limit="requeue", max_requeues=1).submit("")
    with pytest.raises(TimeLimitExceeded):
        job.result(60)
    assert clustrix.jobs(name=job.name)[0].attempt == 2


def save_at_the_end() -> list[str]:
    seen = restore([])
    if len(seen) == 1:
        return [*seen, "went on"]
    try:
        time.sleep(30)
    except KeyboardInterrupt:
        checkpoint([*seen, "interrupted"])
        raise
    return []


def test_interrupt_comes_early_enough_to_save() -> None:
    """It is a KeyboardInterrupt, a tenth of the time before its end."""
    result = cluster(save_at_the_end, time=3, on_time_limit="requeue").submit().result(60)
    assert result == ["interrupted", "went on"]


def test_async_function_goes_on_as_well() -> None:
    """It is cancelled at what it waits for."""

    @cluster(time=1, on_time_limit="requeue")
    async def wait() -> int:
        import asyncio

        runs = int(restore(0)) + 1
        checkpoint(runs)
        if runs < 2:
            await asyncio.sleep(30)
        return runs

    assert wait.submit().result(60) == 2


def test_interrupt_of_the_users_own_is_what_it_was() -> None:
    """It was not the time."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    job = cluster(interrupt, time=30, on_time_limit="requeue").submit()
    with pytest.raises(clustrix.errors.JobInterrupted):
        job.result(60)


def test_saved_things_outlive_a_failure_that_is_tried_again() -> None:
    """Retries go on from there, too."""

    def fail_once() -> int:
        runs = restore(0) + 1
        checkpoint(runs)
        if runs < 2:
            raise ValueError("not yet")
        return int(runs)

    assert cluster(fail_once, retries=1, retry_delay=0).submit().result(60) == 2


def left() -> tuple[float | None, float | None, float | None]:
    first = current_job()
    time.sleep(0.3)
    second = current_job()
    assert first is not None
    assert second is not None
    return first.time_left, second.time_left, second.ends


def test_time_that_is_left() -> None:
    """It grows less; there is none to tell of without a limit."""
    first, second, ends = cluster(left, time=60).submit().result(60)
    assert first is not None
    assert second is not None
    assert 58 < second < first <= 60
    assert ends is not None
    assert abs(ends - time.time()) < 60
    assert cluster(left).submit().result(60) == (None, None, None)


def item_left(number: int) -> float | None:
    time.sleep(0.3)
    job = current_job()
    return job.time_left if job is not None else None


def test_time_that_is_left_is_an_items_own() -> None:
    """Not that of the worker."""
    found = cluster(item_left, time=60, cores=2).map(range(4)).result(60)
    assert all(seconds is not None and 59 < seconds < 59.9 for seconds in found)


def test_outside_of_a_job_nothing_is_kept() -> None:
    """So that the function can be called as it is."""
    checkpoint({"a": 1})
    assert restore("default") == "default"
    assert restore() is None


def test_what_cannot_be_saved_is_named() -> None:
    """And what was saved before stays."""

    def save_lock() -> tuple[str, int]:
        checkpoint(1)
        try:
            checkpoint({"model": [threading.Lock()]})
        except TypeError as error:
            return str(error), restore()
        return "", 0

    text, kept = cluster(save_lock).submit().result(60)
    assert "checkpoint → ['model'] → [0]" in text
    assert kept == 1


def test_full_disk_leaves_what_was_saved_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing half stays."""
    folder = str(tmp_path / "s")
    checkpoints.save(folder, None, "first")

    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        checkpoints.save(folder, None, "second")
    assert checkpoints.read(folder, None, None) == "first"
    assert os.listdir(folder) == ["call"]


def test_damage_is_told(tmp_path: Path) -> None:
    """It is not begun anew in silence."""
    folder = str(tmp_path / "s")
    checkpoints.save(folder, 3, list(range(100)))
    path = tmp_path / "s" / "3"
    data = path.read_bytes()
    path.write_bytes(data[:150] + bytes(20) + data[170:])
    with pytest.raises(ValueError, match="is damaged"):
        checkpoints.read(folder, 3, None)
    path.write_bytes(data[:10])
    with pytest.raises(ValueError, match="damaged"):
        checkpoints.read(folder, 3, None)


def save_and_die() -> int:
    runs = restore(0) + 1
    checkpoint(runs)
    if runs < 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return int(runs)


def test_killed_job_goes_on_from_there() -> None:
    """What costs no retry has its savings, too."""
    assert cluster(save_and_die, retries=1, retry_delay=0).submit().result(60) == 3
