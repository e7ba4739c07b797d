"""What ``%clustrix`` tells: settings, what holds, jobs, checks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from clustrix_notebook.words import LineError

if TYPE_CHECKING:
    from clustrix.listing import JobList
    from clustrix.results.cells import Table

_HINT = (
    "To set: clustrix.configure(default_cores=4), or for good, %clustrix config set default_cores 4. "
    "All there are: %clustrix config show --origin"
)
_LIMIT = 30
_WITH_VALUE = frozenset({"--name", "--tag", "--since", "--until"})


def settings() -> str:
    """Those that are set, as a table."""
    from clustrix.config import get_config
    from clustrix.results.cells import Table

    found = get_config()
    names = [name for name in found if found.origin(name).layer != "default"]
    rows = [(name, _text(found.shown(name)), str(found.origin(name))) for name in names]
    table = (
        str(Table(("setting", "value", "from"), rows, "")).rstrip()
        if rows
        else "nothing is set: all is as it is by default"
    )
    return f"{holds()}\n{table}\n{_HINT}"


def _text(value: Any) -> str:
    import json

    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def holds() -> str:
    """Which profile, and where jobs run, in a line."""
    from clustrix.config import get_config

    found = get_config()
    profile = f"profile {found.profile}" if found.profile is not None else "no profile"
    place = found["cluster_type"]
    host = found.get("cluster_host")
    where = "on this machine" if place == "local" else f"on {host} ({place})" if host else f"on {place}"
    return f"{profile}; jobs run {where}"


def status() -> str:
    """What holds, whether the dispatcher runs, and how many jobs are in which state."""
    from clustrix.dispatcher.instance import Instance
    from clustrix.journal import state_place
    from clustrix.journal.place import dispatcher_name
    from clustrix.listing import jobs as listed

    place = state_place()
    running = Instance(place, dispatcher_name(place)).running()
    counts = Counter(row.state.value for row in listed(limit=None))
    said = ", ".join(f"{count:,} {state.lower().replace('_', ' ')}" for state, count in counts.most_common())
    return "\n".join(
        [
            holds(),
            f"dispatcher: {'runs' if running else 'does not run; the next job starts it'}",
            f"jobs: {said or 'none yet'}",
        ]
    )


def jobs(words: Sequence[str]) -> JobList:
    """Those that the options of ``clustrix jobs`` ask for.  Raises LineError, ConfigError."""
    from clustrix import listing

    which: dict[str, Any] = {"limit": _LIMIT}
    left = iter(words)
    for word in left:
        option, equals, value = word.partition("=")
        if option == "--all":
            which["limit"] = None
            continue
        if option not in (*_WITH_VALUE, "--state", "--limit"):
            raise LineError(
                f"{word}: %clustrix jobs takes --state, --name, --tag, --since, --until, --limit and --all"
            )
        value = value if equals else next(left, "")
        if not value:
            raise LineError(f"{option} takes a value")
        if option == "--state":
            which.setdefault("state", []).append(value)
        elif option == "--limit":
            if not value.isdecimal():
                raise LineError(f"--limit takes a number, not {value!r}")
            which["limit"] = int(value)
        else:
            which[option[2:]] = value
    return listing.jobs(**which)


def checks(with_job: bool) -> Table:
    """What ``clustrix doctor`` finds."""
    from clustrix.cli.doctor import _checks, _sum
    from clustrix.results.cells import Table

    found = list(_checks(with_job))
    rows = [(check.state, check.what, check.found, check.advice) for check in found]
    return Table(("", "what", "found", "what to do"), rows, _sum(found).strip())
