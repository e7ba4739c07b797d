"""The words after a magic, as a shell would split them."""

from __future__ import annotations

import shlex

from clustrix.errors import ClustrixError


class LineError(ClustrixError):
    """A line that cannot be understood, or done here; the text says why and what to do."""


def split(line: str) -> list[str]:
    """Raises LineError for quotes that are not closed."""
    try:
        return shlex.split(line.strip())
    except ValueError as error:
        what = "a quote is not closed" if "quotation" in str(error) else "it ends with a backslash"
        raise LineError(f"{line.strip()}: {what}; quotes are as in a shell") from error
