"""What is a real SGE's own in how jobs wait and end; ``test_ends`` has what all batch systems share."""

from __future__ import annotations

import pytest

from clustrix import cluster
from clustrix.errors import MemoryLimitExceeded

pytestmark = [
    pytest.mark.slow,
    pytest.mark.fault,
    pytest.mark.timeout(300),
    pytest.mark.usefixtures("state", "on_sge"),
]


def test_call_runs_on_the_host_of_the_cluster() -> None:
    """Nothing is installed there but Python: pain 3."""

    @cluster
    def where() -> tuple[str, str | None]:
        import os
        import platform

        return platform.node(), os.environ.get("JOB_ID")

    host, number = where()
    assert host == "sgehost"
    assert number is not None


def test_too_much_memory_is_told() -> None:
    """SGE limits the address space; Python meets that as a MemoryError: pain 7."""

    @cluster(memory="400MB")
    def hold() -> int:
        return len(bytearray(1 << 30))

    with pytest.raises(MemoryLimitExceeded, match="address space"):
        hold.submit().result(100)
