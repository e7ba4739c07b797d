"""What one source says, checked: a file, the environment.  Each value knows where it comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from clustrix import plugins
from clustrix.config import history, origins
from clustrix.config.field import Field, literal
from clustrix.config.fields import FIELDS, nearest, settings_fields, unknown
from clustrix.config.files import PROJECT_VARIABLE, Content, Entry
from clustrix.config.origins import Origin
from clustrix.errors import ConfigError

PREFIX = "CLUSTRIX_"
PROFILE_VARIABLE = "CLUSTRIX_PROFILE"
OTHER_VARIABLES = frozenset(
    {
        PROFILE_VARIABLE,
        PROJECT_VARIABLE,
        "CLUSTRIX_DISABLE_PLUGINS",
        "CLUSTRIX_DISPATCHER",
        "CLUSTRIX_DISPATCHER_IDLE_SECONDS",
        "CLUSTRIX_CORES",  # of a job on a machine
        "CLUSTRIX_FAULT",
        "CLUSTRIX_JOB_ID",
    }
)
"""Variables of clustrix that are no settings."""

_CORE = {name: field for name, field in FIELDS.items() if field.setting}
_PROFILE = FIELDS["profile"]


class Value(NamedTuple):
    """A checked value."""

    value: Any
    origin: Origin


class Layer(NamedTuple):
    """What one source says."""

    values: dict[str, Value]
    profile: Value | None = None
    """The profile that it chooses, where it does: a value of None says that there shall be none."""
    profiles: dict[str, dict[str, Value]] = {}  # noqa: RUF012 -- a NamedTuple's default, which nobody writes to
    notes: tuple[str, ...] = ()
    """Each to be said once: what of it is not used, and why."""


class Known:
    """The fields that may be set.  Plugins are asked when a name is not one of core's."""

    def __init__(self, declared: Callable[[], Iterable[Field]] | None = None) -> None:
        self._declared = declared
        self._all: dict[str, Field] | None = None
        self._looks = 0

    def find(self, name: str) -> Field | None:
        return _CORE.get(name) or self.all().get(name)

    def all(self) -> dict[str, Field]:
        if self._all is None or self._looks != plugins.looks():
            self._looks = plugins.looks()
            self._all = settings_fields(None if self._declared is None else self._declared())
        return self._all


def of_file(content: Content, layer: str, known: Known, problems: list[ConfigError] | None = None) -> Layer:
    """A file's settings.

    Raises ConfigError for the first that is wrong; with ``problems`` it is added there, and the others are looked at too.
    """
    reading = _Reading(content.path, layer, known, problems)
    entries = dict(content.values)
    chosen = entries.pop("profile", None)
    return Layer(
        reading.values(entries),
        reading.profile(chosen),
        {name: reading.values(inner, name) for name, inner in content.profiles.items()},
        tuple(reading.notes),
    )


class _Reading:
    def __init__(self, path: str, layer: str, known: Known, problems: list[ConfigError] | None) -> None:
        self._path = path
        self._layer = layer
        self._known = known
        self._problems = problems
        self.notes: list[str] = []

    def values(self, entries: Mapping[str, Entry], profile: str = "") -> dict[str, Value]:
        found = {}
        for name, entry in entries.items():
            origin = Origin(self._layer, self._path, entry.line, profile)
            try:
                field = self._field(name, entry, origin)
                if field is not None:
                    found[name] = Value(_checked(field, name, entry.value, origin), origin)
            except ConfigError as error:
                self._refuse(error)
        return found

    def _field(self, name: str, entry: Entry, origin: Origin) -> Field | None:
        field = self._known.find(name)
        if field is None:
            advice = history.advice(name)
            if not advice:
                others = () if origin.profile else ("profile", "profiles")
                raise unknown(name, entry.value, (*self._known.all(), *others), origin.place)
            self.notes.append(f"{origin.place}: {name} is not used: {advice}")
        elif field.secret:
            self.notes.append(
                f"{self._path} holds a secret, {name}, as plain text: "
                f"move it to the keyring with `clustrix config secret set {name}`, and remove the line"
            )
        elif self._layer == origins.PROJECT and _is_command(name, self._known):
            raise ConfigError(
                name,
                entry.value,
                "a project file cannot name a program to run; put it into the user file",
                f"clustrix config set {name} {literal(field.example)}",
                origin.place,
            )
        return field

    def profile(self, entry: Entry | None) -> Value | None:
        if entry is None:
            return None
        origin = Origin(self._layer, self._path, entry.line)
        try:
            return Value(_checked(_PROFILE, "profile", entry.value, origin), origin)
        except ConfigError as error:
            self._refuse(error)
            return None

    def _refuse(self, error: ConfigError) -> None:
        if self._problems is None:
            raise error
        self._problems.append(error)


def _is_command(name: str, known: Known) -> bool:
    secret = known.find(name.removesuffix("_command")) if name.endswith("_command") else None
    return secret is not None and secret.secret


def _checked(field: Field, name: str, value: Any, origin: Origin) -> Any:
    """From a file: a text is read as one of the environment is."""
    given = field.kind.read(value) if isinstance(value, str) else value
    example = f"{name} = " if origin.where.endswith(".toml") else f"{name}: "
    return field.check(name, given, origin.place, example + written(field.example))


def written(value: Any) -> str:
    """As configuration files have it."""
    import json

    return json.dumps(value, ensure_ascii=False)


def of_environment(variables: Mapping[str, str], known: Known) -> Layer:
    """The settings among the variables that begin with CLUSTRIX_.  Raises ConfigError."""
    values, notes = {}, []
    for variable, text in variables.items():
        if variable in OTHER_VARIABLES:
            continue
        name = variable.removeprefix(PREFIX).lower()
        field = known.find(name)
        if field is None:
            advice = history.advice(name) or nearest(
                variable, (PREFIX + name.upper() for name in known.all())
            )
            notes.append(f"the environment variable {variable} is not used: {advice}")
            continue
        origin = Origin(origins.ENVIRONMENT, variable)
        example = f"{variable}={field.example if isinstance(field.example, str) else written(field.example)}"
        values[name] = Value(
            field.check(name, field.kind.read(text), f"environment variable {variable}", example), origin
        )
    chosen = variables.get(PROFILE_VARIABLE)
    origin = Origin(origins.ENVIRONMENT, PROFILE_VARIABLE)
    profile = Value(_PROFILE.check("profile", chosen, PROFILE_VARIABLE), origin) if chosen else None
    return Layer(values, profile, notes=tuple(notes))
