"""Classes that are made in a function, and so have no name by which they could be imported."""

from __future__ import annotations

import abc
import collections
import dataclasses
import enum
import typing
from typing import Any

from tests.core.kinds import comes_to

T = typing.TypeVar("T")


# -- classes that are made here


@comes_to(("Inner", 5, "Outer"))
def nested_classes() -> Any:
    class Outer:
        class Inner:
            number = 5

        def make(self) -> Any:
            return self.Inner()

    return lambda: (type(Outer().make()).__name__, Outer().make().number, Outer.__name__)


@comes_to(("Point(x=1, y=2)", True, {"x": 1, "y": 2}, "FrozenInstanceError"))
def dataclass() -> Any:
    @dataclasses.dataclass(frozen=True, order=True)
    class Point:
        x: int
        y: int = 2

        def __repr__(self) -> str:
            return f"Point(x={self.x}, y={self.y})"

    def inner() -> Any:
        point = Point(1)
        try:
            point.x = 3  # type: ignore[misc]
        except dataclasses.FrozenInstanceError as error:
            return repr(point), point < Point(2), dataclasses.asdict(point), type(error).__name__

    return inner


@comes_to((["RED", "BLUE"], 2, True, "violet"))
def enums() -> Any:
    class Colour(enum.Enum):
        RED = 1
        BLUE = 2

        def mixed(self) -> str:
            return "violet"

    class Mode(enum.Flag):
        READ = enum.auto()
        WRITE = enum.auto()

    blue, both = Colour.BLUE, Mode.READ | Mode.WRITE
    return lambda: (
        [it.name for it in Colour],
        blue.value,
        blue is Colour.BLUE and Mode.WRITE in both,
        blue.mixed(),
    )


@comes_to((1, "b", ("x", "y"), 3))
def named_tuples() -> Any:
    class Pair(typing.NamedTuple):
        x: int
        y: str = "b"

    Triple = collections.namedtuple("Triple", "a b c")
    pair, triple = Pair(1), Triple(1, 2, 3)
    return lambda: (pair.x, pair.y, Pair._fields, triple.c)


@comes_to((["int", "str"], "Box", 4))
def generics() -> Any:
    class Box(typing.Generic[T]):
        def __init__(self, it: T) -> None:
            self.it = it

    boxed = Box[int]
    hint = dict[int, str]
    return lambda: (
        [it.__name__ for it in typing.get_args(hint)],
        typing.get_origin(boxed).__name__,
        boxed(4).it,
    )  # type: ignore[union-attr]


@comes_to(("TypeError", 12.0, True))
def abstract_classes() -> Any:
    class Shape(abc.ABC):
        @abc.abstractmethod
        def area(self) -> float: ...

    class Square(Shape):
        def area(self) -> float:
            return 12.0

    Shape.register(int)

    def inner() -> Any:
        try:
            Shape()  # type: ignore[abstract]
        except TypeError as error:
            return type(error).__name__, Square().area(), isinstance(1, Shape)

    return inner


@comes_to((7, ("a", "b"), "AttributeError"))
def slots() -> Any:
    class Small:
        __slots__ = ("a", "b")

    small = Small()
    small.a = 7  # type: ignore[attr-defined]

    def inner() -> Any:
        try:
            small.b  # type: ignore[attr-defined] # noqa: B018
        except AttributeError as error:
            return small.a, Small.__slots__, type(error).__name__  # type: ignore[attr-defined]

    return inner


@comes_to((True, "Meta", 2))
def metaclass() -> Any:
    class Meta(type):
        def __len__(cls) -> int:
            return 2

    class Base(metaclass=Meta):
        child = False

        def __init_subclass__(cls) -> None:
            cls.child = True

    class Child(Base):
        pass

    return lambda: (Child.child and not Base.child, type(Child).__name__, len(Child))


@comes_to((4, 6, "deleted", "set 3"))
def properties_and_descriptors() -> Any:
    class Doubled:
        def __set_name__(self, owner: type, name: str) -> None:
            self.name = name

        def __get__(self, it: Any, owner: Any = None) -> int:
            return 2 * it.number  # type: ignore[no-any-return]

    class Holder:
        number = 2
        told = ""
        doubled = Doubled()

        @property
        def tripled(self) -> int:
            return 3 * self.number

        @tripled.setter
        def tripled(self, value: int) -> None:
            self.told = f"set {value}"

        @tripled.deleter
        def tripled(self) -> None:
            self.number, self.gone = 2, "deleted"

    def inner() -> Any:
        it = Holder()
        found = it.doubled, it.tripled
        it.tripled = 3
        del it.tripled
        return (*found, it.gone, it.told)

    return inner


@comes_to((5, "Sub", "static", 10))
def methods_of_every_kind() -> Any:
    class Base:
        def __init__(self, number: int) -> None:
            self.number = number

        def plain(self) -> int:
            return self.number

        @classmethod
        def of_class(cls) -> str:
            return cls.__name__

        @staticmethod
        def static() -> str:
            return "static"

    class Sub(Base):
        def plain(self) -> int:
            return 2 * super().plain()

    bound, base = Sub(5).plain, Base(5)
    return lambda: (base.plain(), Sub.of_class(), Sub.static(), bound())


@comes_to(9)
def method_of_an_instance() -> Any:
    class Counter:
        def __init__(self) -> None:
            self.count = 8

        def next(self) -> int:
            return self.count + 1

    return Counter().next


@comes_to("called")
def instance_that_can_be_called() -> Any:
    class Caller:
        def __call__(self) -> str:
            return "called"

    return Caller()


@comes_to((["Lost", "LookupError"], "what", 3))
def exception_class() -> Any:
    class Lost(LookupError):
        def __init__(self, what: str, place: int) -> None:
            super().__init__(what)
            self.place = place

    def inner() -> Any:
        try:
            raise Lost("what", 3)
        except LookupError as error:
            return [it.__name__ for it in type(error).__mro__[:2]], str(error), error.place  # type: ignore[attr-defined]

    return inner


@comes_to((True, True, True))
def class_that_refers_to_itself() -> Any:
    class Node:
        root: typing.ClassVar[Any] = None

        def __init__(self) -> None:
            self.me = self
            self.kind = Node

    Node.root = Node()
    node = Node()
    return lambda: (node.me is node, node.kind is type(node), Node.root.kind is Node)
