"""Jobs for everybody: by keyboard alone, by a screen reader, in light and dark."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.test_form_access import _HIGH
from tests.browser.test_jobs import BEGIN, state_of


def serious(page: Page) -> list[Any]:
    """What axe finds in all that is shown of jobs."""
    rules = (
        Axe().run(page, context=".clx-jobs", options={"resultTypes": ["violations"]}).response["violations"]
    )
    return [
        [rule["id"], rule["help"], *(node["html"][:200] for node in rule["nodes"][:3])]
        for rule in rules
        if rule["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("theme", ["JupyterLab Dark", "JupyterLab Light"])
def test_axe_finds_nothing_that_is_serious_in_jobs(notebook: Open, page: Page, theme: str) -> None:
    """In a job that runs, one that failed, a map with its errors open, the table, and a job opened below it."""
    book = notebook(
        BEGIN, "slow.submit(3)", "boom.submit(0)", "picky.map(range(30))", "clustrix.jobs(limit=3)"
    )
    page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
    expect(page.locator("body")).to_have_attribute(
        "data-jp-theme-light", str(theme.endswith("Light")).lower()
    )
    book.run(0)
    for cell, state in ((1, "RUNNING"), (2, "FAILED"), (3, "FAILED")):
        card = book.run(cell).locator(".clx-card")
        expect(state_of(card)).to_have_text(state)
        card.locator(".clx-logs summary").click()
    book.output(3).locator(".clx-group-of-errors summary").first.click()
    expect(book.output(3).locator(".clx-trace").first).to_contain_text("ValueError")
    table = book.run(4)
    table.locator("tr[data-job] button").first.click()
    expect(table.locator(".clx-card")).to_be_visible()
    page.evaluate(_HIGH)
    page.set_viewport_size({"width": 1280, "height": 4000})
    page.wait_for_timeout(300)
    assert serious(page) == []
    seen = Axe().run(page, context=".clx-jobs", options={"runOnly": ["color-contrast"]}).response["passes"]
    assert sum(len(rule["nodes"]) for rule in seen) > 50


def test_jobs_are_used_by_keyboard_alone(notebook: Open, page: Page) -> None:
    """Tab reaches what there is to press in a job, Enter and Space press it, and what has the focus is seen."""
    book = notebook(BEGIN, "job = slow.submit(1); job")
    book.run(0)
    card = book.run(1).locator(".clx-card")
    expect(state_of(card)).to_have_text("RUNNING")
    card.get_by_role("button", name="Cancel").focus()
    page.keyboard.press("Tab")
    expect(card.locator(".clx-logs summary")).to_be_focused()
    width = card.locator(".clx-logs summary").evaluate("e => parseFloat(getComputedStyle(e).outlineWidth)")
    assert width >= 1
    page.keyboard.press("Enter")
    expect(card.locator(".clx-log")).to_contain_text("step 0")
    page.keyboard.press("Tab")
    expect(card.locator(".clx-log")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")
    expect(state_of(card)).to_have_text("CANCELLED")
