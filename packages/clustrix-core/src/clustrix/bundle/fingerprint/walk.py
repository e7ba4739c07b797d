"""From an object to a few bytes that are the same for the same object in every process.

The bytes of a part are either short and say themselves where they end, or a digest of its own parts; so different
objects have different bytes.  Objects are taken apart as cloudpickle does it, and where that is not the same in every process
(sets, classes and functions by value, identities drawn at random) in an order and with names that are.

Who is whom counts where it can be seen: ``f(x, x)`` with a list is not ``f(x, copy of x)``, since the function may change it.
It does not count for what cannot change: numbers, texts, tuples of such, dates, paths, functions.
"""

from __future__ import annotations

import hashlib
import marshal
import os
import pickle
import types
import typing
import weakref
from collections.abc import Callable, Iterable
from typing import Any

from cloudpickle import cloudpickle

from clustrix.bundle.fingerprint import codes
from clustrix.runner.pickling import PROTOCOL

_ATOMS = frozenset({type(None), bool, int, float, complex, str, bytes, type(...)})
_SORTABLE = ({int}, {str}, {bytes})
_MARSHAL = 2
"""This version of marshal's format neither shares nor interns: equal atoms give equal bytes."""
_LONGEST_BYTES = 64
_HEAP_TYPE = 1 << 9
"""The flag of a class that a class statement made, and not C code for good (Py_TPFLAGS_HEAPTYPE)."""
_NO_PART_OF_A_CLASS = frozenset(
    {
        "__module__",
        "__weakref__",
        "__dict__",
        "__firstlineno__",
        "__static_attributes__",  # its order is that of a set
        "__annotations_cache__",
    }
)


def node(kind: bytes, *parts: bytes | memoryview) -> bytes:
    """The bytes of something that has parts."""
    digest = hashlib.sha256(kind + b"\0")
    for part in parts:
        digest.update(part)
    return b"#" + digest.digest()


def _atom(obj: Any) -> bytes:
    data = marshal.dumps(obj, _MARSHAL)
    return data if len(data) <= _LONGEST_BYTES else node(b"atom", data)


