"""``@cluster``: what may be decorated, what is kept, and where a call runs."""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import sys
from typing import Any

import pytest

from clustrix import AsyncJobResult, ClusterFunction, cluster, configure
from clustrix.errors import ConfigError, UnknownOption
from tests.core.decorated import Scale, Wider, documented
from tests.core.support import add_line, lines, pid, run_script

pytestmark = pytest.mark.usefixtures("state")


class Adder:
    """An object that can be called, with an attribute that is also the name of a method of ClusterFunction."""

    def __init__(self, options: int) -> None:
        self.options = options

    def __call__(self, x: int) -> int:
        return self.options + x


# -- ways to write it


@pytest.mark.parametrize("decorate", [cluster, cluster(), cluster(cores=1, memory="1GB", time="00:01:00")])
def test_decorator_bare_called_and_with_options(decorate: Any) -> None:
    """Bare, with () and with options, a call runs in another process and returns what the function returns."""

    @decorate
    def f(x: int) -> tuple[int, int]:
        return x * x, os.getpid()

    value, there = f(3)
    assert value == 9
    assert there != os.getpid()


def test_lambda_and_closure_run() -> None:
    """What has no name that could be imported travels with its variables."""
    step = 10
    assert cluster(lambda x: x + step)(1) == 11
    counter = iter([1, 2])  # not touched: a closure takes only what it names

    def add(x: int) -> int:
        return x + step

    assert cluster(add).map([1, 2]).result() == [11, 12]
    assert next(counter) == 1


def test_importable_function_runs() -> None:
    """A decorated function of a module is imported in the job, and called as it is here."""
    assert documented(1, 2.5, b="y", c=0) == ["1", "2.5", "y", "c"]


@pytest.mark.parametrize(
    "owner", [Scale, Scale(3), Wider, Wider(3)], ids=["class", "object", "subclass", "its object"]
)
def test_methods_in_both_decorator_orders(owner: Any) -> None:
    """Static and class methods run whichever decorator stands first, through the class and through an object."""
    name = owner.__name__ if isinstance(owner, type) else type(owner).__name__
    for method in (owner.outer_static, owner.inner_static):
        assert method(1) == 2
        assert method.map([1, 2]).result() == [2, 3]
    assert owner.outer_class(1) == (name, 1)
    assert owner.inner_class(1) == (name, 1)
    assert owner.outer_class.submit(2).result(timeout=20) == (name, 2)
    if sys.version_info < (3, 13):  # from there on a classmethod no longer asks what it wraps to bind itself
        assert owner.inner_class.submit(2).result(timeout=20) == (name, 2)


def test_bound_method_takes_its_object_along() -> None:
    """obj.f(x), obj.f.submit, obj.f.map and Class.f(obj, x) are all calls with that object."""
    scale = Scale(3)
    assert scale.times(2) == 6
    assert scale.times.submit(2).result(timeout=20) == 6
    assert scale.times.map([1, 2]).result() == [3, 6]
    assert scale.times.options(cores=1).local(4) == 12
    assert Scale.times(scale, 5) == 15
    assert cluster(Scale(4).times.local)(2) == 8


def test_callable_objects_partials_and_builtins() -> None:
    """Anything that can be called can be decorated; what is no method in a class does not become one."""
    add = cluster(Adder(10))
    assert add(1) == 11
    assert add.options(cores=1)(2) == 12
    assert cluster(functools.partial(pow, 2))(5) == 32
    assert cluster(len)("abc") == 3

    class Holder:
        size = cluster(len)

    assert Holder().size("abc") == 3


def test_decorating_again_adds_options() -> None:
    """cluster() of a decorated function is that function with more settings, not a job that starts a job."""
    twice = cluster(time=60)(cluster(cores=1)(pid))
    assert twice() != os.getpid()
    assert twice.submit().status().name == "pid"


# -- what is kept


def test_name_docstring_signature_annotations_are_kept() -> None:
    """Tools that look at the function see the function."""
    assert documented.__name__ == "documented"
    assert documented.__qualname__ == "documented"
    assert documented.__module__ == "tests.core.decorated"
    assert documented.__doc__ == "What it does."
    assert str(inspect.signature(documented)).startswith(
        "(a: 'int', *rest: 'float', b: 'str' = 'x', **more: 'Any')"
    )
    assert documented.__wrapped__.__annotations__["a"] == "int"
    assert repr(documented) == "<clustrix function documented>"
    assert isinstance(documented, ClusterFunction)


def test_attributes_of_the_function_do_not_hide_methods() -> None:
    """What hangs on the function is kept; one that is called like a method of ours does not replace it."""

    def f() -> int:
        return 1

    f.unit = "kg"  # type: ignore[attr-defined]
    f.options = "mine"  # type: ignore[attr-defined]
    decorated = cluster(f)
    assert decorated.unit == "kg"  # type: ignore[attr-defined]
    assert decorated.options(cores=1)() == 1


def test_keyword_arguments_of_the_caller_reach_the_function() -> None:
    """Names that clustrix uses itself are the function's own in a call: none is swallowed, none is added."""
    given = {
        "cores": 1,
        "memory": 2,
        "time": 3,
        "timeout": 4,
        "key": 5,
        "self": 6,
        "function": 7,
        "args": 8,
        "job": 9,
    }
    show = cluster(lambda **named: named)
    assert show(**given) == given
    assert show.submit(**given).result(timeout=20) == given
    assert show.local(**given) == given
    mapped = cluster(lambda item, **named: (item, named))
    assert mapped.map([1], **given).result() == [(1, given)]


