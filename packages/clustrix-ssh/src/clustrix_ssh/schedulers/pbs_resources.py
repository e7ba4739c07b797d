"""What a job asks PBS for, as directives: in chunks (``select``), or in nodes (Torque, and what users carry over from it)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from clustrix_ssh.schedulers import directives
from clustrix_ssh.schedulers.interface import Need, Refused


class Dialect(NamedTuple):
    """What differs between OpenPBS and Torque."""

    array: str
    """The option of an array."""
    chunks: bool
    """Whether it knows ``select``."""
    has_qos: bool


OPENPBS = Dialect("J", True, False)
TORQUE = Dialect("t", False, True)


def directives_of(need: Need, name: str, dialect: Dialect) -> list[tuple[str, str | None]]:
    """In the order of the script.  Raises Refused."""
    settings = need.settings
    ours: dict[str, str | None] = {"N": name, "S": "/bin/bash", "j": "oe"}
    ours["o"] = directives.value("remote_work_dir", need.output)
    if need.elements > 1:
        ours[dialect.array] = f"0-{need.elements - 1}"
    for field, option in _FIELDS.items():
        if settings.get(field) not in (None, "", False):
            ours[option] = directives.value(field, settings[field])
    more: list[tuple[str, str | None]] = []
    if settings.get("dependency"):
        more.append(("W", f"depend={directives.value('dependency', settings['dependency'])}"))
    given = directives.options("scheduler_options", settings.get("scheduler_options") or {})
    resources = _resources(need, dialect, directives.resources(given.pop("l", None)))
    if "W" in given:
        more = [] if "depend=" in str(given["W"]) else more
    ours |= given
    return [*ours.items(), *more, *(("l", f"{key}={one}") for key, one in resources.items())]


def _resources(need: Need, dialect: Dialect, given: Mapping[str, str]) -> dict[str, str]:
    settings = need.settings
    if settings.get("qos") and not dialect.has_qos:
        raise Refused("qos: PBS has no such thing; a queue or an account may be what the site has instead")
    found: dict[str, str] = {}
    spread = int(settings.get("nodes") or 1)
    # A chunk of ours and a resource of the whole job by the user would be refused together.
    if dialect.chunks and not set(given) - _BESIDE_CHUNKS:
        found["select"] = _chunk(need, spread)
        places = (["scatter"] if spread > 1 else []) + (["excl"] if settings.get("exclusive") else [])
        if places:
            found["place"] = ":".join(places)
    else:
        found |= _whole_job(need, spread, dialect)
    if need.time_s is not None:
        found["walltime"] = directives.hours(need.time_s)
    if settings.get("qos"):
        found["qos"] = directives.word("qos", settings["qos"])
    for name, one in given.items():
        for other in (name, *_SAME.get(name, ())):
            found.pop(other, None)
        found[name] = one or "True"
    return found


def _chunk(need: Need, spread: int) -> str:
    parts = [str(spread), f"ncpus={math.ceil(need.cores / spread)}"]
    if need.memory_bytes is not None:
        name, one = _memory(need, spread)
        parts.append(f"{name}={one}")
    if need.settings.get("gpus"):
        parts.append(f"ngpus={_count(need.settings['gpus'])}")
    for name, _, one in _features(need.settings):
        parts.append(f"{name}={one or 'True'}")
    return ":".join(parts)


def _whole_job(need: Need, spread: int, dialect: Dialect) -> dict[str, str]:
    found: dict[str, str] = {}
    if dialect.chunks:
        found["ncpus"] = str(need.cores)
        if need.settings.get("gpus"):
            found["ngpus"] = _count(need.settings["gpus"])
    else:
        nodes = [str(spread), f"ppn={math.ceil(need.cores / spread)}"]
        if need.settings.get("gpus"):
            nodes.append(f"gpus={_count(need.settings['gpus'])}")
        nodes += [f"{name}{equals}{one}" for name, equals, one in _features(need.settings)]
        found["nodes"] = ":".join(nodes)
        if need.settings.get("exclusive"):
            found["naccesspolicy"] = "singlejob"
    if need.memory_bytes is not None:
        name, one = _memory(need, 1)
        found[name] = one
    return found


def _memory(need: Need, spread: int) -> tuple[str, str]:
    """Of one chunk, or of the whole job; ``pmem`` and ``pvmem`` are counted for each core."""
    assert need.memory_bytes is not None
    name = directives.word("memory_resource", need.settings.get("memory_resource") or "mem")
    per = need.settings.get("memory_per") or ("slot" if name.startswith("p") else "job")
    share = need.cores if per == "slot" else spread
    return name, f"{math.ceil(need.memory_bytes / share / (1 << 20))}mb"


def _count(given: Any) -> str:
    text = directives.word("gpus", given)
    if not text.isdigit():
        raise Refused(
            f"gpus is {text!r}: PBS counts them only; name the type as your site does, with constraint"
        )
    return text


def _features(settings: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    found = []
    for part in str(settings.get("constraint") or "").split(","):
        if part:
            name, equals, one = part.partition("=")
            word = directives.word("constraint", name)
            found.append((word, equals, directives.word("constraint", one) if equals else ""))
    return found


_FIELDS = {
    "default_queue": "q",
    "default_partition": "q",
    "account": "A",
    "mail": "M",
    "mail_events": "m",
}
_BESIDE_CHUNKS = {
    "select",
    "place",
    "walltime",
    "cput",
    "software",
    "min_walltime",
    "max_walltime",
    "qos",
    "pvmem",
}
"""Resources that may stand beside ``select``."""
_SAME = {"nodes": ("ncpus", "ngpus", "naccesspolicy"), "procs": ("nodes",), "ncpus": ("nodes",), "pmem": ("mem",),
         "vmem": ("mem",), "pvmem": ("mem",)}  # fmt: skip
"""Resources that say the same otherwise: both together would be refused, or mean more than was asked for."""
