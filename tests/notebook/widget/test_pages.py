"""The modules of the page, as they are sent."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from clustrix_notebook import page

MODULES = sorted(entry.name for entry in files(page.__name__).iterdir() if entry.name.endswith(".js"))
_TOP = re.compile(
    r"^(?:export )?(?:default )?(?:async )?(?:class|function\*?|const|let|var) (\w+)", re.MULTILINE
)


def test_script_has_every_module_once_below_what_it_imports() -> None:
    """And no import is left, since it goes out as one."""
    script = page.script()
    heads = {name: page.source(name).splitlines()[0] for name in MODULES}
    assert [script.count(head) for head in heads.values()] == [1] * len(MODULES)
    assert not re.search(r"^\s*import\b", script, re.MULTILINE)
    assert len(re.findall(r"^export\b", script, re.MULTILINE)) == 1
    for name in MODULES:
        for other in re.findall(r'from "\./([\w-]+\.js)"', page.source(name)):
            assert script.index(heads[other]) < script.index(heads[name])


def test_no_two_modules_give_one_name() -> None:
    """They share one scope."""
    names = [name for module in MODULES for name in _TOP.findall(page.source(module))]
    assert len(names) > 20
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("name", MODULES)
def test_text_never_becomes_markup_or_code(name: str) -> None:
    """Nothing in a module could do that."""
    banned = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|\beval\b|new Function|srcdoc|javascript:|setTimeout\(\s*[\"'`]"
    assert re.findall(banned, page.source(name)) == []


@pytest.mark.parametrize("name", [*MODULES, "style.css"])
def test_nothing_comes_from_elsewhere(name: str) -> None:
    """No address of another host, no import of a package, no font or picture."""
    text = page.source(name)
    assert (
        re.findall(
            r"\w+://(?!www\.w3\.org/)|url\(|@import|\bfetch\(|XMLHttpRequest|WebSocket|\bimport\(", text
        )
        == []
    )
    assert set(re.findall(r'from "([^"]+)"', text)) <= {f"./{module}" for module in MODULES}


def test_style_is_for_elements_of_ours_alone() -> None:
    """Every rule names a class of clustrix, so that the notebook looks as before."""
    text = re.sub(r"/\*.*?\*/", "", page.style(), flags=re.DOTALL)
    rules = [head.strip() for head in re.findall(r"([^{}]+)\{", text)]
    foreign = [rule for rule in rules if not rule.startswith("@") and not all(".clx" in part or part in ("from", "to") for part in re.split(r",(?![^(]*\))", rule))]  # fmt: skip
    assert len(rules) > 30
    assert foreign == []
