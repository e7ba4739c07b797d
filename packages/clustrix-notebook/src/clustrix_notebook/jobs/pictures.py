"""Jobs as plain HTML: what stays in a saved notebook.  No script; every text is a text."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from clustrix.bars import Line
from clustrix.results.cells import clock
from clustrix_notebook import still
from clustrix_notebook.jobs.snapshots import Snapshot
from clustrix_notebook.still import text

_MOST_ROWS = 200


def of_card(name: str, found: Snapshot) -> str:
    """One job, or map."""
    reason = f": {found['reason']}" if found["reason"] else ""
    title = f"{found['name']} {found['state']}{reason}"
    parts = [f"<p>{text(found['id'])} · {text(found['where'])} · {text(found['asked'])}</p>"]
    if found["progress"] is not None and not found["final"]:
        told = found["progress"]
        parts.append(f"<p>{text(Line('', told['done'], told['total'], told['message']).text)}</p>")
    if found["map"] is not None:
        parts += _of_map(found["map"])
    parts.append(_timeline(found["timeline"]))
    if found["error"] is not None:
        error = found["error"]
        parts.append(
            f"<details open><summary>{text(error['type'])}: {text(error['message'].partition(chr(10))[0][:500])}</summary>"
            f"<pre>{text(error['traceback'])}</pre></details>"
        )
    return still.picture(name, title, *parts)


def _of_map(found: dict[str, Any]) -> list[str]:
    counts = ", ".join(f"{count:,} {state}" for state, count in found["counts"].items() if count)
    parts = [f"<p>{found['items']:,} items: {text(counts)}</p>"]
    if found["groups"]:
        columns = ("count", "error", "place", "message", "items", "for example")
        rows = [
            (group["count"], group["type"], group["place"], group["message"], group["indices"], f"{group['example']}: {group['arguments']}")
            for group in found["groups"]
        ]  # fmt: skip
        parts += [f"<p>{text(found['headline'])}</p>", still.table(columns, rows)]
    return parts


def _timeline(rows: Sequence[Sequence[Any]]) -> str:
    ends = [at for _, at, _ in rows[1:]]
    lasted = itertools.chain((end - at for (_, at, _), end in zip(rows, ends, strict=False)), [None])
    table = [
        (state, clock(at), "" if seconds is None else f"{seconds:.3g} s", reason)
        for (state, at, reason), seconds in zip(rows, lasted, strict=True)
    ]
    return still.table(("state", "since", "for", "reason"), table)


def of_table(
    name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], count: int, older: bool
) -> str:
    """A list of jobs: the first of them.  ``older``: whether there are others that the list left out."""
    shown = list(itertools.islice(rows, _MOST_ROWS))
    more = f"<p>… and {count - len(shown):,} more</p>" if count > len(shown) else ""
    title = f"{'the newest ' if older else ''}{count:,} job{'' if count == 1 else 's'}"
    return still.picture(name, title, still.table(columns, shown), more)
