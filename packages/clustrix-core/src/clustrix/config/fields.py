"""The fields that may be set, each declared once.

From a declaration come its check, ``configure()``, files, environment variables, ``clustrix config`` and the tables of the documentation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from clustrix.config import kinds
from clustrix.config.kinds import Hidden, Kind, Secret, kind_of
from clustrix.errors import ConfigError, UnknownOption
from clustrix.plugins import fields as plugin_fields
from clustrix.plugins import look_again
from clustrix.runner.policy import ON_ERROR, RAISE, STOP


class Field(NamedTuple):
    """One setting, or an option of one function."""

    name: str
    kind: Kind
    default: Any
    help: str
    """A sentence or two, for people who choose a value."""
    example: Any
    """A value that is accepted, and is not the default."""
    group: str = "jobs"
    """The heading under which it is shown."""
    choices: tuple[str, ...] = ()
    """Values to offer; ``kind`` decides what is accepted."""
    secret: bool = False
    """Whether it is a password or token: it comes from the keyring, the environment or a command, and is never shown or written."""
    security: str = ""
    """What somebody should know who sets it."""
    providers: Mapping[str, str] = MappingProxyType({})
    """What a provider calls it, or wants of it: "aws" to a sentence."""
    shown: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    """Other fields and their values with which it matters: ``{"cluster_type": ("slurm",)}``; empty: always."""
    option: str = ""
    """The name under which the decorator and ``options()`` take it, where they do."""
    scope: str = "job"
    """"place": says which place is meant, two values are two places; "job": a job's own need; "session": how this process behaves."""
    setting: bool = True
    """Whether it can be set for all jobs; False for what belongs to one function."""

    def check(self, name: str, value: Any, origin: str = "", example: str = "") -> Any:
        """The value as it is used.  Raises ConfigError under the name by which it was given."""
        given = value.reveal() if isinstance(value, Secret) else value
        try:
            found = self.kind.check(name, given)
        except ConfigError as error:
            shown = kind_of(given) if self.secret else error.value
            hint = example or f"{name}={literal(self.example)}"
            raise type(error)(error.field, shown, error.allowed, hint, origin) from None
        return Secret(found) if self.secret and found is not None else found

    def show(self, value: Any) -> Any:
        """The value as anybody may see it."""
        if value is None:
            return None
        return "…" if self.secret else self.kind.show(value)


def literal(value: Any) -> str:
    """As one writes it in Python, with double quotes."""
    import json

    return json.dumps(value, ensure_ascii=False) if isinstance(value, (str, list, dict)) else repr(value)


