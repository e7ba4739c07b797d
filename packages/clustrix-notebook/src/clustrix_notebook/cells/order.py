"""The first line of a cell, ``%%cluster cores=4 hpc -o job --async``, as what is wanted."""

from __future__ import annotations

import keyword
from collections.abc import Iterator
from typing import Any, NamedTuple

from clustrix_notebook.cells.failing import CellError
from clustrix_notebook.words import split

HELP = """\
%%cluster [PROFILE] [NAME=VALUE ...] [-o NAME] [--async]

Runs the cell as a job. The names that it reads are sent, the names that it assigns come back.

  PROFILE      the settings of this profile
  NAME=VALUE   an option of @cluster: cores=4 memory=8GB time=1h cluster_type=slurm ...
               quotes as in a shell: name="two words"
  -o NAME      keep the job's handle under this name (--output NAME)
  --async      do not wait: the handle is the cell's result; globals().update(handle.result())
               takes the names when it is done
  --help       this text

An object that is changed by a method, as by items.append(1), is changed in the job only: assign it to have it back.
Options: {options}"""


class Order(NamedTuple):
    """What is wanted."""

    options: dict[str, Any]
    """As ``cluster`` takes them."""
    output: str | None = None
    waits: bool = True
    helps: bool = False


def order_of(line: str) -> Order:
    """Raises LineError, CellError, UnknownOption, ConfigError, UnknownProfile."""
    options: dict[str, Any] = {}
    order = Order(options)
    words = iter(split(line))
    for word in words:
        if word in ("--help", "-h"):
            return order._replace(helps=True)
        if word == "--async":
            order = order._replace(waits=False)
        elif word in ("-o", "--output") or word.startswith("--output="):
            order = order._replace(output=_output(word, words))
        elif word.startswith("-"):
            raise CellError(
                f"unknown option {word}: there are -o NAME, --async and --help; others are written as cores=4"
            )
        elif "=" in word:
            name, value = _pair(word)
            options[name] = value
        else:
            _add_profile(options, word)
    _check(options)
    return order


def _output(word: str, words: Iterator[str]) -> str:
    name = word.partition("=")[2] if "=" in word else next(words, "")
    if not name.isidentifier() or keyword.iskeyword(name):
        raise CellError(
            f"{word} takes a name for the job's handle, as in -o job" + (f", not {name!r}" if name else "")
        )
    return name


def _pair(word: str) -> tuple[str, Any]:
    from clustrix.config import fields

    name, _, text = word.partition("=")
    if not name or (word.endswith("=") and name not in fields.OPTIONS):
        raise CellError("write options without spaces around the equals sign, as in cores=4")
    field = fields.OPTIONS.get(name) or fields._plugin_option(name)
    if field is None:
        raise fields.unknown(name, text, names_of_options())
    return name, field.kind.read(text)


def _add_profile(options: dict[str, Any], word: str) -> None:
    if word in names_of_options():
        raise CellError(f"{word} is an option: write {word}=VALUE, without spaces around the equals sign")
    if "profile" in options:
        raise CellError(
            f"{options['profile']!r} and {word!r}: there can be one profile. Options are written as cores=4"
        )
    options["profile"] = word


def _check(options: dict[str, Any]) -> None:
    """All that a decorator would complain of, and the profile."""
    from clustrix.config.fields import checked_options
    from clustrix.config.store import process

    process.resolve(checked_options(options))


def names_of_options() -> list[str]:
    """Of the core and of plugins."""
    from clustrix.config.fields import OPTIONS
    from clustrix.plugins import fields

    return sorted({*OPTIONS, *(field.option for field in fields() if field.option and not field.secret)})
