"""A write of which only a part found room is undone: no half record stays for anybody to read."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
from pathlib import Path

from clustrix.runner import layout
from clustrix.runner.books import Books
from clustrix.runner.frames import records
from clustrix.runner.ledger import MARK, Claims, read_claims
from tests.core.faults.home import Home


def test_odd_tail_of_a_ledger_goes_before_the_next_claim(tmp_path: Path) -> None:
    """Who was killed in the middle of a claim had none."""
    path = str(tmp_path / "claims")
    claims = Claims(path, 10)
    claims.take(0, 2, 1)
    with open(path, "ab") as file:
        file.write(b"odd")
    claims.take(1, 2, 1)
    claims.close()
    assert [(row.worker, row.first, row.end) for row in read_claims(path)] == [(0, 0, 2), (1, 2, 4)]


def test_half_a_record_of_an_item_is_cut_off(home: Home) -> None:
    """The item says that there was no room; the others have their results."""
    passed = home.root / "passed"
    out = home.run(
        """
import resource
from clustrix.errors import ResultNotStored

@cluster(on_error="collect")
def tight(n):
    if n == 1:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300, resource.RLIM_INFINITY))
        return "x" * 1000
    return n

print([type(one).__name__ if isinstance(one, Exception) else one for one in tight.map(range(3)).result(timeout=30)])
""",
        CLUSTRIX_FAULT=f"map.cut-record:0@{passed}",
    )
    assert out.splitlines() == ["[0, 'ResultNotStored', 2]"]
    assert passed.exists()


def test_half_a_record_of_a_dead_workers_item_is_cut_off(tmp_path: Path) -> None:
    """It is tried again when there is room, and found once."""
    books = Books(str(tmp_path), 3)
    claims = Claims(str(tmp_path / layout.MAP_CLAIMS), 3)
    claims.take(0, 1, 1)
    claims.close()
    MARK.pack_into(books.marks.memory, 0, 1, 0.0, 0, 0)  # it was in the first item
    text = json.dumps({"error": "JobKilled", "cause": "x" * 500})
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200, resource.RLIM_INFINITY))
        try:
            books.close_account(0, lambda: text)
        except OSError as error:
            os._exit(error.errno or 1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == errno.ENOSPC
    (path,) = tmp_path.glob(f"{layout.MAP_RESULTS}*")
    assert path.stat().st_size == 0
    assert books.close_account(0, lambda: text)
    assert [row.item for row in records(memoryview(path.read_bytes()))] == [0]
    books.close()
