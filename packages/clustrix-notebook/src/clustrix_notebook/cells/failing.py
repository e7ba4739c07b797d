"""How IPython shows what went wrong: the cell's own lines, none of clustrix's."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from clustrix.errors import ClustrixError


class CellError(ClustrixError):
    """A line of a magic, or a cell, that cannot be run as it is; the text says why and what to do."""


def in_one_block(shell: Any, error: BaseException) -> BaseException:
    """The error, of which IPython will show type and text: its traceback would be clustrix's."""

    def render() -> list[str]:
        return list(shell.InteractiveTB.get_exception_only(type(error), error))

    return _rendered(error, render)


def with_traceback(shell: Any, error: BaseException, trace: TracebackType | None) -> BaseException:
    """The error, of which IPython will show this traceback."""
    if trace is None or isinstance(error, ClustrixError):
        return in_one_block(shell, error)

    def render() -> list[str]:
        error.__traceback__ = trace
        return list(
            shell.InteractiveTB.structured_traceback(type(error), error, error.__traceback__, tb_offset=0)
        )

    return _rendered(error, render)


def _rendered(error: BaseException, render: Any) -> BaseException:
    # It is called once, where IPython shows the error of a cell; kept longer, the error could not be pickled.
    def once() -> list[str]:
        vars(error).pop("_render_traceback_", None)
        found: list[str] = render()
        return found

    vars(error)["_render_traceback_"] = once
    return error


def syntax_error(shell: Any, error: SyntaxError) -> BaseException:
    """For a cell that cannot be compiled.

    IPython shows a SyntaxError that is raised with the stack down to where it was raised: this is one by its name only.
    """

    class Shown(Exception):
        pass

    Shown.__name__ = Shown.__qualname__ = type(error).__name__
    Shown.__module__ = "builtins"

    def render() -> list[str]:
        return list(shell.SyntaxTB.structured_traceback(type(error), error, []))

    return _rendered(Shown(str(error)), render)
