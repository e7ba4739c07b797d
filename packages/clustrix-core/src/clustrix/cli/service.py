"""``clustrix dispatcher`` and ``plugins``: what runs behind the jobs, and what is installed beside the core."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import Any

import click

_STOP_SECONDS = 10.0


@click.group()
def dispatcher() -> None:
    """See to the background processes that move jobs, one for each Python environment."""


def _all() -> list[dict[str, Any]]:
    from contextlib import closing

    from clustrix.dispatcher.instance import Instance, names
    from clustrix.journal import Journal, Place, state_place
    from clustrix.journal.place import dispatcher_name

    place: Place = state_place()
    own = dispatcher_name(place)
    found = []
    with closing(Journal(place)) as journal:
        for name in sorted({*names(place), own}):
            instance = Instance(place, name)
            known = journal.dispatcher_of(name)
            found.append(
                {
                    "name": name,
                    "this_environment": name == own,
                    "executable": known[0] if known else None,
                    "running": instance.running(),
                    "pid": _pid(place.dispatchers, name) if instance.running() else None,
                    "live_jobs": len(journal.live(name)),
                    "log": instance.log,
                }
            )
    return found


def _pid(folder: str, name: str) -> int | None:
    try:
        with open(os.path.join(folder, f"{name}.lock")) as file:
            return int(file.read())
    except (OSError, ValueError):
        return None


@dispatcher.command("status")
@click.option("--json", "as_json", is_flag=True, help="A list of objects.")
def status(as_json: bool) -> None:
    """Tell which are running, and how many jobs each has."""
    found = _all()
    if as_json:
        print(json.dumps(found, indent=1))
        return
    for row in found:
        running = f"runs, pid {row['pid']}" if row["running"] else "does not run"
        mine = " (this environment)" if row["this_environment"] else ""
        print(f"{row['name']}{mine}: {running}; {row['live_jobs']} live jobs")
        print(f"  {row['executable'] or 'nothing was submitted from it yet'}")
        print(f"  log: {row['log']}")


@dispatcher.command()
def stop() -> None:
    """End those that run. Their jobs go on; the next one takes them up."""
    _stop()


@dispatcher.command()
def restart() -> None:
    """End those that run, and start this environment's anew, as after an upgrade or the installation of a plugin."""
    from clustrix.dispatcher.instance import Instance
    from clustrix.journal import state_place
    from clustrix.journal.place import dispatcher_name

    _stop()
    place = state_place()
    instance = Instance(place, dispatcher_name(place))
    instance.start("")
    _until(instance.running, "the dispatcher did not start; its log: " + instance.log)
    print("started")


def _stop() -> None:
    from clustrix.dispatcher.instance import Instance
    from clustrix.journal import state_place

    place = state_place()
    for row in _all():
        if row["pid"] is None:
            continue
        try:
            os.kill(row["pid"], signal.SIGTERM)
        except ProcessLookupError:
            continue
        _until(
            lambda name=row["name"]: not Instance(place, name).running(),
            f"pid {row['pid']} does not end",
        )
        print(f"stopped {row['name']}, pid {row['pid']}")


def _until(condition: Any, otherwise: str) -> None:
    deadline = time.monotonic() + _STOP_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise click.ClickException(otherwise)
        time.sleep(0.02)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="A list of objects.")
@click.pass_context
def plugins(context: click.Context, as_json: bool) -> None:
    """List what is installed beside the core, with what is wrong. Exits with 1 if anything is."""
    from clustrix import plugins as installed
    from clustrix.cli.commands import clustrix

    own = clustrix.own()
    found: list[dict[str, Any]] = [
        {
            "name": plugin.name,
            "distribution": plugin.distribution,
            "version": plugin.version,
            "brings": [f"{entry.kind} {entry.name}" for entry in plugin.entries]
            + [f"field {field.name}" for field in plugin.fields],
            "milliseconds": round(plugin.seconds * 1000, 1),
            "slow": plugin.slow,
            "disabled": plugin.disabled,
            "problem": plugin.problem,
            "ignored": [
                *(
                    f"command {entry.name}: clustrix has one of that name itself"
                    for entry in plugin.entries
                    if entry.kind == "command" and entry.name in own
                ),
                *(
                    f"{kind} {name}: it is brought by {' and '.join(whose)}"
                    for kind, name, whose in installed.conflicts()
                    if plugin.distribution in whose
                ),
            ],
        }
        for plugin in installed.discovered()
    ]
    if as_json:
        print(json.dumps(found, indent=1))
    elif not found:
        print("no plugins are installed")
    else:
        for row in found:
            slow = " (slow)" if row["slow"] else ""
            print(f"{row['name']}  {row['distribution']} {row['version']}  {row['milliseconds']} ms{slow}")
            for thing in row["brings"]:
                print(f"  {thing}")
            if row["problem"]:
                print(f"  not used: {row['problem']}")
            for thing in row["ignored"]:
                print(f"  not used: {thing}")
    if any((row["problem"] or row["ignored"]) and not row["disabled"] for row in found):
        context.exit(1)
