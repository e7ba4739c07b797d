"""Writing files: what is set, and everything else as it was."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from clustrix.config import yamltext
from clustrix.config.editing import (
    save,
    set_value,
    with_profile_renamed,
    with_value,
    without_profile,
    without_value,
)
from clustrix.errors import ConfigError, ConfigFileError
from tests.core.config.conftest import World

COMMENTED = """\
# of the lab
default_cores: 2   # enough

default_memory:
profiles:
  # the cluster
  hpc:
    default_cores: 16  # of 64
    environment_variables:
      A: b
  gpu: {default_cores: 4}
  empty:
"""


@pytest.mark.parametrize(
    ("profile", "name", "value", "old", "new"),
    [
        ("", "default_cores", 8, "default_cores: 2   #", "default_cores: 8   #"),
        ("", "default_memory", "1GB", "default_memory:\n", 'default_memory: "1GB"\n'),
        ("hpc", "default_cores", 8, "default_cores: 16  #", "default_cores: 8  #"),
        ("hpc", "default_time", 5, "    default_cores: 16", "    default_time: 5\n    default_cores: 16"),
        ("gpu", "default_cores", 8, "{default_cores: 4}", "{default_cores: 8}"),
        ("gpu", "default_time", None, "{default_cores: 4}", "{default_time: null, default_cores: 4}"),
        ("empty", "default_cores", 1, "  empty:\n", "  empty:\n    default_cores: 1\n"),
        ("new one", "default_cores", 1, "  empty:\n", '  empty:\n  "new one":\n    default_cores: 1\n'),
    ],
)
def test_one_value_is_changed_and_nothing_else(
    profile: str, name: str, value: Any, old: str, new: str
) -> None:
    """Comments, order and spaces stay."""
    assert with_value("x.yml", COMMENTED, name, value, profile) == COMMENTED.replace(old, new)


def test_profiles_in_braces_can_be_changed() -> None:
    """As in a file that a program has written, which is JSON."""
    text = json.dumps({"profiles": {"a": {"b": 1}, "c": {}}}, indent=1)
    assert with_value("x.yml", text, "b", 2, "a") == text.replace('"b": 1', '"b": 2')
    assert with_value("x.yml", text, "b", 2, "c") == text.replace('"c": {}', '"c": {b: 2}')


def test_new_value_goes_to_the_end() -> None:
    """Also where the last line has no end, and into a file that is not there."""
    assert with_value("x.yml", "a: 1", "b", True) == "a: 1\nb: true\n"
    assert with_value("x.yml", "", "b", [1]) == "b: [1]\n"
    assert with_value("x.yml", "# c\n", "b", 1, "p") == "# c\nprofiles:\n  p:\n    b: 1\n"
    assert with_value("x.yml", "a: 1\n", "b", 1, "p") == "a: 1\nprofiles:\n  p:\n    b: 1\n"


@pytest.mark.parametrize(
    ("text", "profile"),
    [
        ("default_cores:\n  - 1 # one\n", ""),
        ("a: 1\n...\n", ""),
        ("profiles: {hpc: {}}\n", "gpu"),
        ("- 1\n", ""),
    ],
)
def test_what_cannot_be_edited_is_refused_with_the_line_to_write(text: str, profile: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ConfigFileError, match=r"cannot be edited.*yourself: default_cores: 8"):
        with_value("x.yml", text, "default_cores", 8, profile)


keys = st.text("abc_", min_size=1, max_size=3)
plain = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.text(max_size=5),
    st.lists(st.text(max_size=3), max_size=2),
)
documents = st.dictionaries(keys, plain | st.dictionaries(keys, plain, max_size=2), max_size=4)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    before=documents,
    profiles=st.dictionaries(keys, st.dictionaries(keys, plain, max_size=3), max_size=2),
    name=keys,
    value=plain,
    profile=st.just("") | keys,
    flow=st.booleans(),
)
def test_edited_text_reads_back_as_meant(
    before: Any, profiles: Any, name: str, value: Any, profile: str, flow: bool
) -> None:
    """Whatever the file and the value: what was set is there, and nothing else has changed, or it is refused."""
    import yaml

    whole = {**before, "profiles": profiles} if profiles else before
    text = yaml.safe_dump(whole, default_flow_style=flow, allow_unicode=True)
    read = yamltext.parse("x.yml", text)
    assume(read is not None)
    assert read is not None
    old = read.plain()
    try:
        found = yamltext.parse("x.yml", with_value("x.yml", text, name, value, profile))
    except ConfigFileError:
        return
    assert found is not None
    new = found.plain()
    target = new["profiles"][profile] if profile else new
    assert target.pop(name) == value
    rest = old.get("profiles", {}).get(profile) or {} if profile else old
    rest.pop(name, None)
    assert target == rest


def test_saved_settings_are_the_explicit_ones(world: World) -> None:
    """Not those of other layers, and never a secret; the file is for its user alone, and loading it gives the same."""
    world.write_user("default_time: 5\n")
    found = world.settings()
    found.configure(
        {"default_cores": 4, "default_memory": "1GB", "token": "hunter2", "environment_variables": {"A": "1"}}
    )
    for name in ("a.yml", "a.json"):
        path = world.home / name
        save(found, str(path))
        assert path.stat().st_mode & 0o777 == 0o600
        assert "hunter2" not in path.read_text()
        again = world.settings()
        again.load(str(path))
        expected = {key: value for key, value in found.explicit.values.items() if key != "token"}
        assert {key: value.value for key, value in again.explicit.values.items()} == {
            key: value.value for key, value in expected.items()
        }


def test_saving_keeps_what_the_file_has(world: World) -> None:
    """Comments and other names of a YAML file, other names of a JSON file, its mode; a loaded profile comes along."""
    more = world.home / "more.yml"
    more.write_text("profile: far\nprofiles:\n  far:\n    default_memory: 2GB\n")
    found = world.settings()
    found.load(str(more))
    found.configure({"default_cores": 4})
    path = world.home / "a.yml"
    path.write_text("# mine\ndefault_time: 5\n")
    path.chmod(0o640)
    save(found, str(path))
    assert path.read_text().startswith("# mine\ndefault_time: 5\n")
    assert path.stat().st_mode & 0o777 == 0o640
    again = world.settings()
    path.chmod(0o600)
    again.load(str(path))
    assert (again.current().profile, again.current()["default_memory"]) == ("far", 2**31)
    other = world.home / "a.json"
    other.write_text('{"default_time": 5}')
    save(found, str(other))
    assert json.loads(other.read_text())["default_time"] == 5


def test_failed_save_leaves_the_file_alone(world: World) -> None:
    """Whole or not at all, and nothing is left beside it."""
    found = world.settings()
    found.configure({"default_cores": 4})
    path = world.home / "a.yml"
    path.write_text("default_cores:\n  - 1 # one\n")
    with pytest.raises(ConfigFileError, match="cannot be edited"):
        save(found, str(path))
    assert path.read_text() == "default_cores:\n  - 1 # one\n"
    assert sorted(os.listdir(world.home)) == ["a.yml", "work"]
    with pytest.raises(ConfigFileError, match="cannot be read"):
        save(found, str(path / "below.yml"))
    with pytest.raises(ConfigFileError, match="only YAML and JSON"):
        save(found, str(world.home / "a.toml"))


def test_link_to_a_file_stays_a_link(world: World, tmp_path: Path) -> None:
    """As people have their configuration in a repository of their own."""
    real = tmp_path / "real.yml"
    real.write_text("default_cores: 1\n")
    link = world.home / "a.yml"
    link.symlink_to(real)
    set_value(world.settings(), str(link), "default_cores", 2)
    assert link.is_symlink()
    assert real.read_text() == "default_cores: 2\n"


def test_secret_is_never_set_in_a_file(world: World) -> None:
    """The command to use instead is told."""
    with pytest.raises(ConfigError, match="clustrix config secret set token") as caught:
        set_value(world.settings(), str(world.user), "token", "hunter2")
    assert "hunter2" not in f"{caught.value} {caught.value.args}"
    assert not world.user.exists()


# -- taking out and naming

TAKEN = """\
# of the lab
profiles:
  hpc:
    default_cores: 16
    # of hpc

  # the cards
  gpu:
    environment_variables:
      A: b
      C: |
        text
    default_cores: 4   # of 8
  "my one": {default_cores: 3, default_time: 5}
