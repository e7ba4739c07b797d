"""What is sent to a host so that jobs can run there: the core, its runner, and the few packages that these need."""

from __future__ import annotations

import functools
import hashlib
import io
import tarfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("clustrix", "cloudpickle", "tblib", "pluggy", "platformdirs", "yaml")
"""The first as it is here; the others because what a user's module imports of clustrix needs them.  All are plain Python, or can be used so."""
START = "start.py"
_FAR = "clustrix_ssh/far"


@functools.cache
def digest() -> str:
    """Names the kit of this installation.  Raises ImportError if a package is not there."""
    found = hashlib.sha256()
    for name, data in sorted(_files()):
        found.update(f"{name}\0{len(data)}\0".encode() + data)
    return found.hexdigest()[:32]


def archive() -> bytes:
    """All of it as one compressed tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=6) as tar:
        for name, data in sorted(_files()):
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o600
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def _files() -> Iterator[tuple[str, bytes]]:
    for package in PACKAGES:
        spec = find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise ImportError(f"package {package} is not installed")
        root = Path(next(iter(spec.submodule_search_locations)))
        yield from ((f"{package}/{name}", data) for name, data in _python_files(root))
    far = Path(__file__).with_name("far")
    yield from ((f"{_FAR}/{name}", data) for name, data in _python_files(far))
    yield "clustrix_ssh/__init__.py", b""  # there it is no plugin
    yield START, far.joinpath(START).read_bytes()


def _python_files(root: Path) -> Iterator[tuple[str, bytes]]:
    for path in root.rglob("*.py"):
        yield path.relative_to(root).as_posix(), path.read_bytes()
