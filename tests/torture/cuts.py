"""One session with one fault at one point: what came of it, and whether that keeps the promises."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from clustrix import errors
from tests.core.faults.home import Home, until
from tests.torture.places import Place
from tests.torture.points import Point, points

SCENARIO = Path(__file__).with_name("scenario.py")
ACTIONS = ("kill", "ENOSPC", "EIO", "delay")
MOST = 3
"""So many passages of a point are tried."""
_SESSION_S = 2.5
"""Times what one job may take."""
_BYTES = 5 << 20
SESSIONS = ("usual", "rare")
_RIGHT: dict[str, Any] = {
    "small": 2,
    "large": [_BYTES, "01"],
    "map": [0, 1, 4, 9, 16, 25],
    "again": 7,
    "hidden": 17,
    "reused": 5,
    "after": 3,
    "uneven": [0, 1, [_BYTES, "01"], 3, "JobKilled", 5, 6, 7],
    "summed": 200_000,
}
_RUNS = {
    "small": 1,
    "large": 1,
    "again": 2,
    "hidden": 1,
    "reused": 1,
    "after": 1,
    "summed": 1,
    **{f"map-{item}": 1 for item in range(6)},
    **{f"uneven-{item}": 1 for item in range(8)},
}
_EXPECTED = {("long", "JobCancelled"), ("unread", "ValueError"), ("doomed", "JobKilled")}
_OWN = ("again", "small")
"""Functions that fail themselves when they cannot save, or tell how far they are."""


class Cut(NamedTuple):
    """Where, and what."""

    place: str
    point: str
    nth: int
    action: str
    session: str = SESSIONS[0]

    def __str__(self) -> str:
        return f"{self.place} {self.point}:{self.nth}={self.action}"


class Found(NamedTuple):
    """What came of it."""

    cut: Cut
    passed: bool
    outcome: str
    """In a few words; empty: as if nothing had happened."""
    broken: list[str]
    """Promises that were not kept."""
    seconds: float
    log: str


def is_far(point: Point) -> bool:
    """Whether it is passed on the far side, if there is one."""
    return any(room in point.file for room in ("/agent/parts/", "/far/", "/runner/")) and not _on_this_side(
        point
    )


def in_job(point: Point) -> bool:
    """Whether a process of a job passes it, whose end is that job's end."""
    return is_far(point) and "/agent/" not in point.file


def _on_this_side(point: Point) -> bool:
    return point.file.endswith(("/warm.py", "/messages.py", "/nursery.py"))


def actions(point: Point) -> tuple[str, ...]:
    """What can happen there."""
    return ACTIONS if point.step else ("kill", "delay")


def named(name: str) -> Point:
    return next(point for point in points() if point.name == name)


def count(place: Place, session: str = SESSIONS[0]) -> Counter[str]:
    """How often each point is passed when nothing goes wrong."""
    names = sorted({point.name for point in points()})
    near, far = (
        ",".join(f"{name}:0@{place.shared}/flags/{side}-{name}" for name in names) for side in ("near", "far")
    )
    found = _session(Cut(place.name, "", 0, "count", session), place, near, far)
    assert not found.broken, found
    counted: Counter[str] = Counter()
    for name in names:
        side = "far" if is_far(named(name)) and place.name != "local" else "near"
        with suppress(FileNotFoundError):
            counted[name] = (place.shared / "flags" / f"{side}-{name}").stat().st_size
    return counted


def run(cut: Cut, place: Place) -> Found:
    """One session, and one that comes after it."""
    flag = place.shared / "flags" / "passed"
    order = f"{cut.point}:{cut.nth}={cut.action}@{flag}"
    far = is_far(named(cut.point)) and cut.place != "local"
    found = _session(cut, place, "" if far else order, order if far else "")
    passed = flag.exists() and flag.stat().st_size >= cut.nth
    return found._replace(passed=passed)


def _session(cut: Cut, place: Place, near: str, far: str) -> Found:
    began = time.monotonic()
    home = Home(place.root)
    home.environ.update(
        HOME=str(place.root),
        TMPDIR=str(place.root),
        CUT_SECONDS=str(place.settle_s),
        **place.variables(near, far),
    )
    try:
        rows, broken = _rows(home, place, cut)
        broken += _judged(rows, place, cut)
        broken += _left(home, place, cut)
        return Found(
            cut, False, _outcome(rows), broken, time.monotonic() - began, home.log() if broken else ""
        )
    finally:
        home.stop()


def _rows(home: Home, place: Place, cut: Cut) -> tuple[list[dict[str, Any]], list[str]]:
    broken = []
    rows: list[dict[str, Any]] = []
    for what in (cut.session, "check"):
        more = what == "check"
        environ = dict(home.environ)
        if more:
            environ.pop("CLUSTRIX_FAULT", None)
        try:
            done = subprocess.run(
                [sys.executable, str(SCENARIO), str(place.shared / "runs"), what],
                env=environ,
                capture_output=True,
                text=True,
                timeout=_SESSION_S * place.settle_s,
                cwd=place.root,
                start_new_session=True,
            )
        except subprocess.TimeoutExpired as error:
            broken.append(
                f"not done after {_SESSION_S * place.settle_s} s: {error.stdout!r} {error.stderr!r}"
            )
            continue
        for line in done.stdout.splitlines():
            with suppress(json.JSONDecodeError):
                rows.append({**json.loads(line), "later": more})
        allowed = (0, -9) if cut.action == "kill" and not more else (0,)
        if done.returncode not in allowed:
            broken.append(
                f"the {'later ' if more else ''}session ended with {done.returncode}: {done.stderr[-2000:]}"
            )
    return rows, broken


