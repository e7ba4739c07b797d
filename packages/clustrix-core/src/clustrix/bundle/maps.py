"""Make the payload of a map: its items a few at a time, so that no more than those are in memory as objects."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from clustrix.bundle.blobs import BlobStore
from clustrix.bundle.packing import Packer, Reference
from clustrix.runner.pickling import Unpicklable

_GRANULES = 256
"""About so many for a map whose length is known."""
_GRANULE_BYTES = 1 << 20
_FIRST = 16
_LARGEST = 4096
"""Items of a granule where nobody knows how many there will be: more and more, up to this."""


def pack_map(
    store: BlobStore,
    function: Callable[..., Any],
    reference: Reference | None,
    bound: tuple[Any, ...],
    items: Iterable[tuple[Any, ...]],
    common: Mapping[str, Any],
    workers: int,
    chunk: int | None = None,
) -> tuple[bytes, int]:
    """The payload of a map, and how many items it has: what all items share once, and the items in granules of a few.

    ``items`` are the positional arguments of each item, behind ``bound``; they are gone through once.  ``chunk``: how many a worker
    takes at a time; None: what suits.  Raises as ``pack_call`` does.
    """
    packer = Packer(store)
    meta = packer.function(function, reference)
    try:
        together = packer.pickle((bound, dict(common)), "arguments")
    except Unpicklable:
        for value in bound:
            packer.dump(value, "the object that the method belongs to")
        for name, value in common.items():
            packer.dump(value, f"argument '{name}'")  # raises, with the argument's own name
        raise
    meta["common"] = packer.add_pickled(together)
    meta |= {"workers": workers, "chunk": chunk, **_add_items(packer, items)}
    return packer.finish(meta), meta["items"]


def _add_items(packer: Packer, items: Iterable[tuple[Any, ...]]) -> dict[str, Any]:
    """Pickle items granule by granule; the part of the meta that tells where each is.

    ``items`` is gone through once.  Raises BundleError that names the item which cannot be sent.
    """
    source = iter(items)
    expected = operator.length_hint(items, 0)
    size = max(1, expected // _GRANULES) if expected else _FIRST
    starts: list[int] = []
    granules: list[list[int]] = []
    count = 0
    while some := list(itertools.islice(source, size)):
        for first, part in _pickled(packer, some, count):
            starts.append(first)
            granules.append(packer.add_pickled(part))
        if len(granules) % _GRANULES == 0 and not expected:
            size = min(size * 2, _LARGEST)
        count += len(some)
    return {"items": count, "starts": starts, "granules": granules}


def _pickled(packer: Packer, some: list[tuple[Any, ...]], first: int) -> Iterator[tuple[int, Any]]:
    """Together, or in parts where that would make a large pickle."""
    try:
        together = packer.pickle(some, "items")
    except Unpicklable:
        for index, item in enumerate(some, first):
            packer.dump(item[0] if len(item) == 1 else item, f"item {index}")
        raise
    if len(some) == 1 or len(together.stream) <= _GRANULE_BYTES:
        yield first, together
        return
    del together
    size = max(1, len(some) // 8)
    for start in range(0, len(some), size):
        yield from _pickled(packer, some[start : start + size], first + start)
