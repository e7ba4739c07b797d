"""Settings that are pasted or dropped."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clustrix.errors import ConfigFileError
from clustrix_notebook.widget.editor import Editor
from clustrix_notebook.widget.importing import take
from tests.notebook.widget.conftest import Begin, World

YAML = "# mine\ndefault_cores: 4\ndefault_memory: 2GB\nprofiles:\n  hpc:\n    host: a\n    environment_variables:\n      A: b=c\n"
JSON = '{"default_cores": 4, "default_memory": "2GB", "profiles": {"hpc": {"host": "a", "environment_variables": {"A": "b=c"}}}}'
TOML = 'default_cores = 4\ndefault_memory = "2GB"\n[profiles.hpc]\nhost = "a"\n[profiles.hpc.environment_variables]\nA = "b=c"\n'


@pytest.fixture
def editor(world: World, begin: Begin) -> Editor:
    return begin()


def all_texts(editor: Editor) -> dict[str, dict[str, str]]:
    return {name: editor.draft(name).texts() for name in editor.names()}


@pytest.mark.parametrize("text", [YAML, JSON, TOML], ids=["yaml", "json", "toml"])
def test_settings_and_profiles_become_drafts(editor: Editor, text: str) -> None:
    """Whatever the format, which the text itself tells; what was typed before stays."""
    editor.edit("", {"default_time": "1h"})
    assert take(editor, text) == ["4 settings taken over; nothing is saved yet"]
    assert all_texts(editor) == {
        "": {"default_time": "1h", "default_cores": "4", "default_memory": "2GB"},
        "hpc": {"host": "a", "environment_variables": "A=b=c"},
    }
    assert editor.problems() == {}


def test_file_of_profiles_alone_opens_the_one_it_chooses(editor: Editor) -> None:
    """Or the first."""
    take(editor, "profile: b\nprofiles:\n  a: {default_cores: 1}\n  b: {default_cores: 2}\n", "x.yml")
    assert editor.edited == "b"
    take(editor, "profiles:\n  c: {default_cores: 1}\n")
    assert editor.edited == "c"


@pytest.mark.parametrize(
    ("text", "name", "where"),
    [
        ("default_cores: [1\n", "", r"pasted.yml:2:1: no valid YAML"),
        ("a: 1\n b: 2\n", "mine.yaml", r"mine.yaml:2:3"),
        ('{"a": 1,}', "", r"pasted.json:1:9"),
        ("a = \n", "", r"pasted.toml:1:5"),
        ("[tool\n", "x.toml", r"x.toml:1"),
        ("- 1\n", "", "must have lines as"),
        ("a: 1\na: 2\n", "", "stands twice, in lines 1 and 2"),
        ("x" * 300_000, "", "more than 262,144 characters"),
        ("a: \0", "", "a character that is not allowed"),
    ],
)  # fmt: skip
def test_text_that_cannot_be_read_changes_nothing(editor: Editor, text: str, name: str, where: str) -> None:
    """Line and column are told."""
    editor.new("x")
    editor.edit("x", {"default_cores": "3"})
    before = all_texts(editor), editor.edited
    with pytest.raises(ConfigFileError, match=where):
        take(editor, text, name)
    assert (all_texts(editor), editor.edited) == before


def test_what_has_no_field_is_named(editor: Editor) -> None:
    """With its line and the nearest name; secrets are not taken over; the rest is."""
    notes = take(editor, 'default_coers: 4\ntoken: hunter2\n"a b": 1\ndefault_cores: 4\n')
    assert notes[0] == "1 setting taken over; it is not saved yet"
    assert "line 1: unknown option 'default_coers'; did you mean 'default_cores'?" in notes[1]
    assert notes[2].startswith("line 2: token is a secret")
    assert "hunter2" not in "".join(notes)
    assert editor.texts() == {"default_cores": "4"}


def test_wrong_value_stands_in_the_form_with_its_problem(editor: Editor) -> None:
    """One can mend it there."""
    take(editor, "default_cores: many\nprogress: maybe\ndefault_memory: null\n")
    assert editor.texts() == {"default_cores": "many", "progress": "maybe", "default_memory": "none"}
    assert list(editor.problems()) == ["default_cores", "progress"]


def test_value_that_no_line_can_hold_is_named_without_it(editor: Editor) -> None:
    """A variable of two lines would become two variables."""
    notes = take(editor, 'environment_variables: {A: "hunter\\nhunter"}\ndefault_cores: {a: 1}\n')
    assert [note.partition("=")[0] for note in notes[1:]] == [
        "line 1: environment_variables",
        "line 2: default_cores",
    ]
    assert "hunter" not in "".join(notes)
    assert editor.texts() == {}


def test_profile_with_a_name_that_cannot_be_is_named(editor: Editor) -> None:
    """The empty one is not what is outside of profiles, and the others are taken."""
    notes = take(editor, 'profiles:\n  "": {default_cores: 3}\n  "a\\nb": {}\n  ok: {default_cores: 4}\n')
    assert [note.partition(" is not taken over")[0] for note in notes[1:]] == [
        "profile ''",
        r"profile 'a\nb'",
    ]
    assert all_texts(editor) == {"": {}, "ok": {"default_cores": "4"}}


def test_import_goes_over_the_profile_of_the_file(world: World, begin: Begin) -> None:
    """What it does not name stays."""
    world.write_user("profiles:\n  hpc: {default_cores: 1, default_time: 5}\n")
    editor = begin()
    take(editor, "profiles:\n  hpc: {default_cores: 2}\n")
    assert all_texts(editor)["hpc"] == {"default_cores": "2", "default_time": "0:00:05"}
    assert editor.changes() == {"default_cores": 2}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=40) | st.text("{}[]:=\"'\n -#,ab1", max_size=30), name=st.sampled_from(["", "a.yml", "a.json", "a.toml"]))  # fmt: skip
def test_whatever_is_pasted_is_taken_or_refused(begin: Begin, text: str, name: str) -> None:
    """And nothing else comes of it."""
    editor = begin()
    try:
        notes = take(editor, text, name)
    except ConfigFileError:
        assert editor.names() == [""]
        return
    assert "taken over" in notes[0]
    editor.problems()
    editor.view()
