"""``FILE.py::FUNCTION`` and ``package.module::FUNCTION``: find a function, and make a job of a call of it."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import click

from clustrix.cli.failures import FAILED, show
from clustrix.cli.grids import named
from clustrix.cli.programs import literal

SEPARATOR = "::"


def submit_function(
    target: str, args: Sequence[str], keywords: Sequence[str], settings: dict[str, Any], dry_run: bool = False
) -> Any:
    """The handle of a job of this call, or what it would be; arguments are literals of Python, or texts if they are none.

    Raises UsageError for what cannot be called like that.  A file that cannot be imported ends the command.
    """
    where, _, name = target.partition(SEPARATOR)
    positional, keyword = _arguments(args), _keywords(keywords)
    function = _function(where, name)
    _check_call(target, function, positional, keyword)
    decorated = _decorated(target, function, settings)
    return decorated.explain() if dry_run else decorated.submit(*positional, **keyword)


def _arguments(texts: Sequence[str]) -> list[Any]:
    for text in texts:
        if text.startswith("--"):
            # Mostly a slip in one of our own options, which would be noticed in the job, if at all.
            name, _, value = text[2:].partition("=")
            raise click.UsageError(
                f"no such option: {text}. An argument by its name: --kw {name or 'name'}={value or '...'}; "
                "a text that begins with two dashes stands in quotes of its own, as \"'--text'\"."
            )
    return [literal(text) for text in texts]


def _keywords(texts: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, text in (named(text, "--kw") for text in texts):
        if name in found:
            raise click.UsageError(f"--kw {name} is given twice.")
        found[name] = literal(text)
    return found


def _function(where: str, name: str) -> Callable[..., Any]:
    from clustrix.config.fields import nearest

    module = _module(where)
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is None:
        own = [
            key
            for key, value in vars(module).items()
            if callable(value) and getattr(value, "__module__", "") == module.__name__
        ]
        raise click.UsageError(f"{where} has no function {name!r}; {nearest(name, own)}")
    if not callable(found):
        raise click.UsageError(f"{name} in {where} is no function.")
    function: Callable[..., Any] = found
    return function


def _module(where: str) -> Any:
    """Imported as ``import`` beside the file would, or from the folder of the command."""
    if not where.endswith(".py"):
        if os.sep in where:
            raise click.UsageError(f"{where}: write a file with its .py, or a module with dots.")
        return _imported(where, where, os.getcwd())
    if not os.path.isfile(where):
        raise click.UsageError(f"there is no file {where}.")
    folder, file = os.path.split(os.path.abspath(where))
    name = file.removesuffix(".py")
    while os.path.exists(os.path.join(folder, "__init__.py")):  # so that its relative imports work
        folder, package = os.path.split(folder)
        name = f"{package}.{name}"
    module = _imported(where, name, folder)
    if os.path.realpath(getattr(module, "__file__", None) or "") != os.path.realpath(where):
        raise click.UsageError(
            f"{where} cannot be imported: there is another module {name}. Rename the file."
        )
    return module


def _imported(where: str, name: str, folder: str) -> Any:
    from clustrix.results.failures import raised_in
    from clustrix.submission import forbidden

    sys.path.insert(0, folder)
    sys.argv[:] = [where]  # jobs have the same
    reason = (
        f"{where} submits a job while it is imported, as each job of its functions would do again. "
        'Put what it runs as a script under `if __name__ == "__main__":`'
    )
    try:
        with forbidden(reason):
            return importlib.import_module(name)
    except (Exception, SystemExit) as error:  # whatever it does at its top level
        if isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}."):
            raise click.UsageError(f"there is no module {where}: {error}") from error
        place = raised_in(error)
        text = str(error) if str(error) == reason else f"{where} cannot be imported: {_told(error)}"
        show(error, text + (f"\n  at {place}" if place else ""))
        sys.exit(FAILED)


def _told(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return 'it ends the program. Put what it runs as a script under `if __name__ == "__main__":`'
    return f"{type(error).__name__}: {error}"


def _check_call(
    target: str, function: Callable[..., Any], args: Sequence[Any], keywords: dict[str, Any]
) -> None:
    """What the call would raise in the job, said before there is one."""
    with suppress(ValueError):  # some built-in functions do not tell
        signature = inspect.signature(function)
        try:
            signature.bind(*args, **keywords)
        except TypeError as error:
            raise click.UsageError(f"{target}{signature}: {error}") from error


def _decorated(target: str, function: Callable[..., Any], settings: dict[str, Any]) -> Any:
    from clustrix.decorator import ClusterFunction, cluster

    if isinstance(function, ClusterFunction):
        return function.options(**settings)
    try:
        return cluster(**settings)(function)
    except TypeError as error:  # a class, or a generator function
        raise click.UsageError(f"{target}: {error}") from error
