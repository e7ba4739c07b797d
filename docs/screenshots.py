"""Makes the pictures of the documentation from a real JupyterLab: ``hatch run docs:screenshots [FOLDER]``.

Beside them goes ``pictures.json``: of each picture what words are in it that could go stale.  A test makes all of them anew, and
compares those words with the committed ones, and the fields in them with what is declared.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

import camera  # noqa: E402 -- found by the line above
from playwright.sync_api import Locator, Page, expect, sync_playwright  # noqa: E402

from tests.browser.lab import Lab  # noqa: E402
from tests.browser.notebook import Notebook  # noqa: E402

FOLDER = ROOT / "docs" / "pictures"
WORDS = "pictures.json"
HOST = "login.uni.edu"
_FORM_PX = 2400
PLACES = ("local", "ssh", "slurm", "sge", "pbs")

FORM = "%load_ext clustrix\n%clustrix"
BEGIN = """\
%load_ext clustrix
import random, time, clustrix
from clustrix import cluster

@cluster
def fit(seed, steps=40):
    for step in range(steps):
        clustrix.progress(step, steps, f"loss {1 / (step + 1):.3f}")
        print(f"step {step}: loss {1 / (step + 1):.4f}")
        time.sleep(0.1)
    return seed

@cluster
def score(station):
    time.sleep(0.01)
    if station % 9 == 4:
        raise ValueError(f"station {station}: no data for 2026")
    if station % 50 == 7:
        raise ZeroDivisionError("division by zero")
    return station ** 0.5
