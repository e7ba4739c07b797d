"""The form's fields: which are seen, and what is told while one types."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from clustrix import plugins
from clustrix.config.fields import settings_fields
from tests.browser.conftest import Show
from tests.browser.form import SHOW, Form
from tests.core.plugins.installing import write_plugin

MOON = """
from clustrix.config import kinds
from clustrix.config.field import Field
from clustrix.plugins import hookimpl
HOOK_API = 1
ON = {"cluster_type": ("moon", "mars"), "cloud_provider": ("aws",)}
FIELDS = (
    Field("cloud_provider", kinds.choice("aws", "gcp", none=True), None, "Who runs it.", "aws", group="place",
          choices=("aws", "gcp"), shown={"cluster_type": ("moon", "mars")}),
    Field("aws_region", kinds.text(), None, "Where.", "eu-central-1", group="cloud", shown=ON),
    Field("aws_spot", kinds.FLAG, False, "Whether they may be taken away.", True, group="cloud",
          shown={**ON, "aws_region": ("eu-central-1", "eu-west-1")}),
    Field("gcp_zone", kinds.text(), None, "Where.", "europe-west3-a", group="cloud",
          shown={"cluster_type": ("moon",), "cloud_provider": ("gcp",)}),
    Field("moon_broken", kinds.text(), 3, "A default that cannot be.", "x", group="cloud", shown=ON),
)

@hookimpl
def clustrix_register(registry):
    registry.backend("moon", "nothing:Missing", title="The moon", fields=FIELDS)
    registry.backend("mars", "nothing:Missing", title="Mars")
    registry.assistant("land", "moon:land", title="Land", backends=("moon",))
    registry.price_source("fares", "moon:fare", fields=("aws_region",))
    registry.price_source("broken", "moon:nothing", fields=("aws_region",))

def fare(settings):
    return "0.19 USD an hour (2026-11)" if settings["aws_region"] == "eu-central-1" else ""

async def land(settings, ask):
    from clustrix.backends import Question
    from clustrix.plugins.checks import Suggestion, failed, ok
    yield ok("sea", "of tranquillity")
    answer = await ask(Question("moon", "code", "Which region?", True))
    if answer is None:
        yield failed("region", "nobody has said one", "Say one")
        return
    yield Suggestion("aws_region", answer)
    yield ok("region", f"is {answer}")
