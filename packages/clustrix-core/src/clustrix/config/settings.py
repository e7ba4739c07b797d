"""What is set, for this process: the functions that users and the other rooms call.

Kept light, since ``from clustrix import cluster, configure`` imports it: the machinery comes with the first call.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from clustrix.config.fields import checked_options

if TYPE_CHECKING:
    from clustrix.config.store import Resolved, Settings


def configure(**settings: Any) -> None:
    """Set defaults for all calls of this process: ``configure(default_cores=4, async_submit=True)``, ``configure(profile="hpc")``.

    All or nothing: one bad value, and nothing is changed.  Raises ConfigError naming the field, the value and what is allowed;
    UnknownOption or UnknownProfile with the nearest name.
    """
    _process().configure(settings)


def get_config() -> Resolved:
    """The settings as they are now: a read-only mapping; ``get_config().origin("default_cores")`` tells where a value comes from.

    Raises ConfigError if a file or an environment variable has something wrong.
    """
    return _process().current()


def load_config(path: str | os.PathLike[str]) -> None:
    """Read one more file (YAML, TOML or JSON, by its name); what it says counts as given to ``configure()``.

    All or nothing.  Raises ConfigError with file and line.
    """
    _process().load(os.fspath(path))


def save_config(path: str | os.PathLike[str]) -> None:
    """Write what was set by ``configure()`` and ``load_config()`` into a YAML or JSON file, over what it has of the same names.

    Comments and order of a YAML file stay.  Secrets are never written.  Raises ConfigFileError, also for a file that cannot be
    edited like that.
    """
    from clustrix.config.editing import save

    save(_process(), os.fspath(path))


def secret(name: str, profile: str | None = None) -> str:
    """A password or token, for the profile that holds or the one that is named.  Call it as late as you can, and keep it nowhere.

    Raises SecretUnavailable if it cannot be had, with what was tried; UnknownOption for a name that is no secret.
    """
    from clustrix.config.secrets import reveal

    return reveal(_process(), name, profile)


def resolve(options: Mapping[str, Any]) -> Resolved:
    """What holds for a function with these options, as ``merge_options`` gave them."""
    return _process().resolve(options)


def merge_options(before: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Options as somebody gives them, checked, over earlier ones that have been.  Raises ConfigError, UnknownOption."""
    return stack_options(before, checked_options(given))


def stack_options(before: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Checked options over earlier ones.  Their order tells what was given before the profile was chosen: it counts less."""
    stacked = {name: value for name, value in before.items() if name not in options}
    if "profile" in options:
        stacked["profile"] = options["profile"]
    return stacked | {name: value for name, value in options.items() if name != "profile"}


def _process() -> Settings:
    from clustrix.config.store import process

    return process
