"""Saving: the difference first, then that and nothing else, and never a secret."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clustrix.config import yamltext
from clustrix.config.fields import settings_fields
from clustrix.errors import ConfigError, ConfigFileError
from clustrix_notebook.widget import saving
from clustrix_notebook.widget.difference import OTHER, difference
from clustrix_notebook.widget.editor import Editor, Refused
from clustrix_notebook.widget.texts import KEPT
from tests.core.config.conftest import HOST, TOKEN
from tests.core.config.test_secrets import Drawer, drawer
from tests.notebook.widget.conftest import Begin, World

__all__ = ["drawer"]
FILE = """\
# of the lab
default_cores: 2
profiles:
  hpc:
    default_cores: 16   # of 64
    default_memory: 64GB

  # the cards
  gpu:
    default_cores: 8
  empty:
"""


@pytest.fixture
def editor(world: World, begin: Begin) -> Editor:
    world.write_user(FILE)
    return begin()


def saved(editor: Editor, target: str = "user") -> list[str]:
    """Save what the plan shows; all lines of that."""
    files = saving.plan(editor, target)
    paths = saving.save(editor, target, {file["path"]: file["digest"] for file in files})
    assert paths == [file["path"] for file in files]
    return [line for file in files for line in file["lines"]]


def test_difference_is_shown_and_written(world: World, editor: Editor) -> None:
    """Comments and order stay; afterwards nothing is left to save, and the form shows what is there."""
    editor.choose("hpc")
    editor.edit("hpc", {"default_cores": "32", "default_memory": "", "default_time": "1h"})
    lines = saved(editor)
    assert [line for line in lines if line[0] in "+-"] == [
        "-    default_cores: 16   # of 64",
        "-    default_memory: 64GB",
        "+    default_cores: 32   # of 64",
        '+    default_time: "1h"',
    ]
    text = world.user.read_text()
    assert text == FILE.replace("16", "32").replace("default_memory: 64GB", 'default_time: "1h"')
    assert (editor.edited, editor.texts()) == ("hpc", {"default_cores": "32", "default_time": "1:00:00"})
    assert not editor.draft().changed
    with pytest.raises(Refused, match="there is nothing to save"):
        saving.plan(editor, "user")


def test_new_profile_goes_where_one_wants_it(world: World, editor: Editor) -> None:
    """Into the user's file or the project's; it is there at once."""
    editor.new("far away")
    editor.edit("far away", {"host": "far.uni.edu"})
    saved(editor, "project")
    assert (world.project / "clustrix.yml").read_text() == (
        'profiles:\n  "far away":\n    host: "far.uni.edu"\n'
    )
    assert world.user.read_text() == FILE
    assert (editor.edited, editor.names()) == ("far away", ["", "empty", "far away", "gpu", "hpc"])
    assert not editor.draft().changed


def test_value_is_changed_where_it_stands(world: World, editor: Editor) -> None:
    """A profile may be in both files: what is in the project's is changed there, what is new goes where one wants it."""
    project = world.write_project("profiles:\n  hpc:\n    default_memory: 1GB\n")
    editor.refresh()
    editor.choose("hpc")
    editor.edit("hpc", {"default_memory": "2GB", "default_cores": "17", "default_time": "60"})
    saved(editor, "user")
    assert project.read_text() == 'profiles:\n  hpc:\n    default_memory: "2GB"\n'
    assert "default_cores: 17" in world.user.read_text()
    assert "default_time: 60.0" in world.user.read_text()


@pytest.mark.parametrize("profile", ["hpc", "gpu", "empty"])
def test_profile_of_both_files_is_renamed_and_deleted_in_both(
    world: World, editor: Editor, profile: str
) -> None:
    """Whether it is the first, the last, or an empty one."""
    project = world.write_project(f"profiles:\n  {profile}:\n    default_time: 5\n")
    editor.refresh()
    editor.choose(profile)
    editor.rename("new one")
    saved(editor)
    assert (editor.edited, profile in editor.names()) == ("new one", False)
    for text in (world.user.read_text(), project.read_text()):
        assert '  "new one":' in text
    editor.delete()
    saved(editor)
    assert (editor.edited, "new one" in editor.names()) == ("", False)
    assert "new one" not in world.user.read_text() + project.read_text()
    editor.new("after")
    editor.edit("after", {"default_cores": "1"})
    saved(editor, "project")
    assert "after" in editor.names()


