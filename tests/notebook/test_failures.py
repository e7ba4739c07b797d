"""What a notebook shows when a cell fails, is stopped, or cannot begin."""

from __future__ import annotations

import re

import pytest

from tests.core.support import wait_until
from tests.notebook.kernel import Kernel

pytestmark = pytest.mark.timeout(120)


def test_an_error_shows_the_cells_own_lines(kernel: Kernel) -> None:
    """With their numbers, through functions of this cell and of others; nothing of clustrix is in it."""
    kernel.run("def outer(x):\n    y = 1\n    return x / 0")
    shown = kernel.run("%%cluster\n\ndef mine(x):\n    z = 1\n    return outer(x)\n\nmine(1)")
    assert (shown.error, shown.status) == ("ZeroDivisionError", "error")
    lines = [line.strip() for line in shown.traceback.splitlines() if line.startswith(("Cell", "--"))]
    assert [line.rpartition("> ")[2] for line in lines if ">" in line] == [
        "7 mine(1)",
        "5     return outer(x)",
        "3     return x / 0",
    ]
    assert "in mine" in shown.traceback
    assert "clustrix" not in shown.traceback.replace("# %%cluster", "")
    assert "/0" in kernel.run("%%cluster\n1 /0").traceback


def test_a_cell_has_the_number_of_its_prompt(kernel: Kernel) -> None:
    """In tracebacks, and in the name of its job: as a cell that ran here has."""
    before = re.search(r"Cell In\[(\d+)\]", kernel.run("1/0").traceback)
    assert before is not None
    number = int(before[1]) + 1
    assert f"Cell In[{number}], line 2" in kernel.run("%%cluster -o job\n1/0").traceback
    assert kernel.value("job.name") == repr(f"cell [{number}] 1/0")


def test_a_function_of_the_notebook_that_fails_in_its_job_shows_its_own_lines(kernel: Kernel) -> None:
    """Also one with a decorator, called or submitted; what is clustrix's is hidden."""
    kernel.run("from clustrix import cluster\n\n@cluster\ndef f(x):\n    y = 1\n    return y / x")
    for code in ("f(0)", "f.submit(0).result()", "f.map([0])[0]"):
        shown = kernel.run(code).traceback
        assert "----> 6     return y / x" in shown
        assert f"----> 1 {code}" in shown
        assert "wait_for" not in shown
        assert "raise value" not in shown


def test_causes_show_their_lines_too(kernel: Kernel) -> None:
    """As one knows them."""
    shown = kernel.run(
        "%%cluster\ntry:\n    {}['k']\nexcept KeyError as e:\n    raise ValueError('no') from e"
    )
    assert "----> 3     {}['k']" in shown.traceback
    assert "direct cause" in shown.traceback
    assert "----> 5     raise ValueError('no') from e" in shown.traceback


def test_an_error_at_an_await_shows_the_cell_only(kernel: Kernel) -> None:
    """The event loop is not of interest."""
    shown = kernel.run("%%cluster\nimport asyncio\nasync def f():\n    raise OSError(5, 'x')\nawait f()")
    assert "asyncio/" not in shown.traceback
    assert "----> 5 await f()" in shown.traceback
    assert kernel.value("__import__('sys').last_value.errno") == "5"


def test_names_that_were_assigned_before_an_error_are_here(kernel: Kernel) -> None:
    """As after a cell that ran here; the job has failed all the same."""
    kernel.run("%%cluster -o job\na = 1\ndef f(): return a\n1/0\nb = 2")
    assert kernel.value("(a, f(), 'b' in globals(), str(job.status().state))") == "(1, 1, False, 'FAILED')"


@pytest.mark.parametrize("here", ["class Oops(Exception):\n    n = 1", "pass"])
def test_an_exception_of_the_cells_own_class_is_of_that_class(kernel: Kernel, here: str) -> None:
    """Also where the notebook has an older one of that name."""
    kernel.run(here)
    shown = kernel.run(
        "%%cluster\nclass Oops(Exception):\n    n = 2\n    def __init__(self, a, b=1):\n        super().__init__(f'{a}!')\n"
        "    def k(self): return K\nraise Oops('x')"
    )
    assert (shown.error, shown.traceback.rstrip().splitlines()[-1]) == ("Oops", "Oops: x!")
    kernel.run("import sys\nK = 3\nerror = sys.last_value")
    assert kernel.value("(type(error) is Oops, error.n, str(error), error.k())") == "(True, 2, 'x!', 3)"