# -- what is refused


def test_unknown_option_is_refused_with_the_nearest_name() -> None:
    """A typing error does not become a default."""
    for wrong, right in (
        ("core", "cores"),
        ("mem", "memory"),
        ("walltime", "time"),
        ("async_submitt", "async_submit"),
    ):
        with pytest.raises(UnknownOption, match=f"did you mean '{right}'"):
            cluster(**{wrong: 1})
        with pytest.raises(TypeError, match=wrong):
            documented.options(**{wrong: 1})
    with pytest.raises(UnknownOption, match=r"known: .*cores"):
        cluster(zzzzzz=1)


def test_bad_option_value_is_refused_at_decoration() -> None:
    """Not at the first call, which may be a long time after."""
    with pytest.raises(ConfigError, match="cores=0"):
        cluster(cores=0)


def generate() -> Any:
    yield 1


async def generate_async() -> Any:
    yield 1


class Generating:
    def __call__(self) -> Any:
        yield 1


@pytest.mark.parametrize("what", [5, "f", None, int, Scale, [len]], ids=str)
def test_no_function_is_refused(what: Any) -> None:
    """cluster(5) and a class are a TypeError at decoration that says what cluster takes."""
    with pytest.raises(TypeError, match="takes a function"):
        cluster()(what)


@pytest.mark.parametrize(
    "what",
    [generate, generate_async, functools.partial(generate), Generating()],
    ids=["def", "async def", "partial", "object"],
)
def test_generator_function_is_refused(what: Any) -> None:
    """At decoration, with the advice to return a list."""
    with pytest.raises(TypeError, match=r"generator function.*return a list"):
        cluster(what)


# -- where a call runs


def test_async_function_runs_to_its_end() -> None:
    """Its value comes back, not a coroutine: called, mapped, and inside of a job."""

    @cluster
    async def later(x: int) -> int:
        await asyncio.sleep(0.001)
        return x + 1

    @cluster
    def outer() -> int:
        return later(1) + 1

    @cluster
    async def outer_async() -> int:
        return later(1) + 1

    assert later(1) == 2
    assert later.map([1, 2]).result() == [2, 3]
    assert asyncio.run(later.local(1)) == 2  # type: ignore[arg-type]
    assert outer() == 3
    assert outer_async() == 3


def test_options_change_one_handle_only() -> None:
    """options() gives the same function with other settings; the first is as it was."""
    f = cluster(async_submit=True)(pid)
    assert isinstance(f(), AsyncJobResult)
    assert isinstance(f.options(async_submit=False)(), int)
    assert isinstance(f(), AsyncJobResult)


def test_configured_async_submit_is_a_default() -> None:
    """configure(async_submit=True) holds for calls that say nothing else."""
    configure(async_submit=True)
    try:
        assert isinstance(cluster(pid)(), AsyncJobResult)
        assert isinstance(cluster(async_submit=False)(pid)(), int)
    finally:
        configure(async_submit=False)


def test_local_calls_in_this_process() -> None:
    """local() is the plain call, with no machinery."""
    assert cluster(pid).local() == os.getpid()


def test_call_inside_a_job_runs_in_place() -> None:
    """A decorated function that calls another one does not wait for a second job."""
    inner = cluster(pid)

    @cluster
    def outer() -> tuple[int, int]:
        return os.getpid(), inner()

    there, nested = outer()
    assert there == nested != os.getpid()


def test_recursive_decorated_function() -> None:
    """One that calls itself is one job."""

    @cluster
    def factorial(n: int) -> int:
        return 1 if n == 0 else n * factorial(n - 1)

    assert factorial(10) == 3628800


def test_decorated_function_as_argument() -> None:
    """A decorated function can be an argument, and keeps its settings."""
    f = cluster(cores=1)(lambda x: x + 1)
    assert cluster(lambda g, x: g(x))(f, 1) == 2
    assert cluster(lambda g, x: g.local(x))(documented, 1) == ["1", "x"]


NESTED = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # before the dispatcher starts: it inherits the one core
from clustrix import cluster
from clustrix.backends.local.capacity import machine_cores

@cluster
def down(n):
    return [n] if n == 0 else [n, *down.submit(n - 1).result(timeout=30)]

@cluster
def fan(n):
    return sum(down.map([0] * n).result(timeout=30), [])

if __name__ == "__main__":
    print(machine_cores(), down(3), fan(3))
"""


def test_nested_submission_on_one_core_does_not_wait_for_itself(fresh_state: Any) -> None:
    """A job that waits for jobs of its own lends them its core."""
    assert run_script(NESTED).stdout == "1 [3, 2, 1, 0] [0, 0, 0]\n"


def test_same_key_is_one_job(tmp_path: Any) -> None:
    """A submission with the key of a job that runs, or has succeeded, is that job."""
    path = str(tmp_path / "runs")
    work = cluster(key="once")(lambda: add_line(path))
    first, second = work.submit(), work.submit()
    first.result(timeout=20)
    assert first.id == second.id == work.submit().id
    assert lines(path) == ["run"]
