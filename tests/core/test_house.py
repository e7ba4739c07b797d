"""The house itself: what every file and room has to keep, whoever writes it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
DISTRIBUTIONS = sorted(path.parent for path in ROOT.glob("packages/*/pyproject.toml"))
SOURCES = sorted(ROOT.glob("packages/*/src/**/*.py"))
MODULES = {
    ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path
    for root in ROOT.glob("packages/*/src")
    for path in root.rglob("*.py")
}
CORE = ROOT / "packages/clustrix-core/src/clustrix"
ROOMS = {
    f"clustrix.{path.stem}"
    for path in CORE.iterdir()
    if path.name != "__init__.py" and (path.suffix == ".py" or (path / "__init__.py").exists())
}
LONGEST_FILE_LINES = 400  # CONTRIBUTING.md asks for 300; this is where asking ends


@pytest.fixture(scope="module")
def contracts() -> dict[str, dict[str, Any]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return {contract["id"]: contract for contract in settings["tool"]["importlinter"]["contracts"]}


def test_import_arrows_hold() -> None:
    """No room imports one above it, and the runner imports nothing else of clustrix."""
    linter = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_every_room_has_its_place(contracts: dict[str, dict[str, Any]]) -> None:
    """A new room cannot stand outside the arrows: it is named in both contracts."""
    layers = {name.strip(" ()") for row in contracts["downhill"]["layers"] for name in re.split(r"[|:]", row)}
    assert layers == ROOMS - {"clustrix.runner"}
    assert set(contracts["runner-travels-alone"]["forbidden_modules"]) == layers


def test_runner_does_not_name_clustrix() -> None:
    """The runner goes where clustrix is not installed: it imports itself and the standard library only."""
    foreign = set()
    for path in sorted((CORE / "runner").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            else:
                continue
            foreign |= {f"{path.name}: {name}" for name in names if not _may_travel(name)}
    assert foreign == set()


def _may_travel(name: str) -> bool:
    # cloudpickle and tblib: used where the job's Python has them.
    top = name.partition(".")[0]
    return name.startswith("clustrix.runner") or top in sys.stdlib_module_names | {"cloudpickle", "tblib"}


def test_no_module_leads_back_to_itself() -> None:
    """Imports make no circle, also counting those within functions and for type checkers: each module can be read before those that use it."""
    order = TopologicalSorter({module: _imported_by(module) for module in MODULES})
    order.prepare()  # raises CycleError, which names them


def _imported_by(module: str) -> set[str]:
    """The modules of ours that one imports.  Those of a package's lazy names are left out: they are above it."""
    found: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(MODULES[module].read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {name if name in MODULES else str(node.module) for name in inner}
        lazy = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        if not (lazy and MODULES[module].name == "__init__.py"):
            waiting += ast.iter_child_nodes(node)
    return found & MODULES.keys()


def test_readme_begins_with_the_two_commands() -> None:
    """A newcomer finds two commands, each in an sh block of its own, before any other code."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", readme, re.DOTALL | re.MULTILINE)
    assert blocks[:2] == [("sh", "sh start demo\n"), ("sh", "sh start test\n")]


@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=lambda path: path.name)
def test_distribution_is_typed_and_complete(distribution: Path) -> None:
    """Every distribution tells type checkers that it is typed, and ships its licence and a README."""
    packages = [path.parent for path in distribution.glob("src/*/__init__.py")]
    assert packages
    assert [path.name for path in packages if not (path / "py.typed").exists()] == []
    assert (distribution / "README.md").exists()
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert (distribution / "LICENSE").read_text(encoding="utf-8") == licence


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_source_file_can_be_read_in_one_sitting(source: Path) -> None:
    """No file under packages has more lines than the house rules allow."""
    lines = len(source.read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST_FILE_LINES, f"{source.name} has {lines} lines: give a part its own file"
