"""Jobs in a notebook: cards, maps, the table; live, and as they are saved."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import Open
from tests.browser.notebook import Notebook

BEGIN = """\
import time, clustrix
from pathlib import Path
from clustrix import cluster
gate = Path("gate"); gate.unlink(missing_ok=True)

@cluster
def slow(n):
    for step in range(n):
        print("step", step, flush=True)
        clustrix.progress(step, n, "fitting")
        time.sleep(0.1)
    while not gate.exists():
        time.sleep(0.05)
    return n

@cluster
def picky(x):
    if x % 7 == 0:
        raise ValueError(f"bad item {x}")
    return x

@cluster
def boom(x):
    return 1 / x
"""


def state_of(card: Locator) -> Locator:
    return card.locator(".clx-head .clx-state")


def outputs_of(saved: Any, cell: int) -> str:
    return json.dumps(saved["cells"][cell]["outputs"])


@pytest.fixture
def begun(notebook: Open) -> Any:
    """A notebook in which the functions are defined; further cells can be given."""

    def opened(*cells: str) -> Notebook:
        found = notebook(BEGIN, *cells)
        found.run(0)
        return found

    return opened


def test_job_shows_state_progress_and_log_live_and_its_end(begun: Any) -> None:
    """A job that is displayed tells where it is, how far it says it is, what it prints, and when it has ended, without a cell being run."""
    book = begun("job = slow.submit(3); job")
    card = book.run(1).locator(".clx-card")
    expect(state_of(card)).to_have_text("RUNNING")
    expect(card.locator(".clx-progress")).to_contain_text("2 of 3: fitting")
    card.locator(".clx-logs summary").click()
    expect(card.locator(".clx-log")).to_contain_text("step 0\nstep 1\nstep 2")
    book.run_code("gate.touch()")
    expect(state_of(card)).to_have_text("SUCCEEDED")
    expect(card.locator(".clx-timeline li")).to_have_count(3)
    expect(card.get_by_role("button", name="Cancel")).to_be_hidden()


def test_job_follows_while_a_cell_runs(begun: Any) -> None:
    """A card goes on while the kernel is busy, and its Cancel is done then, too."""
    book = begun("job = slow.submit(2); job", "time.sleep(60)")
    card = book.run(1).locator(".clx-card")
    book.start(2)
    expect(card.locator(".clx-progress")).to_contain_text("1 of 2: fitting")
    card.get_by_role("button", name="Cancel").click()
    expect(state_of(card)).to_have_text("CANCELLED")
    expect(book.page.locator(".jp-CodeCell .jp-InputPrompt").nth(2)).to_have_text("[*]:")


def test_failed_job_shows_its_traceback_by_the_name_of_the_cell_and_can_be_retried(begun: Any) -> None:
    """An error is shown with the line of the cell; Retry submits the call again, below."""
    book = begun("job = boom.submit(0); job")
    output = book.run(1)
    card = output.locator(".clx-card").first
    expect(state_of(card)).to_have_text("FAILED")
    expect(card.locator(".clx-trace")).to_contain_text("Cell In[1], line 24")
    expect(card.locator(".clx-trace")).to_contain_text("ZeroDivisionError")
    card.get_by_role("button", name="Retry").click()
    expect(output.locator(".clx-card")).to_have_count(2)
    again = output.locator(".clx-card").nth(1)
    expect(state_of(again)).to_have_text("FAILED")
    assert again.get_attribute("data-job") != card.get_attribute("data-job")


def test_retry_that_is_pressed_twice_is_one_retry(begun: Any) -> None:
    """As quickly as one may; then the button is that of the new job."""
    book = begun("job = boom.submit(0); job")
    output = book.run(1)
    card = output.locator(".clx-card").first
    expect(state_of(card)).to_have_text("FAILED")
    card.get_by_role("button", name="Retry").dblclick()
    expect(output.locator(".clx-card")).to_have_count(2)
    expect(card.get_by_role("button", name="Retry")).to_be_hidden()
    book.page.wait_for_timeout(1000)
    expect(output.locator(".clx-card")).to_have_count(2)


def test_progress_bar_in_the_output_is_one_line(begun: Any) -> None:
    """What is written over in a terminal is written over here, as it comes; colours are left out."""
    book = begun(
        "import sys\n@cluster\ndef bar():\n    print('begin')\n    for n in range(0, 101, 10):\n        sys.stdout.write(f'\\r\\x1b[32m{n} %\\x1b[0m'); sys.stdout.flush(); time.sleep(0.1)\n"
        "    print('\\nend')\nbar.submit()"
    )
    card = book.run(1).locator(".clx-card")
    card.locator(".clx-logs summary").click()
    expect(card.locator(".clx-log")).to_have_text("begin\n100 %\nend\n", use_inner_text=True)
    card.locator(".clx-logs summary").click()
    card.locator(".clx-logs summary").click()
    expect(card.locator(".clx-log")).to_have_text("begin\n100 %\nend\n", use_inner_text=True)


def test_map_shows_counts_and_groups_that_unfold_to_traceback_and_arguments(begun: Any) -> None:
    """Failures of a map are grouped; a group opens to its items, an example's arguments, and its traceback."""
    book = begun("jobs = picky.map(range(100)); jobs")
    output = book.run(1)
    card = output.locator(".clx-card").first
    expect(state_of(card)).to_have_text("FAILED")
    expect(card.locator(".clx-counts")).to_contain_text("85 succeeded")
    expect(card.locator(".clx-counts")).to_contain_text("15 failed")
    group = card.locator(".clx-group-of-errors")
    expect(group).to_have_count(1)
    expect(group.locator("summary")).to_contain_text(
        "15 × ValueError at Cell In[1], line 19, picky: bad item #"
    )
    group.locator("summary").click()
    expect(group).to_contain_text("Items: 0, 7, 14, 21, 28, 35, 42, 49, 56, 63, …")
    expect(group).to_contain_text("For example, item 0: 0")
    expect(group.locator(".clx-trace")).to_contain_text("ValueError: bad item 0")
    card.get_by_role("button", name="Retry failed").click()
    expect(output.locator(".clx-card").nth(1).locator(".clx-counts")).to_contain_text("15 items")


