"""All that is wrong with files and environment, not only the first."""

from __future__ import annotations

import os

from clustrix.config import files, layers, origins, sources
from clustrix.config.fields import nearest
from clustrix.config.layers import Known, Layer
from clustrix.config.store import Settings, process
from clustrix.errors import ConfigError, UnknownProfile

Found = tuple[list[ConfigError], list[str]]
"""Problems, and notes about what is not used."""


def problems_of(path: str, settings: Settings = process) -> Found:
    """What is wrong with one file, and what of it is not used."""
    problems: list[ConfigError] = []
    layer = _file(path, origins.LOADED, settings.known, problems, False)
    _check_profile([layer], problems)
    return problems, list(layer.notes)


def problems_here(settings: Settings = process) -> Found:
    """The same for the user's file, the project's and the environment, as they hold in this folder."""
    problems: list[ConfigError] = []
    watch = sources.signature(os.getcwd(), os.environ)
    found = []
    if watch.user_signature is not None:
        found.append(_file(watch.user, origins.USER, settings.known, problems, False))
    if watch.project is not None:
        found.append(_file(watch.project, origins.PROJECT, settings.known, problems, watch.trusted))
    for variable in watch.variables:
        try:
            found.append(layers.of_environment(dict([variable]), settings.known))
        except ConfigError as error:
            problems.append(error)
    _check_profile(found, problems)
    return problems, [note for layer in found for note in layer.notes]


def _file(path: str, layer: str, known: Known, problems: list[ConfigError], trusted: bool) -> Layer:
    try:
        return layers.of_file(files.read(path, trusted), layer, known, problems)
    except ConfigError as error:
        problems.append(error)
        return Layer({})


def _check_profile(found: list[Layer], problems: list[ConfigError]) -> None:
    known = {name for layer in found for name in layer.profiles}
    for layer in found:
        chosen = layer.profile
        if chosen is not None and chosen.value is not None and chosen.value not in known:
            problems.append(
                UnknownProfile("profile", chosen.value, nearest(chosen.value, known), "", chosen.origin.place)
            )
