"""Profiles in the form, and what is kept of them."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.conftest import Show
from tests.browser.form import LAB, Form

HOLDS = "import clustrix; print(clustrix.get_config().profile, clustrix.get_config()['default_cores'])"


def options(shown: Form) -> list[str]:
    return shown.profiles.locator("option").all_inner_texts()


def test_profiles_are_made_named_and_deleted(form: Show, desk: Page) -> None:
    """New, copied, renamed, deleted with a way back, discarded; a name that cannot be is refused beside it."""
    shown = form(user=LAB)
    assert options(shown) == ["(no profile) — holds", "gpu", "hpc"]
    for label in ("Rename…", "Delete", "Discard changes"):
        expect(shown.root.get_by_role("button", name=label)).to_be_disabled()
    shown.name("New…", "x y")
    shown.put("default_cores", "3")
    expect(shown.profiles.locator("option:checked")).to_have_text("x y — not saved")
    shown.name("Copy…", "z")
    expect(shown.control("default_cores")).to_have_value("3")
    shown.press("Copy…")
    naming = shown.root.locator(".clx-naming")
    naming.locator("input").fill("hpc")
    naming.get_by_role("button", name="OK").click()
    expect(naming.get_by_role("alert")).to_have_text("there is a profile 'hpc' already")
    desk.keyboard.press("Escape")
    expect(naming).to_be_hidden()
    shown.choose("gpu")
    shown.name("Rename…", "card")
    expect(shown.control("default_cores")).to_have_value("8")
    shown.press("Delete")
    expect(shown.profiles.locator("option:checked")).to_have_text("card — to be deleted")
    shown.press("Apply")
    expect(shown.said).to_contain_text("profile card is deleted: undo that first")
    shown.press("Undo delete")
    expect(shown.profiles.locator("option:checked")).to_have_text("card — not saved")
    shown.press("Discard changes")
    expect(shown.profiles).to_have_value("gpu")
    assert options(shown) == ["(no profile) — holds", "gpu", "hpc", "x y — not saved", "z — not saved"]


def test_applied_profile_holds_and_nothing_is_written(form: Show, desk: Page) -> None:
    """In this notebook; which one holds is seen."""
    shown = form(HOLDS, user=LAB)
    shown.choose("hpc")
    shown.put("default_cores", "17")
    shown.press("Apply")
    expect(shown.said).to_contain_text("Holds now")
    expect(shown.root.locator(".clx-holds")).to_have_text("profile hpc holds")
    expect(shown.profiles.locator("option:checked")).to_have_text("hpc — holds, not saved")
    expect(shown.notebook.run(1)).to_contain_text("hpc 17")
    shown.choose("")
    shown.press("Apply")
    expect(shown.root.locator(".clx-holds")).to_have_text("no profile holds")
    expect(shown.notebook.run(1)).to_contain_text("None 2")


def test_form_is_as_it_was_after_a_restart(form: Show) -> None:
    """Run again, in the same kernel and in another: what was typed and not saved is there, except what may be secret."""
    shown = form(user=LAB)
    shown.choose("hpc")
    shown.put("default_cores", "33")
    shown.put("environment_variables", "SITE_TOKEN=…\nNEW=hunter3")
    shown.name("New…", "x")
    shown.put("cluster_type", "slurm")
    shown.put("default_time", "nonsense")
    again = Form(shown.notebook, shown.notebook.run(0))
    expect(again.control("default_time")).to_have_value("nonsense")
    shown.notebook.restart()
    again = Form(shown.notebook, shown.notebook.run(0))
    expect(again.profiles).to_have_value("x")
    expect(again.control("default_time")).to_have_value("nonsense")
    expect(again.problem("default_time")).not_to_be_empty()
    assert "default_partition" in again.fields()
    again.choose("hpc")
    expect(again.control("default_cores")).to_have_value("33")
    expect(again.problem("environment_variables")).to_contain_text("value of NEW is not known any more")
    again.put("environment_variables", "SITE_TOKEN=…")
    expect(again.problem("environment_variables")).to_be_empty()
