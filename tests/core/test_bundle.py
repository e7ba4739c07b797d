"""What travels with a job: functions, classes, modules, arguments."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest

from clustrix import cluster
from tests.core.support import ROOT, run_script

pytestmark = pytest.mark.usefixtures("state")


def write(folder: Path, files: dict[str, str]) -> Path:
    """Modules as files."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
    return folder


def output(text: str, folder: Path, **env: str) -> str:
    """What a script prints that must succeed."""
    return run_script(textwrap.dedent(text), folder=folder, **env).stdout


# -- modules


def test_sibling_module_runs(tmp_path: Path) -> None:
    """Functions and classes of a file beside the script, and what that file imports."""
    files = {
        "helper.py": "import deeper\nclass Point:\n    def __init__(self, x): self.x = deeper.twice(x)\n",
        "deeper.py": "def twice(x): return 2 * x\n",
    }
    write(tmp_path, files)
    script = """
    import helper
    from helper import Point
    from clustrix import cluster

    @cluster
    def f(x):
        return helper.Point(x), Point(x).x

    point, x = f(2)
    print(type(point) is Point, point.x, x)
    """
    assert output(script, tmp_path) == "True 4 4\n"


def test_decorated_function_of_a_package_runs(tmp_path: Path) -> None:
    """Relative imports, sub-packages, constants of __init__, and data files beside the modules."""
    files = {
        "pack/__init__.py": "from .core import fit\nFACTOR = 3\n",
        "pack/core.py": """
            from pathlib import Path
            from clustrix import cluster
            from . import sub
            from .sub.leaf import (
                add,  # a comment, with a comma
                LIMIT as limit,
            )

            @cluster
            def fit(x):
                from . import FACTOR
                data = Path(__file__).with_name("data.txt").read_text()
                return add(x, FACTOR), limit, sub.NAME, data, __name__
        """,
        "pack/sub/__init__.py": "NAME = 'sub'\n",
        "pack/sub/leaf.py": "LIMIT = 10\ndef add(a, b): return a + b\n",
    }
    write(tmp_path, files)
    (tmp_path / "pack" / "data.txt").write_text("data")
    script = "import pack; print(pack.fit(1), pack.fit.map([1, 2]).result()[1][0])"
    assert output(script, tmp_path) == "(4, 10, 'sub', 'data', 'pack.core') 5\n"


def test_package_elsewhere_on_the_search_path_runs(tmp_path: Path) -> None:
    """A project under work whose folder is on sys.path, as an editable install puts it there."""
    work = "from clustrix import cluster\n@cluster\ndef go(x):\n    return x + 1\n"
    files = {"mylib/__init__.py": "from mylib.work import go\n", "mylib/work.py": work}
    src = write(tmp_path / "project" / "src", files)
    (tmp_path / "elsewhere").mkdir()
    assert output("from mylib import go; print(go(1))", tmp_path / "elsewhere", PYTHONPATH=str(src)) == "2\n"
    by_hand = f"import sys; sys.path.append({str(src)!r})\nfrom mylib import go; print(go(2))"
    assert output(by_hand, tmp_path / "elsewhere") == "3\n"


def test_module_with_another_encoding_and_unicode_names(tmp_path: Path) -> None:
    """A source in latin-1, identifiers and file names that are not ASCII, and text that is not UTF-8 anywhere."""
    (tmp_path / "altmodul.py").write_bytes("# coding: latin-1\nGRÜSSE = 'für alle'\n".encode("latin-1"))
    (tmp_path / "größe.py").write_text("def länge(x): return len(x)\n", encoding="utf-8")
    script = """
    from clustrix import cluster
    import altmodul, größe

    @cluster
    def prüfe(text, *, schlüssel):
        return altmodul.GRÜSSE, größe.länge(text), text, schlüssel

    job = prüfe.submit("\\udcff日本", schlüssel="ß")
    print(ascii(job.result()), ascii(job.name))
    """
    expected = ascii(("für alle", 3, "\udcff日本", "ß")) + " " + ascii("prüfe")
    assert output(script, tmp_path) == expected + "\n"


