"""The command ``clustrix``.  This package stays light: jobs of the demo import it too; what shows things comes when it is called."""

from __future__ import annotations

import errno
import os
import sys


def main() -> None:
    """What the console script calls."""
    from clustrix.cli.commands import clustrix
    from clustrix.errors import ClustrixError

    try:
        clustrix(prog_name="clustrix")
    except ClustrixError as error:
        from clustrix.cli.failures import exit_with

        exit_with(error)
    except BrokenPipeError:  # as of `clustrix jobs | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(1)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        # What is left in the buffer would be tried once more, and complained of, at the very end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        print(f"clustrix: the output could not be written: {error.strerror}", file=sys.stderr)
        sys.exit(1)
