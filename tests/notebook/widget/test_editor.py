"""Profiles and their values, before anything is in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clustrix.config import kinds
from clustrix.config.field import Field
from clustrix.config.store import Settings
from clustrix.errors import ConfigError
from clustrix_notebook.widget.drafts import Conflict
from clustrix_notebook.widget.editor import Editor, Refused
from clustrix_notebook.widget.texts import KEPT, LOST
from tests.notebook.widget.conftest import Begin, World

FILE = """\
default_cores: 2
profiles:
  hpc:
    default_cores: 16
    default_memory: 64GB
    environment_variables: {SITE_TOKEN: hunter2}
  gpu:
    default_cores: 8
"""


@pytest.fixture
def editor(world: World, begin: Begin) -> Editor:
    world.write_user(FILE)
    return begin()


def hold(editor: Editor) -> tuple[str | None, Any]:
    current = editor.settings.current()
    return current.profile, current["default_cores"]


def test_profiles_of_the_files_are_there(editor: Editor) -> None:
    """First what is outside of them; each shows what it says, and what holds where it says nothing."""
    assert editor.names() == ["", "gpu", "hpc"]
    assert editor.texts() == {"default_cores": "2"}
    assert editor.below()["default_cores"] == ("1", "default")
    editor.choose("hpc")
    assert editor.texts() == {
        "default_cores": "16",
        "default_memory": "64 GiB",
        "environment_variables": f"SITE_TOKEN={KEPT}",
    }
    text, origin = editor.below()["default_cores"]
    assert (text, origin.startswith("user file")) == ("2", True)
    with pytest.raises(Refused, match="no profile 'hcp'; did you mean 'hpc'"):
        editor.choose("hcp")


def test_profile_that_holds_is_edited_at_first(world: World, begin: Begin) -> None:
    """If it is one of them."""
    world.write_user("profile: gpu\n" + FILE)
    assert begin().edited == "gpu"


def test_value_is_checked_as_configure_does(editor: Editor) -> None:
    """What is wrong is told of its field; nothing of it holds."""
    editor.edit("", {"default_cores": "none", "default_time": "5 parsecs"})
    assert set(editor.problems()) == {"default_cores", "default_time"}
    for name, text in (("default_cores", "none"), ("default_time", "5 parsecs")):
        with pytest.raises(ConfigError) as caught:
            editor.settings.configure({name: text})
        assert editor.problems()[name].lower()[:30] == caught.value.allowed.lower()[:30]
    with pytest.raises(ConfigError):
        editor.apply()
    assert hold(editor) == (None, 2)


def test_problem_speaks_of_the_form(editor: Editor) -> None:
    """There one writes none, not None."""
    editor.edit("", {"default_time": "5 parsecs"})
    assert "or none" in editor.problems()["default_time"]


def test_applied_profile_holds_with_its_edits(editor: Editor) -> None:
    """In this process; what is emptied is what holds below it, and the file is as it was."""
    editor.choose("hpc")
    editor.edit("hpc", {"default_cores": "32", "default_memory": ""})
    editor.apply()
    assert hold(editor) == ("hpc", 32)
    assert editor.settings.current()["default_memory"] is None
    assert editor.settings.current()["environment_variables"] == {"SITE_TOKEN": "hunter2"}
    editor.choose("")
    editor.apply()
    assert hold(editor) == (None, 2)


def test_value_outside_of_profiles_that_is_emptied_holds_no_more(
    editor: Editor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the file has it yet: then the default holds, or what the environment says."""
    editor.edit("", {"default_cores": ""})
    assert editor.tried()["default_cores"] == 1
    assert hold(editor) == (None, 2)
    editor.apply()
    assert hold(editor) == (None, 1)
    editor.settings.restore(Settings().explicit)
    monkeypatch.setenv("CLUSTRIX_DEFAULT_CORES", "4")
    editor.apply()
    assert hold(editor) == (None, 4)


def test_trial_holds_nowhere(editor: Editor) -> None:
    """What the connection test gets is what would hold, with the fields of plugins."""
    editor.new("far")
    editor.edit("far", {"host": "far.uni.edu", "default_cores": "3"})
    tried = editor.tried()
    assert (tried.profile, tried["host"], tried["default_cores"]) == ("far", "far.uni.edu", 3)
    assert hold(editor) == (None, 2)
    assert editor.settings.current()["host"] is None


# -- names


@pytest.mark.parametrize("name", ["", " a", "a ", "a\nb", "a" * 101, "\ud800", "\x7f"])
def test_name_that_cannot_be_is_refused(editor: Editor, name: str) -> None:
    """Of a new one, a copy and a renamed one."""
    editor.choose("gpu")
    for act in (editor.new, editor.copy, editor.rename):
        with pytest.raises(Refused, match="needs a name of 1 to 100 characters"):
            act(name)
    assert editor.names() == ["", "gpu", "hpc"]


