"""``%%cluster`` in a kernel: names there and back."""

from __future__ import annotations

import pytest

from tests.notebook.kernel import Kernel

pytestmark = pytest.mark.timeout(120)


def test_a_cell_reads_and_assigns_the_notebooks_names(kernel: Kernel) -> None:
    """What it prints is shown, the last value is its result, and what it assigned is here."""
    kernel.run("a = 3")
    shown = kernel.run(
        "%%cluster cores=1\nb = a + 1\nprint('in', __import__('os').environ['CLUSTRIX_JOB_ID'][:2])\nb * 2"
    )
    assert (shown.stdout, shown.result, shown.status) == ("in 01\n", "8", "ok")
    assert kernel.value("(a, b)") == "(3, 4)"


def test_functions_refer_to_the_notebook_as_if_defined_in_it(kernel: Kernel) -> None:
    """They see later changes of its names: functions, closures, methods, properties, static and class methods, decorated ones."""
    kernel.run("import functools\nK = 1")
    kernel.run(
        """%%cluster
def plain(): return K
def outer():
    n = 1
    def inner(): return K + n - 1
    return inner
closure = outer()
def decorate(f):
    @functools.wraps(f)
    def g(*a): return f(*a)
    return g
@decorate
def decorated(): return K
@functools.lru_cache
def cached(n): return 1 if n < 1 else cached(n - 1) * K
lam = lambda: K
class C:
    def method(self): return K
    @property
    def prop(self): return K
    @staticmethod
    def static(): return K
    @classmethod
    def klass(cls): return K
    def recursive(self, n): return self.recursive(n - 1) if n else K
c = C()"""
    )
    kernel.run("K = 7")
    values = "(plain(), closure(), decorated(), cached(1), lam(), c.method(), c.prop, C.static(), C.klass(), c.recursive(3))"
    assert kernel.value(values) == str((7,) * 10)
    assert (
        kernel.value("plain.__globals__ is globals() and c.method.__func__.__globals__ is globals()")
        == "True"
    )
    assert kernel.value("type(c) is C") == "True"
    kernel.run("K = 8")
    assert kernel.run("%%cluster\n(plain(), closure(), c.prop)").result == "(8, 8, 8)"


def test_what_functions_use_is_sent_with_them(kernel: Kernel) -> None:
    """However deep, and a name that the cell assigns is what they see."""
    kernel.run(
        "base = 10\ndef low(): return base\ndef high(): return low() + 1\nclass H:\n    def m(self): return high()"
    )
    assert kernel.run("%%cluster\nh = H()\nold = h.m()\nbase = 20\nold, h.m()").result == "(11, 21)"
    assert kernel.value("base") == "20"


def test_classes_keep_their_identity_or_are_the_new_ones(kernel: Kernel) -> None:
    """One of the notebook is the same; one that the cell defines anew is that, with its instances."""
    kernel.run("class Mine:\n    pass\nclass Again:\n    n = 1\nold = Again()\nmine = Mine()")
    kernel.run("%%cluster\nclass Again(Mine):\n    n = 2\nnew, more = Again(), [Mine(), mine]")
    assert (
        kernel.value("(type(new) is Again, Again.n, isinstance(new, Mine), type(more[0]) is Mine)")
        == "(True, 2, True, True)"
    )
    assert kernel.value("(type(old) is Again, old.n)") == "(False, 1)"
    assert kernel.run("%%cluster\nisinstance(new, Again) and type(new) is Again").result == "True"


def test_shared_objects_stay_shared(kernel: Kernel) -> None:
    """A large array under two names is one array, there and back."""
    kernel.run("import numpy as np\nbig = np.arange(2_000_000)\nalso = big\npair = [also]")
    shown = kernel.run(
        "%%cluster\nhere = (big is also, pair[0] is big)\nbig[0] = 5\nb2 = big\nc2 = also\nhere"
    )
    assert shown.result == "(True, True)"
    assert kernel.value("(b2 is c2, big is b2, int(b2[0]), int(also[0]))") == "(True, True, 5, 0)"
    kernel.run("b2[1] = 9")
    assert kernel.value("int(c2[1])") == "9"


