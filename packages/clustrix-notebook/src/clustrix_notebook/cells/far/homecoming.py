"""What becomes of the names of a cell, on its way home and there."""

from __future__ import annotations

import builtins
import pickle
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from clustrix_notebook.cells.far.names import Sent, receive

VALUE = ""
"""Stands among the names for the value of the last expression."""
ERROR = "!"
"""Stands among them for the class of the error that has ended the cell, as it is among the names."""
RAISED = "_clustrix_names"
"""The attribute of an error that has the names which were assigned before it."""


class Homecoming(Mapping[str, Any]):
    """The result of a cell: the names that it assigned, with their objects; ``globals().update(job.result())`` takes them.

    They are unpickled when they are first asked for.  Functions then find their globals in the notebook's namespace; where there is no
    notebook, among these names.
    """

    def __init__(
        self,
        names: Sent,
        modules: dict[str, tuple[str, ...]],
        deleted: tuple[str, ...],
        refused: dict[str, str],
        shown: tuple[dict[str, Any], dict[str, Any]] | None,
    ) -> None:
        self.names = names
        self._modules = modules
        self.deleted = deleted
        """Names that the cell has deleted."""
        self._refused = refused
        self.shown = shown
        """If the last value cannot come home: how it looks, as data and metadata by type of content."""
        self._opened: tuple[dict[str, Any], dict[str, str]] | None = None

    def open(self, namespace: dict[str, Any] | None = None) -> dict[str, Any]:
        """All of it, with the last value under ``VALUE``; functions belong to this namespace from then on."""
        if self._opened is None:
            home = namespace if namespace is not None else _notebook()
            target: dict[str, Any] = (
                {"__name__": "__main__", "__builtins__": builtins} if home is None else home
            )
            found, lost = receive(self.names, target)
            for name, (module, *inner) in self._modules.items():
                try:
                    found[name] = import_module(module)
                    for one in inner:
                        import_module(one)
                except Exception as error:  # whatever a module raises when it is imported
                    lost[name] = f"{type(error).__name__}: {error}"
            if home is None:
                target.update({name: value for name, value in found.items() if name.isidentifier()})
            self._opened = found, lost
        return self._opened[0]

    @property
    def value(self) -> Any:
        """That of the cell's last expression; None if it has none, or cannot come home."""
        return self.open().get(VALUE)

    @property
    def error(self) -> type[BaseException] | None:
        """The class of what has ended the cell, if something has and it can come home."""
        return self.open().get(ERROR)

    @property
    def lost(self) -> dict[str, str]:
        """Names whose objects cannot come home, each with the reason."""
        self.open()
        assert self._opened is not None
        return {**self._refused, **self._opened[1]}

    def __getitem__(self, name: str) -> Any:
        if name in (VALUE, ERROR):
            raise KeyError(name)
        return self.open()[name]

    def __iter__(self) -> Iterator[str]:
        return (name for name in self.open() if name not in (VALUE, ERROR))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"<names of a cell: {', '.join(self) or 'none'}>"

    def in_one_piece(self) -> bytes:
        """With its buffers, for where none can be kept apart."""
        return pickle.dumps(self, 5)


def _notebook() -> dict[str, Any] | None:
    """The namespace of this process's shell, if there is one."""
    if "IPython" not in sys.modules:
        return None
    from IPython.core.getipython import get_ipython

    shell: Any = get_ipython()
    return None if shell is None else shell.user_global_ns