def test_saved_notebook_shows_jobs_without_a_kernel(begun: Any) -> None:
    """What is saved tells how the jobs ended, and no widget that is missing is complained of; in an open notebook only the widget is seen."""
    book = begun("slow.submit(1)", "picky.map(range(30))", "clustrix.jobs(limit=2)")
    book.run_code("gate.touch()")
    for cell in (1, 2, 3):
        book.run(cell)
    expect(state_of(book.output(1).locator(".clx-card"))).to_have_text("SUCCEEDED")
    expect(state_of(book.output(2).locator(".clx-card"))).to_have_text("FAILED")
    expect(book.output(1).locator(".clx-still")).to_be_hidden()
    book.page.wait_for_timeout(1500)  # the plain picture follows
    saved = book.save()
    assert "slow SUCCEEDED" in outputs_of(saved, 1)
    assert "5 of 30 items failed" in outputs_of(saved, 2)
    assert "2 jobs" in outputs_of(saved, 3)
    book.lab.end_kernels()
    book.open()
    for cell, text in ((1, "slow SUCCEEDED"), (2, "ValueError"), (3, "2 jobs")):
        expect(book.output(cell).locator(".clx-still")).to_be_visible()
        expect(book.output(cell)).to_contain_text(text)
        expect(book.output(cell).get_by_text("model not found")).to_be_hidden()


def test_waiting_job_shows_its_reason(begun: Any) -> None:
    """A job that waits for cores says so on its card, and for how long it has waited; so does the saved notebook."""
    book = begun(
        "cores = __import__('os').cpu_count()\nfirst = slow.options(cores=cores).submit(1)\nslow.options(cores=cores).submit(1)"
    )
    card = book.run(1).locator(".clx-card")
    expect(state_of(card)).to_have_text("QUEUED")
    expect(card.locator(".clx-reason")).to_contain_text("waits for")
    expect(card.locator(".clx-timeline .clx-now")).to_contain_text("QUEUED")
    expect(book.output(1).locator(".clx-still")).to_contain_text("waits for", timeout=10_000)