def test_every_kind_of_assignment_comes_back(kernel: Kernel) -> None:
    """For, with, import, walrus, except, match, star, global, annotated, augmented, star import, ``exec`` and ``globals()``."""
    kernel.run("counter = 1\nitems = [1, 2]\ndel_me = 1\nd = {}")
    kernel.run(
        """%%cluster
import contextlib, os.path as osp, xml.dom
from math import *
for i, j in [(1, 2)]: pass
with contextlib.nullcontext(3) as w: pass
if (wal := 4): pass
[inner_wal := n for n in range(3)]
try: 1 / 0
except ZeroDivisionError as e: kept = e
match [1, 2, 3]:
    case [first, *others]: pass
a, *b = 1, 2, 3
def bump():
    global counter, made
    counter += 1
    made = 5
bump()
note: int = 6
items += [3]
d["k"] = 1
exec("dyn = 7")
globals()["glob"] = 8
größe = 9
del del_me"""
    )
    names = "i, j, w, wal, inner_wal, first, others, a, b, counter, made, note, items, d, dyn, glob, größe"
    assert kernel.value(f"({names})") == (
        "(1, 2, 3, 4, 2, 1, [2, 3], 1, [2, 3], 2, 5, 6, [1, 2, 3], {'k': 1}, 7, 8, 9)"
    )
    assert kernel.value("(type(kept).__name__, osp.join('a', 'b'), xml.dom.Node.ELEMENT_NODE, sqrt(4))") == (
        "('ZeroDivisionError', 'a/b', 1, 2.0)"
    )
    assert kernel.value("('del_me' in globals(), 'e' in globals())") == "(False, False)"


def test_a_name_that_shadows_a_builtin_is_sent(kernel: Kernel) -> None:
    """And one that IPython has put there is Python's own in the job."""
    kernel.run("sum = lambda x: 'mine'")
    shown = kernel.run("%%cluster\nwith open('/dev/null') as f: f.read()\nopen.__module__, sum([1])")
    assert shown.result in (
        "('_io', 'mine')",
        "('io', 'mine')",
    )  # where it says that it is from hangs on the Python


def test_what_cannot_be_sent_is_named_before_anything_is_submitted(kernel: Kernel) -> None:
    """With the part of it, or with the function that needs it; and a stale name that the cell assigns first does not matter."""
    kernel.run(
        "import threading, clustrix\nbox = {'in': [threading.Lock()]}\nlock = threading.Lock()\ndef uses(): return lock"
    )
    before = kernel.value("len(clustrix.jobs())")
    shown = kernel.run("%%cluster\nbox")
    assert shown.error == "BundleError"
    assert "box → ['in'] → [0]: TypeError: cannot pickle '_thread.lock'" in shown.traceback
    assert "File" not in shown.traceback
    assert "lock (which uses uses)" in kernel.run("%%cluster\nuses()").traceback
    assert kernel.value("len(clustrix.jobs())") == before
    kernel.run("f = open('/dev/null', 'w')\nf.close()")
    assert kernel.run("%%cluster\nwith open('/etc/passwd') as f: n = len(f.read())\nn > 0").result == "True"


def test_what_cannot_come_back_is_named_and_the_rest_comes(kernel: Kernel) -> None:
    """An open file, a lock, a generator: one line on stderr."""
    shown = kernel.run(
        "%%cluster\nimport threading\nfile = open('/etc/passwd')\nlock = threading.Lock()\ngen = (i for i in [])\nok = 1\n"
        "def f(): return ok\ngen"
    )
    assert shown.error is None
    assert len(shown.stderr.splitlines()) == 1
    assert all(name in shown.stderr for name in ("file (", "lock (", "gen ("))
    assert shown.result is None
    assert "<generator object" in shown.displays[0]["data"]["text/plain"]
    assert kernel.value("(ok, f(), 'file' in globals())") == "(1, 1, False)"


def test_modules_that_are_not_here_are_named(kernel: Kernel) -> None:
    """The others are imported."""
    shown = kernel.run(
        "%%cluster\nimport sys, types, json\nsys.modules['only_there'] = types.ModuleType('only_there')\nimport only_there\nx = 1"
    )
    assert "only_there (ModuleNotFoundError" in shown.stderr
    assert kernel.value("(x, json.dumps(1))") == "(1, '1')"


def test_an_object_that_cannot_be_opened_here_leaves_the_others(kernel: Kernel) -> None:
    """Those that share something with it are named with it; objects after it are what they were."""
    shown = kernel.run(
        """%%cluster
import sys, types
sys.modules["far_only"] = m = types.ModuleType("far_only")
exec("class Thing: pass", vars(m))
a = shared = ["s"]
b = m.Thing()
c = [b]
z = [shared, "end"]
del m"""
    )
    assert "b (ModuleNotFoundError" in shown.stderr
    assert "c (" in shown.stderr
    assert kernel.value("(a is shared, z[0] is a, z[1], 'b' in globals())") == "(True, True, 'end', False)"