def test_profile_that_holds_goes_on_to_hold_by_its_new_name(editor: Editor) -> None:
    """Deleted, none holds."""
    editor.choose("gpu")
    editor.apply()
    editor.rename("card")
    saved(editor)
    assert (editor.settings.current().profile, editor.settings.current()["default_cores"]) == ("card", 8)
    editor.delete()
    saved(editor)
    assert (editor.settings.current().profile, editor.settings.current()["default_cores"]) == (None, 2)


def test_file_that_chooses_a_profile_follows_it(world: World, editor: Editor) -> None:
    """It would be broken otherwise: it says the new name, and none when the profile is deleted."""
    world.write_user(FILE + "profile: gpu\n")
    editor.refresh()
    editor.choose("gpu")
    editor.rename("card")
    saved(editor)
    assert world.user.read_text().endswith('profile: "card"\n')
    editor.delete()
    saved(editor)
    assert (editor.trouble, "profile:" in world.user.read_text()) == ("", False)


def test_nothing_is_written_but_what_was_shown(world: World, editor: Editor) -> None:
    """Not if the file has changed since, and not if one has gone on typing."""
    editor.choose("gpu")
    editor.edit("gpu", {"default_cores": "9"})
    (file,) = saving.plan(editor, "user")
    digests = {file["path"]: file["digest"]}
    editor.edit("gpu", {"default_time": "5"})
    with pytest.raises(Refused, match="look at the difference once more"):
        saving.save(editor, "user", digests)
    editor.edit("gpu", {"default_time": ""})
    world.write_user("# new\n" + FILE)
    with pytest.raises(Refused, match="look at the difference once more"):
        saving.save(editor, "user", digests)
    assert world.user.read_text() == "# new\n" + FILE


def test_what_cannot_be_saved_says_why(world: World, editor: Editor) -> None:
    """A wrong value, a conflict, a new profile without anything, a broken file; nothing is written."""
    editor.edit("", {"default_cores": "0"})
    with pytest.raises(ConfigError, match="default_cores"):
        saving.plan(editor, "user")
    editor.new("x")
    with pytest.raises(Refused, match="nothing in it yet"):
        saving.plan(editor, "user")
    editor.delete()
    with pytest.raises(Refused, match="in no file"):
        saving.plan(editor, "user")
    editor.choose("gpu")
    editor.edit("gpu", {"default_cores": "9"})
    world.write_user(FILE.replace("cores: 8", "cores: 10"))
    with pytest.raises(Refused, match="decide first"):
        saving.plan(editor, "user")
    world.write_user("default_cores: [\n")
    with pytest.raises(Refused, match=r"first mend what is wrong there: .*no valid YAML"):
        saving.plan(editor, "user")
    assert world.user.read_text() == "default_cores: [\n"


def test_pyproject_is_not_edited_and_the_lines_are_told(world: World, begin: Begin) -> None:
    """To write, to rename and to take out by hand; the user's own file can be written all the same."""
    text = "[tool.clustrix]\ndefault_cores = 2\n[tool.clustrix.profiles.hpc]\ndefault_cores = 4\n"
    path = world.write_project(text, "pyproject.toml")
    editor = begin()
    assert saving.targets()["project"] == str(path)
    editor.new("x")
    editor.edit("x", {"default_cores": "3"})
    with pytest.raises(ConfigFileError, match=r'below \[tool.clustrix.profiles."x"\]: default_cores = 3'):
        saving.plan(editor, "project")
    saved(editor, "user")
    editor.choose("hpc")
    editor.edit("hpc", {"default_cores": ""})
    with pytest.raises(ConfigFileError, match="Take default_cores out of it yourself"):
        saving.plan(editor, "user")
    editor.discard()
    editor.rename("y")
    with pytest.raises(ConfigFileError, match="only YAML files are edited"):
        saving.plan(editor, "user")
    editor.delete()
    with pytest.raises(ConfigFileError, match="Take profile hpc out of it yourself"):
        saving.plan(editor, "user")
    assert path.read_text() == text


