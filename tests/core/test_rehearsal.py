"""What a process does while it waits for its call."""

from __future__ import annotations

import os
import sys

from clustrix.runner import current, frames, outcome, rehearsal, setup


def test_rehearsal_goes_through_a_call_and_leaves_all_as_it_was() -> None:
    setup.remember_inheritance()

    def place() -> tuple[object, ...]:
        return (
            os.getcwd(),
            [*sys.path],
            [*sys.argv],
            sys.modules["__main__"],
            current.running,
            dict(os.environ),
        )

    before = place()
    meta, _ = frames.unpack(b"".join(rehearsal.of_call()))
    assert meta["kind"] == outcome.VALUE  # it would be the error if a step of it did not work
    assert place() == before