EDITED = """
import os, time
from clustrix import cluster
from tests.core.support import everything_waits
from pathlib import Path
{imports}

@cluster
def f():
    {body}

here = Path(__file__).parent
with everything_waits(here):
    job = f.submit()
    later = here / "{file}"
    later.write_text(later.read_text().replace("old", "brand new"))
print(job.result(timeout=20))
"""


@pytest.mark.parametrize(
    ("imports", "body", "file"),
    [
        ("import helper", "return helper.VALUE", "helper.py"),
        ("import helper", "return helper.below()", "below.py"),
        ("", "import helper; return helper.VALUE", "helper.py"),
        ("", "from pack import leaf; return leaf.VALUE", "pack/leaf.py"),
        ("from main import f", "...", "main.py"),
        ("", "return 'old'", "script.py"),
    ],
    ids=[
        "sibling",
        "what it imports late",
        "lazily imported",
        "lazily imported from a package",
        "decorated",
        "script",
    ],
)
def test_edit_after_submission_changes_nothing(imports: str, body: str, file: str, tmp_path: Path) -> None:
    """What runs is what was submitted, even if the file is edited while the job waits."""
    files = {
        "helper.py": "VALUE = 'old'\ndef below():\n    import below\n    return below.VALUE\n",
        "below.py": "VALUE = 'old'\n",
        "pack/__init__.py": "",
        "pack/leaf.py": "VALUE = 'old'\n",
        "main.py": "from clustrix import cluster\n@cluster\ndef f():\n    return 'old'\n",
    }
    write(tmp_path, files)
    script = EDITED.format(imports=imports, body=body, file=file)
    if imports.startswith("from main"):
        script = script.replace("@cluster\ndef f():\n    ...\n", "")
    assert output(script, tmp_path, PYTHONPATH=str(ROOT)) == "old\n"


def test_file_edited_between_submissions_is_sent_anew(tmp_path: Path) -> None:
    """A module that this process has not loaded is sent as it is; a loaded one when it is reloaded."""
    write(tmp_path, {"lazy.py": "VALUE = 1\n", "loaded.py": "VALUE = 1\n"})
    script = """
    import importlib, pathlib
    from clustrix import cluster
    import loaded

    @cluster
    def f():
        import lazy
        return lazy.VALUE, loaded.VALUE

    print(f())
    for name in ("lazy", "loaded"):
        pathlib.Path(name + ".py").write_text("VALUE = 22\\n")
    print(f())
    importlib.reload(loaded)
    print(f())
    """
    assert output(script, tmp_path) == "(1, 1)\n(22, 1)\n(22, 22)\n"


# -- classes of __main__


MAIN_CLASSES = """
import dataclasses, enum
from clustrix import cluster

class Color(enum.Enum):
    RED = 1
    BLUE = 2

@dataclasses.dataclass
class Point:
    x: int

class Derived(Point):
    pass

class Oops(Exception):
    pass

@cluster
def f(color, point):
    assert isinstance(point, Point) and color is Color.RED
    return Color.BLUE, Point(2), point, Derived(3), [Color.RED], Point

@cluster
def fail():
    raise Oops("x")

blue, made, same, derived, colors, cls = f(Color.RED, Point(1))
print(blue is Color.BLUE, isinstance(made, Point), made == Point(2), same == Point(1), type(derived) is Derived)
print(colors == [Color.RED], cls is Point, f.map([Color.RED], point=Point(1)).result()[0][0] is Color.BLUE)
try:
    fail()
except Oops as error:
    print("caught", error)
"""
AS_THEY_WERE = "True True True True True\nTrue True True\ncaught x\n"