def test_project_file_is_the_one_that_is_named(
    world: World, begin: Begin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By the environment; empty, there is none to save to."""
    monkeypatch.setenv("CLUSTRIX_PROJECT_FILE", str(tmp_path / "named.yml"))
    assert saving.targets()["project"] == str(tmp_path / "named.yml")
    monkeypatch.setenv("CLUSTRIX_PROJECT_FILE", "")
    assert list(saving.targets()) == ["user"]
    editor = begin()
    editor.edit("", {"default_cores": "3"})
    with pytest.raises(Refused, match="CLUSTRIX_PROJECT_FILE is empty"):
        saving.plan(editor, "project")


# -- secrets

WRITTEN = """\
token: hunter1   # was hunter2
# token: hunter3
environment_variables:
  A: hunter4
  B: |
    hunter5
    hunter5
default_cores: 1
profiles:
  one: {token: hunter6, default_cores: 1, environment_variables: {A: "hunter7", B: hunter8}}
  two:
    environment_variables: {A: hunter9,
      B: hunter9}
    token: "hunter
      hunter"
    default_cores: 1
"""


@pytest.mark.filterwarnings("ignore:.*holds a secret")
@pytest.mark.parametrize("profile", ["", "one", "two"])
def test_no_secret_is_in_the_difference(world: World, begin: Begin, profile: str) -> None:
    """However it is written, also in comments; that a value is another one is seen, and it is saved."""
    world.write_user(WRITTEN)
    editor = begin()
    editor.choose(profile)
    typed = f"A=hunter10\nB={KEPT}\nC=hunter11"
    editor.edit(profile, {"default_cores": "2", "environment_variables": typed, "host": "a"})
    if profile != "one":  # written line by line, there is nothing to lose in it but its lines
        editor.edit(profile, {"environment_variables": f"A={KEPT}\nB={KEPT}"})
    lines = saved(editor)
    shown = "\n".join(lines)
    assert "hunter" not in shown
    assert "default_cores: 2" in shown
    if profile == "one":
        assert f"A: {OTHER}" in shown.replace('"A"', "A")
        variables = editor.values()["environment_variables"]
        assert variables == {"A": "hunter10", "B": "hunter8", "C": "hunter11"}


texts = st.text(st.sampled_from("ab:#'\"{}, \n-é|>"), max_size=8).map(lambda text: f"hunter{text}hunter")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    one=st.dictionaries(st.sampled_from("ABC"), texts, min_size=1),
    two=st.dictionaries(st.sampled_from("ABC"), texts, min_size=1),
    token=texts,
    flow=st.booleans() | st.none(),
    width=st.sampled_from([8, 80]),
)
def test_no_secret_is_shown_however_it_is_written(
    one: dict[str, str], two: dict[str, str], token: str, flow: bool | None, width: int
) -> None:
    """By whatever program: quoted, folded, in braces."""
    import yaml

    def text(variables: dict[str, str], cores: int) -> str:
        inner = {"token": token, "environment_variables": variables, "default_cores": cores}
        whole = {**inner, "profiles": {"p": json.loads(json.dumps(inner))}}
        return str(yaml.safe_dump(whole, default_flow_style=flow, width=width, allow_unicode=True))

    before, after = text(one, 1), text(two, 2)
    assert yamltext.parse("x.yml", after) is not None
    fields = [*settings_fields().values(), TOKEN, HOST]
    lines = difference("x.yml", before, after, fields)
    assert lines
    assert "hunter" not in "\n".join(lines)


def test_secrets_follow_a_profile_that_is_renamed(editor: Editor, drawer: Drawer) -> None:
    """In the keyring they are kept by its name."""
    drawer.held["clustrix", "token@gpu"] = "hunter2"
    drawer.held["clustrix", "token@hpc"] = "hunter3"
    editor.choose("gpu")
    editor.rename("card")
    saved(editor)
    assert drawer.held == {("clustrix", "token@card"): "hunter2", ("clustrix", "token@hpc"): "hunter3"}


def test_keyring_that_is_locked_stops_no_saving(editor: Editor, drawer: Drawer) -> None:
    """It is not needed for a file."""
    drawer.locked = True
    editor.choose("gpu")
    editor.rename("card")
    saved(editor)
    assert "card" in editor.names()
    assert "hunter" not in json.dumps(editor.view())
