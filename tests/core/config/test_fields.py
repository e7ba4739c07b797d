"""Declarations: what each has to keep, so that everything that is made from them holds."""

from __future__ import annotations

import ast
import inspect
import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from clustrix import cluster, configure
from clustrix.config.field import Field
from clustrix.config.fields import FIELDS, OPTIONS, command_of, settings_fields
from clustrix.config.kinds import Secret
from clustrix.errors import ConfigError, UnknownOption
from tests.core.config.conftest import TOKEN, World

ROOT = Path(__file__).parents[3]
SETTINGS = [field for field in FIELDS.values() if field.setting]
BOTH = [*FIELDS.values(), TOKEN, command_of(TOKEN)]


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@pytest.mark.parametrize("field", SETTINGS, ids=lambda field: field.name)
def test_example_and_default_are_accepted_everywhere(
    field: Field, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By configure(), in a file, and from the environment, with the same outcome; the default stays what it is."""
    world.settings().configure({field.name: field.default})
    by_call = world.settings()
    by_call.configure({field.name: field.example})
    expected = by_call.current()[field.name]
    assert field.check(field.name, expected) == expected
    assert field.check(field.name, field.default) == field.default
    world.write_user(f"{field.name}: {json.dumps(field.example)}\n")
    assert world.settings().current()[field.name] == expected
    world.write_user("")
    monkeypatch.setenv(f"CLUSTRIX_{field.name.upper()}", as_text(field.example))
    assert world.settings().current()[field.name] == expected


@pytest.mark.parametrize("field", OPTIONS.values(), ids=lambda field: field.option)
def test_example_is_accepted_as_an_option(field: Field) -> None:
    """And the decorator's signature has it, for type checkers and editors."""
    cluster(**{field.option: field.example})  # type: ignore[call-overload]
    source = inspect.getsource(inspect.getmodule(cluster))  # type: ignore[arg-type]
    assert re.search(rf"^    {field.option}: .* = \.\.\.,$", source, re.MULTILINE)


@pytest.mark.parametrize("field", BOTH, ids=lambda field: field.name)
def test_declaration_is_complete(field: Field) -> None:
    """A sentence of help, an example that is not the default, and a scope that is one of three."""
    assert re.match(r"[A-Z].*\.$", field.help)
    assert field.scope in ("place", "job", "session")
    assert set(field.shown) <= set(settings_fields((TOKEN,)))
    if field.name != "cluster_type":
        assert field.check(field.name, field.example) != field.default


@pytest.mark.parametrize("field", FIELDS.values(), ids=lambda field: field.name)
def test_every_field_has_a_reader(field: Field) -> None:
    """Outside of its declaration something looks at its value: a field that nothing reads would be a lie."""
    readers = [
        path
        for path in sorted(ROOT.glob("packages/*/src/**/*.py"))
        if "declared" not in path.parts and field.name in _looked_up(path)
    ]
    assert readers


def _looked_up(path: Path) -> set[Any]:
    """The texts by which a module subscribes or calls ``get``, ``secret``."""
    found: set[Any] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
            key = node.slice
        elif isinstance(node, ast.Call) and node.args and getattr(node.func, "attr", "") in ("get", "secret"):
            key = node.args[0]
        else:
            continue
        found |= {key.value} if isinstance(key, ast.Constant) else set()
    return found


def test_every_bad_value_names_field_and_example(world: World) -> None:
    """One value that no field takes: each refuses it in the same form."""
    for field in SETTINGS:
        with pytest.raises(ConfigError) as caught:
            world.settings().configure({field.name: object()})
        assert caught.value.field == field.name
        assert str(caught.value).endswith(f"Example: {caught.value.example}.")
        assert caught.value.example.startswith(f"{field.name}=")


def test_secret_brings_the_field_of_its_command() -> None:
    """A password has a password_command; both belong to the same kind of place."""
    found = settings_fields((TOKEN,))
    assert found["token_command"].shown == TOKEN.shown
    assert not found["token_command"].secret


def test_secret_is_not_shown_and_does_not_travel() -> None:
    """Neither its value nor a bad one appears; pickling it is refused."""
    found = TOKEN.check("token", "hunter2")
    assert isinstance(found, Secret)
    assert "hunter2" not in f"{found!r} {found} {TOKEN.show(found)}"
    with pytest.raises(TypeError, match="not sent"):
        found.__reduce__()
    with pytest.raises(ConfigError) as caught:
        TOKEN.check("token", ["hunter2"])
    assert "hunter2" not in f"{caught.value} {caught.value.args}"


def test_unknown_option_names_the_nearest() -> None:
    """And says nothing of its value, which may be meant for a secret."""
    with pytest.raises(UnknownOption, match="did you mean 'profile'"):
        cluster(profil="hpc")  # type: ignore[call-overload]
    with pytest.raises(UnknownOption) as caught:
        configure(password="hunter2")  # noqa: S106 -- not one of anything
    assert 'pip install "clustrix[ssh]"' in str(caught.value)
    assert "hunter2" not in f"{caught.value} {caught.value.args}"


def test_page_of_the_documentation_is_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/reference/fields.md is what the declarations say, other packages' too: `hatch run docs:fields` writes it."""
    monkeypatch.delenv("CLUSTRIX_DISABLE_PLUGINS")
    found = runpy.run_path(str(ROOT / "docs/fields.py"))
    assert found["PAGE"].read_text(encoding="utf-8") == found["page"]()
