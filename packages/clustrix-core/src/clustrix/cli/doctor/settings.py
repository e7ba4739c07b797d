"""Settings, and what is installed beside the core."""

from __future__ import annotations

import os
from collections.abc import Iterator

from clustrix.plugins.checks import Check, failed, ok, warning


def settings() -> Iterator[Check]:
    """All that is wrong with files and environment, with file and line."""
    from clustrix.config.sources import signature
    from clustrix.config.store import process
    from clustrix.config.validation import problems_here

    watch = signature(os.getcwd(), os.environ)
    problems, notes = problems_here()
    for problem in problems:
        yield failed("settings", str(problem), "See clustrix config validate.")
    for note in notes:
        yield warning("settings", note, "See clustrix config validate.")
    if problems:
        return
    files = [
        path
        for path, there in ((watch.user, watch.user_signature), (watch.project, watch.project_signature))
        if path and there
    ]
    seen = ", ".join(files) if files else "no files"
    variables = f", {len(watch.variables)} variables" if watch.variables else ""
    profile = process.current().profile
    yield ok("settings", f"{seen}{variables}" + (f"; profile {profile}" if profile else ""))
    yield from _backend(str(process.current()["cluster_type"]))


def _backend(name: str) -> Iterator[Check]:
    from clustrix import plugins
    from clustrix.errors import ClustrixError

    try:
        plugins.backend(name).load()
    except ClustrixError as error:
        yield failed("backend", str(error), "")
    else:
        yield ok("backend", f'cluster_type="{name}"')


def plugins() -> Iterator[Check]:
    """One by one."""
    from clustrix.plugins import discovered

    found = discovered()
    if not found:
        yield ok("plugins", "none are installed")
    for plugin in found:
        what, title = f"plugin {plugin.name}", f"{plugin.distribution} {plugin.version}"
        if plugin.disabled:
            yield ok(what, f"{title}, not used: {plugin.problem}")
        elif plugin.problem:
            advice = (
                ""
                if "pip install" in plugin.problem
                else f"Upgrade it, or: pip uninstall {plugin.distribution}"
            )
            yield failed(what, f"{title} is not used: {plugin.problem}", advice)
        elif plugin.slow:
            yield warning(
                what,
                f"{title} takes {plugin.seconds * 1000:.0f} ms to register",
                "Everybody waits for it who looks for plugins: tell its authors.",
            )
        else:
            yield ok(
                what,
                f"{title}: {', '.join(f'{entry.kind} {entry.name}' for entry in plugin.entries) or 'settings'}",
            )
    yield from _conflicts()
    yield from _disabled({plugin.name for plugin in found} | {plugin.distribution for plugin in found})


def _conflicts() -> Iterator[Check]:
    from clustrix.plugins import conflicts

    for kind, name, whose in conflicts():
        advice = "Uninstall one, or name it in CLUSTRIX_DISABLE_PLUGINS."
        yield failed(f"{kind} {name}", f"is brought by {' and '.join(whose)}, and so not used", advice)


def _disabled(known: set[str]) -> Iterator[Check]:
    from clustrix.plugins.discovery import DISABLED

    names = {name.strip() for name in os.environ.get(DISABLED, "").split(",")} - {""}
    for name in sorted(names - known):
        yield warning(DISABLED, f"names {name!r}, and there is no such plugin", "Take it out.")
