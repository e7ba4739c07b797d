"""An item of a map that has failed is tried again by its worker, where it is."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from clustrix.runner import calling
from clustrix.runner.policy import Policy, names_of

if TYPE_CHECKING:
    from clustrix.runner.ledger import Marks


def again(function: Callable[..., Any], policy: Policy, worker: int, marks: Marks) -> Callable[..., Any]:
    """The function, called once more after an error that its submitter has named, as often as that one wished."""
    me = os.getpid()

    def call(*args: Any, **kwargs: Any) -> Any:
        for retry in range(1, policy.retries + 1):
            try:
                value = function(*args, **kwargs)
                return calling.run_to_end(value) if type(value) is CoroutineType else value
            except Exception as error:  # the user's own
                if os.getpid() != me or not policy.wants(names_of(type(error))):
                    raise
            item = marks.of(worker).item
            assert item is not None
            marks.pause(worker)
            time.sleep(policy.pause(retry))
            marks.resume(worker, item)
        return function(*args, **kwargs)

    return call
