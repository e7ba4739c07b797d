"""From the form into files, and from files into the form."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import Show
from tests.browser.form import LAB

_DROP = """(element, [name, text]) => {
  const data = new DataTransfer();
  data.items.add(new File([text], name, {type: 'text/plain'}));
  for (const kind of ['dragover', 'drop']) {
    element.dispatchEvent(new DragEvent(kind, {bubbles: true, cancelable: true, dataTransfer: data}));
  }
}"""


def test_difference_is_seen_before_it_is_written(form: Show, settings: Path, project: Path) -> None:
    """Into the user's file and the project's; no secret is in it; what has changed since is looked at once more."""
    shown = form(user=LAB)
    shown.choose("hpc")
    shown.put("default_cores", "17")
    shown.put("environment_variables", "SITE_TOKEN=hunter3")
    panel = shown.panel("Save")
    shown.press("Save…")
    expect(panel.locator(".clx-diff")).to_contain_text("default_cores: 17")
    expect(panel.locator(".clx-removed").first).to_contain_text("default_cores: 16")
    assert "hunter" not in panel.inner_text()
    assert settings.read_text() == LAB
    shown.put("default_cores", "18")
    shown.press("Save", "Save")
    expect(panel.get_by_role("alert")).to_contain_text("look at the difference once more")
    expect(panel.locator(".clx-diff")).to_contain_text("default_cores: 18")
    assert settings.read_text() == LAB
    shown.press("Save", "Save")
    expect(shown.said).to_contain_text(f"Saved: {settings}")
    assert settings.read_text() == LAB.replace("16", "18").replace(
        "SITE_TOKEN: hunter2", '"SITE_TOKEN": "hunter3"'
    )
    expect(shown.profiles.locator("option:checked")).to_have_text("hpc")
    shown.name("New…", "far")
    shown.put("default_cores", "3")
    assert "default_cores: 3" in shown.save("project")
    assert project.read_text() == "profiles:\n  far:\n    default_cores: 3\n"
    expect(shown.profiles.locator("option:checked")).to_have_text("far")
    expect(shown.control("default_cores")).to_have_value("3")
    shown.press("Delete")
    shown.save("user")
    assert "far" not in project.read_text()
    expect(shown.profiles).to_have_value("")
    shown.press("Save…")
    expect(panel).to_contain_text("there is nothing to save")
    expect(panel.get_by_role("button", name="Save", exact=True)).to_be_disabled()
    shown.press("Cancel", "Save")
    assert shown.root.get_by_role("button", name="Save…").evaluate("one => one === document.activeElement")


def test_difference_comes_when_what_was_wrong_is_mended(form: Show) -> None:
    """The dialog says what is wrong, and goes on when it is mended; so does the word about a file that could not be read."""
    shown = form(user=LAB)
    shown.choose("hpc")
    shown.put("default_cores", "many")
    expect(shown.problem("default_cores")).not_to_be_empty()
    panel = shown.panel("Save")
    shown.press("Save…")
    expect(panel.locator(".clx-problem")).to_contain_text("default_cores")
    shown.put("default_cores", "17")
    expect(panel.locator(".clx-diff")).to_contain_text("default_cores: 17")
    expect(panel.get_by_role("button", name="Save", exact=True)).to_be_enabled()


def test_text_and_file_are_taken_over(form: Show) -> None:
    """Pasted, dropped and chosen; what is wrong is told with line and column, and nothing of either is lost."""
    shown = form(user=LAB)
    panel = shown.panel("Import")
    shown.put("default_time", "1h")
    shown.paste("default_cores: 4\nprofiles:\n  hpc: [1\n")
    expect(panel.get_by_role("alert")).to_contain_text("pasted.yml:4:1: no valid YAML")
    expect(panel.locator("textarea")).to_have_value("default_cores: 4\nprofiles:\n  hpc: [1\n")
    expect(shown.control("default_time")).to_have_value("1h")
    expect(shown.control("default_cores")).to_have_value("2")
    panel.evaluate(_DROP, ["mine.toml", "default_cores = \n"])
    expect(panel.locator("textarea")).to_have_value("default_cores = \n")
    shown.press("Take over", "Import")
    expect(panel.get_by_role("alert")).to_contain_text("mine.toml:1:17")
    panel.evaluate(_DROP, ["mine.toml", 'default_cores = 5\ndefault_coers = 1\npassword = "hunter4"\n'])
    expect(panel.locator("textarea")).to_have_value(
        'default_cores = 5\ndefault_coers = 1\npassword = "hunter4"\n'
    )
    shown.press("Take over", "Import")
    expect(panel).to_be_hidden()
    expect(shown.control("default_cores")).to_have_value("5")
    expect(shown.control("default_time")).to_have_value("1h")
    expect(shown.said).to_contain_text("1 setting taken over")
    expect(shown.said).to_contain_text("did you mean 'default_cores'?")
    expect(shown.said).to_contain_text("password is a secret")
    assert "hunter" not in shown.root.inner_text()
    shown.press("Import…")
    panel.locator('input[type="file"]').set_input_files(
        {"name": "x.json", "mimeType": "text/plain", "buffer": b'{"profiles": {"new": {"default_cores": 6}}}'}
    )
    expect(panel.locator("textarea")).not_to_have_value("")
    shown.press("Take over", "Import")
    expect(shown.profiles).to_have_value("new")
    expect(shown.control("default_cores")).to_have_value("6")


def test_change_by_another_program_is_merged_or_decided(form: Show, settings: Path, desk: Page) -> None:
    """What nobody has touched follows the file; where both have changed something, both are seen until one is chosen; a broken file is told."""
    shown = form(user=LAB)
    shown.choose("gpu")
    shown.put("default_cores", "9")
    shown.put("default_time", "1h")
    settings.write_text(LAB.replace("default_cores: 8", "default_cores: 10\n    default_memory: 1GB"))
    expect(shown.control("default_memory")).to_have_value("1 GiB", timeout=5_000)
    conflicts = shown.root.locator(".clx-conflict")
    expect(conflicts).to_have_count(1)
    expect(conflicts).to_contain_text("default_cores here: 9; in the file: 10")
    expect(shown.control("default_cores")).to_have_value("9")
    shown.press("Save…")
    expect(shown.panel("Save")).to_contain_text("decide first")
    shown.press("Cancel", "Save")
    shown.press("Keep mine, default_cores")
    expect(conflicts).to_have_count(0)
    assert "default_cores: 9" in shown.save()
    shown.put("default_cores", "11")
    settings.write_text(settings.read_text().replace("default_cores: 9", "default_cores: 12"))
    expect(conflicts).to_have_count(1)
    shown.press("Take the file's, default_cores")
    expect(shown.control("default_cores")).to_have_value("12")
    settings.write_text("default_cores: [\n")
    trouble = shown.root.locator(".clx-trouble")
    expect(trouble).to_contain_text("config.yml:2:1: no valid YAML", timeout=5_000)
    shown.put("default_cores", "many")
    expect(shown.problem("default_cores")).not_to_be_empty()
    shown.put("default_cores", "13")
    shown.press("Save…")
    expect(shown.panel("Save")).to_contain_text("first mend what is wrong there")
    settings.write_text(LAB)
    expect(trouble).to_be_hidden(timeout=5_000)
    expect(shown.control("default_cores")).to_have_value("13")


def test_form_comes_up_with_a_broken_file(form: Show, settings: Path) -> None:
    """It says where it is broken; one can type and import meanwhile, and nothing is lost when it is mended."""
    shown = form(user="default_cores: [\n")
    expect(shown.root.locator(".clx-trouble")).to_contain_text("config.yml:2:1: no valid YAML")
    assert len(shown.fields()) > 15
    shown.name("New…", "x")
    shown.put("default_cores", "3")
    shown.press("Apply")
    expect(shown.said).to_contain_text("no valid YAML")
    assert settings.read_text() == "default_cores: [\n"
    settings.write_text(LAB)
    expect(shown.root.locator(".clx-trouble")).to_be_hidden(timeout=5_000)
    shown.save()
    assert settings.read_text() == LAB + "  x:\n    default_cores: 3\n"


def test_secret_goes_into_the_keyring_alone(form: Show, desk: Page, settings: Path) -> None:
    """Not into the state of the page, the draft, a file or the notebook; for the profile that is edited."""
    before = """
