"""The file that holds a submitter's environment variables, as it is read.

``FOLDER/FILE.TOKEN`` names it: the file is filled anew when no job needs it any more, and its first line tells with what.
"""

from __future__ import annotations

import json
from collections.abc import Mapping


def read(path: str) -> dict[str, str]:
    """The variables.  Raises OSError if there is no such file, ValueError if it holds no longer what was meant."""
    filename, _, token = path.rpartition(".")
    with open(filename, "rb") as file:
        found, _, text = file.read().rstrip(b"\0").partition(b"\n")
    if found != token.encode():
        raise ValueError("they are gone")
    variables: dict[str, str] = json.loads(text)
    return variables


def encoded(token: str, environ: Mapping[str, str]) -> bytes:
    """The content of such a file."""
    return f"{token}\n{json.dumps(dict(environ))}".encode()
