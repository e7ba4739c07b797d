"""Tracebacks that came from a job, so that IPython finds the lines of a notebook's cells.

Those of scripts are as they came: it is asked only where text is in memory that is in no file.
"""

from __future__ import annotations

import ast
import linecache
import os
import sys
from types import FrameType, TracebackType

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def readable(trace: TracebackType | None) -> TracebackType | None:
    """The same traceback; frames of cells know where their functions begin.

    IPython counts from there to the line that it shows, where the text is in no file.  The frames that come home know their line only.
    """
    if trace is None:
        return None
    code = trace.tb_frame.f_code
    frame = trace.tb_frame
    if code.co_filename in linecache.cache and not os.path.exists(code.co_filename):
        frame = _frame(code.co_filename, code.co_name, trace.tb_lineno)
    return TracebackType(readable(trace.tb_next), frame, frame.f_lasti, trace.tb_lineno)


def _frame(filename: str, name: str, line: int) -> FrameType:
    first = _first_line(filename, name, line)
    if first is None:
        name, first = "<module>", 1
    blank = "\n" * max(0, line - first)
    code = compile(f"{blank}raise _Made", filename, "exec").replace(co_name=name, co_firstlineno=first)
    if sys.version_info >= (3, 11):
        code = code.replace(co_qualname=name)
    try:
        exec(code, {"_Made": _Made, "__name__": "?"})  # noqa: S102 -- there is no other way to a frame
    except _Made:
        trace = sys.exc_info()[2]
    assert trace is not None
    assert trace.tb_next is not None
    return trace.tb_next.tb_frame


class _Made(Exception):
    """Raised where a frame shall be."""


def _first_line(filename: str, name: str, line: int) -> int | None:
    """Of the function that the line is in; None for none."""
    try:
        tree = ast.parse("".join(linecache.getlines(filename)))
    except SyntaxError:
        return None
    around = [
        node
        for node in ast.walk(tree)
        if isinstance(node, _FUNCTIONS) and node.lineno <= line <= (node.end_lineno or 0)
    ]
    around = [node for node in around if node.name == name] or around
    if name == "<module>" or not around:
        return None
    inner = max(around, key=lambda node: node.lineno)
    return min([inner.lineno, *(decorator.lineno for decorator in inner.decorator_list)])
