"""Exceptions of the user's function: they come back as themselves, or are told in full."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clustrix import cluster
from clustrix.errors import RemoteError

pytestmark = pytest.mark.usefixtures("state")


def error_of(function: Any) -> Any:
    """What the job of a function raises here."""
    return cluster(function).submit().exception(timeout=30)


class Plain(Exception):
    pass


class Formatted(Exception):
    """Passes something made of its argument on: called again with that, it would change."""

    def __init__(self, number: int) -> None:
        super().__init__(f"number {number} is bad")
        self.number = number


class Keyworded(Exception):
    def __init__(self, *, code: int, hint: str) -> None:
        super().__init__(hint)
        self.code = code


class Forgetful(Exception):
    """Does not call Exception's __init__ with what it got."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__()
        self.sum = a + b


class Reduced(Exception):
    def __init__(self, a: int) -> None:
        super().__init__("made of", a)

    def __reduce__(self) -> Any:
        return Reduced, (self.args[1],)


class FileTrouble(OSError):
    def __init__(self, name: str) -> None:
        super().__init__(5, "trouble", name)
        self.name = name


class Silent(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")


RAISED = {
    "ValueError": lambda: ValueError("a", 1),
    "KeyError": lambda: KeyError("k"),
    "FileNotFoundError": lambda: FileNotFoundError(2, "No such file", "name"),
    "UnicodeDecodeError": lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "why"),
    "StopIteration": lambda: StopIteration(3),
    "arguments as given": lambda: Plain("x", {"y": [1]}),
    "text made of an argument": lambda: Formatted(5),
    "keyword-only arguments": lambda: Keyworded(code=4, hint="look"),
    "no arguments passed on": lambda: Forgetful(1, 2),
    "its own __reduce__": lambda: Reduced(7),
    "an OSError with other arguments": lambda: FileTrouble("name"),
}


@pytest.mark.parametrize("make", RAISED.values(), ids=RAISED)
def test_exception_comes_back_as_itself(make: Any) -> None:
    """Type, arguments, attributes and text, whatever the signature of its __init__."""

    def fail() -> None:
        raise make()

    found, expected = error_of(fail), make()
    assert type(found) is type(expected)
    assert found.args == expected.args
    assert vars(found) == vars(expected)
    assert getattr(found, "errno", None) == getattr(expected, "errno", None)
    if not isinstance(expected, FileTrouble):  # of which the name of the file stays behind
        assert str(found) == str(expected)


def test_exception_without_text_comes_back() -> None:
    """One whose __str__ fails is still that exception."""

    def fail() -> None:
        raise Silent(1)

    found = error_of(fail)
    assert type(found) is Silent
    assert found.args == (1,)


def test_cause_context_and_notes_come_back() -> None:
    """raise … from …, what was being handled, `from None`, and notes."""

    def fail() -> None:
        try:
            try:
                {}["first"]
            except KeyError:
                raise Formatted(2)  # noqa: B904 - the context is what is tested
        except Formatted as error:
            last = ValueError("third")
            if sys.version_info >= (3, 11):
                last.add_note("look here")
            raise last from error

    error = error_of(fail)
    assert type(error.__cause__) is Formatted
    assert type(error.__cause__.__context__) is KeyError
    assert error.__cause__.__cause__ is None
    assert error.__suppress_context__ is True
    assert getattr(error, "__notes__", ["look here"]) == ["look here"]
    text = "".join(traceback.format_exception(error))
    assert "The above exception was the direct cause" in text
    assert "During handling of the above exception" in text

    def quiet() -> None:
        try:
            {}["first"]
        except KeyError:
            raise ValueError("second") from None

    error = error_of(quiet)
    assert error.__cause__ is None
    assert error.__suppress_context__ is True


def deeper(n: int) -> Any:
    return 1 / n  # the line that fails


def test_remote_traceback_shows_the_users_line() -> None:
    """A printed traceback leads to the line there, through the user's frames and none of clustrix's runner."""

    def fail() -> None:
        deeper(0)  # the line that calls

    error = error_of(fail)
    assert type(error) is ZeroDivisionError
    text = "".join(traceback.format_exception(error))
    assert "return 1 / n  # the line that fails" in text
    assert "deeper(0)  # the line that calls" in text
    assert "in fail" in text
    assert __file__ in text
    assert "runner" not in text
    with pytest.raises(ZeroDivisionError) as caught:
        cluster(fail)()
    assert "the line that fails" in "".join(traceback.format_exception(caught.value))


def test_raising_again_does_not_grow_the_traceback() -> None:
    """result() may be called many times."""

    def fail() -> None:
        deeper(0)

    job = cluster(fail).submit()
    depths = []
    for _ in range(3):
        try:
            job.result(timeout=20)
        except ZeroDivisionError as error:
            depths.append(len(traceback.extract_tb(error.__traceback__)))
    assert len(set(depths)) == 1


def test_exception_class_missing_here_is_remote_error(tmp_path: Path) -> None:
    """An exception whose class is only there does not hide what went wrong: type name, text and traceback are told."""
    folder = str(tmp_path)

    def fail() -> None:
        with open(os.path.join(folder, "only_there.py"), "w") as file:
            file.write("class Trouble(Exception): pass\ndef go():\n    raise Trouble('deep', 'water')\n")
        sys.path.insert(0, folder)
        import only_there

        only_there.go()

    error = error_of(fail)
    assert type(error) is RemoteError
    assert error.type_name == "only_there.Trouble"
    assert error.message == "('deep', 'water')"
    assert "raise Trouble('deep', 'water')" in error.traceback_text
    assert "No module named 'only_there'" in str(error)
    assert "raise Trouble" in str(error)


def test_unpicklable_exception_is_remote_error() -> None:
    """An exception that holds a lock is told as text."""

    def fail() -> None:
        import threading

        raise Plain("holds a lock", threading.Lock())

    error = error_of(fail)
    assert type(error) is RemoteError
    assert error.type_name.endswith("Plain")
    assert "holds a lock" in error.message


def test_exception_with_an_array_comes_back() -> None:
    """Arguments of any type and size travel."""

    def fail() -> None:
        raise Plain(np.arange(100_000))

    error = error_of(fail)
    assert type(error) is Plain
    assert error.args[0].sum() == 4999950000


class OddlyNoted(Exception):
    """Has something else where notes belong."""

    __notes__ = 5


def test_exception_whose_notes_are_none() -> None:
    """The exception comes home all the same."""

    @cluster
    def work() -> None:
        raise OddlyNoted("seven")

    with pytest.raises(OddlyNoted) as caught:
        work()
    assert caught.value.args == ("seven",)