"""
CELL = """\
%%cluster cores=2 memory=1GB
import matplotlib.pyplot as plt
print("on", cores, "cores")
roots = [station ** 0.5 for station in range(stations)]
plt.figure(figsize=(5, 1.8))
plt.plot(roots)
plt.title("computed in a job");
"""


class Studio:
    """A browser, a JupyterLab, and a folder for pictures."""

    def __init__(self, folder: Path, state: Path, lab: Lab, browser: Any) -> None:
        self.folder = folder
        self._state = state
        self.words: dict[str, list[str]] = {}
        self._lab = lab
        self._browser = browser
        self._count = 0

    @contextmanager
    def notebook(self, *cells: str, dark: bool = False, height: int = 900) -> Iterator[Notebook]:
        """One that is open, with all around it hidden; ``height``: what is to be seen has to fit."""
        shutil.rmtree(
            self._state / "clustrix" / "notebook", ignore_errors=True
        )  # what was typed in the last one
        context = self._browser.new_context(
            viewport={"width": 1000, "height": height},
            device_scale_factor=camera.SCALE,
            reduced_motion="reduce",
        )
        page: Page = context.new_page()
        self._count += 1
        book = Notebook(self._lab, page, f"picture{self._count}.ipynb", *cells)
        page.evaluate("() => window.jupyterapp.commands.execute('application:toggle-left-area')")
        theme = "JupyterLab Dark" if dark else "JupyterLab Light"
        page.evaluate(
            "(theme) => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme
        )
        page.wait_for_function("(dark) => document.body.dataset.jpThemeLight === String(!dark)", arg=dark)
        try:
            yield book
        finally:
            context.close()
            self._lab.end_kernels()

    def take(self, name: str, subject: Locator, words: Locator | None = None) -> None:
        """A picture, and the words in it that may go stale."""
        subject.page.mouse.move(0, 0)
        camera.take(subject, self.folder / f"{name}.png")
        self.words[name] = [] if words is None else [text for text in words.all_inner_texts() if text]


def labels(subject: Locator) -> Locator:
    """The names of the fields in sight."""
    return subject.locator(".clx-row:visible .clx-label")


def choose(form: Locator, place: str) -> None:
    """Another cluster type."""
    form.locator("[data-field=cluster_type] select").select_option(place)
    form.page.mouse.move(0, 0)  # no tip in the way


def forms(studio: Studio) -> None:
    """The form for each place, and each group by itself."""
    with studio.notebook(FORM, height=_FORM_PX) as book:
        form = book.run(0).locator(".clx-form")
        for place in PLACES:
            choose(form, place)
            studio.take(f"form-{place}", form, labels(form))
        for group, place in (
            ("place", "slurm"),
            ("jobs", "slurm"),
            ("environment", "slurm"),
            ("scheduler", "sge"),
            ("failures", "local"),
            ("session", "local"),
        ):
            choose(form, place)
            part = form.locator(f".clx-group[data-group={group}]")
            studio.take(f"form-{group}", part, labels(part))


def details(studio: Studio) -> None:
    """A tip, an error, a difference before saving; the same form in the dark."""
    with studio.notebook(FORM, height=_FORM_PX) as book:
        form = book.run(0).locator(".clx-form")
        choose(form, "slurm")
        form.get_by_role("button", name="New…").click()
        book.page.keyboard.type("hpc")
        book.page.keyboard.press("Enter")
        expect(form.locator(".clx-profiles select")).to_have_value("hpc")
        choose(form, "slurm")
        form.locator("[data-field=cluster_host] input").fill(HOST)
        form.locator("[data-field=default_cores] input").fill("a few")
        form.locator("[data-field=default_memory] .clx-tip-button").focus()
        expect(form.locator("[data-field=default_cores] .clx-problem")).not_to_be_empty()
        studio.take("validation-error", form.locator(".clx-group[data-group=jobs]"))
        form.locator("[data-field=default_cores] input").fill("8")
        form.locator("[data-field=default_memory] input").fill("16GB")
        form.locator("[data-field=cluster_host] .clx-tip-button").focus()
        studio.take("tip", form.locator(".clx-group[data-group=place]"))
        form.get_by_role("button", name="Save…").click()
        expect(form.locator(".clx-diff")).to_be_visible()
        studio.take("saving", form.locator(".clx-panel[aria-label=Save]"))
    with studio.notebook(FORM, dark=True, height=_FORM_PX) as book:
        form = book.run(0).locator(".clx-form")
        choose(form, "ssh")
        form.locator("[data-field=username] .clx-tip-button").focus()
        studio.take(
            "form-dark",
            form.locator(".clx-group[data-group=place]"),
            labels(form.locator(".clx-group[data-group=place]")),
        )


def connections(studio: Studio) -> None:
    """A connection test that fails, with its cure, and one that does not."""
    with studio.notebook(FORM) as book:
        form = book.run(0).locator(".clx-form")
        panel = form.locator(".clx-panel[aria-label='Connection test']")
        choose(form, "ssh")
        form.locator("[data-field=cluster_host] input").fill("logn.uni.edu")
        form.get_by_role("button", name="Test connection").click()
        expect(panel.locator(".clx-doing")).to_contain_text("cannot be used", timeout=30_000)
        studio.take("connection-failed", panel)
        form.locator("[data-field=cluster_host] input").fill(HOST)
        form.get_by_role("button", name="Test connection").click()
        expect(panel.locator(".clx-question")).to_be_visible(timeout=30_000)
        studio.take("connection-asks", panel)
        panel.get_by_role("button", name="host's: trust them").click()
        expect(panel.locator(".clx-doing")).to_contain_text("can be used", timeout=60_000)
        studio.take("connection-works", panel)


def jobs(studio: Studio, dark: bool = False) -> None:
    """Jobs, a map, its errors, the table, and a cell that is a job."""
    end = "-dark" if dark else ""
    cells = (
        BEGIN,
        "job = fit.submit(1)\njob",
        "jobs = score.map(range(300))\njobs",
        "clustrix.jobs()",
        "stations, cores = 400, 2",
        CELL,
    )
    with studio.notebook(*cells, dark=dark) as book:
        book.run(0)
        card = book.run(1).locator(".clx-card")
        expect(card.locator(".clx-progress")).to_contain_text("of 40")
        card.locator(".clx-logs summary").click()
        expect(card.locator(".clx-log")).to_contain_text("step 9")
        studio.take(f"job{end}", book.output(1).locator(".clx"))
        a_map = book.run(2).locator(".clx-card")
        expect(a_map.locator(".clx-group-of-errors")).to_have_count(2, timeout=30_000)
        studio.take(f"map{end}", book.output(2).locator(".clx"))
        expect(a_map.locator(".clx-head .clx-state")).to_have_text("FAILED", timeout=60_000)
        a_map.locator(".clx-group-of-errors summary").first.click()
        expect(a_map.locator(".clx-trace").first).to_contain_text("ValueError")
        studio.take(f"errors{end}", a_map.locator(".clx-groups"))
        table = book.run(3)
        expect(table.locator("tr[data-job]").first).to_be_visible()
        studio.take(f"jobs{end}", table.locator(".clx"))
        if not dark:
            book.run(4)
            book.run(5)
            expect(book.output(5).locator("img")).to_be_visible(timeout=60_000)
            studio.take("cell", book.page.locator(".jp-Notebook .jp-Cell").nth(5))


SCENES: tuple[Callable[[Studio], None], ...] = (
    forms,
    details,
    connections,
    jobs,
    lambda studio: jobs(studio, True),
)


def make(folder: Path) -> None:
    """All pictures."""
    from tests.testbed.packages import why_not
    from tests.testbed.sshd import Sshd
    from tests.testbed.user import cluster_user

    assert not why_not("browser", "sshd"), why_not("browser", "sshd")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="clustrix-pictures-") as name:
        place = Path(name)
        place.chmod(0o755)
        host = Sshd(place / "sshd", cluster_user())
        home = place / "home"
        (home / ".ssh").mkdir(parents=True, mode=0o700)
        (home / ".ssh" / "config").write_text(
            f"Host {HOST}\n  HostName {host.host}\n  Port {host.port}\n  User {host.user.pw_name}\n  IdentityFile {host.key}\n"
            f"  HostKeyAlias {HOST}\n  UserKnownHostsFile {home}/.ssh/known_hosts\n  GlobalKnownHostsFile none\n"
        )
        (place / "state").mkdir()
        lab_folder = home / "project"
        lab_folder.mkdir()
        lab = Lab(
            lab_folder,
            HOME=str(home),
            XDG_STATE_HOME=str(place / "state"),
            XDG_CONFIG_HOME=str(home / ".config"),
        )
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path="/usr/bin/chromium", args=["--no-sandbox"]
                )
                studio = Studio(folder, place / "state", lab, browser)
                for scene in SCENES:
                    scene(studio)
                browser.close()
        finally:
            lab.stop()
            host.stop()
            _end_jobs(place / "state")
    (folder / WORDS).write_text(json.dumps(studio.words, indent=1) + "\n", encoding="utf-8")


def _end_jobs(state: Path) -> None:
    import os

    from tests.core.support import end_everything

    before = os.environ.get("XDG_STATE_HOME")
    os.environ["XDG_STATE_HOME"] = str(state)
    try:
        end_everything(state)
    finally:
        os.environ.pop("XDG_STATE_HOME")
        if before is not None:
            os.environ["XDG_STATE_HOME"] = before


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