default_time: 5
"""


@pytest.mark.parametrize(
    ("profile", "left"),
    [
        (
            "hpc",
            TAKEN.replace("  hpc:\n    default_cores: 16\n    # of hpc\n", ""),
        ),
        ("gpu", TAKEN[: TAKEN.index("  gpu:")] + TAKEN[TAKEN.index('  "my one"') :]),
        ("my one", TAKEN.replace('  "my one": {default_cores: 3, default_time: 5}\n', "")),
        ("other", TAKEN),
    ],
)
def test_profile_is_taken_out_and_nothing_else(profile: str, left: str) -> None:
    """Wherever it stands; with the comments in it, and without those of the next one."""
    assert without_profile("x.yml", TAKEN, profile) == left


@pytest.mark.parametrize(
    ("profile", "name", "old"),
    [
        ("", "default_time", "default_time: 5\n"),
        ("hpc", "default_cores", "    default_cores: 16\n"),
        ("gpu", "default_cores", "    default_cores: 4   # of 8\n"),
        (
            "gpu",
            "environment_variables",
            "    environment_variables:\n      A: b\n      C: |\n        text\n",
        ),
        ("my one", "default_cores", "default_cores: 3, "),
        ("my one", "default_time", ", default_time: 5"),
        ("my one", "default_memory", ""),
        ("other", "default_cores", ""),
    ],
)
def test_value_is_taken_out_and_nothing_else(profile: str, name: str, old: str) -> None:
    """Of one line, of several, and out of braces."""
    assert without_value("x.yml", TAKEN, name, profile) == (
        TAKEN[::-1].replace(old[::-1], "", 1)[::-1] if old else TAKEN
    )


@pytest.mark.parametrize("new", ["hpc2", "a: b", "#1", "é", '"', "true", "123", "'x' y"])
def test_profile_is_renamed_and_nothing_else(new: str) -> None:
    """Whatever its new name means in YAML, it is that name when it is read."""
    for old in ("hpc", "gpu", "my one"):
        text = with_profile_renamed("x.yml", TAKEN, old, new)
        found = yamltext.parse("x.yml", text)
        assert found is not None
        assert list(found.plain()["profiles"]) == [
            new if name == old else name for name in ("hpc", "gpu", "my one")
        ]
        changed = [
            (one, two) for one, two in zip(TAKEN.splitlines(), text.splitlines(), strict=True) if one != two
        ]
        assert len(changed) == 1
    assert with_profile_renamed("x.yml", TAKEN, "other", new) == TAKEN


def test_profile_gets_no_name_that_another_has() -> None:
    """One of the two would be lost."""
    with pytest.raises(ConfigFileError, match="Call the profile gpu there yourself"):
        with_profile_renamed("x.yml", TAKEN, "hpc", "gpu")


@pytest.mark.parametrize(
    "text", ["profiles:\n", "profiles: {}\n", "profiles: {}  # none\n", "profiles: null\n"]
)
def test_first_profile_goes_below_profiles_that_are_empty(text: str) -> None:
    """As they are when the last one was taken out."""
    found = yamltext.parse("x.yml", with_value("x.yml", text + "a: 1\n", "default_cores", 2, "p"))
    assert found is not None
    assert found.plain() == {"a": 1, "profiles": {"p": {"default_cores": 2}}}


@pytest.mark.parametrize(
    ("text", "value", "left"),
    [
        ("a:\n  - x\n  - y\nb: 1\n", ["z"], 'a: ["z"]\nb: 1\n'),
        ("a:\n- x\n\n# of b\nb: 1\n", ["z"], 'a: ["z"]\n\n# of b\nb: 1\n'),
        ("a:\n  X: y\n  Z:\n", {"X": "w"}, 'a: {"X": "w"}\n'),
    ],
)
def test_value_of_several_lines_is_replaced(text: str, value: Any, left: str) -> None:
    """What follows it stays where it is."""
    assert with_value("x.yml", text, "a", value) == left


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    before=documents,
    profiles=st.dictionaries(keys, st.dictionaries(keys, plain, max_size=3), max_size=3),
    name=keys,
    profile=st.just("") | keys,
    new=st.text(min_size=1, max_size=4),
    flow=st.booleans() | st.none(),
)
def test_text_without_something_reads_back_as_meant(
    before: Any, profiles: Any, name: str, profile: str, new: str, flow: bool | None
) -> None:
    """Whatever the file: a value is gone, a profile is gone or has its new name, and nothing else has changed, or it is refused."""
    import yaml

    whole = {**before, "profiles": profiles} if profiles else before
    text = yaml.safe_dump(whole, default_flow_style=flow, allow_unicode=True)
    assume(new not in profiles and new.isprintable())

    def plain_of(edit: Any) -> Any:
        with suppress(ConfigFileError):
            found = yamltext.parse("x.yml", edit)
            return (found.plain() if found is not None else None) or {}
        raise AssertionError(f"cannot be read any more: {edit!r}")

    def left(given: Any) -> Any:
        """Empty profiles are as good as none."""
        some = {key: value for key, value in (given.get("profiles") or {}).items() if value}
        return {key: value for key, value in given.items() if key != "profiles"}, some

    old = plain_of(text)
    with suppress(ConfigFileError):
        wanted = json.loads(json.dumps(old))
        into = (wanted.get("profiles") or {}).get(profile) or {} if profile else wanted
        into.pop(name, None)
        assert left(plain_of(without_value("x.yml", text, name, profile))) == left(wanted)
    with suppress(ConfigFileError):
        wanted = json.loads(json.dumps(old))
        (wanted.get("profiles") or {}).pop(profile, None)
        assert left(plain_of(without_profile("x.yml", text, profile))) == left(wanted)
    with suppress(ConfigFileError):
        wanted = json.loads(json.dumps(old))
        if profile in (wanted.get("profiles") or {}):
            wanted["profiles"][new] = wanted["profiles"].pop(profile)
        assert plain_of(with_profile_renamed("x.yml", text, profile, new)) == wanted
