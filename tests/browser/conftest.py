"""A browser, and a JupyterLab with its own settings and jobs for each module."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from clustrix import attach
from tests.browser.form import SHOW, Form
from tests.browser.lab import Lab
from tests.browser.notebook import Notebook
from tests.core.support import end_everything, live_jobs
from tests.testbed.packages import why_not

Open = Callable[..., Notebook]
Show = Callable[..., Form]
_SIZE: ViewportSize = {"width": 1280, "height": 1000}


@pytest.fixture(scope="package")  # as long as it is there, an event loop runs in this thread
def browser() -> Iterator[Browser]:
    """Chromium, without a window."""
    reason = why_not("browser")
    if reason:
        pytest.skip(reason)
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab; its kernels find settings and jobs in folders of their own."""
    folder = tmp_path_factory.mktemp("lab")
    state, config = folder / "state", folder / "settings"
    state.mkdir()
    config.mkdir()
    found = Lab(folder, XDG_STATE_HOME=str(state), XDG_CONFIG_HOME=str(config))
    yield found
    found.stop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(state))
        end_everything(state)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that knows nothing of others."""
    context = browser.new_context(viewport=_SIZE)
    context.set_default_timeout(20_000)
    yield context.new_page()
    context.close()


_numbers = itertools.count(1)


@pytest.fixture
def notebook(lab: Lab, page: Page, request: pytest.FixtureRequest) -> Iterator[Open]:
    """Open a notebook with some cells; its kernel ends with the test."""

    def opened(*cells: str, on: Page | None = None) -> Notebook:
        return Notebook(lab, on or page, f"n{next(_numbers)}.ipynb", *cells)

    yield opened
    lab.end_kernels()
    _end_jobs(lab)


def _end_jobs(lab: Lab) -> None:
    """What a test has begun does not hold the cores of the next."""
    state = lab.folder / "state"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(state))
        for job in live_jobs(state):
            attach(job).cancel()


@pytest.fixture
def settings(lab: Lab) -> Iterator[Path]:
    """The user's own file of settings, which is not there at first."""
    path = lab.folder / "settings" / "clustrix" / "config.yml"
    path.unlink(missing_ok=True)
    yield path
    path.unlink(missing_ok=True)


@pytest.fixture
def project(lab: Lab) -> Iterator[Path]:
    """The project's file of the notebooks, which is not there at first."""
    path = lab.notebooks / "clustrix.yml"
    path.unlink(missing_ok=True)
    yield path
    path.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def _desk(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport=_SIZE)
    context.set_default_timeout(20_000)
    yield context.new_page()
    context.close()


@pytest.fixture
def desk(_desk: Page) -> Iterator[Page]:
    """A page for the tests of a module, one after the other: JupyterLab is loaded once."""
    _desk.set_viewport_size(_SIZE)
    _desk.emulate_media(reduced_motion="no-preference")
    yield _desk
    for other in [page for page in _desk.context.pages if page is not _desk]:
        other.close()


@pytest.fixture
def form(lab: Lab, desk: Page, settings: Path, project: Path) -> Iterator[Show]:
    """Show the form in a new notebook, by its first cell; no draft is left of other tests.  ``before``: what that cell does before."""
    for path in (lab.folder / "state").rglob("drafts-*.json"):
        path.unlink()

    def shown(*cells: str, user: str = "", before: str = "", on: Page | None = None) -> Form:
        if user:
            settings.parent.mkdir(exist_ok=True)
            settings.write_text(user, encoding="utf-8")
        name = f"n{next(_numbers)}.ipynb"
        opened = Notebook(lab, on or desk, name, f"{before}\n{SHOW}", *cells, switch=True)
        return Form(opened, opened.run(0))

    yield shown
    lab.end_kernels()