_CORE = (
    Field(
        "cluster_type",
        kinds.BACKEND,
        "local",
        "Where jobs run.",
        "local",
        group="place",
        option="cluster_type",
        scope="place",
    ),
    Field(
        "default_cores",
        kinds.CORES,
        1,
        "Cores that one call, or one item of a map, needs.",
        4,
        option="cores",
    ),
    Field(
        "default_memory",
        kinds.MEMORY,
        None,
        "Memory that it needs, for its whole process tree; None: no limit.",
        "16GB",
        option="memory",
    ),
    Field(
        "default_time",
        kinds.TIME,
        None,
        "How long it may take; None: no limit.",
        "02:30:00",
        option="time",
    ),
    Field(
        "environment_variables",
        kinds.VARIABLES,
        {},
        "Environment variables that a job finds beside those of the submitter, or in their stead.",
        {"OMP_NUM_THREADS": "2"},
        security="They are kept where the submitter's variables are, not in the journal, and their values are not shown.",
        option="environment_variables",
    ),
    Field(
        "async_submit",
        kinds.FLAG,
        False,
        "A call returns an AsyncJobResult at once.",
        True,
        group="session",
        option="async_submit",
        scope="session",
    ),
    Field(
        "progress",
        kinds.FLAG,
        True,
        "Show who waits how far it is: a bar on a terminal, a line every half minute elsewhere.",
        False,
        group="session",
        option="progress",
        scope="session",
    ),
    Field(
        "local_strict",
        kinds.FLAG,
        False,
        "Refuse a job that asks for more than this machine has, instead of running it with what there is.",
        True,
        group="session",
        option="local_strict",
        scope="session",
    ),
    Field(
        "max_parallel_jobs",
        kinds.count(1, 1_000_000, "number"),
        None,
        "At most so many processes of a map at once on this machine; None: as many as its cores allow.",
        2,
        group="session",
        scope="session",
    ),
    Field(
        "chunk",
        kinds.count(1, 1_000_000, "number"),
        None,
        "How many items of a map a worker takes at a time; None: what suits, a twentieth of a second's worth.",
        100,
        option="chunk",
        setting=False,
    ),
    Field(
        "secrets",
        kinds.texts(200, 50, "names of variables"),
        (),
        "Environment variables that are secret: the job has them, and their values are in no file in the clear, nor in what it prints.",
        ["WANDB_API_KEY"],
        security="Each is taken from the environment or, if it is not there, from the keyring. Whoever can run programs as you can still "
        "get at it, and so can the job. Values of less than four characters are not blotted out of what the job prints.",
        option="secrets",
    ),
    Field(
        "reuse",
        kinds.FLAG,
        False,
        "A call that has been made before, with the same code and arguments, gives the earlier one's job.",
        True,
        option="reuse",
    ),
    Field(
        "on_error",
        kinds.choice(*ON_ERROR),
        RAISE,
        "What a failed item is to its map: raise: its error is raised at its place, and the others go on; collect: its error stands "
        "among the results; stop: nothing more is begun.",
        STOP,
        group="failures",
        choices=ON_ERROR,
        option="on_error",
    ),
    Field(
        "retries",
        kinds.count(0, 100, "number", none=False),
        0,
        "How often a call, or an item of a map, that has failed is tried again. What was killed from outside is tried again without "
        "counting, five times at most.",
        3,
        group="failures",
        option="retries",
    ),
    Field(
        "retry_on",
        kinds.ERRORS,
        (),
        "The errors for which it is: classes, or their names; none: any.",
        ["ConnectionError", "TimeoutError"],
        group="failures",
        option="retry_on",
    ),
    Field(
        "retry_delay",
        kinds.DELAY,
        1.0,
        "How long to wait before the first retry; twice as long before each that follows.",
        "30 s",
        group="failures",
        option="retry_delay",
    ),
    Field(
        "retry_memory",
        kinds.number(1, 100),
        None,
        "How many times as much memory the next try gets after one that had too little; None: it is not tried again for that.",
        2.0,
        group="failures",
        option="retry_memory",
    ),
    Field(
        "retry_memory_limit",
        kinds.MEMORY,
        None,
        "The most memory that a try may get; None: what the place has.",
        "64GB",
        group="failures",
        option="retry_memory_limit",
    ),
    Field(
        "key",
        kinds.KEY,
        None,
        "Names one piece of work: while a job with this key is under way or has succeeded, a further submission "
        "with it is that job, not a second one.",
        "experiment-7",
        option="key",
        setting=False,
    ),
    Field(
        "name",
        kinds.text(200),
        None,
        "What the job is called, instead of its function's name.",
        "fit of 2026",
        option="name",
        setting=False,
    ),
    Field(
        "tags",
        kinds.texts(50, 20),
        (),
        "Short texts by which jobs are found again.",
        ["paper", "draft"],
        option="tags",
        setting=False,
    ),
    Field(
        "profile",
        kinds.text(100, "name"),
        None,
        "The profile of a configuration file whose values hold; None: none.",
        "hpc",
        group="profile",
        option="profile",
        setting=False,
    ),
)

FIELDS: dict[str, Field] = {field.name: field for field in _CORE}
"""Core's own; those of plugins are asked for when a name is not among these."""

OPTIONS: dict[str, Field] = {field.option: field for field in _CORE if field.option}


def settings_fields(declared: Iterable[Field] | None = None) -> dict[str, Field]:
    """All fields that files and ``configure()`` take, also those of plugins; with a secret comes the command that tells it."""
    found = {field.name: field for field in _CORE if field.setting}
    for field in plugin_fields() if declared is None else declared:
        if field.name in found:
            continue  # the core's own
        found[field.name] = field
        if field.secret:
            command = command_of(field)
            found[command.name] = command
    return found


def command_of(secret: Field) -> Field:
    """The field that holds the command which prints a secret."""
    return Field(
        f"{secret.name}_command",
        kinds.text(what="command"),
        None,
        f"A command whose first line of output is {secret.name}. It is not run by a shell.",
        "pass show uni",
        group=secret.group,
        security="A project file cannot set it: whoever sends you a folder would run a program as you.",
        shown=secret.shown,
        scope=secret.scope,
    )


def checked_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """What the decorator or ``options()`` was given, by the fields' names; all or nothing.

    Raises ConfigError for a bad value, UnknownOption (with the nearest name) for an unknown one.
    """
    result = {}
    for name, value in given.items():
        field = OPTIONS.get(name) or _plugin_option(name)
        if field is None:
            raise unknown(name, value, OPTIONS)
        result[field.name] = field.check(name, value)
    return result


def _plugin_option(name: str) -> Field | None:
    return next((field for field in plugin_fields() if field.option == name and not field.secret), None)


def unknown(name: str, value: Any, known: Iterable[str], origin: str = "") -> UnknownOption:
    """The error for a name that nobody declared."""
    from clustrix.config import history

    look_again()  # next time: it may be a plugin's that is installed by then
    return UnknownOption(
        name, Hidden("not looked at"), history.advice(name) or nearest(name, known), "", origin
    )


def nearest(name: str, known: Iterable[str]) -> str:
    """Which name may have been meant, or which there are."""
    import difflib

    names = sorted(known)
    near = [one for one in names if one.endswith(f"_{name}")]
    near = near or difflib.get_close_matches(str(name)[:100], names, 1, 0.5)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names) or 'none'}"