def test_an_exception_of_the_notebooks_class_is_of_that_class(kernel: Kernel) -> None:
    """And can be pickled after it was shown."""
    kernel.run("class Mine(Exception):\n    pass")
    kernel.run("%%cluster\nraise Mine('a')")
    kernel.run(
        "import sys, cloudpickle\nerror = sys.last_value\nagain = cloudpickle.loads(cloudpickle.dumps(error))"
    )
    assert kernel.value("(type(error) is Mine, again.args)") == "(True, ('a',))"


@pytest.mark.parametrize(
    ("text", "line", "name"),
    [
        ("x = 1\ny = (1 +", "line 3", "SyntaxError"),
        ("\nif x:\npass", "line 4", "IndentationError"),
        ("x = 1\nreturn 5", "line 3", "SyntaxError"),
        ("for x in y:\n    pass\nbreak", "line 4", "SyntaxError"),
    ],
)
def test_a_syntax_error_is_shown_at_its_line(kernel: Kernel, text: str, line: str, name: str) -> None:
    """Before anything is submitted, and without a traceback."""
    before = kernel.value("len(__import__('clustrix').jobs(limit=None))")
    shown = kernel.run(f"%%cluster\n{text}")
    assert shown.error == name
    assert line in shown.traceback
    assert "File" not in shown.traceback
    assert kernel.value("len(__import__('clustrix').jobs(limit=None))") == before


def test_a_killed_job_says_why_in_one_block(kernel: Kernel) -> None:
    """An exit is one, too."""
    shown = kernel.run("%%cluster\nimport os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    assert shown.error == "JobKilled"
    assert "File" not in shown.traceback
    assert kernel.run("%%cluster\nraise SystemExit(3)").error == "JobExited"


def test_stop_cancels_the_job(kernel: Kernel) -> None:
    """What it had printed is here, and the kernel goes on."""
    shown = kernel.run(
        "%%cluster -o job\nimport time\nprint('begun', flush=True)\ntime.sleep(60)", interrupt_when="begun"
    )
    assert shown.error == "KeyboardInterrupt"
    assert "File" not in shown.traceback
    assert kernel.value("str(job.status().state)") == "'CANCELLED'"
    assert kernel.value("1 + 1") == "2"


def test_stop_while_it_prints_without_end(kernel: Kernel) -> None:
    """However fast: a million lines are no reason not to stop."""
    shown = kernel.run(
        "%%cluster -o job\nfor n in range(10 ** 9): print(n, 'some text that makes a line')",
        interrupt_when="\n1000 ",
        timeout_s=90,
    )
    assert shown.error == "KeyboardInterrupt"
    wait_until(lambda: kernel.value("str(job.status().state)") == "'CANCELLED'", "it is cancelled", 20)


@pytest.mark.parametrize(
    ("line", "error", "said"),
    [
        ("coers=4", "UnknownOption", "did you mean 'cores'?"),
        ("cores=many", "ConfigError", "cores='many'"),
        ("cores = 4", "CellError", "write cores=VALUE, without spaces"),
        ("4 = cores", "CellError", "without spaces"),
        ("nosuch", "UnknownProfile", "no profile 'nosuch'"),
        ("profile=nosuch", "UnknownProfile", "no profile 'nosuch'"),
        ("a b", "CellError", "there can be one profile"),
        ('name="a', "LineError", "a quote is not closed"),
        ("-o", "CellError", "takes a name"),
        ("-o 3x", "CellError", "'3x'"),
        ("-o class", "CellError", "'class'"),
        ("--wait", "CellError", "unknown option --wait"),
        ("memory=8GBB", "ConfigError", "memory"),
    ],
)
def test_a_first_line_that_cannot_be_is_explained(kernel: Kernel, line: str, error: str, said: str) -> None:
    """In one block, and nothing is run."""
    shown = kernel.run(f"%%cluster {line}\nran = 1")
    assert shown.error == error
    assert said in shown.traceback
    assert "File" not in shown.traceback
    assert kernel.value("'ran' in globals()") == "False"