"""
CLOUD = {"cloud_provider", "aws_region", "aws_spot", "gcp_zone"}
_TIMED = """(select) => new Promise((resolve) => {
  const form = select.closest('.clx-form');
  const times = [];
  const places = ['slurm', 'local'];
  const step = () => {
    if (times.length === 20) return resolve(times.sort((a, b) => a - b)[10]);
    const began = performance.now();
    select.value = places[times.length % 2];
    select.dispatchEvent(new Event('input', {bubbles: true}));
    void form.offsetHeight;
    times.push(performance.now() - began);
    setTimeout(step, 60);
  };
  step();
})"""


@pytest.fixture
def moon(tmp_path: Path) -> str:
    """A plugin with fields as those of clouds, and one that is broken; how a kernel finds it."""
    write_plugin(tmp_path, "moon", MOON)
    return f"import sys; sys.path.insert(0, {str(tmp_path)!r})"


def expected(place: str) -> set[str]:
    """The fields that matter at a place, where nothing else is set."""
    fields = settings_fields()
    values = {name: str(field.default) for name, field in fields.items()} | {"cluster_type": place}
    return {
        name
        for name, field in fields.items()
        if all(values[other] in wanted for other, wanted in field.shown.items())
    }


def test_fields_follow_each_cluster_type(form: Show) -> None:
    """Those that matter there are seen and no others, as soon as it is chosen."""
    plugins.look_again()
    shown = form()
    for place in plugins.backend_names():
        shown.put("cluster_type", place)
        assert set(shown.fields()) == expected(place), place
    assert shown.notebook.page.locator(".clx-group:visible legend").count() > 3


def test_fields_follow_each_other_and_a_broken_one_stops_none(form: Show, moon: str) -> None:
    """Of several conditions all must match; a declaration that cannot be is told in its group, with its plugin."""
    shown = form(before=moon)

    def cloud() -> set[str]:
        return CLOUD & set(shown.fields())

    assert cloud() == set()
    shown.put("cluster_type", "moon")
    assert cloud() == {"cloud_provider"}
    shown.put("cloud_provider", "aws")
    assert cloud() == {"cloud_provider", "aws_region"}
    shown.put("aws_region", "eu-central-1")
    assert cloud() == {"cloud_provider", "aws_region", "aws_spot"}
    shown.put("cloud_provider", "gcp")
    assert cloud() == {"cloud_provider", "gcp_zone"}
    shown.put("cluster_type", "mars")
    assert cloud() == {"cloud_provider"}
    shown.put("cluster_type", "slurm")
    assert cloud() == set()
    group = shown.root.locator('[data-group="cloud"]')
    expect(group.locator(".clx-broken")).to_contain_text(
        "moon: field moon_broken: moon_broken=3: must be a text"
    )
    assert "moon_broken" not in shown.fields()
    shown.put("default_cores", "0")
    expect(shown.problem("default_cores")).not_to_be_empty()


def test_assistant_of_a_plugin_asks_and_fills_in_a_field_with_its_price(form: Show, moon: str) -> None:
    """It is a button where its place is chosen; it asks, step by step, and what it suggests is in the form; beside that stands what it costs."""
    shown = form(before=moon)
    land = shown.root.get_by_role("button", name="Land…", exact=True)
    expect(land).to_be_hidden()
    shown.put("cluster_type", "moon")
    shown.put("cloud_provider", "aws")
    land.click()
    panel = shown.panel("Land")
    expect(panel.locator(".clx-step[data-what=sea]")).to_contain_text("of tranquillity")
    panel.locator(".clx-question input").fill("eu-central-1")
    shown.press("Answer", "Land")
    expect(panel.locator(".clx-doing")).to_contain_text("done: test the connection now")
    expect(shown.control("aws_region")).to_have_value("eu-central-1")
    expect(shown.row("aws_region").locator(".clx-note")).to_have_text("0.19 USD an hour (2026-11)")
    shown.put("aws_region", "eu-west-1")
    expect(shown.row("aws_region").locator(".clx-note")).to_be_hidden()
    land.click()
    shown.press("Do not answer", "Land")
    expect(panel.locator(".clx-step.clx-failed")).to_contain_text("nobody has said one")
    expect(panel.locator(".clx-doing")).to_have_text("not done")
    shown.put("cluster_type", "local")
    expect(land).to_be_hidden()


def test_form_goes_on_while_a_cell_runs(form: Show) -> None:
    """Fields come and go at once, and what is typed is checked; afterwards all of it is there."""
    shown = form(
        "import time; time.sleep(8)", "import clustrix; print(clustrix.get_config()['default_cores'])"
    )
    shown.notebook.start(1)
    took = shown.control("cluster_type").evaluate(_TIMED)
    assert took < 1000  # 10 ms or less, were nobody else here
    print(f"fields are shown and hidden within {took:.1f} ms")
    shown.put("cluster_type", "slurm")
    assert set(shown.fields()) == expected("slurm")
    shown.put("default_cores", "many")
    expect(shown.problem("default_cores")).to_contain_text("Cores must be a whole number", timeout=6_000)
    shown.put("cluster_type", "local")
    shown.put("default_cores", "3")
    expect(shown.problem("default_cores")).to_be_empty(timeout=6_000)
    shown.press("Apply")
    expect(shown.said).to_contain_text("Holds now: jobs run on local.")
    shown.notebook.page.evaluate("() => window.__ran")
    expect(shown.notebook.run(2)).to_contain_text("3")


def test_value_is_checked_while_one_types(form: Show) -> None:
    """With the reason beside it; nothing holds, is saved or is tested as long as something is wrong, and that is never hidden."""
    shown = form()
    control = shown.control("default_memory")
    control.press_sequentially("16 parsecs", delay=20)
    expect(shown.problem("default_memory")).to_contain_text("or none for no limit")
    expect(control).to_have_attribute("aria-invalid", "true")
    for label in ("Apply", "Test connection"):
        shown.press(label)
        expect(shown.root).to_contain_text("first mend: default_memory")
    control.fill("16GB")
    expect(shown.problem("default_memory")).to_be_empty()
    expect(control).not_to_have_attribute("aria-invalid", "true")
    shown.put("cluster_type", "slurm")
    shown.put("default_partition", "x" * 300)
    shown.put("cluster_type", "local")
    expect(shown.row("default_partition")).to_be_visible()
    shown.put("default_partition", "")
    expect(shown.row("default_partition")).to_be_hidden()


def test_nothing_that_is_typed_is_lost(form: Show) -> None:
    """However quickly and while answers are on their way, in a kernel that is slow to answer."""
    slow = """
from clustrix_notebook.widget.editor import Editor
import time
class Slow(Editor):
    def problems(self):
        time.sleep(0.15)
        return super().problems()