class Walk:
    """One walk through objects that travel together.  ``modules`` collects the names of the modules that they need."""

    def __init__(self, modules: set[str]) -> None:
        self.modules = modules
        self._known: dict[int, bytes] = {}
        """By id: the bytes of what cannot change, the number of what can, the depth of what is being walked through."""
        self._kept: list[Any] = []
        """What they are the ids of: as long as it lives, nothing else gets its id."""
        self._constant: dict[type, bool] = {}
        self._count = 0
        self._depth = 0

    def encode(self, obj: Any) -> bytes:
        """The bytes of an object.  Raises whatever taking it apart raises, RecursionError when it is nested too deeply."""
        cls = type(obj)
        if cls in _ATOMS:
            return _atom(obj)
        known = self._known.get(id(obj))
        if known is not None:
            self._count += known[:1] == b"^"  # what it is in refers to itself: it has to be known by number
            return known
        if cls is tuple and _ATOMS.issuperset(map(type, obj)):
            return node(b"flat tuple", marshal.dumps(obj, _MARSHAL))
        self._kept.append(obj)
        before, constant = self._count, self._constant.get(cls)
        if constant is None:
            constant = self._constant[cls] = _cannot_change(cls)
        if constant:
            self._known[id(obj)] = b"^%d;" % self._depth
        else:
            self._number(obj)
        self._depth += 1
        found = self._taken_apart(obj, cls)
        self._depth -= 1
        if constant and self._count == before:
            self._known[id(obj)] = found
        elif constant:
            self._number(obj)  # something in it can change
        return found

    def _number(self, obj: Any) -> None:
        self._known[id(obj)] = b"@%d;" % self._count
        self._count += 1

    def named(self, module: str, qualname: str) -> bytes:
        """Something that travels by name."""
        self.modules.add(module)
        return node(b"name", _atom(module), _atom(qualname))

    def _all(self, objects: Iterable[Any]) -> bytes:
        return node(b"parts", *map(self.encode, objects))

    def _taken_apart(self, obj: Any, cls: type) -> bytes:
        if cls is list:
            if _ATOMS.issuperset(map(type, obj)):
                return node(b"flat list", marshal.dumps(obj, _MARSHAL))
            return node(b"list", *map(self.encode, obj))
        if cls is tuple:
            return node(b"tuple", *map(self.encode, obj))
        if cls is dict:
            if _ATOMS.issuperset(map(type, obj.values())) and _ATOMS.issuperset(map(type, obj)):
                return node(b"flat dict", marshal.dumps(obj, _MARSHAL))
            return node(b"dict", *(self.encode(part) for item in obj.items() for part in item))
        if cls is set or cls is frozenset:
            kind = cls.__name__.encode()
            if set(map(type, obj)) in _SORTABLE:
                return node(b"flat " + kind, marshal.dumps(sorted(obj), _MARSHAL))
            return node(kind, *self._sorted(obj))
        if cls is weakref.WeakKeyDictionary:
            return node(b"weak keys", self.encode(dict(obj)))
        if cls is bytearray:
            return node(b"bytearray", obj)
        if issubclass(cls, type):
            return self._class(obj)
        taker = _TAKERS.get(cls)
        if taker is not None:
            return taker(self, obj)
        if cls.__name__ == "ndarray" and cls.__module__ == "numpy":
            return self._array(obj)
        return self._object(obj, cls)

    def _sorted(self, elements: Iterable[Any]) -> list[bytes]:
        """The bytes of a set's elements, in their own order and not in that of the set."""
        found, numbered = [], False
        for element in elements:
            mark, count = len(self._kept), self._count
            found.append((self.encode(element), element))
            if self._count > count:  # numbers depend on the order, which is not known yet
                numbered = True
                for seen in self._kept[mark:]:
                    self._known.pop(id(seen), None)
                del self._kept[mark:]
                self._count = count
        found.sort(key=lambda pair: pair[0])
        return [self.encode(element) if numbered else data for data, element in found]

    # -- functions, classes, modules

    def _function(self, function: types.FunctionType) -> bytes:
        named = _importable(function)
        if named is not None:
            return self.named(*named)
        code = codes.of_function(function.__code__)
        self.modules.update(code.imports)
        around = function.__globals__
        used = {name: around[name] for name in code.globals if name in around}
        cells = function.__closure__ or ()
        tops = [*used.values(), *(cell.cell_contents for cell in cells if _is_filled(cell))]
        submodules = cloudpickle._find_imported_submodules(function.__code__, tops)
        self.modules.update(module.__name__ for module in submodules if module is not None)
        annotations = getattr(function, "__annotate__", None) or function.__annotations__
        return node(
            b"function",
            code.data,
            _atom(function.__qualname__),
            *map(self.encode, (function.__doc__, function.__defaults__, function.__kwdefaults__)),
            self._all(cells),
            self._all(part for item in used.items() for part in item),
            self.encode(annotations),
            self.encode(function.__dict__),
        )

    def _cell(self, cell: types.CellType) -> bytes:
        return node(b"cell", self.encode(cell.cell_contents)) if _is_filled(cell) else node(b"empty cell")

    def _code(self, code: types.CodeType) -> bytes:
        found = codes.of_function(code)
        self.modules.update(found.imports)
        return found.data

    def _class(self, cls: type) -> bytes:
        named = _importable(cls)
        if named is not None:
            return self.named(*named)
        if not cls.__flags__ & _HEAP_TYPE:
            return self.named(cls.__module__, cls.__qualname__)
        members = cloudpickle._class_getstate(cls)[0]
        parts = [part for item in members.items() if item[0] not in _NO_PART_OF_A_CLASS for part in item]
        head = (type(cls), cls.__name__, cls.__qualname__, cls.__bases__)
        return node(b"class", *map(self.encode, head), self._all(parts))

    def _module(self, module: types.ModuleType) -> bytes:
        if cloudpickle._should_pickle_by_reference(module):
            self.modules.add(module.__name__)
            return node(b"module", _atom(module.__name__))
        content = [part for item in vars(module).items() if item[0] != "__builtins__" for part in item]
        return node(b"made module", _atom(module.__name__), self._all(content))

    def _type_variable(self, variable: typing.TypeVar) -> bytes:
        # cloudpickle gives each an identity drawn at random.
        named = _importable(variable, variable.__name__)
        if named is not None:
            return self.named(*named)
        variance = (variable.__covariant__, variable.__contravariant__)
        parts = (variable.__name__, variable.__bound__, variable.__constraints__, *variance)
        return node(b"type variable", *map(self.encode, parts))

    # -- memory

    def _array(self, array: Any) -> bytes:
        """A NumPy array: type, shape, order in memory as far as it travels, and contents."""
        order, axes = b"C", tuple(range(array.ndim))
        if not array.flags.c_contiguous:
            # What has gaps travels without them, with its axes in the order of their strides.
            axes = tuple(sorted(axes, key=lambda axis: -abs(array.strides[axis])))
            order = _atom(axes) if axes != tuple(sorted(axes)) else b"C"
        head = (self.encode(array.dtype), _atom(array.shape), order, _atom(bool(array.flags.writeable)))
        dense = array.transpose(axes)
        dense = (dense if dense.flags.c_contiguous else dense.copy()).reshape(-1)
        if array.dtype.hasobject:
            return node(b"array of objects", *head, *map(self.encode, dense.tolist()))
        content = dense.view("u1") if dense.nbytes else b""
        return node(b"array", *head, memoryview(content))

    def _buffer(self, buffer: pickle.PickleBuffer) -> bytes:
        raw = buffer.raw()
        return node(b"buffer", _atom(raw.readonly), raw)

    # -- everything else

    def _object(self, obj: Any, cls: type) -> bytes:
        counts = getattr(cls, "__clustrix_counts__", None)
        if counts is not None:
            reference, parts = counts(obj)
            return self.named(*reference) if reference else node(b"decorated", self._all(parts))
        if obj is os.environ or obj is getattr(os, "environb", None):
            return self.named("os", "environ")  # the job has its own
        reducer = cloudpickle.Pickler.dispatch_table.get(cls)
        reduced = reducer(obj) if reducer is not None else obj.__reduce_ex__(PROTOCOL)
        if isinstance(reduced, str):
            module = cloudpickle._whichmodule(obj, reduced) or "builtins"
            behind = self.encode(getattr(obj, "__wrapped__", None))
            return node(b"global", self.named(module, reduced), behind)
        make, args, state, items, pairs, setter = (*reduced, None, None, None, None)[:6]
        if cls.__module__.startswith("pandas."):
            state = _without_caches(state)
        return node(
            b"object",
            self.encode(make),
            self._all(args),
            self.encode(state),
            self._all(items or ()),
            self._all(part for pair in pairs or () for part in pair),
            self.encode(setter),
        )