import keyring
from tests.core.config.test_secrets import Drawer
drawer = Drawer()
keyring.set_keyring(drawer)
"""
    root = str(Path(__file__).parents[2])
    shown = form("print(drawer.held)", before=f"import sys; sys.path.insert(0, {root!r})\n{before}", user=LAB)
    shown.put("cluster_type", "ssh")
    row = shown.row("password")
    shown.control("password").fill("hunter5")
    assert shown.control("password").get_attribute("type") == "password"
    shown.press("Keep password in the keyring")
    expect(row.locator(".clx-secret-said")).to_have_text("kept in the keyring")
    expect(shown.control("password")).to_have_value("")
    shown.press("Where password would come from")
    expect(row.locator(".clx-secret-said")).to_have_text("keyring")
    expect(shown.notebook.run(1)).to_contain_text("{('clustrix', 'password'): 'hunter5'}")
    desk.evaluate("() => window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    again = shown.notebook.run(0)
    again.locator(".clx-form").wait_for()
    desk.wait_for_timeout(2_500)  # until the drafts are kept and the picture is drawn
    assert "hunter5" not in str(shown.notebook.save())
    for path in shown.notebook.lab.folder.rglob("*"):
        if path.is_file() and path.suffix in (".json", ".yml", ".ipynb", ".log"):
            assert b"hunter5" not in path.read_bytes(), path
