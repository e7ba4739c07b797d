"""What is set, layer upon layer: defaults, user file, project file, environment, ``configure()``, the options of a function.

One profile holds at a time: the one that was chosen latest.  Its values count as given where it was chosen.

Guarantees: a change is made whole or not at all, and readers see it whole, in any thread.  Files are read when they are first
needed, and looked at again when the folder has changed or a second has gone by; reading a setting otherwise takes no system call but one.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from clustrix.config import origins
from clustrix.config.field import Field
from clustrix.config.fields import FIELDS, nearest, unknown
from clustrix.config.layers import Known, Layer, Value
from clustrix.config.origins import Origin
from clustrix.errors import UnknownProfile

_FRESH_SECONDS = 1.0
_DEFAULTS = {
    field.name: Value(field.default, Origin(origins.DEFAULT)) for field in FIELDS.values() if field.setting
}
_OPTION_DEFAULTS = {
    field.name: field.default for field in FIELDS.values() if not field.setting and field.name != "profile"
}


class Resolved(Mapping[str, Any]):
    """All settings as they hold for somebody; read-only.  A secret stands in it as an object that does not show it."""

    __slots__ = ("_known", "_values", "origins", "profile")

    def __init__(
        self,
        values: dict[str, Any],
        origins: Callable[[], dict[str, Origin]],
        profile: str | None,
        known: Known,
    ) -> None:
        self._values = values
        self.origins = origins
        self._known = known
        self.profile = profile
        """The profile that holds, or None."""

    def __getitem__(self, name: str) -> Any:
        try:
            found = self._values[name]
        except KeyError:
            field = self._known.find(name)
            if field is None:
                raise
            found = field.default
        return dict(found) if type(found) is dict else found

    def __iter__(self) -> Iterator[str]:
        yield from self._values
        yield from (name for name in self._known.all() if name not in self._values)

    def __len__(self) -> int:
        return len({*self._values, *self._known.all()})

    def origin(self, name: str) -> Origin:
        """Where the value comes from.  Raises KeyError for a name that is no setting."""
        found = self.origins().get(name)
        if found is None and name not in self:
            raise KeyError(name)
        return found or Origin(origins.DEFAULT)

    def shown(self, name: str) -> Any:
        """The value as anybody may see it."""
        field = FIELDS.get(name) or self._known.find(name)
        return self[name] if field is None else field.show(self[name])

    def __repr__(self) -> str:
        pairs = ", ".join(f"{name}={self.shown(name)!r}" for name in self)
        return f"<settings{f' of profile {self.profile}' if self.profile else ''}: {pairs}>"


class _Snapshot(NamedTuple):
    """What holds for a function without options of its own."""

    plain: dict[str, Value]
    """Without any profile."""
    values: dict[str, Value]
    bare: dict[str, Any]
    """The same without their origins, for the quick way."""
    profile: str | None
    profiles: dict[str, dict[str, Value]]


class _Look(NamedTuple):
    """What was found, and where and when."""

    snapshot: _Snapshot | None
    """None: something has been configured since."""
    layers: list[Layer]
    watch: Any
    folder: str | None
    environ: dict[Any, Any]
    at_s: float

    def holds(self, folder: str | None, environ: Mapping[Any, Any], now: float) -> bool:
        """Whether there is no need to look again."""
        return now - self.at_s < _FRESH_SECONDS and folder == self.folder and environ == self.environ


class Settings:
    """The layers of one process.  ``process``, at the end of this module, is the one that holds; tests make their own."""

    def __init__(
        self,
        *,
        fields: Callable[[], Iterable[Field]] | None = None,
        environ: Mapping[str, str] | None = None,
        user_file: str | None = None,
    ) -> None:
        self.known = Known(fields)
        self._fields = fields
        self._environ = os.environ if environ is None else environ
        self._user_file = user_file
        self._lock = threading.Lock()
        self._explicit = Layer({})
        self._latest: _Look | None = None
        os.register_at_fork(after_in_child=self._after_fork)

    # -- setting

    def configure(self, given: Mapping[str, Any]) -> None:
        """Set values above those of files and environment; all or nothing.  Raises ConfigError."""
        origin = Origin(origins.CONFIGURE)
        values = {}
        for name, value in given.items():
            if name == "profile":
                continue
            field = self.known.find(name)
            if field is None:
                raise unknown(name, value, (*self.known.all(), "profile"))
            values[name] = Value(field.check(name, value), origin)
        profile = None
        if "profile" in given:
            profile = Value(FIELDS["profile"].check("profile", given["profile"]), origin)
            if profile.value is not None:
                _values_of(self.profiles(), profile.value, "")
        self._add(Layer(values, profile))

    def load(self, path: str) -> None:
        """Read one more file; what it says counts as given to ``configure()``.  Raises ConfigError."""
        from clustrix.config import files, layers

        layer = layers.of_file(files.read(path), origins.LOADED, self.known)
        if layer.profile is not None and layer.profile.value is not None:
            known = _merged(self.profiles(), layer.profiles)
            _values_of(known, layer.profile.value, layer.profile.origin.place)
        self._add(layer)
        _say(layer.notes)

    def _add(self, layer: Layer) -> None:
        with self._lock:
            before = self._explicit
            self._explicit = Layer(
                {**before.values, **layer.values},
                layer.profile or before.profile,
                _merged(before.profiles, layer.profiles),
            )
            self._forget_snapshot()

    def hold(self, profile: str | None, values: Mapping[str, Any], without: Iterable[str] = ()) -> None:
        """Have a profile hold, or none, with just these values of its own; they count as given to ``configure()``.

        What was given earlier of these names, and of those in ``without``, is forgotten.  All or nothing.  Raises ConfigError.
        """
        origin = Origin(origins.CONFIGURE, profile=profile or "")
        checked = {}
        for name, value in values.items():
            field = self.known.find(name)
            if field is None:
                raise unknown(name, value, self.known.all())
            checked[name] = Value(field.check(name, value), origin)
        plain = self.plain()
        own = {name: plain[name] for name in without if name in plain} | checked if profile else {}
        with self._lock:
            before = self._explicit
            kept = {name: value for name, value in before.values.items() if name not in {*checked, *without}}
            profiles = {**before.profiles, **({profile: own} if profile else {})}
            self._explicit = Layer(kept | ({} if profile else checked), Value(profile, origin), profiles)
            self._forget_snapshot()

    @property
    def explicit(self) -> Layer:
        """What ``configure()`` and ``load()`` have set."""
        return self._explicit

    def restore(self, explicit: Layer) -> None:
        """Have set what ``explicit`` gave earlier, and nothing else."""
        with self._lock:
            self._explicit = explicit
            self._forget_snapshot()

    def copy(self) -> Settings:
        """Another that has the same; what is set in it is not seen here."""
        found = Settings(fields=self._fields, environ=self._environ, user_file=self._user_file)
        found._explicit = self._explicit
        return found

    def look_again(self) -> None:
        """Have the files be looked at with the next question, however little time has gone by."""
        with self._lock:
            if self._latest is not None:
                self._latest = self._latest._replace(at_s=-math.inf)

    def _forget_snapshot(self) -> None:
        if self._latest is not None:
            self._latest = self._latest._replace(snapshot=None)

    # -- reading

    def resolve(self, options: Mapping[str, Any]) -> Resolved:
        """What holds for a function with these options.  Raises ConfigError for what files and environment have wrong."""
        snapshot = self._fresh()
        chosen = options.get("profile")
        if "profile" not in options:
            values = {**_OPTION_DEFAULTS, **snapshot.bare, **options}
            return Resolved(values, lambda: _origins(snapshot.values, options), snapshot.profile, self.known)
        # What was given before the profile was chosen counts less than it.
        below, above = _around(options)
        profile = {} if chosen is None else _values_of(snapshot.profiles, chosen, "")
        values = {
            **_OPTION_DEFAULTS,
            **{name: value.value for name, value in snapshot.plain.items()},
            **below,
            **{name: value.value for name, value in profile.items()},
            **above,
        }
        return Resolved(
            values,
            lambda: {**_origins(snapshot.plain, below), **_origins(profile, above)},
            chosen,
            self.known,
        )

    def current(self, profile: str | None = None) -> Resolved:
        """What holds for a function without options but this profile.  Raises as ``resolve`` does."""
        if profile is not None:
            found = self.resolve({"profile": profile})
            values = {name: found[name] for name in found if name not in _OPTION_DEFAULTS}
            return Resolved(values, found.origins, profile, self.known)
        snapshot = self._fresh()
        return Resolved(snapshot.bare, lambda: _origins(snapshot.values, {}), snapshot.profile, self.known)

    def plain(self) -> dict[str, Value]:
        """What holds without any profile."""
        return self._fresh().plain

    def layers(self) -> list[Layer]:
        """What files and environment say, each by itself, lowest first."""
        self._fresh()
        return [] if self._latest is None else self._latest.layers

    def profiles(self) -> dict[str, dict[str, Value]]:
        """All profiles of files, by name."""
        return self._fresh().profiles

    def _fresh(self) -> _Snapshot:
        latest = self._latest
        now = time.monotonic()
        environ = getattr(self._environ, "_data", self._environ)  # a comparison that decodes nothing
        try:
            folder: str | None = os.getcwd()
        except FileNotFoundError:
            folder = None
        if latest is not None and latest.snapshot is not None and latest.holds(folder, environ, now):
            return latest.snapshot
        return self._look(folder, dict(environ), now)

    def _look(self, folder: str | None, environ: dict[Any, Any], now: float) -> _Snapshot:
        from clustrix.config import sources

        notes: list[str] = []
        with self._lock:
            latest = self._latest
            if latest is None or not latest.holds(folder, environ, now):
                watch = sources.signature(folder, self._environ, self._user_file)
                if latest is None or watch != latest.watch:
                    found = sources.layers(watch, self.known)
                    notes = [note for layer in found for note in layer.notes]
                    latest = _Look(None, found, watch, folder, environ, now)
            snapshot = latest.snapshot or _stack([*latest.layers, self._explicit])
            self._latest = latest._replace(snapshot=snapshot, folder=folder, environ=environ, at_s=now)
        _say(notes)
        return snapshot

    def _after_fork(self) -> None:
        self._lock = threading.Lock()


def _say(notes: Iterable[str]) -> None:
    if notes:
        from clustrix.config.notices import warn_once

        for note in notes:
            warn_once(note)


def _stack(layers: list[Layer]) -> _Snapshot:
    """Layer upon layer, the profile where it was chosen."""
    profiles: dict[str, dict[str, Value]] = {}
    for layer in layers:
        profiles = _merged(profiles, layer.profiles)
    chooser = next((layer for layer in reversed(layers) if layer.profile is not None), None)
    chosen = chooser.profile if chooser is not None else None
    plain, values = dict(_DEFAULTS), dict(_DEFAULTS)
    for layer in layers:
        plain |= layer.values
        if layer is chooser and chosen is not None and chosen.value is not None:
            own = _values_of(profiles, chosen.value, chosen.origin.place)
            in_file = chosen.origin.layer in (origins.USER, origins.PROJECT, origins.LOADED)
            # What a file says outside of its profiles holds for all of them; a call or a variable is said beside the choice.
            called = {
                name: value
                for name, value in layer.values.items()
                if not in_file or value.origin.layer == origins.CONFIGURE
            }
            values |= {**layer.values, **own, **called}
        else:
            values |= layer.values
    bare = {name: value.value for name, value in values.items()}
    return _Snapshot(plain, values, bare, None if chosen is None else chosen.value, profiles)


def _merged(
    lower: Mapping[str, dict[str, Value]], upper: Mapping[str, dict[str, Value]]
) -> dict[str, dict[str, Value]]:
    return {**lower, **{name: {**lower.get(name, {}), **values} for name, values in upper.items()}}


def _values_of(profiles: Mapping[str, dict[str, Value]], name: str, origin: str) -> dict[str, Value]:
    if name not in profiles:
        raise UnknownProfile("profile", name, nearest(name, profiles), "", origin)
    return profiles[name]


def _around(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options before and behind the choice of the profile."""
    below: dict[str, Any] = {}
    above: dict[str, Any] = {}
    into = below
    for name, value in options.items():
        if name == "profile":
            into = above
        else:
            into[name] = value
    return below, above


def _origins(values: Mapping[str, Value], options: Mapping[str, Any]) -> dict[str, Origin]:
    found = {name: value.origin for name, value in values.items()}
    return found | dict.fromkeys(options, Origin(origins.OPTION))


process = Settings()
"""The one of this process."""
