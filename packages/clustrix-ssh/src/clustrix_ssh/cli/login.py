"""``clustrix login``: somebody is there who answers what a host asks; the connection stays with the dispatcher."""

from __future__ import annotations

import json
from contextlib import closing
from typing import Any

import click

_CONNECTION = ("cluster_host", "cluster_port", "username", "key_file", "ssh_client")


@click.command()
@click.argument("host", required=False)
@click.option("--port", type=click.IntRange(1, 65535), help="Its port; else that of your settings.")
def login(host: str | None, port: int | None) -> None:
    """Open the connection to a host, and answer here what it asks: a passphrase, a password, a second factor.

    Without HOST, the one of your settings. Jobs that wait for it go on; the connection is kept for 8 hours after its last use.
    """
    from clustrix.dispatcher.answering import log_in
    from clustrix.dispatcher.instance import Instance
    from clustrix.journal import Journal, state_place
    from clustrix.journal.place import dispatcher_name

    place = state_place()
    name = dispatcher_name(place)
    with closing(Journal(place)) as journal:
        wanted = _places_of_jobs(journal.live(name), host, port) or [_place_of_settings(host, port)]
    troubles: dict[str, None] = {}
    for backend, text in wanted:
        target = json.loads(text)["cluster_host"]
        trouble = log_in(Instance(place, name), backend, text)
        if trouble:
            troubles[" ".join(trouble.split())] = None
        else:
            click.echo(
                f"{target}: connected; the dispatcher keeps the connection, for {backend} and all else there"
            )
    for trouble in troubles:
        click.echo(f"Error: {trouble}", err=True)
    if troubles:
        raise SystemExit(1)


def _places_of_jobs(records: Any, host: str | None, port: int | None) -> list[tuple[str, str]]:
    """Where jobs are, or wait to get, on that host: one place of each connection, which others share."""
    found: dict[tuple[Any, ...], tuple[str, str]] = {}
    for record in records:
        place = json.loads(record.place) if record.place and host is not None else {}
        if place.get("cluster_host") == host and port in (None, place.get("cluster_port")):
            connection = tuple(place.get(name) for name in _CONNECTION)
            found.setdefault(connection, (record.backend, record.place))
    return list(found.values())


def _place_of_settings(host: str | None, port: int | None) -> tuple[str, str]:
    from clustrix.config import get_config
    from clustrix.plugins import fields_of
    from clustrix.submission import place_of

    settings: dict[str, Any] = {**get_config()}
    if not any(field.name == "cluster_host" for field in fields_of(settings["cluster_type"])):
        settings["cluster_type"] = "ssh"
    if host is not None and host != settings["cluster_host"]:
        settings |= {"cluster_host": host, "cluster_port": port}
    elif port is not None:
        settings["cluster_port"] = port
    if not settings["cluster_host"]:
        raise click.ClickException("which host? clustrix login HOST, or set cluster_host")
    return settings["cluster_type"], place_of(settings)
