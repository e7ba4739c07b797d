"""Layers and profiles: what wins, where a value comes from, and that nothing is half applied."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clustrix.config import merge_options
from clustrix.config.store import Settings
from clustrix.errors import ConfigError, UnknownOption, UnknownProfile
from tests.core.config.conftest import World

PROFILES = """
default_cores: 2
profiles:
  hpc: {default_cores: 16, default_memory: 64GB}
  gpu: {default_cores: 8, host: gpu.uni.edu}
"""


def test_later_layers_win_and_origins_tell(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Default, user file, project file, environment, configure(), decorator and options(), one above the other."""
    name = "default_cores"
    found = world.settings()
    assert (found.current()[name], str(found.current().origin(name))) == (1, "default")
    world.write_user("# mine\ndefault_cores: 2\n")
    found = world.settings()
    assert (found.current()[name], str(found.current().origin(name))) == (2, f"user file {world.user}:2")
    path = world.write_project("default_time: 1h\n\ndefault_cores: 3\n")
    found = world.settings()
    assert (found.current()[name], str(found.current().origin(name))) == (3, f"project file {path}:3")
    monkeypatch.setenv("CLUSTRIX_DEFAULT_CORES", "4")
    assert found.current()[name] == 4
    assert str(found.current().origin(name)) == "environment CLUSTRIX_DEFAULT_CORES"
    found.configure({name: 5})
    assert (found.current()[name], str(found.current().origin(name))) == (5, "configure()")
    decorated = found.resolve(merge_options({}, {"cores": 6}))
    assert (decorated[name], str(decorated.origin(name))) == (6, "option")
    assert found.resolve(merge_options({"default_cores": 6}, {"cores": 7}))[name] == 7
    assert found.current()["default_time"] == 3600


def test_none_is_a_value_of_its_own(world: World) -> None:
    """It says that there is no limit, and does not ask the layer below."""
    world.write_user("default_memory: 1GB\n")
    world.write_project("default_memory: null\n")
    assert world.settings().current()["default_memory"] is None


def test_settings_are_a_mapping_that_cannot_be_changed(world: World) -> None:
    """Also what is in it; and all of it can be given back to configure()."""
    found = world.settings()
    found.configure({"environment_variables": {"A": "1"}})
    current = found.current()
    current["environment_variables"]["B"] = "2"
    assert found.current()["environment_variables"] == {"A": "1"}
    with pytest.raises(TypeError):
        current["default_cores"] = 4  # type: ignore[index]
    assert {"default_cores", "host", "token", "token_command"} <= set(current)
    assert len(current) == len(list(current)) == len(set(current))
    found.configure(dict(current))
    with pytest.raises(KeyError):
        current["nonsense"]
    with pytest.raises(KeyError):
        current.origin("nonsense")
    assert str(current.origin("host")) == "default"


def test_shown_settings_hide_what_may_be_secret(world: World) -> None:
    """Secrets, and the values of environment variables."""
    found = world.settings()
    found.configure({"token": "hunter2", "environment_variables": {"PASS": "hunter3"}})
    assert "hunter" not in repr(found.current())
    assert "PASS" in repr(found.current())


# -- profiles


