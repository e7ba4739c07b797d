"""The call of the user's function, and what may come out of it besides a value."""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any, NoReturn


def call(function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Call it; what an async function returns is run to its end.

    A child that the function has forked, and that comes out of it as well, ends here: the result is the parent's.
    """
    me = os.getpid()
    try:
        value = function(*args, **kwargs)
        return run_to_end(value) if isinstance(value, types.CoroutineType) else value
    finally:
        if os.getpid() != me:
            end_fork(sys.exc_info()[1])


def end_fork(error: BaseException | None) -> NoReturn:
    """The end of a process that has come out of the user's function without being the job's own, as Python would end it."""
    code = 0
    try:
        if isinstance(error, SystemExit):
            code = error.code if isinstance(error.code, int) else int(error.code is not None)
        elif error is not None:
            code = 1
            sys.excepthook(type(error), error, error.__traceback__)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code & 0xFF)


def run_to_end(coroutine: types.CoroutineType[Any, Any, Any]) -> Any:
    """The result of a coroutine, in an event loop of its own."""
    import asyncio  # 40 ms that most jobs need not pay

    return asyncio.run(coroutine)
