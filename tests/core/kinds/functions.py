"""Closures, recursion, functions that are made or wrapped, generators, coroutines."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import operator
import types
from collections.abc import Callable, Iterator
from typing import Any

from tests.core.kinds import comes_to

FACTOR = 3


# -- closures and recursion


@comes_to((8, [5, 3]))
def closure() -> Any:
    numbers, kept = [5], 3

    def inner() -> Any:
        numbers.append(kept)
        return sum(numbers), numbers

    return inner


@comes_to(3)
def closure_whose_cell_is_filled_later() -> Any:
    def outer() -> int:
        return late()

    def late() -> int:
        return 3

    return outer


@comes_to("NameError")
def closure_with_an_empty_cell() -> Any:
    def inner() -> str:
        try:
            return never
        except NameError as error:
            return type(error).__name__

    if not inner:
        never = ""
    return inner


@comes_to(120)
def recursive() -> Any:
    def factorial(n: int = 5) -> int:
        return n * factorial(n - 1) if n else 1

    return factorial


@comes_to((True, False))
def mutually_recursive() -> Any:
    def even(n: int) -> bool:
        return n == 0 or odd(n - 1)

    def odd(n: int) -> bool:
        return n != 0 and even(n - 1)

    return lambda: (even(10), odd(10))


@comes_to([0, 1, 4])
def lambdas_in_containers() -> Any:
    table = {"square": [lambda x: x * x], "items": (lambda: range(3),)}
    return lambda: [table["square"][0](x) for x in table["items"][0]()]  # type: ignore[operator]


@comes_to((1, 2, 3, 4, {"k": 5}))
def defaults_of_both_kinds() -> Any:
    def inner(a: int = 1, /, b: int = 2, *rest: int, c: int = 3, d: int = 4, **more: int) -> Any:
        return a, b, c, d, more

    return functools.partial(inner, k=5)


@comes_to(({"n": "int", "return": "str"}, "says", 7))
def annotations_docstring_and_attributes() -> Any:
    def inner(n: int = 0) -> str:
        """says"""
        return ""

    inner.level = 7  # type: ignore[attr-defined]
    return lambda: (inner.__annotations__, inner.__doc__, inner.level)  # type: ignore[attr-defined]


@comes_to(21)
def globals_of_the_module() -> Any:
    return lambda: FACTOR * _seven()


def _seven() -> int:
    return 7


@comes_to(6)
def function_made_by_exec() -> Any:
    space: dict[str, Any] = {"base": 4}
    exec("def made(x=2):\n    return helper(x)\ndef helper(x):\n    return base + x", space)  # noqa: S102
    return space["made"]


@comes_to(16)
def function_made_of_its_code() -> Any:
    return types.FunctionType((lambda: n * n).__code__, {"n": 4})  # type: ignore[name-defined] # noqa: F821


@comes_to([1, 1, 2])
def globals_that_two_functions_share() -> Any:
    space: dict[str, Any] = {"seen": []}
    exec("def put(x):\n    seen.append(x)\ndef get():\n    return seen", space)  # noqa: S102
    put, get = space["put"], space["get"]

    def inner() -> Any:
        put(1)
        put(1)
        put(2)
        return get()

    def fresh() -> Any:
        space["seen"].clear()
        return inner()

    return fresh


# -- generators, coroutines, what wraps functions


@comes_to([0, 1, 4])
def generator_function_that_is_used() -> Any:
    def squares() -> Iterator[int]:
        for n in range(3):
            yield n * n

    return lambda: list(squares())


@comes_to("awaited")
def async_function() -> Any:
    async def inner() -> str:
        await asyncio.sleep(0)
        return "awaited"

    return inner


@comes_to([1, 2])
def async_generator_that_is_used() -> Any:
    async def numbers() -> Any:
        for n in (1, 2):
            yield n

    async def all_of_them() -> list[int]:
        return [n async for n in numbers()]

    return lambda: asyncio.run(all_of_them())


@comes_to((55, True))
def function_with_a_cache() -> Any:
    @functools.cache
    def fibonacci(n: int) -> int:
        return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

    return lambda: (fibonacci(10), fibonacci.cache_info().hits > 0)


@comes_to(("text", "a number", "something"))
def single_dispatch() -> Any:
    @functools.singledispatch
    def kind(it: Any) -> str:
        return "something"

    kind.register(str, lambda it: "text")
    kind.register(int, lambda it: "a number")
    return lambda: (kind(""), kind(1), kind([]))


@comes_to(("wrapped", 4))
def decorated_function() -> Any:
    def twice(function: Callable[[int], int]) -> Callable[[int], int]:
        @functools.wraps(function)
        def wrapped(n: int) -> int:
            return 2 * function(n)

        return wrapped

    @twice
    def wrapped(n: int) -> int:
        return n

    return lambda: (wrapped.__name__, wrapped(2))


@comes_to(["in", "out"])
def context_manager_function() -> Any:
    def inner() -> list[str]:
        told = []

        @contextlib.contextmanager
        def block() -> Iterator[None]:
            told.append("in")
            yield
            told.append("out")

        with block():
            pass
        return told

    return inner


@comes_to(10)
def partial_of_a_partial() -> Any:
    return functools.partial(functools.partial(operator.add, 4), 6)


@comes_to(((1, 2), "name", "ABC"))
def getters_and_callers() -> Any:
    pair, name, upper = operator.itemgetter(0, 1), operator.attrgetter("name"), operator.methodcaller("upper")
    return lambda: (pair([1, 2, 3]), name(types.SimpleNamespace(name="name")), upper("abc"))
