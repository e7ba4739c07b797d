"""clustrix in a real JupyterLab: how soon its widgets are there, how quick they are while a cell runs, and what they cost."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import Page, sync_playwright

from clustrix.journal import Change, JobState, Journal, NewJob, state_place
from clustrix.journal.ids import new_id
from clustrix.journal.records import Outcome
from tests.bench.row import Row
from tests.browser.lab import Lab
from tests.browser.notebook import Notebook

_ENDED, _CHANGING = 10_000, 1000
_SECONDS = 10.0
_TIMES = 5

_LOAD = """
import sys, time
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
began = time.perf_counter()
shell.run_line_magic("load_ext", sys.argv[1])
print(time.perf_counter() - began)
"""
_APPEARS = """(selector) => new Promise((resolve) => {
  const panel = window.jupyterapp.shell.currentWidget;
  const began = performance.now();
  const looking = () => {
    const found = panel.node.querySelector(selector);
    if (found && found.getBoundingClientRect().height > 0) resolve(performance.now() - began);
    else requestAnimationFrame(looking);
  };
  window.jupyterapp.commands.execute('notebook:run-cell');
  looking();
})"""
_SWITCH = """() => new Promise((resolve) => {
  const select = document.querySelector('[data-field=cluster_type] select');
  const row = document.querySelector('[data-field=cluster_host]');
  const times = [];
  const once = (value, hidden) => new Promise((done) => {
    const began = performance.now();
    select.value = value;
    select.dispatchEvent(new Event('input', {bubbles: true}));
    if (row.hidden !== hidden) throw new Error('not switched');
    row.getBoundingClientRect();
    times.push(performance.now() - began);
    requestAnimationFrame(() => requestAnimationFrame(done));
  });
  (async () => {
    for (let turn = 0; turn < 10; turn += 1) {
      await once('slurm', false);
      await once('local', true);
    }
    resolve(times);
  })();
})"""
_SCROLL = """() => new Promise((resolve) => {
  const view = document.querySelector('.clx-scroll');
  const times = [];
  let before = performance.now();
  let turn = 0;
  const step = (now) => {
    times.push(now - before);
    before = now;
    view.scrollTop += 700;
    turn += 1;
    if (turn < 120) requestAnimationFrame(step);
    else resolve(times.slice(2));
  };
  requestAnimationFrame(step);
})"""
_SORT = """() => new Promise((resolve) => {
  const button = [...document.querySelectorAll('.clx-sort')].find((found) => found.textContent === 'name');
  const began = performance.now();
  button.click();
  requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - began)));
})"""


def load_extension() -> list[Row]:
    """In an IPython that has nothing of clustrix yet; another extension beside it."""
    ours, other = (median(_loaded(name) for _ in range(_TIMES)) for name in ("clustrix", "autoreload"))
    return [
        Row("%load_ext clustrix", ours * 1e3, "ms", 150, rival="%load_ext autoreload", baseline=other * 1e3)
    ]


def _loaded(name: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.run(
            [sys.executable, "-c", _LOAD, name],
            env={**os.environ, "IPYTHONDIR": folder},
            capture_output=True,
            text=True,
            check=True,
        )
    return float(run.stdout)


def form() -> list[Row]:
    """How soon it is there, and how quick."""
    other = "import ipywidgets; ipywidgets.IntSlider()"
    with _notebook(
        "import ipywidgets, clustrix_notebook.live",
        "%load_ext clustrix\n%clustrix",
        other,
        "import time; time.sleep(30)",
    ) as book:
        book.run(0)
        ours = _appears(book, 1, ".clx-form")
        again = _appears(book, 1, ".clx-form")
        slider = _appears(book, 2, ".widget-slider")
        book.run_code("import ipywidgets; ipywidgets.Widget.close_all()")
        book.run_code(
            "from clustrix_notebook.widget.form import the_form; the_form.cache_clear(); the_form()"
        )
        models = int(
            _value(book, "len(ipywidgets.Widget.widgets) if hasattr(ipywidgets.Widget, 'widgets') else 0")
        )
        book.run(1)
        book.start(3)
        time.sleep(1)
        switched = book.page.evaluate(_SWITCH)
    return [
        Row(
            "settings form in sight, warm kernel", ours, "ms", 400, rival="ipywidgets slider", baseline=slider
        ),
        Row("settings form, shown once more", again, "ms"),
        Row("settings form: widget models", models, "", 3),
        Row("form: fields shown or hidden while a cell runs", median(switched), "ms", 30),
    ]


def jobs_table() -> list[Row]:
    """A list of eleven thousand jobs, of which a thousand change each second."""
    changing = _fill()
    received: list[int] = []
    with _notebook("import clustrix; clustrix.jobs(limit=None)") as book:
        book.page.on(
            "websocket", lambda socket: socket.on("framereceived", lambda data: received.append(len(data)))
        )
        book.page.reload()
        book.ready()
        book.run(0)
        book.page.wait_for_function(
            "(count) => document.querySelector('.clx-table')?.getAttribute('aria-rowcount') == count",
            arg=str(_ENDED + _CHANGING + 1),
        )
        kernel = int(_value(book, "__import__('os').getpid()"))
        scrolled = book.page.evaluate(_SCROLL)
        sorted_ms = book.page.evaluate(_SORT)
        book.page.wait_for_timeout(2000)
        with _keep_changing(changing):
            book.page.wait_for_timeout(2000)
            received.clear()
            before, began = _cpu_s(kernel), time.monotonic()
            book.page.wait_for_timeout(_SECONDS * 1000)
            busy = (_cpu_s(kernel) - before) / (time.monotonic() - began)
            traffic = sum(received) / (time.monotonic() - began)
    return [
        Row(f"jobs table: traffic, {_CHANGING:,} rows change each second", traffic / 1000, "kB/s", 50),
        Row("jobs table: kernel busy meanwhile", busy * 100, "%", 3),
        Row(f"jobs table, {_ENDED + _CHANGING:,} rows: a frame while scrolling", median(scrolled), "ms"),
        Row(
            f"jobs table, {_ENDED + _CHANGING:,} rows: one in a hundred frames longer than",
            sorted(scrolled)[-2],
            "ms",
        ),
        Row(f"jobs table, {_ENDED + _CHANGING:,} rows: sorted after a click", sorted_ms, "ms"),
    ]


@contextmanager
def _notebook(*cells: str) -> Iterator[Notebook]:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        lab = Lab(Path(folder))
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        try:
            page: Page = browser.new_context(viewport={"width": 1200, "height": 900}).new_page()
            yield Notebook(lab, page, "bench.ipynb", *cells)
        finally:
            browser.close()
            lab.stop()


def _appears(book: Notebook, cell: int, selector: str) -> float:
    book.page.evaluate(
        "(index) => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = index; }", cell
    )
    book.page.evaluate(
        "(index) => window.jupyterapp.shell.currentWidget.content.widgets[index].model.outputs?.clear()", cell
    )
    found: float = book.page.evaluate(_APPEARS, f".jp-Cell:nth-child({cell + 1}) {selector}")
    book.page.wait_for_timeout(500)
    return found


def _value(book: Notebook, expression: str) -> str:
    book.run_code(f"open('value', 'w').write(str({expression}))")
    return (book.lab.notebooks / "value").read_text()


def _fill() -> list[int]:
    """Jobs of a dispatcher that is not there; returns the numbers of those that have not ended."""
    journal = Journal(state_place())
    for _ in range(_ENDED + _CHANGING):
        journal.submit(NewJob(new_id(), "simulate", "call", "nobody", "local", 1, None, None, "{}", b""))
    journal.finish(Outcome(number, JobState.SUCCEEDED) for number in range(1, _ENDED + 1))
    journal.close()
    return list(range(_ENDED + 1, _ENDED + _CHANGING + 1))


@contextmanager
def _keep_changing(numbers: list[int]) -> Iterator[None]:
    """Every second all of them are in another state."""
    over = threading.Event()

    def change() -> None:
        journal = Journal(state_place())
        states: list[Any] = [JobState.RUNNING, JobState.QUEUED]
        turn = 0
        while not over.wait(1.0):
            turn += 1
            journal.move(Change(number, time.time(), states[turn % 2]) for number in numbers)
        journal.close()

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
