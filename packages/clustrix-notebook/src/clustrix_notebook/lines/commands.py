"""A command of the shell, run in this process: what it prints is the cell's output."""

from __future__ import annotations

import codecs
import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from clustrix_notebook.words import LineError

_ASK = {
    ("login",): "it asks questions; in a terminal: clustrix login",
    (
        "config",
        "secret",
        "set",
    ): "it asks for a secret, which is not to stand in a notebook; in a terminal: clustrix config secret set",
    ("setup",): "it asks questions; add --yes to take what is found, or in a terminal: clustrix setup",
    (
        "hosts",
        "trust",
    ): "it asks whether to trust the host; add --yes if you know the key, or in a terminal: clustrix hosts trust",
    ("clean",): "it asks before it removes anything; add --yes, or --dry-run to see what would go",
}
"""Commands that read what somebody types, with what to do instead."""
_NEED_NO_ANSWER = frozenset({"--yes", "--dry-run", "--help", "-h"})


def run_command(words: Sequence[str], known: Sequence[str]) -> None:
    """Raises LineError with what the command would print when it fails."""
    _check(words, known)
    import click

    from clustrix.cli.commands import clustrix

    try:
        with _output_with_bytes():
            clustrix.main(list(words), prog_name="clustrix", standalone_mode=False)
    except click.exceptions.Abort:
        raise LineError("it was ended") from None
    except click.UsageError as error:
        context = error.ctx
        usage = f"\n{context.get_usage()}" if context is not None else ""
        raise LineError(error.format_message() + usage) from None
    except click.ClickException as error:
        raise LineError(error.format_message()) from None
    except SystemExit:
        return  # it has said why


def _check(words: Sequence[str], known: Sequence[str]) -> None:
    if not words[0].startswith("-") and words[0] not in known:
        from difflib import get_close_matches

        near = get_close_matches(words[0], known, 1, 0.5)
        raise LineError(
            f"{words[0]!r} is no word of %clustrix; "
            + (f"did you mean {near[0]!r}?" if near else "%clustrix help lists them")
        )
    if _NEED_NO_ANSWER.isdisjoint(words):
        for command, instead in _ASK.items():
            if tuple(words[: len(command)]) == command:
                raise LineError(f"clustrix {' '.join(command)} cannot be run here: {instead}")


@contextmanager
def _output_with_bytes() -> Iterator[None]:
    """A kernel's ``sys.stdout`` takes texts only, and some commands write bytes."""
    target = sys.stdout
    if hasattr(target, "buffer"):
        yield
        return
    stream = io.TextIOWrapper(
        io.BufferedWriter(_Texts(target)), "utf-8", "backslashreplace", write_through=True
    )
    sys.stdout = stream
    try:
        yield
    finally:
        sys.stdout = target
        stream.flush()


class _Texts(io.RawIOBase):
    """Bytes in, texts out, as they come."""

    def __init__(self, target: Any) -> None:
        self._target = target
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._target.write(self._decoder.decode(bytes(data)))
        return len(data)
