"""The arguments of a map's items, read from its payload when somebody wants to see them."""

from __future__ import annotations

import reprlib
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

from clustrix.errors import ClustrixError
from clustrix.results.cells import one_line
from clustrix.runner.bundles import Bundle, Items, SetupFailed
from clustrix.runner.frames import BlobRef, Damaged, packed, unpack
from clustrix.session import Session

_SHOWN_CHARACTERS = 60

_short = reprlib.Repr()
_short.maxstring = _short.maxother = _short.maxlong = _SHOWN_CHARACTERS


class Arguments:
    """The payload of one map, unpacked on first use; of its items the latest few are kept unpickled."""

    def __init__(self, home: Callable[[], Session], job: str) -> None:
        self._home = home
        self._job = job
        self._lock = threading.Lock()
        self._bundle: Bundle | None = None
        self._items: Items | None = None

    def of(self, index: int) -> tuple[Any, ...]:
        """What an item was called with, before the arguments that all items share.

        Raises ClustrixError if that cannot be unpickled here.
        """
        with self._lock:
            try:
                return self._load(index)
            except Exception as error:  # whatever a class's own __setstate__ raises
                what = f"{type(error).__name__}: {error}"
                raise ClustrixError(
                    f"job {self._job}: the arguments of item {index} cannot be unpickled here ({what})"
                ) from error

    def _load(self, index: int) -> tuple[Any, ...]:
        bundle = self._opened()
        python = tuple(bundle.meta["python"])
        if python != sys.version_info[:2]:  # bytecode may be in there
            raise SetupFailed(f"they are from Python {python[0]}.{python[1]}")
        if self._items is None:
            self._items = Items(bundle)
        return self._items.get(index)

    def text(self, index: int) -> str:
        """The same in a few characters; what cannot be shown says so."""
        try:
            text = ", ".join(map(_short.repr, self.of(index)))
        except ClustrixError as error:
            return f"<cannot be shown: {type(error.__cause__).__name__}>"
        except Exception as error:  # whatever a class's own __repr__ raises
            return f"<no text: {type(error).__name__}>"
        return one_line(text, _SHOWN_CHARACTERS)

    def places(self) -> Sequence[int] | None:
        """Of a retry the places of its items in the map that was submitted first; None for such a map itself."""
        with self._lock:
            places: Sequence[int] | None = self._opened().meta.get("picked")
        return places

    def origin(self) -> str:
        """The map that was submitted first."""
        with self._lock:
            return str(self._opened().meta.get("origin", self._job))

    def picked(self, indices: Sequence[int]) -> tuple[str, bytes]:
        """Spec and payload of a map of some of these items: the same pieces, and a list of the items to take."""
        spec, meta, pieces = self._unpacked()
        for piece in pieces:
            if isinstance(piece, BlobRef):  # what is not there is told by the items that need it
                self._home().blobs.hold(piece.digest)
        earlier = meta.get("picked")
        meta["picked"] = [earlier[index] for index in indices] if earlier is not None else list(indices)
        meta["origin"] = meta.get("origin", self._job)
        meta["items"] = len(indices)
        return spec, packed(meta, pieces)

    def _opened(self) -> Bundle:
        if self._bundle is None:
            _, meta, pieces = self._unpacked()
            self._bundle = Bundle(meta, pieces, self._home().blobs.root)
        return self._bundle

    def _unpacked(self) -> tuple[str, dict[str, Any], list[memoryview | BlobRef]]:
        journal = self._home().journal
        spec, payload = journal.payload(journal.job(self._job).seq)
        try:
            return spec, *unpack(payload)
        except Damaged as error:
            raise ClustrixError(f"job {self._job}: what was submitted is damaged: {error}") from error