import clustrix_notebook.widget.form as module
module.Editor = Slow
"""
    shown = form(before=slow)
    text = "the quick brown fox jumps over the lazy dog"
    for word, pause in zip(text.split(" "), (37, 125, 135, 150, 170, 90, 40, 130, 145), strict=True):
        # As unevenly as people do: what was sent comes back while more is typed.
        shown.control("environment_variables").press_sequentially(f"{word} ", delay=pause)
    shown.control("environment_variables").press("Backspace")
    assert shown.control("environment_variables").input_value() == text
    shown.put("default_time", "1h")
    shown.name("New…", "x")
    shown.put("default_cores", "7")
    shown.choose("")
    expect(shown.control("environment_variables")).to_have_value(text)
    expect(shown.control("default_time")).to_have_value("1h")
    expect(shown.control("default_cores")).to_have_value("")
    shown.choose("x")
    expect(shown.control("default_cores")).to_have_value("7")


_ECHO = """\
from clustrix_notebook.widget.form import the_form
the_form()._send({"method": "echo_update", "state": {"edits": old}, "buffer_paths": []})
"""


def test_late_echo_is_not_taken_for_news(form: Show) -> None:
    """What the kernel repeats of what it was sent may come when another profile is there: what is typed then belongs to that."""
    shown = form()
    shown.put("default_time", "1h")
    expect(shown.profiles.locator("option").first).to_contain_text("not saved")
    shown.notebook.run_code(
        "from clustrix_notebook.widget.form import the_form; old = dict(the_form().edits)"
    )
    shown.name("New…", "x")
    expect(shown.control("default_time")).to_have_value("")
    shown.notebook.run_code(_ECHO)
    shown.put("default_cores", "7")
    expect(shown.control("default_time")).to_have_value("")
    shown.choose("")
    expect(shown.control("default_time")).to_have_value("1h")
    expect(shown.control("default_cores")).to_have_value("")
    shown.choose("x")
    expect(shown.control("default_cores")).to_have_value("7")


def test_huge_value_is_refused_and_the_form_goes_on(form: Show) -> None:
    """As one that was pasted by mistake."""
    shown = form()
    shown.put("environment_variables", "A=" + "x" * 1_000_000)
    shown.put("default_memory", "9" * 100_000)
    expect(shown.problem("default_memory")).not_to_be_empty()
    assert len(shown.problem("default_memory").inner_text()) < 500
    shown.put("default_memory", "")
    shown.put("environment_variables", "")
    shown.put("default_cores", "3")
    expect(shown.problem("default_memory")).to_be_empty()


def test_value_that_no_choice_has_is_shown(form: Show) -> None:
    """As the file has it."""
    shown = form()
    shown.paste("progress: maybe\ncluster_type: nowhere\n")
    expect(shown.control("progress")).to_have_value("maybe")
    expect(shown.control("cluster_type")).to_have_value("nowhere")
    expect(shown.problem("cluster_type")).not_to_be_empty()


def test_two_views_are_in_step(form: Show, desk: Page) -> None:
    """In one notebook and in another window; with few models; and a view that is closed disturbs none."""
    shown = form(SHOW, "from ipywidgets.widgets import widget; print(len(widget._instances))")
    second = Form(shown.notebook, shown.notebook.run(1))
    shown.put("default_cores", "3")
    expect(second.control("default_cores")).to_have_value("3")
    second.put("cluster_type", "slurm")
    assert "default_partition" in shown.fields()
    second.name("New…", "both")
    expect(shown.profiles).to_have_value("both")
    models = int(shown.notebook.run(2).inner_text().strip())
    assert 0 < models <= 3
    ids = desk.locator("[id^=clx-]").evaluate_all("found => found.map(one => one.id)")
    assert len(ids) == len(set(ids))
    shown.notebook.save()
    other = desk.context.new_page()
    other.goto(shown.notebook.lab.address(shown.notebook.name))
    far = other.locator(".clx-form").first
    far.wait_for()
    far.locator('[data-field="default_cores"] .clx-control').fill("5")
    expect(shown.control("default_cores")).to_have_value("5")
    shown.put("default_cores", "6")
    expect(far.locator('[data-field="default_cores"] .clx-control')).to_have_value("6")
    other.close()
    shown.put("default_cores", "x")
    expect(second.problem("default_cores")).not_to_be_empty()


def test_keys_in_the_form_are_not_the_notebooks(form: Show, desk: Page) -> None:
    """Typed at a button or a choice, they neither delete cells nor run them."""
    shown = form("1 + 1")
    cells = desk.locator(".jp-Notebook .jp-Cell")
    assert cells.count() == 2
    for target in (
        shown.root.get_by_role("button", name="Apply"),
        shown.profiles,
        shown.control("default_cores"),
    ):
        target.focus()
        for key in ("d", "d", "x", "a", "b", "Shift+Enter", "Control+Enter", "ArrowUp"):
            desk.keyboard.press(key)
    assert cells.count() == 2
    expect(shown.root).to_be_visible()


def test_narrow_form_has_nothing_beside_it(form: Show) -> None:
    """In a side bar it is read downwards."""
    shown = form()
    shown.put("cluster_type", "slurm")
    for width in (760, 500, 320):
        shown.root.evaluate("(form, width) => { form.style.width = `${width}px`; }", width)
        shown.control("default_cores").focus()
        wide = shown.root.evaluate("form => [form.scrollWidth, form.clientWidth]")
        assert wide[0] <= wide[1], width
        box = shown.control("default_cores").bounding_box()
        assert box is not None
        assert box["width"] > 150, width
