"""Runs of a torture, one after the other, each from a seed."""

from __future__ import annotations

import sys
import tempfile
import traceback
from pathlib import Path

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.torture.machine import Torture
from tests.torture.places import Make
from tests.torture.world import World

_SHOWN_LINES = 60


def torture(make: Make, number: int, runs: int, steps: int) -> None:
    """So many runs of so many steps; raises what the first that fails has raised, when it has said what was done."""

    class Seeded(Torture):
        pass

    Seeded.make = staticmethod(make)
    Seeded.evidence = show
    Seeded.wrong = []
    Seeded.__qualname__ = Seeded.__name__ = "Torture"
    chosen = settings(
        max_examples=runs,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        print_blob=True,
        phases=[Phase.generate],  # to shrink what hangs on timing as well makes nothing smaller
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(seed(number)(Seeded), settings=chosen)
    except Exception:
        if Seeded.wrong:
            raise Seeded.wrong[0] from None
        raise
    finally:
        if Seeded.world is not None:
            Seeded.world.close()


def show(world: World, error: Exception) -> None:
    """What was done in a world, what its dispatchers said of it, and what is wrong; all of it in a file."""
    told = "".join(traceback.format_exception(error))
    text = "\n".join(["-- dispatchers", world.home.log(), "-- done", *world.trace, "-- wrong", told])
    with tempfile.NamedTemporaryFile("w", prefix="torture-", suffix=".log", delete=False) as file:
        file.write(text)
    print("\n".join(text.splitlines()[-_SHOWN_LINES:]), file=sys.stderr)
    print(f"all of it: {file.name}; its files: {Path(world.root)}", file=sys.stderr)