def test_classes_of_main_come_back_as_the_callers_own(tmp_path: Path) -> None:
    """isinstance holds, enum members are identical, exceptions of the script are caught by its own except."""
    assert output(MAIN_CLASSES, tmp_path) == AS_THEY_WERE


def test_class_redefined_at_a_prompt_is_the_new_one() -> None:
    """As in a notebook whose cell is run again: each submission is of the class as it is then."""
    space: dict[str, Any] = {"cluster": cluster, "__name__": "__main__"}
    for version in (1, 2):
        exec(f"class C:\n    v = {version}\n@cluster\ndef f():\n    return C(), C.v", space)  # noqa: S102 - a notebook does this
        made, v = space["f"]()
        assert v == version
        assert type(made) is space["C"]


# -- functions typed somewhere


TYPED = "from clustrix import cluster\n@cluster\ndef f(x):\n    return g(x) + 1\n\ndef g(x):\n    return 2 * x\n\n"


def test_function_typed_at_a_prompt(tmp_path: Path) -> None:
    """python -i with the lines on standard input, python -c, a script from standard input, and exec."""
    import subprocess
    import sys

    for options, text in (
        (["-i"], TYPED + "print('got', f(3))\n"),
        (["-c", TYPED + "print('got', f(3))"], ""),
        (["-"], TYPED + "print('got', f(3))"),
        (["-c", f"space = {{}}; exec({TYPED!r}, space); print('got', space['f'](3))"], ""),
    ):
        command = [sys.executable, *options]
        run = subprocess.run(
            command, input=text, capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False
        )
        assert "got 7" in run.stdout, run.stderr


@pytest.mark.slow
def test_function_of_a_notebook_cell(tmp_path: Path) -> None:
    """Defined in one cell, called in another, with classes of cells; what it prints appears below the cell."""
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    cells = [
        TYPED,
        "print('got', f(3)); print(f.map([1, 2]).result(), await f.submit(4))",
        MAIN_CLASSES,
        "loud = cluster(lambda: print('from the job'))\nloud()",
        "@cluster\ndef fails():\n    return 1 / 0  # this line\n\nfails()",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    spec = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(
        notebook, timeout=60, kernel_name="python3", allow_errors=True, resources=spec
    ).execute()
    shown = ["".join(out.get("text", "") for out in cell.outputs) for cell in notebook.cells]
    assert shown[1:4] == ["got 7\n[3, 5] 9\n", AS_THEY_WERE, "from the job\n"], notebook.cells
    (error,) = notebook.cells[4].outputs
    assert error["ename"] == "ZeroDivisionError"
    assert "this line" in "\n".join(error["traceback"])


def test_caches_of_a_script_go_along() -> None:
    """Of its own functions, also one that calls itself; each job begins with an empty one."""
    space: dict[str, Any] = {"cluster": cluster, "__name__": "__main__"}
    code = """
import functools
V = 5
@functools.lru_cache(maxsize=7)
def cached(x): return x + V
@functools.cache
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
@cluster
def f(x): return cached(x), cached(x), cached.cache_info().hits, cached.cache_parameters(), cached.__name__, fib(90)
"""
    exec(code, space)  # noqa: S102 - as a script would
    space["cached"](1)
    parameters = {"maxsize": 7, "typed": False}
    assert space["f"](1) == (6, 6, 1, parameters, "cached", 2880067194370816120)


def test_globals_in_the_body_of_a_class_go_along() -> None:
    """Of a class that a function defines; names of its attributes bring nothing."""
    space: dict[str, Any] = {"cluster": cluster, "__name__": "__main__"}
    code = """
import threading
V, W = 5, 6
lock = threading.Lock()
@cluster
def f():
    class A:
        v = V
        lock = 1
        class B:
            w = W
    return A.v, A.lock, A.B.w
"""
    exec(code, space)  # noqa: S102 - as a script would
    assert space["f"]() == (5, 1, 6)
