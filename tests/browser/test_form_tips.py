"""What there is to know of a field, beside it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from clustrix import plugins
from clustrix.config.fields import settings_fields
from tests.browser.conftest import Show
from tests.browser.form import Form
from tests.core.support import wait_until

PLACES = {"local": "This machine", "ssh": "SSH", "slurm": "Slurm", "pbs": "PBS", "sge": "SGE"}


@pytest.fixture
def touched(browser: Browser) -> Iterator[Page]:
    """A page on a screen that is touched, without a pointer that hovers."""
    context = browser.new_context(viewport={"width": 1000, "height": 900}, has_touch=True)
    context.set_default_timeout(20_000)
    yield context.new_page()
    context.close()


def open_tips(shown: Form) -> list[str]:
    root = shown.root
    found: list[str] = root.locator(".clx-tip:visible").evaluate_all(
        "tips => tips.map(tip => tip.closest('.clx-row').dataset.field)"
    )
    return found


def sees(shown: Form, *names: str) -> None:
    """These tips are open, and no others; a moment later, perhaps."""
    wait_until(lambda: open_tips(shown) == list(names), f"the tips of {names} are open", 10)


def test_tip_comes_by_pointer_and_by_keyboard(form: Show, desk: Page) -> None:
    """One at a time; it stays while the pointer is on it, and Escape closes it wherever the focus is."""
    shown = form()
    sees(shown)
    shown.row("default_cores").locator(".clx-label").hover()
    sees(shown, "default_cores")
    shown.tip("default_cores").hover()
    sees(shown, "default_cores")
    desk.keyboard.press("Escape")
    sees(shown)
    shown.row("default_memory").locator(".clx-label").hover()
    sees(shown, "default_memory")
    shown.root.locator("h2").hover()
    expect(shown.root.locator(".clx-tip:visible")).to_have_count(0)
    shown.control("default_cores").focus()
    sees(shown, "default_cores")
    desk.keyboard.press("Escape")
    sees(shown)
    assert shown.control("default_cores").evaluate("element => element === document.activeElement")
    desk.keyboard.press("Tab")
    desk.keyboard.press("Tab")
    assert len(open_tips(shown)) == 1
    button = shown.row("default_cores").locator(".clx-tip-button")
    button.focus()
    desk.keyboard.press("Enter")
    expect(button).to_have_attribute("aria-expanded", "true")
    desk.keyboard.press("Escape")
    expect(button).to_have_attribute("aria-expanded", "false")
    described = shown.control("default_cores").get_attribute("aria-describedby") or ""
    assert shown.tip("default_cores").get_attribute("id") in described.split()


def test_tip_comes_by_touch(form: Show, touched: Page) -> None:
    """By its button, and by the field itself; a second touch of the button closes it."""
    shown = form(on=touched)
    button = shown.row("default_cores").locator(".clx-tip-button")
    button.tap()
    sees(shown, "default_cores")
    button.tap()
    sees(shown)
    shown.control("default_memory").tap()
    sees(shown, "default_memory")
    shown.row("default_time").locator(".clx-tip-button").tap()
    sees(shown, "default_time")


def test_every_tip_says_what_there_is_to_know(form: Show) -> None:
    """Meaning, example, default, what is to be known for safety, and what it is at the chosen place; code is seen as such."""
    plugins.look_again()
    fields = settings_fields()
    shown = form()
    for place in PLACES:
        shown.put("cluster_type", place)
        tips = shown.root.locator(".clx-row").evaluate_all(
            """rows => Object.fromEntries(rows.filter(row => row.offsetParent).map(row => {
              row.classList.add('clx-open');
              const said = row.querySelector('.clx-tip').innerText;
              const help = row.querySelector('.clx-tip-help').innerText;
              const places = [...row.querySelectorAll('.clx-tip-places dt')].filter(one => one.offsetParent).map(one => one.innerText);
              row.classList.remove('clx-open');
              return [row.dataset.field, [said, help, places]];
            }))"""
        )
        assert len(tips) > 15
        for name, (said, help_, places) in tips.items():
            field = fields[name]
            assert len(help_) > 10, name
            assert "Default" in said, name
            assert field.secret or "Example" in said, name
            assert bool(field.security) == ("Security:" in said), name
            assert "`" not in said, name
            if place in field.providers:
                assert places == [PLACES[place]], (name, place)
