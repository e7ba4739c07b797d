"""The reference has all there is, and names nothing that is not there."""

from __future__ import annotations

import ast
import re
import runpy
from functools import cache
from pathlib import Path

import pytest

import clustrix
from clustrix import backends, plugins, testing
from clustrix.plugins import Registry
from tests.docs.blocks import PAGES, ROOT

DOCS = ROOT / "docs"
TESTS = [*ROOT.glob("tests/**/*.py"), *ROOT.glob("packages/*/src/*/testing/*.py")]
WRITTEN_BY_HAND = [
    page for page in PAGES if not page.read_text(encoding="utf-8").startswith("<!-- Written by")
]
_FILE = re.compile(r"`((?:tests|packages)/[\w/.-]+)`")
_FUNCTION = re.compile(r"`(test_\w+)`")
_DIRECTIVE = re.compile(r"^\.\. (?:autofunction|autoclass):: ([\w.]+)", re.MULTILINE)


def documented(page: str) -> set[str]:
    """The names that a page of the reference takes from docstrings, without their modules."""
    text = (DOCS / "reference" / page).read_text(encoding="utf-8")
    return {name.rpartition(".")[2] for name in _DIRECTIVE.findall(text)}


@cache
def functions(path: Path) -> frozenset[str]:
    """Names of all functions in a source file, methods too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def test_every_public_name_is_in_the_reference() -> None:
    """All of ``clustrix.__all__`` on one page, what authors of backends and plugins import on another."""
    assert sorted(set(clustrix.__all__) - documented("api.md")) == []
    page = (DOCS / "reference/backends.md").read_text(encoding="utf-8")
    for_authors = {*backends.__all__, *testing.__all__, "Registry", "Entry", "HOOK_API", "hookimpl"}
    assert for_authors - {*backends.__all__, *testing.__all__} <= set(plugins.__all__)
    assert sorted(name for name in for_authors if not re.search(rf"\b{name}\b", page)) == []


def test_every_room_is_on_the_map() -> None:
    """The page about the architecture has each room that the import arrows know, and no other."""
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    layers = re.search(r"^layers = \[(.*?)^\]", settings, re.MULTILINE | re.DOTALL)
    assert layers
    rooms = set(re.findall(r"clustrix\.(\w+)", layers[1])) - {"__main__"} | {"runner"}
    page = (DOCS / "explanation/architecture.md").read_text(encoding="utf-8")
    table = page.partition("| room | does |")[2].partition("\n\n")[0]
    named = {
        name
        for row in re.findall(r"^\| (.*?) \|", table, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }
    assert named == rooms


def test_every_method_of_the_registry_says_what_it_takes() -> None:
    """The page is made from their docstrings."""
    methods = {name: method for name, method in vars(Registry).items() if callable(method) and name[0] != "_"}
    assert len(methods) > 5
    assert [name for name, method in methods.items() if not method.__doc__] == []


def test_catalogue_of_errors_is_fresh() -> None:
    """docs/reference/errors.md has each class, with what to do: `hatch run docs:errors` writes it."""
    found = runpy.run_path(str(DOCS / "errors.py"))
    assert set(found["CURES"]) == {cls.__name__ for cls in found["classes"]()}
    assert found["PAGE"].read_text(encoding="utf-8") == found["page"]()


@pytest.mark.parametrize("page", WRITTEN_BY_HAND, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_files_and_tests_that_a_page_names_are_there(page: Path) -> None:
    """Each file of the project, and each test function in the file that is named before it in its line, or in any."""
    everywhere = frozenset().union(*(functions(path) for path in TESTS))
    missing = []
    for line in page.read_text(encoding="utf-8").splitlines():
        known = everywhere
        for found in re.finditer(f"{_FILE.pattern}|{_FUNCTION.pattern}", line):
            path, function = found.groups()
            if path is not None:
                if not (ROOT / path).exists():
                    missing.append(path)
                elif path.endswith(".py"):
                    known = functions(ROOT / path)
            elif function not in known:
                missing.append(function)
    assert missing == []


def test_promises_name_their_tests() -> None:
    """Each chapter of the page has some: a promise without a test is none."""
    text = (DOCS / "explanation/promises.md").read_text(encoding="utf-8")
    chapters = text.split("\n## ")[1:]
    assert len(chapters) >= 9
    assert [chapter.partition("\n")[0] for chapter in chapters if not _FILE.search(chapter)] == []


def test_table_of_faults_is_fresh() -> None:
    """docs/explanation/faults.md names tests that are there, with their words: `hatch run docs:faults` writes it."""
    found = runpy.run_path(str(DOCS / "faults.py"))
    assert sum(len(rows) for rows in found["ROWS"].values()) >= 18
    assert found["PAGE"].read_text(encoding="utf-8") == found["page"]()


def test_every_cut_point_was_tried() -> None:
    """docs/explanation/cut-points.md has each point of the code with what came of it, or a test: `hatch run docs:cuts` writes it."""
    found = runpy.run_path(str(DOCS / "cuts.py"))
    assert found["PAGE"].read_text(encoding="utf-8") == found["page"]()
    for test in found["ELSEWHERE"].values():
        path, _, name = test.partition("::")
        assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), test


def test_picture_of_the_rooms_is_fresh() -> None:
    """docs/explanation/rooms.svg is what the imports are: `hatch run docs:rooms` draws it.  No room comes back to itself."""
    found = runpy.run_path(str(DOCS / "rooms.py"))
    assert len(found["floors"](found["imports"]())) > 8
    assert found["PICTURE"].read_text(encoding="utf-8") == found["picture"]()


def test_complaints_have_their_tests() -> None:
    """docs/explanation/complaints.md names tests that are there: `hatch run docs:complaints` writes it."""
    found = runpy.run_path(str(DOCS / "complaints.py"))
    assert found["PAGE"].read_text(encoding="utf-8") == found["page"]()