def test_submodules_that_the_notebook_has_imported_are_there(kernel: Kernel) -> None:
    """Also those that are only named as attributes."""
    kernel.run("import concurrent.futures")
    assert (
        kernel.run("%%cluster\ndef f(): return concurrent.futures.Future.__name__\nf()").result == "'Future'"
    )


def test_own_modules_travel_with_the_cell(kernel: Kernel) -> None:
    """As they were when it was submitted, also those that only the cell imports, or a value is of."""
    kernel.run(
        "import sys, pathlib\npathlib.Path('mymod.py').write_text('class T:\\n    n = 5\\n')\n"
        "pathlib.Path('later.py').write_text('m = 6\\n')\nsys.path.insert(0, '.')\nimport mymod\nt = mymod.T()"
    )
    assert kernel.run(
        "%%cluster\nimport later\nimport os\nos.rename('mymod.py', 'x.py')\nt.n, later.m, type(t).__name__"
    ).result == ("(5, 6, 'T')")


@pytest.mark.parametrize("body", ["", "\n", "# only a comment", "\n\n   \n# x\n"])
def test_a_cell_without_code_does_nothing(kernel: Kernel, body: str) -> None:
    """As any other."""
    shown = kernel.run(f"%%cluster\n{body}")
    assert (shown.status, shown.stdout, shown.stderr) == ("ok", "", "")


def test_windows_line_ends_do_no_harm(kernel: Kernel) -> None:
    """Nor do empty lines above the magic."""
    assert kernel.run("%%cluster cores=1\r\nx = '''a\r\nb'''\r\nx\r\n").result == "'a\\nb'"
    shown = kernel.run("\n\n%%cluster\nx = 1\n1/0\n")
    assert "line 5" in shown.traceback


def test_await_and_future_work_at_the_top(kernel: Kernel) -> None:
    """One event loop for the cell."""
    shown = kernel.run(
        "%%cluster\nfrom __future__ import annotations\nimport asyncio\n"
        "async def f(): return 4\ntask = asyncio.ensure_future(f())\ndef g(x: nowhere): pass\nr = await task\ndel task\nr, g.__annotations__"
    )
    assert shown.result == "(4, {'x': 'nowhere'})"


def test_a_semicolon_silences_the_last_value(kernel: Kernel) -> None:
    """Also before a comment."""
    assert kernel.run("%%cluster\n5;  # x").result is None
    assert kernel.run("%%cluster\n'a;'").result == "'a;'"


def test_shell_lines_run_in_the_job(kernel: Kernel) -> None:
    """Their output streams, and what is assigned is its lines; names are put into them as IPython does."""
    kernel.run("name = 'wörld'")
    shown = kernel.run(
        "%%cluster\n!echo hello {name} $name $HOME $$\nlines = !printf 'a\\nb\\n'; exit 3\nlines, _exit_code"
    )
    assert shown.stdout.startswith("hello wörld wörld /")
    assert shown.result == "(['a', 'b'], 3)"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("%time f()", "line 3: %time"),
        ("x = %who_ls", "line 3: %who_ls"),
        ("%pip install q", "!pip"),
        ("print?", "help"),
    ],
)
def test_magics_are_refused_with_line_and_advice(kernel: Kernel, line: str, said: str) -> None:
    """Before anything is submitted."""
    shown = kernel.run(f"%%cluster\nx = 1\n{line}")
    assert shown.error == "CellError"
    assert said in shown.traceback


def test_jobs_are_named_for_people(kernel: Kernel) -> None:
    """By the cell's number and its first line that does something; a name that is given goes before."""
    kernel.run("%%cluster\nimport json\n\nanswer = 42\n")
    assert "] answer = 42" in kernel.value("__import__('clustrix').jobs()[0].name")
    kernel.run('%%cluster name="my own"\n1')
    assert kernel.value("__import__('clustrix').jobs()[0].name") == "'my own'"


def test_reuse_finds_the_same_cell_with_the_same_names(kernel: Kernel) -> None:
    """Whatever its number is; other names' values are other work."""
    kernel.run("k = [1]\ndef f(): return k")
    cell = "%%cluster reuse=True\nimport uuid\nu = uuid.uuid4().hex\nv = f()"
    kernel.run(cell)
    first = kernel.value("u")
    kernel.run(cell)
    assert kernel.value("u") == first
    kernel.run("k = [2]")
    kernel.run(cell)
    assert kernel.value("u") != first
