"""What the page is told of the fields."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from clustrix import plugins
from clustrix.config.fields import settings_fields
from clustrix_notebook.widget.describing import described, groups
from clustrix_notebook.widget.texts import value_of
from tests.core.plugins.installing import write_plugin
from tests.core.support import run_script
from tests.notebook.widget.conftest import Begin

PLUGIN = """
from clustrix.config import kinds
from clustrix.config.field import Field
from clustrix.plugins import hookimpl
HOOK_API = 1
GOOD = Field("moon_base", kinds.text(), None, "Which base.", "one", group="moon")
BAD = GOOD._replace(name="moon_crater", {bad})

@hookimpl
def clustrix_register(registry):
    registry.backend("moon", "nothing:Missing", title="The moon", fields=(GOOD, BAD))
"""
ASK = """
import json
from clustrix.config.store import Settings
from clustrix_notebook.widget.describing import groups
from clustrix_notebook.widget.editor import Editor
editor = Editor(Settings())
editor.edit("", {"moon_base": "x", "default_cores": "0"})
print(json.dumps([groups(), editor.texts(), editor.problems(), editor.view()]))
"""


def fields() -> dict[str, Any]:
    return {field["name"]: field for group in groups() for field in group["fields"]}


def test_every_declared_field_is_there() -> None:
    """The core's and those of all installed plugins, each in one group, and nothing is wrong with them."""
    found = [field["name"] for group in groups() for field in group["fields"]]
    assert sorted(found) == sorted(settings_fields())
    assert [group["problems"] for group in groups() if group["problems"]] == []
    json.dumps(groups())


@pytest.mark.parametrize("name", sorted(settings_fields()))
def test_field_says_what_there_is_to_know(name: str) -> None:
    """Meaning, example, and where places differ, what it is there; a secret has no example."""
    field = fields()[name]
    assert len(field["help"]) > 10
    assert "None:" not in field["help"]
    assert bool(field["example"]) == (field["control"] != "secret")
    assert all(len(note) > 10 for note in field["providers"].values())
    assert set(field["shown"]) <= set(settings_fields())


def test_every_example_passes_configure(begin: Begin) -> None:
    """As it stands in the form, by the code that checks configure()."""
    editor = begin()
    for name, field in editor.fields().items():
        text = described(field)["example"]
        text = text.replace(", ", "\n") if described(field)["control"] in ("lines", "pairs") else text
        editor.settings.configure({name: value_of(field, text)})
    assert len(editor.settings.explicit.values) == len(editor.fields())


def test_choice_of_places_has_names_for_people() -> None:
    """Each installed backend, and what it is called."""
    choices = dict(fields()["cluster_type"]["choices"])
    assert set(choices) == set(plugins.backend_names())
    assert choices["local"] == "This machine (local)"


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        ('shown={"cluster_type": "moon"}', 'expected a tuple of texts, got "moon"'),
        ("kind=None", "AttributeError"),
        ("help=None", "expected a text, got None"),
        ("example=4", "moon_crater=4: must be a text"),
        ("default=4", "moon_crater=4: must be a text"),
        ("providers=None", "AttributeError"),
        ("choices=(1, 2)", "expected a text, got 1"),
        ('kind=kinds.Kind("x", lambda name, value: 1 / 0, str)', "ZeroDivisionError"),
    ],
)
def test_broken_declaration_is_a_problem_of_its_group(tmp_path: Path, bad: str, problem: str) -> None:
    """It is told with its plugin; the other fields, the plugin's own among them, are there and are checked."""
    write_plugin(tmp_path, "moon", PLUGIN.format(bad=bad))
    found, texts, problems, view = json.loads(run_script(ASK, PYTHONPATH=str(tmp_path)).stdout)
    (moon,) = [group for group in found if group["name"] == "moon"]
    assert [field["name"] for field in moon["fields"]] == ["moon_base"]
    assert len(moon["problems"]) == 1
    assert moon["problems"][0].startswith("moon: field moon_crater: ")
    assert problem in moon["problems"][0]
    assert texts == {"moon_base": "x", "default_cores": "0"}
    assert list(problems) == ["default_cores"]
    assert "moon_crater" not in view["below"]


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("1 / 0", "ZeroDivisionError"),
        (PLUGIN.format(bad="example=1").replace('name="moon_crater"', 'name=["x"]'), "is no Field"),
        (PLUGIN.format(bad="example=1").replace("fields=(GOOD, BAD)", "fields=(GOOD, 3)"), "3 is no Field"),
    ],
    ids=["import", "name", "field"],
)
def test_plugin_that_cannot_be_loaded_is_told(tmp_path: Path, code: str, problem: str) -> None:
    """Under its own heading."""
    write_plugin(tmp_path, "moon", code)
    found = json.loads(run_script(ASK, PYTHONPATH=str(tmp_path)).stdout)[0]
    assert [group["title"] for group in found if group["problems"]] == ["moon"]
    assert problem in found[-1]["problems"][0]


def test_field_of_two_plugins_is_there_once(tmp_path: Path) -> None:
    """A field that two plugins declare is the first one's."""
    for name in ("mars", "moon"):
        write_plugin(tmp_path, name, PLUGIN.format(bad="help='A crater.'"))
    found = json.loads(run_script(ASK, PYTHONPATH=str(tmp_path)).stdout)[0]
    names = [field["name"] for group in found for field in group["fields"]]
    assert names.count("moon_base") == names.count("moon_crater") == 1