@pytest.mark.parametrize("name", ["<b>", "a: b", "#1", "é", "'\"", "true", "123", "profiles", "constructor"])
def test_any_other_name_is_taken(editor: Editor, name: str) -> None:
    """Whatever it means elsewhere."""
    editor.new(name)
    editor.edit(name, {"default_cores": "3"})
    assert (editor.edited, editor.texts()) == (name, {"default_cores": "3"})
    editor.apply()
    assert hold(editor) == (name, 3)


def test_name_that_is_taken_is_refused(editor: Editor) -> None:
    """Also the old one of a profile that was renamed: the files have it until that is saved."""
    with pytest.raises(Refused, match="there is a profile 'gpu' already"):
        editor.new("gpu")
    editor.choose("gpu")
    editor.rename("card")
    assert editor.names() == ["", "card", "hpc"]
    with pytest.raises(Refused, match="until its new name is saved"):
        editor.copy("gpu")
    editor.rename("gpu")
    assert not editor.draft().changed


def test_what_is_outside_of_profiles_is_none(editor: Editor) -> None:
    """It is neither renamed nor deleted; copied it becomes one."""
    for act in (lambda: editor.rename("x"), editor.delete):
        with pytest.raises(Refused, match="outside of profiles"):
            act()
    editor.copy("x")
    assert editor.texts() == {"default_cores": "2"}


def test_copy_has_what_is_not_shown(editor: Editor) -> None:
    """The values of variables come along, also of a copy of a copy and where the first was renamed since."""
    editor.choose("hpc")
    editor.copy("two")
    editor.copy("three")
    assert editor.values()["environment_variables"] == {"SITE_TOKEN": "hunter2"}
    assert editor.values()["default_memory"] == 64 * 2**30
    assert editor.problems() == {}


def test_deleted_profile_can_be_had_back(editor: Editor) -> None:
    """With what was typed into it; it does not hold meanwhile."""
    editor.choose("hpc")
    editor.edit("hpc", {"default_cores": "32"})
    editor.delete()
    with pytest.raises(Refused, match="profile hpc is deleted: undo that first"):
        editor.apply()
    editor.delete(False)
    assert editor.texts()["default_cores"] == "32"
    editor.apply()
    assert hold(editor) == ("hpc", 32)


def test_discarded_profile_is_as_it_was(editor: Editor) -> None:
    """Under its old name; a new one is gone."""
    editor.choose("gpu")
    editor.rename("card")
    editor.edit("card", {"default_cores": "9"})
    editor.discard()
    assert (editor.edited, editor.texts()) == ("gpu", {"default_cores": "8"})
    editor.new("x")
    editor.discard()
    assert (editor.edited, editor.names()) == ("", ["", "gpu", "hpc"])


def test_edit_of_a_profile_that_is_gone_lands_nowhere(editor: Editor) -> None:
    """Neither in another nor in a new one."""
    editor.new("x")
    editor.discard()
    editor.edit("x", {"default_cores": "9"})
    assert editor.names() == ["", "gpu", "hpc"]
    editor.edit("gpu", {"default_cores": "9"})
    assert editor.texts() == {"default_cores": "2"}


def test_profile_of_this_process_alone_can_be_saved(world: World, editor: Editor) -> None:
    """One that was applied and not saved, and one that was loaded: it is not in the user's file yet."""
    (world.home / "more.yml").write_text("profiles:\n  far:\n    environment_variables: {B: hunter3}\n")
    editor.settings.load(str(world.home / "more.yml"))
    editor.refresh()
    editor.choose("far")
    assert editor.draft().changed
    assert editor.changes() == {"environment_variables": {"B": "hunter3"}}


def test_none_is_a_value(world: World, begin: Begin) -> None:
    """What a file says of it is shown, and it can be typed."""
    world.write_user("default_memory: 1GB\nprofiles:\n  hpc: {default_memory: null}\n")
    editor = begin()
    editor.choose("hpc")
    assert editor.texts() == {"default_memory": "none"}
    editor.edit("hpc", {"default_memory": "2GB"})
    editor.edit("hpc", {"default_memory": "none", "default_time": "none"})
    assert editor.changes() == {"default_time": None}


# -- other programs


def test_change_of_the_file_is_followed_at_once(world: World, editor: Editor) -> None:
    """What was typed elsewhere stays, what both have changed waits for a decision, and goes along with a new name."""
    editor.choose("gpu")
    editor.edit("gpu", {"default_cores": "9", "default_time": "1h"})
    world.write_user(FILE.replace("default_cores: 8", "default_cores: 10\n    default_memory: 1GB"))
    assert editor.refresh()
    assert not editor.refresh()
    assert editor.texts() == {"default_cores": "9", "default_time": "1h", "default_memory": "1 GiB"}
    editor.rename("card")
    assert editor.view()["conflicts"] == [Conflict("default_cores", "9", "10")._asdict()]
    editor.settle("default_cores", False)
    assert (editor.view()["conflicts"], editor.texts()["default_cores"]) == ([], "10")


