"""A saved notebook without a kernel."""

from __future__ import annotations

import json

from playwright.sync_api import Page, expect

from tests.browser.conftest import Show
from tests.browser.form import Form

USER = "profiles:\n  hpc:\n    cluster_type: slurm\n    cluster_host: login.uni.edu\n    environment_variables: {SITE_TOKEN: hunter2}\n"


def test_saved_form_can_be_read_without_a_kernel(form: Show, desk: Page) -> None:
    """The settings as they were, instead of "model not found"; no value of a variable; run again it is the form."""
    shown = form(user=USER)
    shown.choose("hpc")
    shown.put("default_cores", "17")
    shown.put("environment_variables", "SITE_TOKEN=…\nNEW=hunter3")
    expect(desk.locator(".clx-still")).to_be_hidden()
    desk.wait_for_timeout(3_500)  # the picture follows
    content = shown.notebook.save()
    assert "hunter" not in json.dumps(content)
    lab = shown.notebook.lab
    lab.end_kernels()
    desk.goto(lab.address(shown.notebook.name))
    still = desk.locator(".clx-still")
    expect(still).to_be_visible(timeout=10_000)
    said = still.inner_text()
    for text in (
        "profile hpc",
        "cluster_host",
        "login.uni.edu",
        "default_cores",
        "17",
        "environment_variables",
        "NEW=…",
    ):
        assert text in said, text
    desk.wait_for_timeout(1_000)
    assert desk.get_by_text("model not found", exact=False).filter(visible=True).count() == 0
    shown.notebook.ready()
    again = Form(shown.notebook, shown.notebook.run(0))
    expect(again.control("default_cores")).to_have_value("17")
    expect(desk.locator(".clx-still")).to_be_hidden()


def test_notebook_of_somebody_else_is_readable_too(form: Show, desk: Page) -> None:
    """One that is not trusted, in which styles are taken away."""
    shown = form(user=USER)
    shown.choose("hpc")
    desk.wait_for_timeout(3_500)
    content = shown.notebook.save()
    lab = shown.notebook.lab
    lab.end_kernels()
    content["cells"].append(
        {
            "cell_type": "code",
            "id": "added",
            "metadata": {},
            "source": "1",
            "outputs": [],
            "execution_count": None,
        }
    )
    (lab.notebooks / "foreign.ipynb").write_text(json.dumps(content))
    desk.goto(lab.address("foreign.ipynb"))
    output = desk.locator(".jp-Notebook .jp-Cell").first.locator(".jp-Cell-outputWrapper")
    expect(output).to_contain_text("login.uni.edu", timeout=20_000)
    expect(output).to_contain_text("clustrix settings: profile hpc")
