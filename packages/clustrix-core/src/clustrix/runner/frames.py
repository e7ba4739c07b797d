"""Byte layouts that both ends of a job share: containers, and the records of a map's results.

A *container* holds a small JSON object and any number of pieces of bytes, with one digest over all of it:

    magic "CLX1" | meta length u32 | total length u64 | digest (32 bytes) | meta (JSON) | pieces

The digest is blake2b of the two lengths and of what follows it; sha256 where the container is larger than 64 KiB.

Pieces begin at multiples of 64 bytes from the container's start, so that arrays which are rebuilt as views into a
mapped container are aligned.  ``meta["pieces"]`` lists what stands where: ``[offset, size]`` for bytes
inside, ``[digest, size]`` (digest: 64 hexadecimal digits) for a content-addressed blob kept elsewhere.

A *record* is the result of one item of a map, appended to its worker's file:

    index u32 | flags u16 | time f16 | length u64 | crc32 of the body u32 | crc32 of all this u32 | body

Its body is a pickle, or a container where ``CONTAINER`` is set.  Its time is the square root of the seconds that the item took: so
two bytes tell them to 0.1 %, from a microsecond to a century.  They are zero where it is not known, and in files from before times were kept,
whose flags had four bytes.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple

Buffer = bytes | bytearray | memoryview

MAGIC = b"CLX1"
_HEAD = struct.Struct("<4sIQ32s")
ALIGNMENT_BYTES = 64
SMALL_BYTES = 65536
_CHECK = struct.Struct("<I")

_LENGTHS = struct.Struct("<IQ")
_RECORD = struct.Struct("<IHeQI")
_RECORD_CHECKED = struct.Struct("<IHeQII")
RECORD_HEAD_BYTES = _RECORD_CHECKED.size
FAILURE = 1
CONTAINER = 2


class Damaged(Exception):
    """Bytes that are not what was written: cut short, changed, or something else altogether."""


class BlobRef(NamedTuple):
    """A piece that is kept outside of the container."""

    digest: str
    size: int


class Parts:
    """One piece whose bytes lie in several places: large ones stay where they are until they are written."""

    def __init__(self, buffers: Sequence[Buffer]) -> None:
        self.buffers = buffers
        self._size = sum(map(len, buffers))

    def __len__(self) -> int:
        return self._size

    def __bytes__(self) -> bytes:
        return b"".join(self.buffers)


Piece = Buffer | Parts


def buffers_of(piece: Piece) -> Sequence[Buffer]:
    """Its bytes, in order."""
    return piece.buffers if isinstance(piece, Parts) else [piece]


def size_of(piece: Piece) -> int:
    """In bytes."""
    return len(piece) if isinstance(piece, (Parts, bytes)) else memoryview(piece).nbytes


def _padding(position: int) -> int:
    return -position % ALIGNMENT_BYTES


def pack(meta: dict[str, Any], pieces: Sequence[Piece | BlobRef]) -> list[Buffer]:
    """Lay out a container; returns its parts in order, without copying the pieces."""
    sizes = [None if isinstance(piece, BlobRef) else size_of(piece) for piece in pieces]
    table: list[list[Any]] = []
    offset = 0  # relative to the first piece; the meta's own length is not yet known
    for piece, size in zip(pieces, sizes, strict=True):
        if isinstance(piece, BlobRef):
            table.append([piece.digest, piece.size])
        else:
            assert size is not None
            table.append([offset, size])
            offset += size + _padding(size)
    meta_bytes = json.dumps({**meta, "pieces": table}, separators=(",", ":")).encode()
    meta_bytes += b" " * _padding(_HEAD.size + len(meta_bytes))
    parts: list[Buffer] = [meta_bytes]
    for piece, size in zip(pieces, sizes, strict=True):
        if isinstance(piece, BlobRef) or not size:
            continue
        parts += [one if isinstance(one, bytes) else memoryview(one).cast("B") for one in buffers_of(piece)]
        if _padding(size):
            parts.append(bytes(_padding(size)))
    total = _HEAD.size + len(meta_bytes) + offset
    parts.insert(0, _HEAD.pack(MAGIC, len(meta_bytes), total, _digest(len(meta_bytes), total, parts)))
    return parts


def _digest(meta_length: int, total: int, parts: Iterable[Buffer]) -> bytes:
    """sha256 is twice as fast on much, but OpenSSL's set-up is half of what a small job costs."""
    digest = hashlib.blake2b(digest_size=32) if total <= SMALL_BYTES else hashlib.sha256()
    digest.update(_LENGTHS.pack(meta_length, total))
    for part in parts:
        digest.update(part)
    return digest.digest()


def packed(meta: dict[str, Any], pieces: Sequence[Piece | BlobRef] = ()) -> bytes:
    """The same container as one ``bytes``."""
    return b"".join(pack(meta, pieces))


