"""The form in a notebook, used as a person does: fields are filled, buttons are pressed."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Locator, expect

from tests.browser.notebook import Notebook

SHOW = "from clustrix_notebook.widget import show_form; show_form()"
LAB = """\
# of the lab
default_cores: 2
profiles:
  hpc:
    default_cores: 16
    environment_variables: {SITE_TOKEN: hunter2}
  gpu:
    default_cores: 8
"""
"""A user's settings: two profiles, a comment that has to stay, a value that nobody may see."""
_VISIBLE = "rows => rows.filter(row => row.offsetParent).map(row => row.dataset.field)"


class Form:
    """One view.  ``root``: what is looked for in it."""

    def __init__(self, notebook: Notebook, root: Locator) -> None:
        self.notebook = notebook
        self.page = notebook.page
        self.root = root.locator(".clx-form")
        self.root.wait_for()

    def row(self, name: str) -> Locator:
        """All that belongs to a field."""
        return self.root.locator(f'[data-field="{name}"]')

    def control(self, name: str) -> Locator:
        """What its value is given in."""
        return self.row(name).locator(".clx-cell > .clx-control")

    def problem(self, name: str) -> Locator:
        """What is wrong with it."""
        return self.row(name).locator(".clx-problem")

    def tip(self, name: str) -> Locator:
        """What there is to know of it."""
        return self.row(name).locator(".clx-tip")

    def fields(self) -> list[str]:
        """The names of those that are seen."""
        found: list[str] = self.root.locator(".clx-row").evaluate_all(_VISIBLE)
        return found

    def put(self, name: str, text: str) -> None:
        """Give a value."""
        control = self.control(name)
        if control.evaluate("element => element.tagName") == "SELECT":
            control.select_option(text)
        else:
            control.fill(text)

    def press(self, label: str, within: str = "") -> None:
        """A button; ``within``: the name of the panel that has it."""
        place = self.panel(within) if within else self.root
        place.get_by_role("button", name=label, exact=True).first.click()

    def panel(self, name: str) -> Locator:
        """A part of the form that is opened."""
        return self.root.get_by_role("region", name=name, exact=True)

    @property
    def profiles(self) -> Locator:
        """The choice of the profile."""
        return self.root.locator(".clx-profiles > select")

    def choose(self, name: str) -> None:
        """Another profile."""
        self.profiles.select_option(name)
        expect(self.profiles).to_have_value(name)

    def name(self, label: str, name: str) -> None:
        """Answer what "New…", "Copy…" or "Rename…" ask."""
        self.press(label)
        self.root.locator(".clx-naming input").fill(name)
        self.page.keyboard.press("Enter")
        expect(self.profiles).to_have_value(name)

    @property
    def said(self) -> Locator:
        """What came of the last button."""
        return self.root.locator(".clx-said")

    def save(self, target: str = "user") -> str:
        """Look at the difference and save it; returns what was shown."""
        panel = self.panel("Save")
        self.press("Save…")
        panel.locator(f'input[value="{target}"]').check()
        panel.locator(".clx-diff").first.wait_for()
        shown = panel.locator(".clx-diffs").inner_text()
        self.press("Save", "Save")
        expect(panel).to_be_hidden()
        return shown

    def paste(self, text: str) -> None:
        """Import a text."""
        self.press("Import…")
        self.panel("Import").locator("textarea").fill(text)
        self.press("Take over", "Import")

    def state(self) -> Any:
        """What the page has of the widget."""
        return self.page.evaluate(
            "() => JSON.stringify(window.jupyterapp.shell.currentWidget.content.model.toJSON())"
        )
