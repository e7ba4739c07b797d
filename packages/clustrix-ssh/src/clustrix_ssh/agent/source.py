"""The agent's program as one text, and the command that starts it on a host of which nothing is known but that it has a Python."""

from __future__ import annotations

import functools
import hashlib
from importlib.resources import files

from clustrix_ssh.agent.parts import PARTS

MAGIC = b"\n\0clustrix-agent-1\0\n"
"""Comes before the first frame: what a login shell prints before it is noise."""
TOO_OLD = b"\n\0clustrix-too-old\0"
"""Comes instead of it where that ``python3`` is too old."""

_SECOND_BYTES = 1600
_LOADER = (
    "import sys,os,marshal; "
    f"sys.version_info < (3,6) and (os.write(1, bytes({list(TOO_OLD)})), os._exit(97)); "
    f"exec(bytes(os.read(0,1)[0] for i in range({_SECOND_BYTES})))"
)
"""Without quotes: it stands within those of two shells.  Byte by byte, since what comes after it is not its own."""
_SECOND = """
def load(digest, size, folder):
    umask = os.umask(0o077)
    text = b""
    while len(text) < size:
        data = os.read(0, min(size - len(text), 1 << 16))
        if not data:
            os._exit(98)
        text += data
    path = os.path.join(os.path.expanduser(folder), "agent", "%s-%d.%d" % ((digest,) + sys.version_info[:2]))
    try:
        with open(path, "rb") as file:
            code = marshal.loads(file.read())
    except (OSError, ValueError, EOFError, TypeError):
        code = compile(text.decode("utf-8"), "clustrix-agent", "exec")
        try:
            os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
            aside = "%s.%d" % (path, os.getpid())
            with open(aside, "wb") as file:
                file.write(marshal.dumps(code))
            os.rename(aside, path)
        except OSError:
            pass  # no room: it is compiled again next time
    os.umask(umask)
    os.write(1, b"\\n\\0clustrix-agent-1\\0\\n")
    exec(code, {"__name__": "clustrix-agent"})
"""


@functools.cache
def program() -> bytes:
    """All parts, one after the other, without the imports from one another."""
    here = files("clustrix_ssh.agent.parts")
    parts = [files("clustrix.runner").joinpath("faults.py"), *(here.joinpath(f"{name}.py") for name in PARTS)]
    texts = (part.read_text(encoding="utf-8") for part in parts)
    lines = (line for text in texts for line in text.splitlines() if not line.startswith("from clustrix"))
    return "\n".join([*lines, "main()", ""]).encode()


def opening(folder: str) -> bytes:
    """What is sent first: it loads the agent, from ``folder`` if it is known there.  ``folder`` may begin with ``~``."""
    text = program()
    digest = hashlib.sha256(text).hexdigest()[:32]
    second = f"{_SECOND}\nload({digest!r}, {len(text)}, {folder!r})\n".encode()
    assert len(second) <= _SECOND_BYTES
    return second.ljust(_SECOND_BYTES) + text


def command(python: str = "") -> str:
    """For the user's login shell, whichever that is: starts the first ``python3`` that there is.

    One line, without what ``csh`` or ``fish`` would read otherwise than ``sh`` does.  ``python``: that one instead.
    """
    names = [python] if python else ["python3", "/usr/bin/python3", "/usr/local/bin/python3"]
    tries = " ".join(f'"{name}"' for name in names)
    inner = (
        f'for p in {tries}; do command -v "$p" >/dev/null 2>&1 && exec "$p" -ESsu -c "{_LOADER}"; done; '
        f'for s in "$SHELL" /bin/bash; do p=$("$s" -lc "command -v python3" 2>/dev/null </dev/null | tail -n 1); '
        f'test -x "$p" && exec "$p" -ESsu -c "{_LOADER}"; done; '
        "echo clustrix-no-python; exit 96"
    )
    assert "'" not in inner
    return f"exec sh -c '{inner}'"
