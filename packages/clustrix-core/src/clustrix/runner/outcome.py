"""What a call came to, as bytes: a value, or an exception with all that belongs to it.

The runner writes an outcome; ``clustrix.outcomes`` reads it.  An exception travels as a list of nodes, the raised one first, with
the indices of its cause and context, so that one part that cannot be pickled does not hide the rest.
"""

from __future__ import annotations

import io
import os
import pickle
import traceback
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from clustrix.runner import policy, redacting
from clustrix.runner.frames import Buffer, pack
from clustrix.runner.pickling import PROTOCOL, Pickler, ResultPickler, Unpicklable, dump
from clustrix.runner.verdict import Verdict

VALUE = "value"
EXCEPTION = "exception"
EXIT = "exit"
INTERRUPT = "interrupt"
UNPICKLABLE = "unpicklable"
ENDED = "error"
"""It was ended: its ``record`` is one of ``clustrix.runner.verdict``."""
SETUP = "setup"
"""The job could not be set up: the user's function was not called."""

PLAIN = frozenset({type(None), bool, int, float, complex, str})
"""Types that need no more than the plain pickler, which is ten times as fast for them."""

_HERE = os.path.dirname(__file__)
_MOST_NODES = 50
_MOST_FRAMES = 500


def of_value(value: Any) -> list[Buffer]:
    """The outcome of a call that returned."""
    if type(value) in PLAIN:
        return pack({"kind": VALUE}, [pickle.dumps(value, PROTOCOL)])
    try:
        pickled = dump(value, "result", ResultPickler)
    except Unpicklable as error:
        return refused(error, type(value))
    return pack({"kind": VALUE}, pickled.pieces())


def refused(error: Unpicklable, cls: type) -> list[Buffer]:
    """The outcome of a call that returned something which cannot be sent."""
    meta = {"kind": UNPICKLABLE, "path": error.path, "reason": error.reason, "type": cls.__qualname__}
    return pack(meta, [])


def of_setup(message: str) -> list[Buffer]:
    """The outcome of a job that could not begin."""
    return pack({"kind": SETUP, "message": message}, [])


def of_verdict(found: Verdict) -> list[Buffer]:
    """The outcome of a call that was ended."""
    return pack({"kind": ENDED, "state": found.state, "record": found.record}, [])


def of_exception(error: BaseException, hidden: Sequence[str] = ()) -> list[Buffer]:
    """The outcome of a call that raised.  ``hidden``: texts that are blotted out of it."""
    text = "".join(traceback.format_exception(type(error), error, _users_part(error.__traceback__)))
    text = redacting.blot_text(text, hidden)
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, (int, str, type(None))) else repr(error.code)
        code = redacting.blot_text(code, hidden) if isinstance(code, str) else code
        return pack({"kind": EXIT, "code": code, "text": text}, [])
    if isinstance(error, KeyboardInterrupt):
        return pack({"kind": INTERRUPT, "text": text}, [])
    nodes: list[BaseException] = []
    _collect(error, nodes)
    index = {id(node): number for number, node in enumerate(nodes)}
    pieces: list[Buffer] = []
    rows = [_node(node, index, pieces, hidden) for node in nodes]
    return pack({"kind": EXCEPTION, "text": text, "nodes": rows}, pieces)


def _collect(error: BaseException, nodes: list[BaseException]) -> None:
    queue: list[BaseException | None] = [error]
    while queue and len(nodes) < _MOST_NODES:
        node = queue.pop(0)
        if node is not None and not any(node is known for known in nodes):
            nodes.append(node)
            queue += [node.__cause__, node.__context__]


def _notes_of(error: BaseException) -> list[str]:
    notes = getattr(error, "__notes__", None)
    return [_text_of(note) for note in notes] if isinstance(notes, (list, tuple)) else []


def _node(
    error: BaseException, index: dict[int, int], pieces: list[Buffer], hidden: Sequence[str]
) -> dict[str, Any]:
    node: dict[str, Any] = {
        "module": type(error).__module__,
        "type": type(error).__qualname__,
        "text": redacting.blot_text(_text_of(error), hidden),
        "cause": index.get(id(error.__cause__)),
        "context": index.get(id(error.__context__)),
        "suppress": error.__suppress_context__,
        "frames": _frames(error.__traceback__),
        "notes": [redacting.blot_text(note, hidden) for note in _notes_of(error)],
        "mro": policy.names_of(type(error)),
    }
    # The whole exception as its own __reduce__ says, and its parts for the case that its __init__ refuses them.
    for key, obj in (("whole", error), ("parts", (type(error), error.args, dict(vars(error))))):
        stream = _inside(obj)
        if stream is not None:
            node[key] = len(pieces)
            pieces.append(redacting.blot_pickle(stream, hidden))
    return node


def _inside(obj: Any) -> bytes | None:
    """A pickle without out-of-band buffers, or None if there can be none."""
    file = io.BytesIO()
    try:
        _ExceptionPickler(file).dump(obj)
    except Exception:  # whatever a user's __reduce__ raises: the caller has other ways to tell of the error
        return None
    return file.getvalue()


class _ExceptionPickler(ResultPickler):
    """Everything in one stream; tracebacks, which cannot be pickled, left out."""

    def __init__(self, file: io.BytesIO) -> None:
        super(Pickler, self).__init__(file, protocol=PROTOCOL)


def _text_of(thing: object) -> str:
    try:
        return str(thing)
    except Exception as second:  # a user's __str__ may fail; the error itself must not be lost
        return f"<its text could not be made: {type(second).__name__}>"


def _users_part(tb: TracebackType | None) -> TracebackType | None:
    """The traceback without the runner's own frames at its outer end."""
    while tb is not None and os.path.dirname(tb.tb_frame.f_code.co_filename) == _HERE:
        tb = tb.tb_next
    return tb


def _frames(tb: TracebackType | None) -> list[list[Any]]:
    frames: list[list[Any]] = []
    tb = _users_part(tb)
    while tb is not None and len(frames) < _MOST_FRAMES:
        code = tb.tb_frame.f_code
        frames.append([code.co_filename, code.co_name, tb.tb_lineno])
        tb = tb.tb_next
    return frames


def load_stream(piece: Buffer) -> Any:
    """The counterpart of the pickles in a node."""
    return pickle.loads(piece)