_TAKERS: dict[type, Callable[[Walk, Any], bytes]] = {
    types.FunctionType: Walk._function,
    types.CellType: Walk._cell,
    types.CodeType: Walk._code,
    types.ModuleType: Walk._module,
    typing.TypeVar: Walk._type_variable,
    pickle.PickleBuffer: Walk._buffer,
}


def _cannot_change(cls: type) -> bool:
    """Whether objects of this class are their value, so that which of them it is cannot be seen."""
    if cls is tuple or cls is frozenset or cls in _TAKERS or issubclass(cls, type):
        return cls is not types.CellType
    return cls.__hash__ not in (None, object.__hash__) and cls.__dictoffset__ == 0


def _without_caches(state: Any) -> Any:
    """The state of an object of pandas without what it has computed meanwhile, and would compute again."""
    if isinstance(state, tuple):
        parts = map(_without_caches, state)
        return tuple(part for part in parts if not (isinstance(part, dict) and not part))
    if isinstance(state, dict):
        return {name: value for name, value in state.items() if name != "_cache"}
    return state


def _importable(obj: Any, name: str | None = None) -> tuple[str, str] | None:
    """Module and name by which a function or class travels; None if it travels by value."""
    found = cloudpickle._lookup_module_and_qualname(obj, name)
    if found is None or cloudpickle._is_registered_pickle_by_value(found[0]):
        return None
    return found[0].__name__, found[1]


def _is_filled(cell: types.CellType) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:  # not yet assigned
        return False
    return True
