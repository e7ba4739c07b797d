"""``@cluster``: the front door.  A call of the decorated function becomes a job.

Only light modules are imported here; the machinery comes with the first submission.
"""

from __future__ import annotations

import functools
import os
import types
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

from clustrix.config.settings import merge_options, resolve, stack_options

if TYPE_CHECKING:
    from clustrix.job import AsyncJobResult
    from clustrix.mapresult import MapResult
    from clustrix.submission import Subject

P = ParamSpec("P")
R = TypeVar("R")

_GENERATOR = 0x20
_ASYNC_GENERATOR = 0x200


class ClusterFunction(Generic[P, R]):
    """A function whose calls run as jobs.  Made by ``cluster``; keeps the function's name, docstring, signature and type."""

    __wrapped__: Callable[P, R]

    def __init__(
        self,
        function: Callable[P, R],
        options: dict[str, Any],
        bound: tuple[Any, ...] = (),
        decorated: ClusterFunction[P, R] | None = None,
        kind: type | None = None,
    ) -> None:
        """``kind``: staticmethod or classmethod, where it was made of such."""
        if isinstance(function, types.FunctionType):
            # What somebody hung on the function is kept, unless it would stand in the way of a method of this class.
            vars(self).update((k, v) for k, v in vars(function).items() if not hasattr(ClusterFunction, k))
        functools.update_wrapper(self, function, updated=())
        self._function = function
        self._options = options
        self._bound = bound
        self._decorated = decorated or self
        """The one that stands in the module: where a job can import it, it need not travel."""
        self._kind = kind

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run as a job and wait: returns what the function returns, raises what it raises.

        What the job prints appears here.  Ctrl-C cancels the job, if it is this call that has submitted it.  With
        ``async_submit=True`` it returns an AsyncJobResult at once.  Inside a job the function is called in place.
        """
        __tracebackhide__ = True  # IPython and pytest show the lines of the job instead
        if "CLUSTRIX_JOB_ID" in os.environ:
            found: R = _finished(self.local(*args, **kwargs))
            return found
        if resolve(self._options)["async_submit"]:
            return self.submit(*args, **kwargs)  # type: ignore[return-value]
        from clustrix.blocking import wait_for

        return wait_for(self.submit(*args, **kwargs))

    def submit(self, /, *args: P.args, **kwargs: P.kwargs) -> AsyncJobResult[R]:
        """Submit as a job and return its handle at once; durable when this returns.

        Raises BundleError when the function or an argument cannot be sent, an error below JournalError when the journal cannot be
        written, ResourcesUnavailable with ``local_strict``.
        """
        from clustrix.submission import submit_call

        return submit_call(self._subject(), (*self._bound, *args), kwargs)

    def map(self, /, *iterables: Iterable[Any], **common: Any) -> MapResult[R]:
        """Submit one job that calls the function for each item; returns its handle when all items are written down.

        Several iterables give one positional argument each, as with the built-in ``map``, and the shortest ends it; ``common`` goes to
        every call.  They are gone through once, a few at a time, so that a generator of any length needs little memory.
        Raises as ``submit`` does.
        """
        from clustrix.submission import submit_map

        if not iterables:
            raise TypeError("map() needs at least one iterable of items")
        found: Any = submit_map(self._subject(), self._bound, _rows(iterables), common)
        return found  # type: ignore[no-any-return]

    def starmap(self, /, rows: Iterable[Sequence[Any]], **common: Any) -> MapResult[R]:
        """The same with the positional arguments of each item in a row: ``fit.starmap([(a, 1), (b, 2)])``."""
        from clustrix.submission import submit_map

        found: Any = submit_map(self._subject(), self._bound, _Rows(map(tuple, rows), _length(rows)), common)
        return found  # type: ignore[no-any-return]

    def local(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function here, in this process, with no machinery."""
        return self._function(*self._bound, *args, **kwargs)

    def explain(self, items: int | None = None) -> str:
        """What a submission would be, without one: where, with what, and the very script that a batch system would get.

        ``items``: of a map; None: of a call.  A host is asked for its Python; where it cannot be reached, that is said.
        """
        from clustrix.explaining import explain

        return explain(self._subject(), items)

    def forget(self, /, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Make the next such call run anew, where ``reuse`` would give an earlier one's result.

        Returns False if there is no earlier one.  It loses nothing: whoever has its handle or id still has its result.
        """
        from clustrix.submission import forget_call

        return forget_call(self._subject(), (*self._bound, *args), kwargs)

    def forget_all(self) -> int:
        """The same for all calls and maps of functions of this name, by whomever; returns how many were forgotten."""
        from clustrix.submission import forget_all

        return forget_all(self._subject().name)

    def options(self, /, **options: Any) -> ClusterFunction[P, R]:
        """The same function with other settings: ``fit.options(cores=4).submit(...)``.

        Raises ConfigError for a bad value, UnknownOption for an unknown name.
        """
        merged = merge_options(self._options, options)
        return ClusterFunction(self._function, merged, self._bound, self._decorated, self._kind)

    def _subject(self) -> Subject:
        from clustrix.bundle.packing import reference_to
        from clustrix.submission import Subject

        name = getattr(self._function, "__qualname__", None) or type(self._function).__name__
        reference = reference_to(self._function, self._decorated)
        return Subject(self._function, name, reference, resolve(self._options))

    def __get__(self, instance: Any, owner: type | None = None) -> ClusterFunction[P, R]:
        if self._kind is staticmethod:
            return self
        subject = owner if self._kind is classmethod else instance
        if subject is None or not _binds(self._function):
            return self
        return ClusterFunction(self._function, self._options, (*self._bound, subject), self._decorated)

    def __reduce__(self) -> tuple[Any, ...]:
        from clustrix.bundle.packing import reference_to

        reference = None if self._bound else reference_to(self._function, self)
        if reference is not None:
            from clustrix.runner.modules import resolve

            return resolve, reference
        return _rebuild, (self._function, self._options, self._bound, self._kind)

    def __clustrix_counts__(self) -> tuple[Any, Any]:
        """What of it counts in a call that is to be recognised: all but its options."""
        from clustrix.bundle.packing import reference_to

        reference = None if self._bound else reference_to(self._function, self)
        return reference, (self._function, self._bound, self._kind)

    def __repr__(self) -> str:
        name = getattr(self._function, "__qualname__", repr(self._function))
        return f"<clustrix function {name}>"


def _binds(function: Callable[..., Any]) -> bool:
    """Whether it becomes a method in a class: a def does, a built-in, a partial or a callable object does not."""
    return hasattr(type(function), "__get__") and not isinstance(function, types.MethodType)


def _finished(value: Any) -> Any:
    """What an async function returned, run to its end: a call gives the same inside a job as outside."""
    if not isinstance(value, types.CoroutineType):
        return value
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(value)
    # Called from a coroutine: it holds up the caller's loop, as a call does that waits for a job.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, value).result()


class _Rows:
    """The arguments of items, one after the other, and how many there will be, if that is known."""

    def __init__(self, rows: Iterator[tuple[Any, ...]], length: int) -> None:
        self._rows = rows
        self._length = length

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return self._rows

    def __length_hint__(self) -> int:
        return self._length


def _rows(iterables: Sequence[Iterable[Any]]) -> _Rows:
    return _Rows(zip(*iterables, strict=False), min(map(_length, iterables)))


def _length(iterable: Iterable[Any]) -> int:
    """Zero if it is not known."""
    return len(iterable) if isinstance(iterable, Sized) else 0


def _rebuild(
    function: Callable[P, R], options: dict[str, Any], bound: tuple[Any, ...], kind: type | None
) -> ClusterFunction[P, R]:
    return ClusterFunction(function, options, bound, None, kind)


@overload
def cluster(function: Callable[P, R], /) -> ClusterFunction[P, R]: ...
@overload
def cluster(
    *,
    cores: int = ...,
    memory: str | int | None = ...,
    time: str | float | None = ...,
    async_submit: bool = ...,
    chunk: int | None = ...,
    cluster_type: str = ...,
    environment_variables: dict[str, str] = ...,
    key: str | None = ...,
    local_strict: bool = ...,
    name: str | None = ...,
    on_error: str = ...,
    profile: str | None = ...,
    progress: bool = ...,
    retries: int = ...,
    retry_delay: str | float | None = ...,
    retry_memory: float | None = ...,
    retry_memory_limit: str | int | None = ...,
    on_time_limit: str = ...,
    max_requeues: int = ...,
    cleanup_on_success: bool = ...,
    retry_on: type[Exception] | str | Sequence[type[Exception] | str] = ...,
    reuse: bool = ...,
    secrets: Sequence[str] = ...,
    tags: Sequence[str] = ...,
) -> Callable[[Callable[P, R]], ClusterFunction[P, R]]: ...
def cluster(function: Any = None, /, **options: Any) -> Any:
    """Make a function's calls run as jobs.

    ``@cluster``, ``@cluster()`` or ``@cluster(cores=2, memory="1GB", time="00:10:00")``.  ``cores`` and ``memory`` are what one
    call needs; ``time`` is how long it may take.  ``async_submit=True``: a call returns an AsyncJobResult at once.  ``key``
    names one piece of work that shall not be submitted twice; with ``reuse=True`` a call is recognised by itself, and what
    it has come to once it need not come to again.  ``name`` and ``tags`` are for people, ``profile`` is a named
    configuration of a file, and ``environment_variables`` are what the job finds beside the submitter's.

    Raises ConfigError for a bad value, UnknownOption (with the nearest name) for an unknown option, TypeError for what is no
    function or is a generator function.
    """
    settings = merge_options({}, options)

    def decorate(target: Any) -> Any:
        return _decorated(target, settings)

    return decorate if function is None else decorate(function)


def _decorated(target: Any, settings: dict[str, Any]) -> Any:
    kind = type(target) if isinstance(target, (staticmethod, classmethod)) else None
    function = target.__func__ if kind else target
    if isinstance(function, ClusterFunction):
        stacked = stack_options(function._options, settings)
        return ClusterFunction(function._function, stacked, function._bound, kind=kind or function._kind)
    if not callable(function) or isinstance(function, type):
        raise TypeError(
            f"cluster() takes a function, not {function!r}; write @cluster, or @cluster(cores=4) above a def"
        )
    if _flags(function) & (_GENERATOR | _ASYNC_GENERATOR):
        name = getattr(function, "__qualname__", repr(function))
        raise TypeError(
            f"{name} is a generator function: what it yields cannot come home one by one; return a list instead"
        )
    return ClusterFunction(function, settings, kind=kind)


def _flags(function: Any) -> int:
    """Of the code that a call runs: behind partials, and of a callable object's ``__call__``."""
    while isinstance(function, functools.partial):
        function = function.func
    if not hasattr(function, "__code__") and callable(function):
        function = type(function).__call__
    return int(getattr(getattr(function, "__code__", None), "co_flags", 0))