def test_profile_that_others_remove_is_kept_only_with_edits(world: World, editor: Editor) -> None:
    """What was merely looked at is gone, also what was to be deleted; what was typed can be saved."""
    editor.choose("gpu")
    editor.choose("hpc")
    editor.edit("hpc", {"default_time": "1h"})
    world.write_user("default_cores: 2\n")
    assert editor.refresh()
    assert editor.names() == ["", "hpc"]
    assert editor.changes() == {"default_time": "1h"}


def test_profile_that_others_make_meets_the_new_one(world: World, editor: Editor) -> None:
    """Two of one name are one; where they differ somebody decides."""
    editor.new("x")
    editor.edit("x", {"default_cores": "3"})
    world.write_user(FILE + "  x:\n    default_cores: 4\n    default_memory: 1GB\n")
    editor.refresh()
    assert editor.view()["conflicts"] == [Conflict("default_cores", "3", "4")._asdict()]
    assert editor.texts() == {"default_cores": "3", "default_memory": "1 GiB"}


def test_configure_is_followed(editor: Editor) -> None:
    """What a cell sets is shown below."""
    assert not editor.refresh()
    editor.settings.configure({"default_time": 60})
    assert editor.refresh()
    assert editor.below()["default_time"] == ("0:01:00", "configure()")


def test_broken_file_stops_saving_alone(world: World, begin: Begin) -> None:
    """At the start and later: it is told where, one can go on typing, and all is well when it is mended."""
    world.write_user("default_cores: [\n")
    editor = begin()
    assert "config.yml:2:1: no valid YAML" in editor.trouble
    editor.new("x")
    editor.edit("x", {"default_cores": "0"})
    assert (list(editor.problems()), editor.view()["trouble"]) == (["default_cores"], editor.trouble)
    assert editor.below()["default_cores"] == ("1", "default")
    world.write_user(FILE)
    assert editor.refresh()
    assert (editor.trouble, editor.names(), editor.edited) == ("", ["", "gpu", "hpc", "x"], "x")
    world.write_user("profile: nothing\n")
    assert editor.refresh()
    assert not editor.refresh()
    assert "no profile 'nothing'" in editor.view()["trouble"]


def test_file_that_breaks_between_two_looks_is_told(world: World, editor: Editor) -> None:
    """Whatever is asked for just then."""
    editor.settings.look_again()
    world.write_user("default_cores: [\n")
    assert "no valid YAML" in editor.view()["trouble"]


# -- the next kernel


def test_drafts_outlive_the_process(editor: Editor, begin: Begin) -> None:
    """With names, copies, deletions, and the profile that was edited; the file may have changed meanwhile."""
    editor.choose("gpu")
    editor.rename("card")
    editor.choose("hpc")
    editor.copy("two")
    editor.edit("two", {"default_cores": "17"})
    editor.keep()
    again = begin()
    assert (again.edited, again.names()) == ("two", ["", "card", "hpc", "two"])
    assert again.values() == editor.values()
    again.choose("card")
    assert again.draft().origin == "gpu"


def test_what_may_be_secret_is_not_kept(editor: Editor, begin: Begin, kept: Path) -> None:
    """Variables that were typed are to be typed again, and it is said; those of the file are there."""
    editor.choose("hpc")
    editor.edit("hpc", {"environment_variables": f"SITE_TOKEN={KEPT}\nNEW=hunter3"})
    assert editor.values()["environment_variables"] == {"SITE_TOKEN": "hunter2", "NEW": "hunter3"}
    editor.keep()
    assert "hunter" not in "".join(path.read_text() for path in kept.rglob("drafts-*"))
    again = begin()
    assert again.texts()["environment_variables"] == f"SITE_TOKEN={KEPT}\nNEW={LOST}"
    assert "value of NEW is not known any more" in again.problems()["environment_variables"]


def test_field_that_is_gone_does_not_bar_the_others(world: World, begin: Begin) -> None:
    """As one of a plugin that is not installed any more: its text waits for it."""
    editor = begin()
    editor.edit("", {"host": "a", "default_cores": "3"})
    editor.keep()
    again = Editor(Settings(fields=lambda: (), user_file=str(world.user)), editor._store)
    assert (again.texts(), again.problems()) == ({"default_cores": "3"}, {})
    again.apply()
    again.keep()
    assert begin().texts() == {"host": "a", "default_cores": "3"}


def test_check_that_fails_is_a_problem_of_its_field(world: World) -> None:
    """Whatever a plugin's own raises while one types."""

    def check(name: str, value: Any) -> Any:
        return value if value in ("a", None) else {}[value]

    field = Field("odd", kinds.Kind("odd", check, str), None, "An odd one.", "a")
    editor = Editor(Settings(fields=lambda: (field,), user_file=str(world.user)))
    editor.edit("", {"odd": "b", "default_cores": "0"})
    assert "KeyError" in editor.problems()["odd"]
    assert len(editor.problems()) == 2


def test_huge_value_is_refused_with_a_short_reason(editor: Editor) -> None:
    """As one that was pasted by mistake."""
    editor.edit("", {"host": "x" * 1_000_000, "default_cores": "9" * 100_000})
    assert all(len(text) < 500 for text in editor.problems().values())
    assert len(editor.problems()) == 2
