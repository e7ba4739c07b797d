"""What people read of a setting: each field of the core and of the installed plugins is told in full."""

from __future__ import annotations

import re
import runpy
import shlex
from pathlib import Path
from typing import Any

import pytest

from clustrix.config import yamltext
from clustrix.config.field import Field
from clustrix.config.fields import FIELDS, settings_fields
from clustrix.config.kinds import VARIABLES
from clustrix.plugins.builtin import EXTRAS

ROOT = Path(__file__).parents[3]
PLACES = {"local", *EXTRAS}
BATCH = ("slurm", "pbs", "sge")
EXAMPLE_IS_THE_DEFAULT = {
    "cluster_type": "the core knows one place by itself, and takes no other as an example"
}
WITHOUT_GUIDANCE: dict[str, str] = {}
"""Fields of batch systems of which there is nothing to say, with the reason."""
RUNS_AS_YOU = {
    "agent_python",
    "conda_env_name",
    "module_loads",
    "password_command",
    "pre_execution_commands",
    "python_executable",
    "scheduler_options",
}
"""Programs and commands that run with the rights of whoever sets them, or orders to a program that does."""
SAFE_PLACES = {
    "job_poll_interval": "a pause",
    "ssh_connect_timeout": "a pause",
    "username": "a name, which the host checks",
}
"""What belongs to a place, and needs no warning, with the reason."""


@pytest.fixture(autouse=True)
def with_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLUSTRIX_DISABLE_PLUGINS", raising=False)


@pytest.fixture
def fields() -> dict[str, Field]:
    """Those of the core, of the packages here and of whatever else is installed, and the commands that tell secrets."""
    found = {**FIELDS, **settings_fields()}
    assert {"cluster_type", "password_command", "scheduler_options", "tags"} <= set(found)
    return found


@pytest.fixture
def page() -> dict[str, Any]:
    """The script that writes docs/reference/every-field.md."""
    return runpy.run_path(str(ROOT / "docs/explained.py"))


def test_every_field_has_help_and_an_example(fields: dict[str, Field]) -> None:
    """A sentence with a full stop; a value that is accepted and is not the default, which is accepted, too."""
    assert [name for name, field in fields.items() if not re.match(r"[A-Z].*\.$", field.help)] == []
    same = {
        name
        for name, field in fields.items()
        if field.check(name, field.example) == field.check(name, field.default)
    }
    assert same == set(EXAMPLE_IS_THE_DEFAULT)


def test_guidance_is_for_places_that_there_are(fields: dict[str, Field]) -> None:
    """Each key is a ``cluster_type``, in which the field is shown; each note is of whole sentences."""
    for name, field in fields.items():
        shown = field.shown.get("cluster_type", tuple(PLACES))
        assert set(field.providers) <= PLACES & set(shown), name
        for place, note in field.providers.items():
            assert re.fullmatch(r"\S.*\S?\.", note), (name, place, note)
            assert note.count("`") % 2 == 0, (name, place)


def test_every_field_of_batch_systems_has_guidance_for_each(fields: dict[str, Field]) -> None:
    """What it becomes differs by the system; sites differ, too."""
    for name, field in fields.items():
        shown = field.shown.get("cluster_type")
        if shown and set(shown) <= set(BATCH):
            assert (set(field.providers) == set(shown)) is (name not in WITHOUT_GUIDANCE), name
    assert set(WITHOUT_GUIDANCE) <= set(fields)


def test_cores_memory_and_time_have_guidance_for_every_place(fields: dict[str, Field]) -> None:
    """Everybody sets them, and they are something else everywhere."""
    for name in ("default_cores", "default_memory", "default_time"):
        assert set(fields[name].providers) == PLACES, name


def test_what_is_dangerous_has_a_warning(fields: dict[str, Field]) -> None:
    """Secrets, variables, what says where code and data go, and what is run as its user."""
    due = {
        name
        for name, field in fields.items()
        if field.secret or field.kind is VARIABLES or field.scope == "place" or name in RUNS_AS_YOU
    }
    due |= {"secrets", "mail", "cleanup_on_success"}
    assert {name for name in due if not fields[name].security} == set(SAFE_PLACES)
    assert set(fields) >= RUNS_AS_YOU
    assert [
        name for name, field in fields.items() if field.security and not field.security.endswith(".")
    ] == []


def test_page_is_fresh(page: dict[str, Any]) -> None:
    """docs/reference/every-field.md is what the declarations say: ``hatch run docs:explained`` writes it."""
    assert page["PAGE"].read_text(encoding="utf-8") == page["page"]()


def test_page_has_every_field_and_no_empty_cell(fields: dict[str, Field], page: dict[str, Any]) -> None:
    """Of each a section, and a row of the table at the end, in which each cell says something."""
    text = page["page"]()
    assert set(re.findall(r"^### `(\w+)`$", text, re.MULTILINE)) == set(fields)
    rows = re.findall(r"^\| \[`(\w+)`\]\(#\w+\) \|(.*)\|$", text, re.MULTILINE)
    assert {name for name, _ in rows} == set(fields)
    for name, cells in rows:
        found = [cell.strip() for cell in cells.split("|")]
        assert len(found) == 5, name
        assert set(found) <= {"✓", page["NOT"]}, name
        assert found[:2] == ["✓", "✓"], name


def test_examples_of_the_page_are_accepted(fields: dict[str, Field], page: dict[str, Any]) -> None:
    """As they stand there: in a file, in Python and in a shell they mean the same."""
    for name, field in fields.items():
        expected = field.check(name, field.example)
        line, call, variable = (page[f"in_{where}"](field) for where in ("file", "python", "environment"))
        if line:
            root = yamltext.parse("clustrix.yml", line)
            assert root is not None
            ((key, value),) = root.plain().items()
            assert (key, _read(field, value)) == (name, expected)
        if call:
            given = eval(call, {"configure": dict})  # noqa: S307 -- the page's own text
            assert {key: field.check(key, value) for key, value in given.items()} == {name: expected}
        if variable:
            key, _, value = "".join(shlex.split(variable)).partition("=")
            assert (key, _read(field, value)) == (f"CLUSTRIX_{name.upper()}", expected)
        assert bool(call) is bool(variable) is (field.setting or name == "profile")


def _read(field: Field, value: Any) -> Any:
    return field.check(field.name, field.kind.read(value) if isinstance(value, str) else value)
