"""A notebook in a browser, used as a person does: cells are run, buttons are pressed."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Locator, Page

from tests.browser.lab import Lab

_IDLE = """() => {
  const panel = window.jupyterapp?.shell.currentWidget;
  const session = panel?.sessionContext;
  return session?.isReady && session.session?.kernel?.status === 'idle';
}"""
_SWITCH = """async (path) => {
  const app = window.jupyterapp;
  if (!app || document.querySelector('.jp-Dialog')) return false;
  for (const widget of [...app.shell.widgets('main')]) widget.dispose();
  await app.commands.execute('docmanager:open', {path});
  return true;
}"""
_RUN = """async (index) => {
  const panel = window.jupyterapp.shell.currentWidget;
  panel.content.activeCellIndex = index;
  window.__ran = window.jupyterapp.commands.execute('notebook:run-cell');
}"""


class Notebook:
    """One notebook, open in one page.  ``switch``: instead of what is open there, which is quicker than to load JupyterLab anew."""

    def __init__(self, lab: Lab, page: Page, name: str, *cells: str, switch: bool = False) -> None:
        self.lab = lab
        self.page = page
        self.name = name
        if cells:
            lab.write(name, *cells)
        if switch and page.url.startswith(lab.url) and page.evaluate(_SWITCH, name):
            self.ready()
        else:
            self.open()

    def open(self) -> None:
        """Show it, and wait for its kernel."""
        self.page.goto(self.lab.address(self.name))
        self.ready()

    def ready(self) -> None:
        """Wait until the kernel has nothing to do."""
        self.page.wait_for_function(_IDLE, timeout=60_000)

    def start(self, index: int) -> Locator:
        """Run a cell, without waiting for its end; returns what it shows."""
        self.page.evaluate(_RUN, index)
        return self.output(index)

    def run(self, index: int) -> Locator:
        """Run a cell to its end."""
        self.start(index)
        self.page.evaluate("() => window.__ran")
        return self.output(index)

    def run_code(self, code: str) -> None:
        """Something in the kernel that is no cell.  Raises AssertionError with what it raised."""
        reply = self.page.evaluate(
            """async (code) => {
              const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
              const future = kernel.requestExecute({code, silent: true});
              const reply = await future.done;
              return reply.content;
            }""",
            code,
        )
        assert reply["status"] == "ok", reply

    def output(self, index: int) -> Locator:
        """The outputs of a cell."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(index).locator(".jp-Cell-outputWrapper")

    def restart(self) -> None:
        """Another kernel, as from the menu."""
        self.page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
        )
        self.ready()

    def save(self) -> Any:
        """Save it, and return what is in the file."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        return self.lab.read(self.name)
