"""``clustrix jobs --json`` without click: programs ask for it again and again, and half of their time would be its import."""

from __future__ import annotations

import sys
from typing import Any

_TEXTS = {"--name": "name", "--tag": "tag", "--since": "since", "--until": "until"}


def jobs_as_json(arguments: list[str]) -> bool:
    """Print the list; False, with nothing printed, for what only the whole command can take or complain of."""
    query = _query(arguments)
    if query is None:
        return False
    from clustrix.errors import ConfigError
    from clustrix.listing import rows_as_json

    pieces = rows_as_json(**query)
    try:
        first = next(pieces, b"")
    except ConfigError:
        return False
    sys.stdout.buffer.write(first)
    sys.stdout.buffer.writelines(pieces)
    sys.stdout.buffer.flush()
    return True


def _query(arguments: list[str]) -> dict[str, Any] | None:
    query: dict[str, Any] = {}
    everything = False
    left = iter(arguments)
    for argument in left:
        option, equals, value = argument.partition("=")
        if argument == "--json":
            continue
        if argument == "--all":
            everything = True
            continue
        value = value if equals else next(left, "--")
        if value.startswith("--"):
            return None
        if option in _TEXTS:
            query[_TEXTS[option]] = value
        elif option == "--state":
            query.setdefault("state", []).append(value)
        elif option == "--limit" and value.isdecimal():
            query["limit"] = int(value)
        else:
            return None
    return query | {"limit": None} if everything else query
