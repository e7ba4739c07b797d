"""Jobs that have not begun, when the disk is full or somebody tidies up the state directory by hand: they wait, or begin elsewhere."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.core.faults.home import Home
from tests.core.support import small_disk as disk

pytestmark = [pytest.mark.fault, pytest.mark.slow]

_FULL = """
from clustrix.errors import ResultNotStored

@cluster(cores=os.cpu_count())
def one(n, seconds=0.0):
    time.sleep(seconds)
    count(n)
    return n

@cluster
def item(n):
    return n

def pid():
    return next(open(os.path.join(HOME, "clustrix", "dispatchers", name)).read()
                for name in os.listdir(os.path.join(HOME, "clustrix", "dispatchers")) if name.endswith(".lock"))

one(0)
before = pid()
jobs = [one.submit(1, 2.0), *(one.submit(n) for n in range(2, 12))]
items = item.map(range(20))
jobs += [one.submit(n) for n in range(12, 15)]
time.sleep(0.5)
ballast = os.path.join(HOME, "clustrix", "ballast")
with open(ballast, "wb", buffering=0) as file:
    for size in (1 << 16, 512):
        try:
            while file.write(bytes(size)) == size:
                pass
        except OSError:
            pass
time.sleep(7)
os.unlink(ballast)
lost = 0
for n, job in enumerate(jobs, 1):
    try:
        assert job.result(60) == n
    except ResultNotStored:
        lost += 1
print(lost, items.result(60) == list(range(20)), pid() == before)
"""


def test_jobs_that_have_not_begun_wait_for_room(home: Home) -> None:
    """They were told as not started, one after the other, and a map among them took the dispatcher down. What had begun may lose its result."""
    with disk(home.state, "24m"):
        lost, right, same = home.run(_FULL, timeout=120).split()
        home.stop()
    assert (right, same) == ("True", "True")
    assert int(lost) <= 2
    runs = (home.root / "runs").read_text().split()
    assert sorted(map(int, runs)) == list(range(15))  # each once, those that lost their result among them


@pytest.mark.parametrize("name", ["ready", "live", "environments"])
def test_folder_that_somebody_has_removed_is_made_again(home: Home, name: str) -> None:
    """From then on every job was told as not started, or refused."""
    out = home.run(f"""
import shutil
assert work(2) == 4
shutil.rmtree(os.path.join(HOME, "clustrix", {name!r}))
print(work.submit(3).result(30), work.submit(4).result(30))
""")
    assert out.split() == ["9", "16"]


def test_map_whose_folder_is_removed_is_lost(home: Home) -> None:
    """It ran for ever, and held its cores."""
    out = home.run("""
import shutil
from clustrix.errors import JobLost

@cluster
def slow(n):
    time.sleep(n)

assert work(2) == 4
items = slow.map([1.5] * 4 * os.cpu_count())
while items.status().state.value != "RUNNING":
    time.sleep(0.05)
time.sleep(0.5)
shutil.rmtree(os.path.join(HOME, "clustrix", "live"))
behind = work.submit(3)
try:
    items.result(30)
except JobLost as error:
    print("removed" in str(error), behind.result(30))
""")
    assert out.split() == ["True", "9"]


def test_journal_that_was_moved_away_is_made_anew(home: Home, tmp_path: Path) -> None:
    """The dispatcher went on with the one that was no longer there; new jobs were never begun, and told as lost."""
    assert home.run("print(work(2))").strip() == "4"
    for path in home.state.glob("journal.db*"):
        shutil.move(path, tmp_path)
    assert home.run("print([work.submit(n).result(30) for n in range(3)])").strip() == "[0, 1, 4]"