def unpack(buffer: Buffer) -> tuple[dict[str, Any], list[memoryview | BlobRef]]:
    """Check length and digest, then return the meta and the pieces as views into ``buffer``.

    Raises Damaged, saying what is wrong.
    """
    view = memoryview(buffer).cast("B")
    if len(view) < _HEAD.size:
        raise Damaged(f"{len(view)} bytes, too short to be a container")
    magic, meta_length, total, digest = _HEAD.unpack_from(view)
    if magic != MAGIC:
        raise Damaged(f"begins with {bytes(magic)!r}, not with {MAGIC!r}")
    if total != len(view):
        raise Damaged(f"{len(view)} bytes long, but {total} were written")
    if _digest(meta_length, total, [view[_HEAD.size :]]) != digest:
        raise Damaged("the digest does not match the content")
    start = _HEAD.size + meta_length
    meta: dict[str, Any] = json.loads(bytes(view[_HEAD.size : start]))
    pieces: list[memoryview | BlobRef] = []
    for where, size in meta.pop("pieces"):
        if isinstance(where, str):
            pieces.append(BlobRef(where, size))
        else:
            pieces.append(view[start + where : start + where + size])
    return meta, pieces


def peek(file: BinaryIO, size: int) -> dict[str, Any]:
    """The meta of a container of ``size`` bytes, from its beginning; the digest is left to who reads it all.

    Raises Damaged.
    """
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        raise Damaged(f"{size} bytes, too short to be a container")
    magic, meta_length, total, _ = _HEAD.unpack_from(head)
    if magic != MAGIC or total != size:
        raise Damaged(f"{size} bytes long, but {total} were written" if magic == MAGIC else "not a container")
    try:
        meta: dict[str, Any] = json.loads(file.read(meta_length))
    except ValueError as error:
        raise Damaged(f"its head cannot be read ({error})") from error
    return meta


def digest_of(piece: Piece) -> str:
    """The name under which a blob is kept: sha256, in hexadecimal."""
    digest = hashlib.sha256()
    for buffer in buffers_of(piece):
        digest.update(buffer)
    return digest.hexdigest()


def write_all(fd: int, parts: Sequence[Buffer]) -> None:
    """Write every byte of ``parts``, whatever ``writev`` takes at a time."""
    pending = [memoryview(part).cast("B") for part in parts if len(part)]
    while pending:
        done = os.writev(fd, pending[:512])
        while done:
            if done >= len(pending[0]):
                done -= len(pending.pop(0))
            else:
                pending[0] = pending[0][done:]
                done = 0


def record(index: int, flags: int, body: bytes, seconds: float = 0.0) -> bytes:
    """One item's result, ready to be appended; ``seconds``: how long it took, zero if nobody knows."""
    head = _RECORD.pack(index, flags, seconds**0.5, len(body), zlib.crc32(body))
    return b"".join((head, _CHECK.pack(zlib.crc32(head)), body))


def record_of(index: int, flags: int, body: Sequence[Buffer], seconds: float) -> list[Buffer]:
    """The same of a large body in parts, which are not copied."""
    crc = functools.reduce(lambda crc, part: zlib.crc32(part, crc), body, 0)
    head = _RECORD.pack(index, flags, seconds**0.5, sum(map(len, body)), crc)
    return [head, _CHECK.pack(zlib.crc32(head)), *body]


class Record(NamedTuple):
    """One item's result as it was found."""

    item: int
    flags: int
    offset: int
    """Where the body begins."""
    size: int
    crc: int
    time: float
    """The square root of the seconds that it took; zero if nobody knows."""

    @property
    def seconds(self) -> float | None:
        """How long the item took, to 0.1 %; None if nobody knows."""
        return self.time**2 or None


def heads(buffer: Buffer, offset: int = 0) -> Iterator[tuple[int, int, int, int, int, float]]:
    """The complete records from ``offset`` on, each as what a Record is made of.

    A tail that is not yet, or will never be, a whole record ends the iteration: a worker
    killed in the middle of a record has not committed that item.  So does a head that is not what was written.
    """
    end = len(buffer)
    unpack_from, crc32, view = _RECORD_CHECKED.unpack_from, zlib.crc32, memoryview(buffer)
    while offset + RECORD_HEAD_BYTES <= end:
        index, flags, time, size, crc, check = unpack_from(buffer, offset)
        if crc32(view[offset : offset + _RECORD.size]) != check:
            return
        offset += RECORD_HEAD_BYTES
        if offset + size > end:
            return
        yield index, flags, offset, size, crc, time
        offset += size


def records(buffer: Buffer, offset: int = 0) -> Iterator[Record]:
    """The same as Records."""
    return itertools.starmap(Record, heads(buffer, offset))


def record_at(buffer: Buffer, offset: int) -> Record:
    """The record whose body begins at ``offset``, where ``records`` has found one."""
    index, flags, time, size, crc, _ = _RECORD_CHECKED.unpack_from(buffer, offset - RECORD_HEAD_BYTES)
    return Record(index, flags, offset, size, crc, time)


def pickle_at(buffer: memoryview, offset: int) -> memoryview | None:
    """The body that begins at ``offset`` if it is the pickle of a result and as it was written; None if that is to be looked at closer."""
    _, flags, _, size, crc, _ = _RECORD_CHECKED.unpack_from(buffer, offset - RECORD_HEAD_BYTES)
    body = buffer[offset : offset + size]
    return None if flags or len(body) != size or zlib.crc32(body) != crc else body


def record_body(buffer: Buffer, found: Record) -> memoryview:
    """The checked body of a record; raises Damaged."""
    body = memoryview(buffer)[found.offset : found.offset + found.size]
    if len(body) != found.size:
        raise Damaged(f"item {found.item}: {len(body)} bytes left of {found.size}")
    if zlib.crc32(body) != found.crc:
        raise Damaged(f"item {found.item}: the checksum does not match the content")
    return body
