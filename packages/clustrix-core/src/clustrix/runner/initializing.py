"""What an executor's ``initializer`` asks for: it is called once in each process, before the functions that run there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

MESSAGE = "the initializer of the executor has failed"

_failures: dict[str, Exception | None] = {}
"""By executor: what its initializer came to in this process; a map's worker calls it for the first of its items only."""


def after(
    executor: str,
    initializer: Callable[..., Any],
    initargs: tuple[Any, ...],
    function: Callable[..., Any],
    /,
    *args: Any,
    **kwargs: Any,
) -> Any:
    """Call the function, after the initializer.  Raises BrokenProcessPool when that has failed."""
    if executor not in _failures:
        try:
            initializer(*initargs)
            _failures[executor] = None
        except Exception as error:  # whatever the user's code raises: it goes home as the cause
            _failures[executor] = error
    failure = _failures[executor]
    if failure is not None:
        from concurrent.futures.process import BrokenProcessPool  # 10 ms that most jobs need not pay

        raise BrokenProcessPool(f"{MESSAGE}: {type(failure).__name__}: {failure}") from failure
    return function(*args, **kwargs)
