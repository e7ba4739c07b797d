"""Containers and records: what was written comes back, and damage anywhere is noticed."""

from __future__ import annotations

import io
import os
import struct
import tempfile
import zlib
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from clustrix.runner.frames import (
    CONTAINER,
    FAILURE,
    SMALL_BYTES,
    BlobRef,
    Damaged,
    digest_of,
    packed,
    peek,
    record,
    record_body,
    records,
    unpack,
    write_all,
)

META = {"kind": "value", "python": [3, 11]}
PIECES: list[bytes | BlobRef] = [b"a pickle", b"", BlobRef("0" * 64, 7), bytes(range(100))]
BODIES = [(7, 0, b"first"), (0, FAILURE, b""), (3, CONTAINER | FAILURE, bytes(range(64))), (2, 0, b"x")]


def flipped(data: bytes, positions: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    """The data with one bit changed, for each bit of each of these bytes."""
    for position in positions:
        for bit in range(8):
            changed = bytearray(data)
            changed[position] ^= 1 << bit
            yield position, bytes(changed)


# -- containers


@pytest.mark.parametrize("size", [0, 1, 64, SMALL_BYTES + 1])
def test_container_gives_back_what_was_packed(size: int) -> None:
    """Meta and pieces come back as they were, small or large; a piece begins where an array may begin."""
    data = packed(META, [*PIECES, b"z" * size])
    meta, found = unpack(data)
    assert meta == META
    assert [piece if isinstance(piece, BlobRef) else bytes(piece) for piece in found] == [
        *PIECES,
        b"z" * size,
    ]
    assert all(data.index(piece) % 64 == 0 for piece in PIECES if isinstance(piece, bytes) and piece)
    assert peek(io.BytesIO(data), len(data))["kind"] == "value"


def test_piece_of_wide_items_is_counted_in_bytes() -> None:
    """A buffer of numbers is as long as its bytes, not as its items."""
    numbers = array("d", [1.5, -2.0, 3e300])
    _, (piece, after) = unpack(packed({}, [memoryview(numbers), b"after"]))
    assert isinstance(piece, memoryview)
    assert isinstance(after, memoryview)
    assert piece.cast("d").tolist() == numbers.tolist()
    assert bytes(after) == b"after"


@pytest.mark.parametrize(
    "positions",
    [
        pytest.param(range(4), id="magic"),
        pytest.param(
            range(4, 8),
            id="meta-length",
        ),
        pytest.param(range(8, 16), id="total-length"),
        pytest.param(range(16, 48), id="digest"),
        pytest.param(range(48, len(packed(META, PIECES))), id="content"),
    ],
)
def test_flipped_bit_of_a_container_is_damage(positions: Sequence[int]) -> None:
    """Whichever bit of a small container has changed, it is refused."""
    for _, changed in flipped(packed(META, PIECES), positions):
        with pytest.raises(Damaged):
            unpack(changed)


def test_flipped_bit_of_a_large_container_is_damage() -> None:
    """The same for the other digest, that of large ones."""
    data = packed(META, [os.urandom(SMALL_BYTES), b"end"])
    for _, changed in flipped(data, [0, 8, 20, 48, 300, SMALL_BYTES // 2, len(data) - 1]):
        with pytest.raises(Damaged):
            unpack(changed)


def test_truncated_container_is_damage() -> None:
    """Cut anywhere, or with anything added, it is refused."""
    data = packed(META, PIECES)
    for size in range(len(data)):
        with pytest.raises(Damaged):
            unpack(data[:size])
    with pytest.raises(Damaged):
        unpack(data + b"\0")


def test_peek_refuses_what_is_no_whole_container() -> None:
    """A file of another length, of another kind, or with a head that is cut or changed is damaged; never other meta."""
    data = packed(META, PIECES)
    assert peek(io.BytesIO(data), len(data)).items() >= META.items()
    for head, size in (
        (data, len(data) - 1),
        (data[:47], 47),
        (data[:60], len(data)),
        (b"x" + data[1:], len(data)),
    ):
        with pytest.raises(Damaged):
            peek(io.BytesIO(head), size)
    for _, changed in flipped(data, range(16)):
        try:
            assert peek(io.BytesIO(changed), len(data)) == peek(io.BytesIO(data), len(data))
        except Damaged:
            continue


def test_digest_names_the_content() -> None:
    """A blob's name is the SHA-256 of its bytes, in whatever buffer they are."""
    assert digest_of(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert digest_of(memoryview(bytearray(b"abc"))) == digest_of(b"abc")


def test_all_parts_are_written() -> None:
    """More parts than the system takes at a time, empty and wide ones among them, are written in order."""
    parts = [b"%d," % number if number % 3 else b"" for number in range(3000)]
    with tempfile.TemporaryFile() as file:
        write_all(file.fileno(), [*parts, array("I", [1, 2, 3]).tobytes(), memoryview(array("I", [4, 5]))])
        file.seek(0)
        assert file.read() == b"".join(parts) + array("I", [1, 2, 3, 4, 5]).tobytes()


# -- records


def test_records_come_back_in_order(tmp_path: Path) -> None:
    """Item, flags and body of each, also when what is read begins in the middle of a file."""
    data = b"".join(record(*row) for row in BODIES)
    found = list(records(data))
    assert [(one.item, one.flags, bytes(record_body(data, one))) for one in found] == BODIES
    after_two = found[1].offset + found[1].size
    assert list(records(data, after_two)) == found[2:]


def test_cut_tail_leaves_the_complete_records() -> None:
    """Cut anywhere, the records that are whole are found, and reading goes on from there when the rest has come."""
    data = b"".join(record(*row) for row in BODIES)
    whole = list(records(data))
    for size in range(len(data) + 1):
        found = list(records(data[:size]))
        assert found == [one for one in whole if one.offset + one.size <= size]
        end = found[-1].offset + found[-1].size if found else 0
        assert found + list(records(data, end)) == whole


@pytest.mark.parametrize(
    "positions",
    [
        pytest.param(
            range(16),
            id="head",
        ),
        pytest.param(range(16, 20), id="checksum"),
        pytest.param(range(20, 24), id="head-checksum"),
        pytest.param(range(24, 29), id="body"),
    ],
)
def test_flipped_bit_of_a_record_is_damage(positions: Sequence[int]) -> None:
    """Whichever bit of a record has changed: its body is not given out, least of all as that of another item."""
    data = b"".join(record(*row) for row in BODIES)
    for position, changed in flipped(data, positions):
        sound = []
        for one in records(changed):
            try:
                sound.append((one.item, one.flags, bytes(record_body(changed, one))))
            except Damaged:
                continue
        assert set(sound) < set(BODIES), f"byte {position}"


@pytest.mark.parametrize("seconds", [1e-6, 0.0371, 1.0, 86_400.0, 3e9])
def test_time_of_an_item_comes_back(seconds: float) -> None:
    """From a microsecond to a century, to 0.1 %."""
    (found,) = records(record(3, FAILURE, b"body", seconds))
    assert found.seconds == pytest.approx(seconds, rel=1e-3)
    assert (found.item, found.flags) == (3, FAILURE)


def test_record_from_before_times_were_kept_is_read() -> None:
    """Its flags had four bytes: a file that a worker of an older version writes is not lost."""
    head = struct.pack("<IIQI", 7, FAILURE | CONTAINER, 4, zlib.crc32(b"body"))
    (found,) = records(head + struct.pack("<I", zlib.crc32(head)) + b"body")
    assert (found.item, found.flags, found.seconds) == (7, FAILURE | CONTAINER, None)


def test_zeros_are_no_record() -> None:
    """What a file system leaves of an append when the power fails is not taken for results of item 0."""
    data = record(5, 0, b"body") + bytes(64)
    sound = []
    for one in records(data):
        try:
            sound.append((one.item, bytes(record_body(data, one))))
        except Damaged:
            continue
    assert sound == [(5, b"body")]


def test_record_with_a_false_length_is_damage() -> None:
    """One that claims more than there is ends the file; a body that has been cut since it was found is damaged."""
    data = bytearray(record(1, 0, b"body"))
    (found,) = records(data)
    with pytest.raises(Damaged, match="item 1"):
        record_body(data[:-1], found)
    struct.pack_into("<Q", data, 8, 1 << 63)
    assert list(records(data)) == []
