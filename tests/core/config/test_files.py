"""Files: which are found, which are trusted, and what is said of bad ones."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from clustrix.config import files
from clustrix.errors import ConfigError, ConfigFileError, ConfigFileUnsafe
from tests.core.config.conftest import World

PYPROJECT = "[project]\nname = 'mine'\n\n[tool.clustrix]\ndefault_cores = 6\n\n[tool.clustrix.profiles.hpc]\ndefault_cores = 12\n"


def refused(world: World, text: str, name: str = "clustrix.yml") -> ConfigFileError:
    path = world.home / name
    path.write_text(text)
    with pytest.raises(ConfigFileError) as caught:
        files.read(str(path))
    assert caught.value.path == str(path)
    assert str(caught.value).startswith(str(path))
    return caught.value


# -- which file


def test_nearest_project_file_holds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Upwards from the working directory to the home directory, one file only."""
    (world.home / "clustrix.yml").write_text("default_cores: 2\n")
    assert world.settings().current()["default_cores"] == 2
    world.write_project("default_time: 5\n")
    deep = world.project / "a" / "b"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    found = world.settings().current()
    assert (found["default_cores"], found["default_time"]) == (1, 5.0)


def test_search_ends_at_the_home_directory(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies above it is somebody else's; also if its name is that of a link."""
    (world.home.parent / "clustrix.yml").write_text("default_cores: 2\n")
    assert files.project_file(str(world.project)) is None
    assert files.project_file("/") is None
    link = world.home.parent / "link"
    link.symlink_to(world.home)
    monkeypatch.setenv("HOME", str(link))
    assert files.project_file(str(world.project)) is None


def test_search_enters_no_folder_that_all_may_write(world: World, tmp_path: Path) -> None:
    """A file that somebody has put into /tmp is neither used nor in the way."""
    public = tmp_path / "public"
    mine = public / "mine"
    mine.mkdir(parents=True)
    public.chmod(0o1777)
    (public / "clustrix.yml").write_text("default_cores: 2\n")
    assert files.project_file(str(mine)) is None


@pytest.mark.parametrize(
    "text",
    [
        '[tool."clustrix"]\ndefault_cores = 3\n',
        "[tool]\nclustrix.default_cores = 3\n",
        "[tool]\nclustrix = {default_cores = 3}\n",
        "tool.clustrix.default_cores = 3\n",
    ],
)
def test_pyproject_counts_however_the_table_is_written(world: World, text: str) -> None:
    """TOML has several ways."""
    world.write_project(text, "pyproject.toml")
    assert world.settings().current()["default_cores"] == 3


@pytest.mark.parametrize(
    "text", ["[[tool.clustrix]]\ndefault_cores = 3\n", "[tool]\nclustrix = 3\n", "[tool.clustrix\n"]
)
def test_pyproject_with_a_table_that_is_none_is_told(world: World, text: str) -> None:
    """It was meant for clustrix, and is not passed over."""
    world.write_project(text, "pyproject.toml")
    with pytest.raises(ConfigFileError, match=r"pyproject\.toml"):
        world.settings().current()


def test_pyproject_that_needs_clustrix_has_no_settings(world: World) -> None:
    """A dependency of that name is none, even in a file that is broken."""
    world.write_project("[tool.poetry.dependencies]\nclustrix = '^0.2'\n", "pyproject.toml")
    assert world.settings().current().origin("default_cores").layer == "default"
    world.write_project("[tool.poetry.dependencies\nclustrix = '^0.2'\n", "pyproject.toml")
    assert world.settings().current().origin("default_cores").layer == "default"


def test_misspelt_profiles_are_meant(world: World) -> None:
    """Also the names that are no fields are among the nearest."""
    world.write_user("profils:\n  hpc:\n    default_cores: 2\n")
    with pytest.raises(ConfigError, match="did you mean 'profiles'"):
        world.settings().current()


def test_pyproject_counts_if_it_has_the_table(world: World) -> None:
    """With lines and profiles; one without the table is passed by, and clustrix.yml goes before it."""
    world.write_project("[project]\nname = 'clustrix'\n", "pyproject.toml")
    (world.home / "clustrix.yml").write_text("default_cores: 2\n")
    assert world.settings().current()["default_cores"] == 2
    path = world.write_project(PYPROJECT, "pyproject.toml")
    current = world.settings().current()
    assert current["default_cores"] == 6
    assert str(current.origin("default_cores")) == f"project file {path}:5"
    found = world.settings().resolve({"profile": "hpc"})
    assert str(found.origin("default_cores")) == f"project file {path}:8, profile hpc"
    world.write_project("default_cores: 7\n")
    assert world.settings().current()["default_cores"] == 7


def test_named_project_file_is_used_instead(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """CLUSTRIX_PROJECT_FILE names one that is trusted; empty, it goes without."""
    world.write_project("default_cores: 3\n")
    other = world.home / "other.yml"
    other.write_text("default_cores: 4\n")
    other.chmod(0o666)
    monkeypatch.setenv("CLUSTRIX_PROJECT_FILE", str(other))
    assert world.settings().current()["default_cores"] == 4
    monkeypatch.setenv("CLUSTRIX_PROJECT_FILE", "")
    assert world.settings().current()["default_cores"] == 1
    monkeypatch.setenv("CLUSTRIX_PROJECT_FILE", str(world.home / "none.yml"))
    with pytest.raises(ConfigFileError, match="No such file"):
        world.settings().current()


# -- whose file


@pytest.mark.parametrize(("mode", "advice"), [(0o602, "chmod o-w"), (0o606, "chmod o-w"), (0o622, "chmod ")])
def test_file_that_others_can_write_is_refused(world: World, mode: int, advice: str) -> None:
    """With the command that mends it."""
    path = world.write_project("default_cores: 3\n")
    path.chmod(mode)
    with pytest.raises(ConfigFileUnsafe) as caught:
        world.settings().current()
    assert f"can write to {path}" in str(caught.value)
    assert advice in caught.value.advice
    command = caught.value.advice.partition(": ")[2]
    subprocess.run(command.split(), check=True)
    assert world.settings().current()["default_cores"] == 3


def test_file_in_a_folder_that_others_can_write_is_refused(world: World) -> None:
    """Unless nobody can replace another's file there (sticky)."""
    world.write_project("default_cores: 3\n")
    world.project.chmod(0o777)
    with pytest.raises(ConfigFileUnsafe, match=f"everybody can write to {world.project}.*chmod o-w"):
        world.settings().current()
    world.project.chmod(0o1777)
    assert world.settings().current()["default_cores"] == 3


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_file_of_another_user_is_refused(world: World) -> None:
    """Also if only its folder is theirs; what to do is told."""
    path = world.write_project("default_cores: 3\n")
    os.chown(path, 12345, 0)
    with pytest.raises(ConfigFileUnsafe, match=r"belongs to another user \(12345\).*CLUSTRIX_PROJECT_FILE"):
        world.settings().current()
    os.chown(path, 0, 0)
    os.chown(world.project, 12345, 0)
    with pytest.raises(ConfigFileUnsafe, match=f"since {world.project} belongs to another user"):
        world.settings().current()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can act as other users")
def test_group_of_one_user_is_no_other_user(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Where each user has a group of their own, files are 0664: that is harmless. A group of many is not."""
    script = textwrap.dedent(
        """
        import grp, os, pwd, sys
        from clustrix.config import files
        user = pwd.getpwnam("nobody")
        group = grp.getgrgid(user.pw_gid)
        os.setgid(user.pw_gid); os.setuid(user.pw_uid)
        folder = sys.argv[1]
        path = folder + "/clustrix.yml"
        open(path, "w").write("default_cores: 3\\n")
        os.chmod(path, 0o664)
        try:
            files.read(path)
            print("own" if group.gr_name == user.pw_name else "used")
        except files.ConfigFileUnsafe as error:
            print("refused" if group.gr_name != user.pw_name else error)
        """
    )
    import pwd
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        os.chown(folder, pwd.getpwnam("nobody").pw_uid, 0)
        run = subprocess.run(
            [sys.executable, "-c", script, folder], capture_output=True, text=True, check=False
        )
    assert run.stdout in ("own\n", "refused\n"), run.stderr


# -- what is in it


def test_formats_say_the_same(world: World) -> None:
    """YAML, TOML and JSON: values, profiles and lines."""
    texts = {
        "a.yml": "default_cores: 4\nasync_submit: true\nprofiles:\n  hpc:\n    default_memory: 1GB\n",
        "a.toml": "default_cores = 4\nasync_submit = true\n\n[profiles.hpc]\ndefault_memory = '1GB'\n",
        "a.json": '{\n\t"default_cores": 4, "async_submit": true,\n "profiles": {"hpc":\n\n {"default_memory": "1GB"}}}\n',
    }
    for name, text in texts.items():
        found = files.parse(name, text)
        assert {key: entry.value for key, entry in found.values.items()} == {
            "default_cores": 4,
            "async_submit": True,
        }
        assert found.profiles["hpc"]["default_memory"] == ("1GB", 5)
        line = found.values["async_submit"].line
        assert "async_submit" in text.splitlines()[line - 1]


def test_empty_files_say_nothing(world: World) -> None:
    """Nothing, comments, an empty mapping."""
    for name, text in (
        ("a.yml", ""),
        ("a.yml", "# nothing\n"),
        ("a.yml", "{}"),
        ("a.toml", ""),
        ("a.json", ""),
    ):
        assert files.parse(name, text) == files.Content(name, {}, {})
    assert files.parse("a.yml", "profiles:\n  empty:\n").profiles == {"empty": {}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("default_time: 02:00:00", 7200.0),
        ("default_time: 12:30:00", 45000.0),
        ("default_time: 90:00", 5400.0),
        ("default_memory: 1.5GB", 1.5 * 2**30),
        ("default_memory: 1e9", 10**9),
        ("async_submit: yes", True),
        ("async_submit: off", False),
        ("async_submit: 'true'", True),
        ("default_cores: '4'", 4),
        ("environment_variables: {A: 1, B: no, C: on}", {"A": "1", "B": "no", "C": "on"}),
        ("environment_variables:\n  A: 0o17\n  B: 022\n  C: +5", {"A": "0o17", "B": "022", "C": "+5"}),
        ("default_cores: +4", 4),
    ],
)
def test_plain_words_mean_what_they_look_like(world: World, text: str, value: Any) -> None:
    """No clock becomes a number to the base of 60, and "no" is not false where a text is meant."""
    world.write_project(text)
    assert world.settings().current()[text.partition(":")[0]] == value


@pytest.mark.parametrize("text", ["A: 3.10", "A: true", "A: [x]", "A:", "A B: x", "A=: x"])
def test_variable_that_would_change_on_the_way_is_refused(world: World, text: str) -> None:
    """3.10 is not 3.1; its value is not shown."""
    world.write_project(f"environment_variables:\n  {text}\n  SECRET: hunter2\n")
    with pytest.raises(ConfigError, match=r"clustrix\.yml:1: environment_variables") as caught:
        world.settings().current()
    assert "hunter2" not in f"{caught.value} {caught.value.args}"


def test_bad_yaml_is_told_with_line_and_column(world: World) -> None:
    """What is wrong, and where."""
    error = refused(world, "default_cores: 4\n  default_time: [1\n")
    assert (error.line, error.column) == (2, 15)
    assert "clustrix.yml:2:15: no valid YAML" in str(error)
    assert refused(world, "default_cores: \x01\n").line == 1
    assert refused(world, 'a: "\\UFFFFFFFF"\n').line in (0, 1)
    assert "lines as `default_cores: 4`" in str(refused(world, "- 1\n- 2\n"))
    assert "second document" in str(refused(world, "a: 1\n---\nb: 2\n"))


def test_bad_toml_and_json_are_told_with_their_place(world: World) -> None:
    """As far as their readers tell it."""
    assert refused(world, "a = 1\nb = \n", "a.toml").line == 2
    error = refused(world, '{"a": 1,\n "b": }', "a.json")
    assert (error.line, error.column) == (2, 7)
    assert "must be an object" in str(refused(world, "[1]", "a.json"))


@pytest.mark.parametrize(
    ("name", "text", "lines"),
    [
        ("a.yml", "default_cores: 4\n\ndefault_cores: 5\n", (1, 3)),
        ("a.yml", "profiles:\n  a:\n    default_cores: 4\n    default_cores: 5\n", (3, 4)),
        ("a.yml", "profiles:\n  a: {}\n  b: {}\n  a: {}\n", (2, 4)),
        ("a.json", '{"default_cores": 4,\n\n"default_cores": 5}', (1, 3)),
    ],
)
def test_name_that_stands_twice_is_refused_with_both_lines(
    world: World, name: str, text: str, lines: tuple[int, int]
) -> None:
    """One of the two would be lost without a word."""
    error = refused(world, text, name)
    assert f"stands twice, in lines {lines[0]} and {lines[1]}" in str(error)
    assert error.line == lines[1]
    refused(world, "a = 1\na = 2\n", "a.toml")


BOMB = "a: &a [x,x]\n" + "".join(f"k{n}: &k{n} [*{'a' if not n else f'k{n - 1}'},*a]\n" for n in range(40))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("!!python/object/apply:os.system ['touch x']", "the tag"),
        ("default_cores: !!python/name:os.system", "the tag"),
        ("a: !!binary aGVsbG8=", "the tag"),
        (BOMB, "anchors"),
        ("a: &a [*a]", "anchors"),
        ("a: *b", "anchors"),
        ("base: {x: 1}\na:\n  <<: {x: 1}\n", "merges"),
        ("[" * 100_000, "nested"),
        ("a:\n" + "\n".join(" " * n + "- " for n in range(1, 60)), "nested"),
        ("{" * 3000, "a name must be"),
        ("a: " + "x" * 300_000, "more than 262,144 bytes"),
        ("? [a]\n: 1\n", "a name must be a text"),
    ],
    ids=[
        "call",
        "name",
        "binary",
        "bomb",
        "recursion",
        "alias",
        "merge",
        "lists",
        "blocks",
        "maps",
        "size",
        "key",
    ],
)
def test_hostile_yaml_is_refused(world: World, text: str, said: str) -> None:
    """Quickly, and nothing of it is run."""
    assert said in str(refused(world, text))


def test_hostile_toml_and_json_are_refused(world: World) -> None:
    """Nested as deeply as they may be."""
    assert refused(world, '{"a": ' + "[" * 100_000, "a.json").path
    assert "nested" in str(refused(world, '{"a": ' + "[" * 50 + "]" * 50 + "}", "a.json"))
    assert refused(world, "a = " + "[" * 50_000, "a.toml").path


def test_bytes_that_are_no_text_are_told_with_their_line(world: World) -> None:
    """A file in another encoding."""
    path = world.home / "latin.yml"
    path.write_bytes("default_cores: 4\nname: caf\xe9\n".encode("latin-1"))
    with pytest.raises(ConfigFileError, match=r"latin\.yml:2: it is no UTF-8 text\. Save it as UTF-8"):
        files.read(str(path))


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: os.symlink(path, path)])
def test_what_is_no_file_is_told(world: World, make: Any) -> None:
    """A folder, a pipe (which is not waited for), a link to itself: as an error of configuration, not of the operating system."""
    make(world.project / "clustrix.yml")
    with pytest.raises(ConfigFileError, match="cannot be read"):
        world.settings().current()


def test_value_of_the_wrong_kind_names_file_line_and_example(world: World) -> None:
    """Field, value, what is allowed, and an example as that file has it."""
    path = world.write_project("\ndefault_memory: 16 potatoes\n")
    with pytest.raises(ConfigError) as caught:
        world.settings().current()
    assert str(caught.value).startswith(f"{path}:2: default_memory='16 potatoes': memory must be ")
    assert caught.value.example == 'default_memory: "16GB"'
    assert caught.value.origin == f"{path}:2"
    path.unlink()
    world.write_project("[tool.clustrix]\ndefault_cores = []\n", "pyproject.toml")
    with pytest.raises(
        ConfigError, match=r"pyproject.toml:2: default_cores=\[\].*Example: default_cores = 4"
    ):
        world.settings().current()


def test_profiles_must_be_names_with_settings(world: World) -> None:
    """Each with its line."""
    assert "`profiles` must have a name" in str(refused(world, "\nprofiles: [a]\n"))
    error = refused(world, "profiles:\n  hpc: 4\n")
    assert error.line == 2
    assert "profile 'hpc' must have settings" in str(error)


def test_no_yaml_is_imported_without_a_file(world: World) -> None:
    """Reading settings where there is none loads no parser."""
    script = (
        "import sys; from clustrix.config import get_config; get_config();"
        "print(sorted({'yaml', 'tomllib', 'click', 'rich', 'keyring'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
