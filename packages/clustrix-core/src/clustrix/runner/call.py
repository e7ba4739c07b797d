"""The runner of one call: claim, unpack, call, write the outcome aside, rename it into place."""

from __future__ import annotations

import time
from collections.abc import Sequence

from clustrix.runner import bundles, calling, folders, layout, outcome, policy, setup, whole
from clustrix.runner.faults import point
from clustrix.runner.frames import Buffer, Damaged

FSYNC_BYTES = 65536
"""A larger outcome stays a file, and the file has to be on disk before it is renamed; a smaller one is made durable by
the journal's commit."""


def run(
    order: setup.Order, bundle: bundles.Bundle | Damaged, notifier: setup.Notifier, folder: folders.Folder
) -> int:
    """Run the job; returns the exit code of the process."""
    try:
        setup.environment.check(order)
        failed = None
    except bundles.SetupFailed as error:
        failed = str(error)
    if not folder.claim(order.folder):
        return layout.EX_CLAIMED
    point("runner.begin")
    redactor = setup.hide_secrets()
    parts = outcome.of_setup(failed) if failed else outcome_of(order, bundle, notifier)
    if redactor is not None:
        setup.end_output()
        redactor.finish()
    try:
        commit(order, parts)
    except OSError as error:
        setup.complain(f"the result could not be written: {error}")
        return layout.EX_STORE
    notifier.send(b"D")
    return 0


def outcome_of(order: setup.Order, found: bundles.Bundle | Damaged, notifier: setup.Notifier) -> list[Buffer]:
    """Take the place that it is to run in, and call it."""
    try:
        setup.take_place(order)
        ends = order.ends_of(time.time())
        setup.introduce(order, None, lambda: None, notifier.send, lambda: ends)
        bundle = bundles.open_bundle(found)
    except bundles.SetupFailed as error:
        return outcome.of_setup(str(error))
    try:
        function = bundles.load_function(bundle)
        args, kwargs = load_arguments(bundle)

        def run_it() -> list[Buffer]:
            return outcome.of_value(calling.call(function, args, kwargs))

        if ends is not None and policy.of_spec(order.place).requeues:
            from clustrix.runner import timelimit  # most jobs need none of it

            limit = order.time_s if order.time_s is not None else ends - time.time()
            return timelimit.of_call(run_it, limit, ends, order.folder)
        return run_it()
    except bundles.SetupFailed as error:
        return outcome.of_setup(str(error))
    except BaseException as error:  # the process's edge: all that the user's code can raise goes home
        return outcome.of_exception(error, setup.environment.secrets)


def load_arguments(bundle: bundles.Bundle) -> tuple[Sequence[object], dict[str, object]]:
    """Positional and keyword arguments, pickled together or each by itself."""
    if "arguments" in bundle.meta:
        args, kwargs = bundle.load(bundle.meta["arguments"])
        return args, kwargs
    args = [bundle.load(numbers) for numbers in bundle.meta["positional"]]
    return args, {name: bundle.load(numbers) for name, numbers in bundle.meta["keyword"].items()}


def commit(order: setup.Order, parts: Sequence[Buffer]) -> None:
    """Write aside, then rename: a reader sees all of it or nothing."""
    large = sum(len(part) for part in parts) > FSYNC_BYTES
    whole.write(order.file(order.result), parts, "result", sync=large, aside=order.file(layout.ASIDE))