def test_two_views_of_a_job_are_in_step(begun: Any) -> None:
    """A job that is displayed twice is shown by one widget: what happens in one view is seen in the other."""
    book = begun("job = slow.submit(1); job", "job")
    first, second = (book.run(cell).locator(".clx-card") for cell in (1, 2))
    expect(state_of(second)).to_have_text("RUNNING")
    second.get_by_role("button", name="Cancel").click()
    expect(state_of(first)).to_have_text("CANCELLED")


def test_table_filters_sorts_opens_and_follows(begun: Any) -> None:
    """The list of jobs is live: new jobs come by themselves, it is filtered by text and state, sorted by a click, and opens a job below."""
    book = begun(
        "made = [picky.options(name=f'fit {n:02}', tags=['table']).submit(n + 1) for n in range(12)] + [boom.options(tags=['table']).submit(0)]\nclustrix.wait(made)\nclustrix.jobs(tag='table')"
    )
    output = book.run(1)
    rows = output.locator(".clx-table tbody tr[data-job]")
    expect(rows).to_have_count(13)
    output.get_by_role("button", name="FAILED 2").click()
    expect(rows).to_have_count(2)  # fit 06 got a seven, and boom
    output.get_by_role("button", name="FAILED 2").click()
    output.get_by_role("searchbox").fill("fit 1")
    expect(rows).to_have_count(2)
    output.get_by_role("searchbox").fill("fit")
    output.get_by_role("button", name="name", exact=True).click()
    expect(rows.first).to_contain_text("fit 00")
    expect(output.locator("th[aria-sort=ascending]")).to_have_text("name")
    output.get_by_role("button", name="name", exact=True).click()
    expect(rows.first).to_contain_text("fit 11")
    book.run_code("late = picky.options(name='fit late', tags=['table']).submit(1)")
    expect(rows.first).to_contain_text("fit late")
    expect(rows.first).to_contain_text("SUCCEEDED")
    rows.first.get_by_role("button").click()
    expect(output.locator(".clx-card")).to_contain_text("fit late")
    output.locator(".clx-card").get_by_role("button", name="Close").click()
    expect(output.locator(".clx-card")).to_have_count(0)


_TELL = """\
from ipywidgets.widgets.widget import _instances
for view in _instances.values():
    if getattr(view, "shows", "") == "jobs":
        view.send({{"event": "rows", "rows": [], "gone": [], "more": False, "trouble": {!r}}})
"""


def test_table_that_is_not_up_to_date_says_so(begun: Any) -> None:
    """And why, beside the rows that it had; until it is again."""
    book = begun("clustrix.wait([picky.options(tags=['one']).submit(1)])\nclustrix.jobs(tag='one')")
    output = book.run(1)
    count = output.locator(".clx-sift [role=status]")
    expect(count).to_have_text("1 job")
    book.run_code(_TELL.format("no file can be opened"))
    expect(count).to_have_text("1 job, not up to date: no file can be opened")
    expect(output.locator(".clx-table tbody tr[data-job]")).to_have_count(1)
    book.run_code(_TELL.format(""))
    expect(count).to_have_text("1 job")


def test_end_of_the_kernel_is_told_on_the_card(begun: Any) -> None:
    """After a restart a card of the former kernel does not pretend to follow; the job is found again, and goes on."""
    book = begun(
        "job = slow.submit(1); name = job.id; Path('id').write_text(name); job",
        "import clustrix; from pathlib import Path; clustrix.attach(Path('id').read_text())",
    )
    output = book.run(1)
    expect(state_of(output.locator(".clx-card"))).to_have_text("RUNNING")
    book.restart()
    expect(output).to_contain_text("The kernel that showed this has ended")
    again = book.run(2).locator(".clx-card")
    expect(state_of(again)).to_have_text("RUNNING")
    book.run_code("Path('gate').touch()")
    expect(state_of(again)).to_have_text("SUCCEEDED")
