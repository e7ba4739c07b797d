"""``%%cluster``: run a cell as a job, and have the notebook as if it had run here."""

from __future__ import annotations

from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any

from clustrix.errors import ClustrixError
from clustrix_notebook.cells.failing import in_one_block, syntax_error, with_traceback
from clustrix_notebook.cells.order import HELP, Order, names_of_options, order_of

if TYPE_CHECKING:
    from clustrix.job import AsyncJobResult
    from clustrix_notebook.cells.far.homecoming import Homecoming


def run(shell: Any, line: str, body: str) -> Any:
    """The value of the cell's last expression, or the job's handle.

    Names that the cell assigns are in the namespace afterwards; also when it raises, those that were assigned until then.
    """
    try:
        order = order_of(line)
        if order.helps:
            print(HELP.format(options=", ".join(names_of_options())))
            return None
        job = _submitted(shell, order, body.replace("\r\n", "\n"))
    except SyntaxError as error:
        failure = syntax_error(shell, error)
    except ClustrixError as error:
        failure = in_one_block(shell, error)
    else:
        if job is None:
            return None
        if order.output is not None:
            shell.user_ns[order.output] = job
        return _result(shell, job) if _waits(order) else job
    raise failure


def _submitted(shell: Any, order: Order, body: str) -> AsyncJobResult[Any] | None:
    from clustrix_notebook.cells.source import understand

    source = understand(shell, body)
    if not source.title:
        return None  # nothing but comments: as in any cell, nothing happens
    from clustrix_notebook.cells.sending import submit

    return submit(shell, source, order.options)


def _waits(order: Order) -> bool:
    from clustrix.config.fields import checked_options
    from clustrix.config.settings import resolve

    return order.waits and not resolve(checked_options(order.options))["async_submit"]


def _result(shell: Any, job: AsyncJobResult[Any]) -> Any:
    from clustrix.blocking import wait_for
    from clustrix_notebook.cells.showing import show

    try:
        names: Homecoming = wait_for(job, show)
    except BaseException as error:  # whatever the cell has raised, or Ctrl-C
        failure, trace = error, _trace_there(job, error)
    else:
        return _taken(shell, names)
    _take_until(shell, failure)
    raise with_traceback(shell, failure, trace)


def _trace_there(job: AsyncJobResult[Any], error: BaseException) -> TracebackType | None:
    """The part of the traceback that is the cell's."""
    if isinstance(error, KeyboardInterrupt) or not job.done():
        return None
    job.exception(0)  # which gives the error the traceback that came with it
    return error.__traceback__


def _taken(shell: Any, names: Homecoming) -> Any:
    """Have the names in the namespace; returns the last value."""
    from clustrix_notebook.cells.showing import publish

    found = names.open(shell.user_global_ns)
    shell.user_ns.update({name: found[name] for name in names})
    for name in names.deleted:
        shell.user_ns.pop(name, None)
    if names.lost:
        _say_lost(names.lost)
    if names.shown is not None:
        publish(*names.shown)
    return names.value


def _take_until(shell: Any, error: BaseException) -> None:
    """Have the names that were assigned until then."""
    import pickle

    from clustrix_notebook.cells.far.homecoming import RAISED

    packed = vars(error).pop(RAISED, None)
    if packed is None:
        return
    names: Homecoming = pickle.loads(packed)
    _taken(shell, names)
    _take_class(error, names.error)


def _take_class(error: BaseException, cls: type[BaseException] | None) -> None:
    """Where the cell has defined its class anew, the error came home as one of the notebook's old class."""
    if cls is None or type(error) is cls or type(error).__qualname__ != cls.__qualname__:
        return
    with suppress(TypeError):  # they are laid out differently in memory
        error.__class__ = cls


def _say_lost(lost: dict[str, str]) -> None:
    import sys

    each = "; ".join(f"{name} ({reason})" for name, reason in lost.items())
    print(f"clustrix: not brought back: {each}", file=sys.stderr)
