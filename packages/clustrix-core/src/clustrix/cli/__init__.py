"""The command ``clustrix``.  This package stays light: jobs of the demo import it too; what shows things comes when it is called."""

from __future__ import annotations

import errno
import io
import os
import sys


def main() -> None:
    """What the console script calls."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(
            errors="backslashreplace"
        )  # a name that the locale cannot write must not end a list
    try:
        _answer(sys.argv[1:])
    except BrokenPipeError:  # as of `clustrix jobs | head`
        _write_no_more()
        sys.exit(1)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _write_no_more()
        print(f"clustrix: the output could not be written: {error.strerror}", file=sys.stderr)
        sys.exit(1)
    except Exception as error:
        from clustrix.cli.failures import exit_with

        exit_with(error)


def _answer(arguments: list[str]) -> None:
    if arguments[:1] == ["jobs"] and "--json" in arguments:
        from clustrix.cli.quick import jobs_as_json

        if jobs_as_json(arguments[1:]):
            return
    from clustrix.cli.commands import clustrix

    clustrix(prog_name="clustrix")


def _write_no_more() -> None:
    """What is left in the buffer would be tried once more, and complained of, at the very end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
