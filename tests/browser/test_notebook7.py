"""Notebook 7: the same as in JupyterLab."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.lab import Lab

_CELLS = (
    "%load_ext clustrix",
    "%clustrix",
    "from clustrix import cluster\n@cluster\ndef twice(x):\n    print('twice', x)\n    return 2 * x\ntwice.submit(21)",
    "%%cluster\nanswer = 42\nprint('in the job')",
    "answer",
)
_RUN = """async (index) => {
  const panel = window.jupyterapp.shell.currentWidget;
  panel.content.activeCellIndex = index;
  await window.jupyterapp.commands.execute('notebook:run-cell');
}"""
_IDLE = "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"


def test_form_jobs_and_cells_work_in_notebook_7(lab: Lab, page: Page) -> None:
    """The form shows and hides its fields, a job shows its end, and a cell that is a job brings its names back."""
    lab.write("seven.ipynb", *_CELLS)
    page.goto(lab.address("seven.ipynb", ui="notebook"))
    page.wait_for_function(_IDLE, timeout=60_000)
    outputs = page.locator(".jp-Notebook .jp-Cell")
    for index in range(len(_CELLS)):
        page.evaluate(_RUN, index)
    form = outputs.nth(1).locator(".clx-form")
    form.locator("[data-field=cluster_type] select").select_option("slurm")
    expect(form.locator("[data-field=cluster_host]")).to_be_visible()
    form.locator("[data-field=cluster_type] select").select_option("local")
    expect(form.locator("[data-field=cluster_host]")).to_be_hidden()
    expect(outputs.nth(2).locator(".clx-card .clx-state").first).to_have_text("SUCCEEDED", timeout=20_000)
    expect(outputs.nth(3)).to_contain_text("in the job", timeout=20_000)
    expect(outputs.nth(4)).to_contain_text("42")
    lab.end_kernels()
