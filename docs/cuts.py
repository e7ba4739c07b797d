"""Writes explanation/cut-points.md from the record that ``hatch run cuts`` has made: ``hatch run docs:cuts``.  A test fails when it is stale."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.torture.points import Point, points  # noqa: E402

PAGE = ROOT / "docs/explanation/cut-points.md"
RECORD = ROOT / "tests/torture/cut-points.json"
PLACES = {"local": "this machine", "ssh": "SSH", "slurm": "Slurm"}
ACTIONS = ("kill", "ENOSPC", "EIO", "delay")
_HELD = "+"

_HEAD = """\
<!-- Written by docs/cuts.py: change that, then `hatch run docs:cuts`. -->

# Every cut point

Directly before each write, sync, rename, link, commit, message, fork and program on which a promise depends, the code has a named point. `hatch run cuts` runs a
session with one fault at one point: it kills the process there (`kill`), has the step fail with "no space left" (`ENOSPC`) or "input/output error" (`EIO`), or has it take
two seconds longer (`delay`); at the first, second and third time that the point is passed (with Slurm, only points that the others do not have). The usual session has a call, a large argument and result, a map, a cancelled job, one that is tried
again from its checkpoint, one with a secret, one that reuses a result, and a dispatcher that is killed in the middle. A rarer one has a map of which one item kills its process and one returns
5 MB, a map that cannot be unpickled, a call that kills all that looks after it, a long log, and forgotten results. Then another session looks what has become of it.

Whatever was cut, in all {count:,} sessions: no submission was lost, no result was wrong, what failed said why, and no process, file or secret stayed behind. Nothing was run twice, but for
items of a map elsewhere whose workers were killed together with the process that looks after them: those are begun anew.
The tables say what the user saw:

- `+`: nothing. All jobs had their results, as if nothing had happened.
- an error: of a job, that it came to this error; of *submit*, that the submission was refused with it, and nothing was submitted.
- empty: not on record, mostly since the point is not passed there, or cannot fail so.

Several answers stand for several passages. The {left} points that those sessions do not pass have tests of their own, which the last table names.
"""
_STORAGE = "tests/core/faults/test_storage.py"
_HALF = "tests/core/faults/test_half_written.py"
_CLEAN = "tests/core/cli/test_clean.py::test_killed_and_run_again"
_SLURM = "tests/ssh/test_slurm_ends.py"
ELSEWHERE = {
    "agent.sync": "tests/ssh/test_faults.py::test_doctor_sends_a_job_where_the_settings_say",
    "blob.damaged": f"{_STORAGE}::test_damaged_argument",
    "books.cut": f"{_HALF}::test_half_a_record_of_a_dead_workers_item_is_cut_off",
    "claim.": "tests/core/plugins/test_third_party.py::test_third_party_backend_conforms",
    "clean.": _CLEAN,
    "far.requeue": "tests/ssh/test_time_limits.py::test_job_goes_on_where_it_has_saved_on_slurm_though_nobody_is_there",
    "give.": f"{_SLURM}::test_item_of_a_killed_element_runs_elsewhere",
    "journal.remove": _CLEAN,
    "key.": "tests/core/test_job_secrets.py::test_nothing_on_disk_while_it_waits_and_runs",
    "keeper.start": "tests/ssh/test_machine.py::test_preamble_runs_before_the_job",
    "known-hosts.": "tests/ssh/test_hosts.py::test_unknown_host_becomes_a_trusted_one",
    "ledger.cut": f"{_HALF}::test_odd_tail_of_a_ledger_goes_before_the_next_claim",
    "map.cut-large-record": f"{_STORAGE}::test_full_disk_at_an_item_of_a_map",
    "map.cut-record": f"{_HALF}::test_half_a_record_of_an_item_is_cut_off",
    "pipe.": "tests/ssh/test_machine.py::test_login_node_itself_needs_no_ssh",
    "requeued.": "tests/ssh/test_time_limits.py::test_job_goes_on_where_it_has_saved_on_slurm_though_nobody_is_there",
    "ssh-key.": "tests/ssh/test_keysetup.py::test_new_key_lets_in",
    "stage.": "tests/core/plugins/test_third_party.py::test_third_party_backend_conforms",
    "standalone.": "tests/core/plugins/test_third_party.py::test_third_party_backend_conforms",
    "taken.": f"{_SLURM}::test_signal_from_outside_is_told_as_one",
    "take-given.": f"{_SLURM}::test_item_of_a_killed_element_runs_elsewhere",
}
"""Points that the sessions do not pass, by how their names begin, and the tests that do."""


def page() -> str:
    """The text of the page.  Raises KeyError for a point that is neither on record nor listed."""
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    known = {point.name: point for point in points()}
    tried = {name for rows in record.values() for name in rows} & set(known)
    left = sorted(set(known) - tried)
    count = sum(len(cuts) for rows in record.values() for name, cuts in rows.items() if name in known)
    parts = [_HEAD.format(count=count, left=len(left))]
    for place, title in PLACES.items():
        rows = record.get(place, {})
        parts.append(
            "\n".join([f"\n## {title.capitalize() if place == 'local' else title}\n", *_table(rows, known)])
            + "\n"
        )
    lines = [f"| `{name}` | {_where(known[name])} | `{_test_of(name)}` |" for name in left]
    parts.append(
        "\n".join(["\n## Passed by other tests\n", "| point | where | test |", "|---|---|---|", *lines])
        + "\n"
    )
    return "\n".join(parts)


def _table(rows: dict[str, dict[str, str]], known: dict[str, Point]) -> Iterator[str]:
    yield f"| point | where | {' | '.join(ACTIONS)} |"
    yield "|---|---|" + "---|" * len(ACTIONS)
    for name, point in sorted(known.items(), key=lambda item: (item[1].file, item[1].line)):
        if name in rows:
            cells = [_cell(rows[name], action) for action in ACTIONS]
            yield f"| `{name}` | {_where(point)} | {' | '.join(cells)} |"


def _cell(cuts: dict[str, str], action: str) -> str:
    """What came of it, the same answer once."""
    found = [_short(text) for cut, text in sorted(cuts.items()) if cut.partition(":")[0] == action]
    return ", ".join(dict.fromkeys(found))


def _short(outcome: str) -> str:
    """Which jobs of the session had the errors is chance."""
    told = []
    for part in outcome.split(", ") if outcome else []:
        what, _, error = part.rpartition(": ")
        told.append(f"*submit* `{error}`" if what.startswith("submit of") else f"`{error}`")
    return " ".join(dict.fromkeys(told)) or _HELD


def _where(point: Point) -> str:
    package, _, path = point.file.partition("/src/")
    return f"`{path.partition('/')[2]}`" + (" (ssh)" if package.endswith("ssh") else "")


def _test_of(name: str) -> str:
    """Raises KeyError."""
    return ELSEWHERE[max((begin for begin in ELSEWHERE if name.startswith(begin)), key=len, default=name)]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
