"""What a cell displays in its job, and its handle."""

from __future__ import annotations

import base64
import json

import pytest

from clustrix.logs import Displays
from clustrix.runner import layout
from tests.core.support import run_command, run_script
from tests.notebook.kernel import Kernel

pytestmark = pytest.mark.timeout(120)


def test_displays_stand_among_the_prints(kernel: Kernel) -> None:
    """As they came, with every type of content."""
    shown = kernel.run(
        """%%cluster
class Rich:
    def __repr__(self): return "rich"
    def _repr_html_(self): return "<b>rich</b>"
    def _repr_png_(self): return b"\\x89PNG"
    def _repr_latex_(self): raise ValueError("no")
class Many:
    def _repr_mimebundle_(self, include=None, exclude=None): return {"text/markdown": "*m*"}, {"meta": 1}
print("one")
display(Rich())
print("two")
display(Many(), 5)
print("three")"""
    )
    assert shown.order[0::2][:2] == ["one\n", "two\n"]
    assert shown.order[1] == "rich"
    assert shown.order[-1] == "three\n"
    rich, many, number = (display["data"] for display in shown.displays)
    assert rich["text/html"] == "<b>rich</b>"
    assert rich["image/png"].strip() == "iVBORw=="
    assert "text/latex" not in rich
    assert many["text/markdown"] == "*m*"
    assert shown.displays[1]["metadata"] == {"meta": 1}
    assert number["text/plain"] == "5"


def test_displays_of_ipython_and_pandas(kernel: Kernel) -> None:
    """Imported in the cell they work, and the last value is shown as the notebook shows it."""
    shown = kernel.run(
        "%%cluster\nfrom IPython.display import display, HTML, clear_output\nimport pandas as pd\n"
        "display(HTML('<i>h</i>'))\nframe = pd.DataFrame({'a': [1]})\nframe"
    )
    assert shown.displays[0]["data"]["text/html"] == "<i>h</i>"
    assert "<table" in shown.displays[1]["data"]["text/html"]
    assert shown.displays[1]["type"] == "execute_result"


def test_a_display_can_be_changed(kernel: Kernel) -> None:
    """By its handle and by its id; and output can be cleared."""
    shown = kernel.run(
        "%%cluster\nfrom IPython.display import clear_output, update_display\nh = display('a', display_id=True)\nh.update('b')\n"
        "display('c', display_id='mine')\nupdate_display('d', display_id='mine')\nclear_output()\ndel h"
    )
    kinds = [display["type"] for display in shown.displays]
    assert kinds == [
        "display_data",
        "update_display_data",
        "display_data",
        "update_display_data",
        "clear_output",
    ]
    assert shown.displays[0]["transient"] == shown.displays[1]["transient"]
    assert shown.displays[2]["transient"]["display_id"] == "mine"


def test_figures_are_shown(kernel: Kernel) -> None:
    """By ``plt.show()`` and at the end of the cell, as PNG, whatever the kernel's backend is."""
    shown = kernel.run(
        "%%cluster\n%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\nprint('between')\nplt.plot([3]);"
    )
    assert [display["data"]["image/png"][:5] for display in shown.displays] == ["iVBOR", "iVBOR"]
    assert shown.order[1] == "between\n"
    assert shown.stderr == ""


def test_a_display_that_is_too_large_is_left_out(kernel: Kernel) -> None:
    """A line says so; one of some megabytes is shown."""
    shown = kernel.run(
        "%%cluster\nclass Big:\n    def _repr_html_(self): return 'x' * size\nsize = 3_000_000\ndisplay(Big())\nsize = 20_000_000\ndisplay(Big())"
    )
    assert [len(display["data"]["text/html"]) for display in shown.displays] == [3_000_000]
    assert "is left out" in shown.stderr


def test_logs_show_displays_as_text(kernel: Kernel) -> None:
    """Here, followed, and from the shell; what a job prints of the sort by itself does no harm."""
    kernel.run("%%cluster -o job\nprint('a')\ndisplay({'k': 1})\nprint('b\\x1b]7077;nonsense\\x07c\\x1b')")
    assert kernel.value("job.logs()").startswith("\"a\\n{'k': 1}\\nbc")
    assert kernel.value("list(job.logs(follow=True))[:2]") == "['a', \"{'k': 1}\"]"
    done = run_command("logs", kernel.value("job.id").strip("'"))
    assert done.stdout.startswith("a\n{'k': 1}\nbc")


def test_secrets_are_blotted_out_of_displays(kernel: Kernel) -> None:
    """As they are out of what is printed."""
    kernel.run("import os\nos.environ['MY_SECRET'] = 'hush-hush-4711'")
    shown = kernel.run("%%cluster secrets=MY_SECRET\nimport os\ndisplay(os.environ['MY_SECRET'])")
    assert "hush" not in str(shown.displays)


def test_async_gives_the_handle_at_once(kernel: Kernel) -> None:
    """Its result has the names, and the last value; here functions belong to the notebook."""
    shown = kernel.run("%%cluster --async -o job\nK = 1\ndef f(): return K\nclass C: pass\nc = C()\n'last'")
    assert shown.status == "ok"
    assert kernel.value("type(_).__name__") == "'AsyncJobResult'"
    kernel.run("K = 5\nnames = job.result(60)")
    assert (
        kernel.value("(sorted(names), names.value, names['f'](), 'f' in globals())")
        == "(['C', 'K', 'c', 'f'], 'last', 5, False)"
    )
    kernel.run("globals().update(names)")
    assert kernel.value("(f(), K, type(c) is C)") == "(1, 1, True)"


def test_async_results_are_had_from_another_process(kernel: Kernel) -> None:
    """By its id, without a notebook; functions see the names of the cell."""
    kernel.run("class Here:\n    n = 4")
    kernel.run("%%cluster --async -o job\nK = 3\ndef f(): return K\nh = Here()\nimport json\nK * 2")
    job = kernel.value("job.id")
    done = run_script(
        f"import clustrix\nr = clustrix.attach({job}).result(60)\n"
        "print(dict(K=r['K']), r['f'](), r['h'].n, r['json'].__name__, r.value, sorted(r))"
    )
    assert done.stdout.strip() == "{'K': 3} 3 4 json 6 ['K', 'f', 'h', 'json']"


def test_help_is_printed(kernel: Kernel) -> None:
    """Also where nothing stands below it."""
    shown = kernel.run("%%cluster --help")
    assert "-o NAME" in shown.stdout
    assert "retries" in shown.stdout


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_displays_are_found_in_pieces_of_any_size(size: int) -> None:
    """What is printed around them is as it was, in its order; the mark of another command is left alone."""
    content = base64.b64encode(json.dumps({"data": {"text/plain": "D"}}).encode()).decode()
    whole = f"a\x1b[0m{layout.DISPLAY}{content}{layout.DISPLAY_END}b\x1b]0;title\x07{layout.DISPLAY}{content}{layout.DISPLAY_END}"
    found: list[str] = []
    for show in (None, found.append):
        displays = Displays(show)
        text = "".join(
            piece for at in range(0, len(whole), size) for piece in displays.cut(whole[at : at + size])
        )
        assert text == ("a\x1b[0mD\nb\x1b]0;title\x07D\n" if show is None else "a\x1b[0mb\x1b]0;title\x07")
    assert found == [content, content]