def test_profile_counts_as_given_where_it_was_chosen(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chosen in the user file it is below the project file, chosen in the environment above."""
    world.write_user("profile: hpc\n" + PROFILES)
    world.write_project("default_cores: 3\n")
    found = world.settings()
    assert (found.current()["default_cores"], found.current()["default_memory"]) == (3, 64 * 2**30)
    monkeypatch.setenv("CLUSTRIX_PROFILE", "hpc")
    assert found.current()["default_cores"] == 16
    assert found.current().origin("default_cores").profile == "hpc"
    monkeypatch.setenv("CLUSTRIX_DEFAULT_CORES", "4")
    assert found.current()["default_cores"] == 4


def test_profile_of_a_file_overrides_what_the_file_says_for_all(world: World) -> None:
    """What stands outside of profiles is for all of them."""
    world.write_user("profile: hpc\n" + PROFILES)
    assert world.settings().current()["default_cores"] == 16


def test_explicit_values_override_the_profile_beside_them(world: World) -> None:
    """In configure() in whatever order, and in the decorator."""
    world.write_user(PROFILES)
    for order in (["default_cores", "profile"], ["profile", "default_cores"]):
        found = world.settings()
        for name in order:
            found.configure({name: {"default_cores": 5, "profile": "hpc"}[name]})
        assert (found.current()["default_cores"], found.current()["default_memory"]) == (5, 64 * 2**30)
        options = merge_options({}, {"cores": 6, "profile": "gpu"})
        assert found.resolve(options)["default_cores"] == 6


def test_only_the_profile_that_was_chosen_latest_holds(world: World) -> None:
    """Two profiles are two clusters: nothing of one gets into the other."""
    world.write_user("profile: hpc\n" + PROFILES)
    found = world.settings()
    found.configure({"profile": "gpu"})
    assert (found.current()["default_cores"], found.current()["default_memory"]) == (8, None)
    assert found.current().profile == "gpu"
    found.configure({"profile": None})
    assert (found.current()["default_cores"], found.current().profile) == (2, None)


def test_profile_of_a_call_counts_more_than_the_decorator(world: World) -> None:
    """@cluster(cores=4) and then .options(profile="gpu"): the profile was said later."""
    world.write_user(PROFILES)
    found = world.settings()
    decorator = merge_options({}, {"cores": 4, "memory": "1GB"})
    called = merge_options(decorator, {"profile": "gpu"})
    resolved = found.resolve(called)
    assert (resolved["default_cores"], resolved["default_memory"], resolved["host"]) == (
        8,
        2**30,
        "gpu.uni.edu",
    )
    assert str(resolved.origin("default_memory")) == "option"
    assert found.resolve(merge_options(called, {"cores": 5}))["default_cores"] == 5
    assert found.resolve(merge_options(called, {"profile": "hpc"}))["host"] is None
    assert found.resolve(merge_options(called, {"profile": None}))["default_cores"] == 4


def test_two_profiles_side_by_side_do_not_disturb_each_other(world: World) -> None:
    """In one process, in many threads at once, while configure() is called."""
    world.write_user(PROFILES)
    found = world.settings()
    wrong: list[Any] = []

    def look(profile: str, cores: int, host: str | None) -> None:
        for _ in range(300):
            resolved = found.resolve({"profile": profile})
            if (resolved["default_cores"], resolved["host"]) != (cores, host):
                wrong.append(dict(resolved))

    threads = [
        threading.Thread(target=look, args=case) for case in (("hpc", 16, None), ("gpu", 8, "gpu.uni.edu"))
    ]
    for thread in threads:
        thread.start()
    for number in range(100):
        found.configure({"default_time": number + 1})
    for thread in threads:
        thread.join()
    assert wrong == []


def test_profiles_of_one_name_are_merged(world: World) -> None:
    """The project's values win, each with its own origin."""
    world.write_user(PROFILES)
    path = world.write_project("profiles:\n  hpc:\n    default_cores: 32\n")
    resolved = world.settings().resolve({"profile": "hpc"})
    assert (resolved["default_cores"], resolved["default_memory"]) == (32, 64 * 2**30)
    assert str(resolved.origin("default_cores")) == f"project file {path}:3, profile hpc"
    assert str(resolved.origin("default_memory")) == f"user file {world.user}:4, profile hpc"


def test_unknown_profile_names_the_nearest(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """In configure(), in the environment, in a file with its line, and in an option."""
    world.write_user(PROFILES)
    found = world.settings()
    with pytest.raises(UnknownProfile, match="no profile 'hcp'; did you mean 'hpc'"):
        found.configure({"profile": "hcp"})
    assert found.current().profile is None
    with pytest.raises(UnknownProfile, match="did you mean 'gpu'"):
        found.resolve({"profile": "gpus"})
    path = world.write_project("\nprofile: nothing\n")
    with pytest.raises(UnknownProfile, match=f"{path}:2: no profile 'nothing'; known: gpu, hpc"):
        world.settings().current()
    monkeypatch.setenv("CLUSTRIX_PROFILE", "hpcc")
    with pytest.raises(LookupError, match="CLUSTRIX_PROFILE: no profile 'hpcc'; did you mean 'hpc'"):
        world.settings().current()


# -- the environment


def test_unknown_variable_is_told_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the nearest name; the program's own variables are none of it."""
    monkeypatch.setenv("CLUSTRIX_DEFAULT_COERS", "4")
    monkeypatch.setenv("CLUSTRIX_DISPATCHER_IDLE_SECONDS", "4")
    with pytest.warns(
        UserWarning, match="CLUSTRIX_DEFAULT_COERS is not used.*'CLUSTRIX_DEFAULT_CORES'"
    ) as caught:
        world.settings().current()
    assert len(caught) == 1
    assert caught[0].filename == __file__
    world.settings().current()


def test_bad_variable_is_named_with_an_example(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one writes it in a shell."""
    monkeypatch.setenv("CLUSTRIX_ASYNC_SUBMIT", "maybe")
    with pytest.raises(ConfigError) as caught:
        world.settings().current()
    assert str(caught.value) == (
        "environment variable CLUSTRIX_ASYNC_SUBMIT: async_submit='maybe': must be True or False. "
        "Example: CLUSTRIX_ASYNC_SUBMIT=true."
    )


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("default_cores", " 4 ", 4),
        ("default_memory", "none", None),
        ("default_memory", "1GB", 2**30),
        ("default_memory", "1000", 1000),
        ("default_time", "", None),
        ("default_time", "90", 90.0),
        ("async_submit", "Yes", True),
        ("async_submit", "0", False),
        ("max_parallel_jobs", "2", 2),
        ("environment_variables", "A=1, B=x=y", {"A": "1", "B": "x=y"}),
        ("environment_variables", '{"A": "1,2"}', {"A": "1,2"}),
        ("environment_variables", "", {}),
    ],
)
def test_text_is_read(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str, text: str, value: Any
) -> None:
    """As people write such values in a shell."""
    monkeypatch.setenv(f"CLUSTRIX_{name.upper()}", text)
    assert world.settings().current()[name] == value


# -- changes


def test_edited_file_is_noticed(world: World) -> None:
    """Within about a second."""
    path = world.write_project("default_cores: 3\n")
    found = world.settings()
    assert found.current()["default_cores"] == 3
    path.write_text("default_cores: 44\n")
    time.sleep(1.05)
    assert found.current()["default_cores"] == 44
    path.unlink()
    time.sleep(1.05)
    assert found.current()["default_cores"] == 1


def test_change_of_folder_is_noticed_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each folder has its project's file; one that does not exist any more has none."""
    world.write_project("default_cores: 3\n")
    other = world.home / "other"
    other.mkdir()
    (other / "clustrix.yml").write_text("default_cores: 7\n")
    found = world.settings()
    assert found.current()["default_cores"] == 3
    monkeypatch.chdir(other)
    assert found.current()["default_cores"] == 7
    gone = world.home / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert found.current()["default_cores"] == 1


def test_change_of_the_environment_is_noticed_at_once(world: World) -> None:
    """Also of one that is no variable of ours: nothing is lost by it."""
    found = world.settings()
    assert found.current()["default_cores"] == 1
    os.environ["CLUSTRIX_DEFAULT_CORES"] = "3"
    try:
        assert found.current()["default_cores"] == 3
    finally:
        del os.environ["CLUSTRIX_DEFAULT_CORES"]
    assert found.current()["default_cores"] == 1


def test_broken_file_stops_what_reads_it_until_it_is_mended(world: World) -> None:
    """And not configure(), which needs no file."""
    path = world.write_project("default_cores: many\n")
    found = world.settings()
    found.configure({"default_time": 5})
    for _ in range(2):
        with pytest.raises(ConfigError, match=f"{path}:1: default_cores='many'"):
            found.current()
    path.write_text("default_cores: 2\n")
    assert (found.current()["default_cores"], found.current()["default_time"]) == (2, 5.0)


def test_load_adds_a_file_to_what_was_configured(world: World) -> None:
    """Its values, its profiles and its choice, with file and line as origin; it wins over all other files."""
    world.write_user(PROFILES)
    world.write_project("default_cores: 3\n")
    more = world.home / "more.yml"
    more.write_text(
        "default_cores: 9\nprofile: far\nprofiles:\n  far:\n    default_memory: 2GB\n  hpc:\n    default_time: 5\n"
    )
    found = world.settings()
    found.load(str(more))
    current = found.current()
    assert (current["default_cores"], current["default_memory"], current.profile) == (9, 2**31, "far")
    assert str(current.origin("default_cores")) == f"loaded file {more}:1"
    assert found.resolve({"profile": "hpc"})["default_time"] == 5
    found.configure({"default_cores": 10, "default_memory": "3GB"})
    assert (found.current()["default_cores"], found.current()["default_memory"]) == (10, 3 * 2**30)


# -- all or nothing

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["4", "16GB", "02:00:00", "none", "yes", "local", "hpc", "\ud800", "\0"]),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
names = st.sampled_from(
    [
        "default_cores",
        "default_memory",
        "default_time",
        "async_submit",
        "local_strict",
        "cluster_type",
        "max_parallel_jobs",
        "environment_variables",
        "token",
        "host",
        "token_command",
        "profile",
        "default_coers",
        "cluster_host",
        "ssh_port",
        "key",
    ]
) | st.text(max_size=6)
configurations = st.dictionaries(names, values, max_size=6)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(configuration=configurations)
def test_any_configuration_is_taken_whole_or_refused(world: World, configuration: dict[str, Any]) -> None:
    """configure() with whatever: only ConfigError is raised, and then nothing has changed."""
    found = world.settings()
    found.configure({"default_cores": 3, "default_memory": "1GB"})
    before = snapshot(found)
    error = refused(lambda: found.configure(configuration))
    if error is not None:
        assert str(error)
        assert snapshot(found) == before
    else:
        assert set(found.explicit.values) >= set(configuration) - {"profile"}


def refused(call: Callable[[], None]) -> ConfigError | None:
    try:
        call()
    except ConfigError as error:
        return error
    return None


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    configuration=configurations,
    profiles=st.dictionaries(st.text(max_size=5), configurations | scalars, max_size=2),
    suffix=st.sampled_from(["yml", "json", "toml"]),
    cut=st.integers(0, 400),
    noise=st.text(max_size=6),
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_any_file_is_taken_whole_or_refused(
    world: World,
    configuration: dict[str, Any],
    profiles: dict[str, Any],
    suffix: str,
    cut: int,
    noise: str,
) -> None:
    """Good, bad and mangled files: only ConfigError is raised, it names the file, and then nothing has changed."""
    import yaml

    whole = {**configuration, "profiles": profiles} if profiles else configuration
    text = str(yaml.safe_dump(whole, allow_unicode=True, default_flow_style=suffix == "json"))
    if cut < len(text):
        text = text[:cut] + noise + text[cut + 1 :]
    path = world.home / f"any.{suffix}"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    found = world.settings()
    found.configure({"default_cores": 3})
    before = snapshot(found)
    error = refused(lambda: found.load(str(path)))
    if error is not None:
        assert str(path) in str(error)
        assert snapshot(found) == before


def snapshot(found: Settings) -> Any:
    explicit = found.explicit
    return dict(found.current()), explicit.values, explicit.profile, explicit.profiles


def test_unknown_name_in_a_file_is_an_error_with_its_line(world: World) -> None:
    """Also in a profile."""
    for text, line in (
        ("default_time: 5\ndefault_coers: 4\n", 2),
        ("profiles:\n  a:\n    default_coers: 4\n", 3),
    ):
        path: Path = world.write_project(text)
        with pytest.raises(
            UnknownOption, match=f"{path}:{line}: unknown option 'default_coers'; did you mean"
        ):
            world.settings().current()


# -- a form


def test_profile_holds_with_just_its_own_values(world: World) -> None:
    """What the file has of it and is not wanted is as it would be without the profile; whatever was configured of it is forgotten."""
    world.write_user(PROFILES)
    found = world.settings()
    found.configure({"default_cores": 5, "default_time": 60})
    found.hold("hpc", {"default_cores": 32}, ["default_memory"])
    current = found.current()
    assert (current.profile, current["default_cores"], current["default_memory"]) == ("hpc", 32, None)
    assert current["default_time"] == 60
    assert str(current.origin("default_cores")) == "configure(), profile hpc"
    found.hold("new", {"host": "new.uni.edu"})
    assert (found.current()["host"], found.current()["default_cores"]) == ("new.uni.edu", 2)
    assert found.resolve({"profile": "hpc"})["default_cores"] == 32
    found.hold(None, {"default_cores": 3}, ["default_time"])
    current = found.current()
    assert (current.profile, current["default_cores"], current["default_time"]) == (None, 3, None)


def test_what_cannot_hold_changes_nothing(world: World) -> None:
    """A wrong value and a wrong name, beside right ones."""
    found = world.settings()
    found.configure({"default_cores": 5})
    before = found.explicit
    with pytest.raises(ConfigError, match="default_cores"):
        found.hold("hpc", {"host": "a", "default_cores": 0})
    with pytest.raises(UnknownOption, match="default_coers"):
        found.hold("hpc", {"host": "a", "default_coers": 1})
    assert found.explicit == before


def test_layers_are_each_by_itself(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What files and environment say, lowest first; and what holds without any profile, also while one does."""
    world.write_user("profile: hpc\n" + PROFILES)
    world.write_project("default_cores: 3\n")
    monkeypatch.setenv("CLUSTRIX_HOST", "a")
    found = world.settings()
    user, project, environment = found.layers()
    assert [value.value for value in user.values.values()] == [2]
    assert set(user.profiles) == {"hpc", "gpu"}
    assert project.values["default_cores"].origin.layer == "project file"
    assert set(environment.values) == {"host"}
    assert (found.current()["default_memory"], found.plain()["default_memory"].value) == (64 * 2**30, None)
    assert found.plain()["default_cores"].value == 3


def test_file_is_looked_at_again_when_somebody_asks(world: World) -> None:
    """However little time has gone by since."""
    world.write_user("default_cores: 2\n")
    found = world.settings()
    assert found.current()["default_cores"] == 2
    world.write_user("default_cores: 33\n")
    found.look_again()
    assert found.current()["default_cores"] == 33


def test_copy_has_the_same_and_is_another(world: World) -> None:
    """What is set in it is not seen in the first, and it knows the same fields."""
    world.write_user(PROFILES)
    found = world.settings()
    found.configure({"host": "a", "profile": "hpc"})
    copy = found.copy()
    assert dict(copy.current()) == dict(found.current())
    copy.configure({"host": "b"})
    assert found.current()["host"] == "a"
