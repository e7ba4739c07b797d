"""A morning with clustrix in a notebook, from the form to the jobs of yesterday: on this machine, and on a real Slurm cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.form import Form
from tests.core.conftest import fresh_state
from tests.testbed.fixtures import slurm, sshd, user
from tests.testbed.sshd import Sshd
from tests.testbed.user import remove_for

__all__ = ["fresh_state", "slurm", "sshd", "user"]
pytestmark = [pytest.mark.timeout(300), pytest.mark.slow]

_CELL = """\
%%cluster walk
import os
where = os.environ.get("SLURM_JOB_ID", "no number")
print("hello from the job")
total = sum(numbers)"""
_JOBS = """\
import time, clustrix
from clustrix import cluster

@cluster(profile="walk")
def slow(seconds):
    time.sleep(seconds)
    return seconds

first, second = slow.submit(2), slow.submit(600)
Path("ids").write_text(f"{first.id} {second.id}")
first"""
_AGAIN = """\
%load_ext clustrix
import clustrix
ids = open("ids").read().split()
clustrix.attach(ids[0])"""


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """What is typed into the form."""
    if request.param == "local":
        yield {"cluster_type": "local"}
        return
    request.getfixturevalue("slurm")
    server: Sshd = request.getfixturevalue("sshd")
    far = f".clustrix-{os.urandom(4).hex()}"
    yield {
        "cluster_type": "slurm",
        **{name: str(value) for name, value in server.settings.items()},
        "remote_work_dir": f"~/{far}",
    }
    remove_for(server.user, far)


@pytest.mark.parametrize("place", ["local", "slurm"], indirect=True)
def test_from_the_form_to_the_jobs_of_yesterday(
    place: dict[str, str], notebook: Open, page: Page, tmp_path: Path, fresh_state: Path, settings: Path
) -> None:
    """Fill in host, user and key, test the connection, save; run a cell there, watch a job, cancel another, restart, and find them again."""
    (tmp_path / ".ssh").mkdir(mode=0o700)
    (tmp_path / ".ssh" / "config").write_text(
        f"Host *\n  UserKnownHostsFile {tmp_path}/.ssh/known_hosts\n  GlobalKnownHostsFile none\n"
    )
    begin = f"import os; os.environ.update({ ({'HOME': str(tmp_path), 'XDG_STATE_HOME': str(fresh_state)})!r}); os.environ.pop('SSH_AUTH_SOCK', None)"
    book = notebook(
        f"{begin}\nfrom pathlib import Path\n%load_ext clustrix\n%clustrix", "numbers = [1, 2, 3]", _CELL, "where, total", _JOBS, "second",
        f"{begin}\n{_AGAIN}", "clustrix.jobs()",
    )  # fmt: skip

    form = Form(book, book.run(0))
    form.name("New…", "walk")
    for name, value in place.items():
        form.put(name, value)
    form.press("Test connection")
    panel = form.panel("Connection test")
    if place["cluster_type"] == "slurm":
        form.press("These are the host's: trust them", "Connection test")
    expect(panel.locator(".clx-doing")).to_contain_text(
        f"{place['cluster_type']} can be used", timeout=90_000
    )
    if place["cluster_type"] == "slurm":
        expect(panel.locator(".clx-step[data-what=scheduler]")).to_contain_text("slurm")
        expect(panel.locator(".clx-step[data-what=node]")).to_contain_text("it sees")
    form.press("Save…")
    form.press("Save", "Save")
    expect(form.said).to_contain_text("Saved")
    assert "walk:" in settings.read_text()

    book.run(1)
    expect(book.run(2)).to_contain_text("hello from the job")
    number = book.run(3).inner_text().strip()
    assert number.endswith(", 6)")
    assert ("no number" in number) == (place["cluster_type"] == "local")

    first = book.run(4).locator(".clx-card")
    expect(first.locator(".clx-head .clx-state")).to_have_text("RUNNING", timeout=30_000)
    second = book.run(5).locator(".clx-card")
    expect(second.locator(".clx-head .clx-state")).to_have_text("RUNNING", timeout=30_000)
    second.get_by_role("button", name="Cancel").click()
    expect(second.locator(".clx-head .clx-state")).to_have_text("CANCELLED", timeout=30_000)

    book.restart()
    found = book.run(6).locator(".clx-card")
    expect(found.locator(".clx-head .clx-state")).to_have_text("SUCCEEDED", timeout=30_000)
    expect(found).to_contain_text(place["cluster_type"])
    table = book.run(7)
    expect(table.locator("tr[data-job]").filter(has_text="slow")).to_have_count(2)
    expect(table.locator("tr[data-job]").filter(has_text="CANCELLED")).to_have_count(1)