def _judged(rows: list[dict[str, Any]], place: Place, cut: Cut) -> list[str]:
    broken = []
    faulty = cut.action in ("ENOSPC", "EIO")
    killed = cut.action == "kill" and in_job(named(cut.point))
    submitted = {row["submitted"] for row in rows if "submitted" in row}
    later = {row["ended"] for row in rows if "ended" in row and row["later"]}
    if lost := submitted - later - {"reused-again"}:
        broken.append(f"lost: {sorted(lost)}")
    runs = {path.name: path.read_text().count("run") for path in (place.shared / "runs").iterdir()}
    failed = {row["ended"] for row in rows if "error" in row and "ended" in row}
    for name, times in runs.items():
        # One that was killed, or has failed, counts for nothing where the user has asked for retries, or asks for it again; items whose
        # whole process is killed run elsewhere.
        again = name in ("again", "reused") or ("-" in name and place.far)
        if times > _RUNS.get(name, 1) + (again and (killed or name in failed)):
            broken.append(f"{name} was run {times} times")
    bad = set()
    for row in rows:
        if "refused" in row:
            if not faulty or not row["ours"]:
                broken.append(f"refused: {row}")
        elif "ended" in row:
            name = row["ended"].removesuffix("-again")
            name = "again" if row["ended"] == "again" else name
            if "error" not in row:
                value, items = _sorted_out(row["value"], _RIGHT.get(name))
                bad |= {(name, error) for error in items.values()}
                if (
                    value != _RIGHT.get(name, value)
                    or name == "long"
                    or (items and not faulty and not killed)
                ):
                    broken.append(f"wrong: {row}")
                need = {name} if name in _RUNS else {key for key in _RUNS if key.startswith(f"{name}-")}
                need -= {f"{name}-{item}" for item in items}
                broken += [
                    f"{key} has a result and was not run"
                    for key in sorted(need)
                    if runs.get(key, 0) < _RUNS[key]
                ]
            elif (name, row["error"]) not in _EXPECTED:
                bad.add((name, row["error"]))
                ours = issubclass(getattr(errors, row["error"], object), errors.JobError)
                if not ours and name not in _OWN:
                    broken.append(f"not told what became of it: {row}")
                if not faulty and not killed:
                    broken.append(f"failed for nothing: {row}")
    if cut.action == "kill" and len({name for name, _ in bad}) > 1:
        broken.append(f"one kill, and several jobs failed: {sorted(bad)}")
    return broken


def _sorted_out(value: Any, right: Any) -> tuple[Any, dict[int, str]]:
    """What a map has brought, with what is right in the place of each item that has failed; and the errors of those."""
    if not isinstance(right, list) or not isinstance(value, list) or len(value) != len(right):
        return value, {}
    failed = {
        item: found for item, found in enumerate(value) if isinstance(found, str) and found != right[item]
    }
    return [right[item] if item in failed else found for item, found in enumerate(value)], failed


def _left(home: Home, place: Place, cut: Cut) -> list[str]:
    """What stays when all is over."""
    home.environ.pop("CLUSTRIX_FAULT", None)
    _stop(home)
    if _files_left(home, place, cut):
        # The disk was full, or whoever was to remove it was killed: the next dispatcher does it.
        _clustrix(home, "dispatcher", "restart")
        _stop(home)
    broken = _files_left(home, place, cut)
    if pids := home.processes():
        broken.append(f"processes: {_commands(pids)}")
    return broken


def _stop(home: Home) -> None:
    for _ in range(3):  # one may just be starting
        _clustrix(home, "dispatcher", "stop")
        if until(lambda: not home.processes(), 6):
            return


def _clustrix(home: Home, *argv: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "clustrix", *argv], env=home.environ, capture_output=True, timeout=60
    )


def _files_left(home: Home, place: Place, cut: Cut) -> list[str]:
    found = place.left()
    for folder in (home.state / "ready").iterdir():
        if folder.name != "free" and (folder.name.startswith(("back-", "gone-")) or any(folder.iterdir())):
            found.append(f"ready/{folder.name}")
    for path in (home.state / "environments").iterdir():
        if path.read_bytes()[:32].strip(b"\0"):
            found.append(f"environment variables in {path.name}")
    if cut.action != "kill":
        found += [str(path.relative_to(home.state)) for path in home.state.rglob(".*-*") if path.is_file()]
    return found


def _commands(pids: list[int]) -> list[str]:
    found = []
    for pid in pids:
        with suppress(OSError):
            found.append(Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")[:200])
    return found


def _outcome(rows: list[dict[str, Any]]) -> str:
    told = []
    for row in rows:
        if "refused" in row:
            told.append(f"submit of {row['refused']}: {row['error']}")
        elif "error" in row and (row["ended"], row["error"]) not in _EXPECTED:
            told.append(f"{row['ended']}: {row['error']}")
        elif "ended" in row:
            _, failed = _sorted_out(row.get("value"), _RIGHT.get(row["ended"]))
            told += [f"{row['ended']}: {error}" for error in failed.values()]
    return ", ".join(dict.fromkeys(told))
