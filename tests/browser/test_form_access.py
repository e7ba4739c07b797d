"""For everybody: by keyboard alone, by a screen reader, in light and dark, and with little motion."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import Show
from tests.browser.form import Form

USER = "default_cores: 2\nprofiles:\n  hpc:\n    default_cores: 16\n  gpu:\n    default_cores: 8\n"
_FOCUS = """() => {
  const one = document.activeElement;
  if (!one?.closest('.clx-form')) return null;
  const label = one.getAttribute('aria-label') ?? one.labels?.[0]?.innerText ?? one.innerText;
  const box = one.getBoundingClientRect();
  const style = getComputedStyle(one);
  return [label.trim(), style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1, box.width > 0];
}"""
# JupyterLab's body has no height, so that axe takes all that is in it for hidden, and looks at no colours.
_HIGH = "() => { document.body.style.height = '100vh'; }"
_CONTROLS = """form => [...form.querySelectorAll('button, input, select, textarea, pre[tabindex]')]
  .filter(one => one.offsetParent && !one.disabled).length"""


def violations(desk: Page, found: list[Any]) -> Counter[str]:
    """What axe finds in the form, by impact; what is serious is added to ``found``."""
    answer = Axe().run(desk, context=".clx-form", options={"resultTypes": ["violations"]})
    count: Counter[str] = Counter()
    for rule in answer.response["violations"]:
        count[rule["impact"]] += len(rule["nodes"])
        if rule["impact"] in ("serious", "critical"):
            found.append([rule["id"], rule["help"], *(node["html"][:200] for node in rule["nodes"][:3])])
    return count


def looked_at(desk: Page, rule: str) -> int:
    """At how many elements axe has looked for a rule."""
    answer = Axe().run(desk, context=".clx-form", options={"runOnly": [rule]}).response
    return sum(1 for one in answer["passes"] for node in one["nodes"] if "hidden" not in str(node["any"]))


def everything_open(shown: Form) -> None:
    """Panels, an error, a tip."""
    shown.put("cluster_type", "slurm")
    shown.put("default_memory", "16 parsecs")
    expect(shown.problem("default_memory")).not_to_be_empty()
    shown.press("Import…")
    shown.panel("Import").locator("textarea").fill("a: [")
    shown.press("Take over", "Import")
    expect(shown.panel("Import").get_by_role("alert")).not_to_be_empty()
    shown.press("New…")
    shown.press("Test connection")
    expect(shown.panel("Connection test")).to_contain_text("first mend")
    shown.put("default_memory", "16GB")
    expect(shown.problem("default_memory")).to_be_empty()
    shown.press("Save…")
    expect(shown.panel("Save").locator(".clx-diff")).to_be_visible()
    shown.put("default_memory", "16 parsecs")
    expect(shown.problem("default_memory")).not_to_be_empty()
    shown.row("default_cores").locator(".clx-tip-button").click()


@pytest.mark.parametrize("theme", ["JupyterLab Dark", "JupyterLab Light"])
def test_axe_finds_nothing_that_is_serious(form: Show, desk: Page, theme: str) -> None:
    """As it comes up, and with everything open: panels, an error, tips."""
    shown = form(user=USER)
    desk.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
    expect(desk.locator("body")).to_have_attribute(
        "data-jp-theme-light", str(theme.endswith("Light")).lower()
    )
    desk.wait_for_timeout(300)
    desk.evaluate(_HIGH)
    desk.set_viewport_size({"width": 1280, "height": 6000})  # what is scrolled away is not looked at either
    found: list[Any] = []
    count = violations(desk, found)
    everything_open(shown)
    count += violations(desk, found)
    shown.root.locator(".clx-row").evaluate_all("rows => rows.forEach(row => row.classList.add('clx-open'))")
    shown.root.evaluate("form => { form.style.width = '600px'; }")  # there tips stand below each other
    count += violations(desk, found)
    assert looked_at(desk, "color-contrast") > 50
    print(f"\n{theme}: {dict(count) or 'no violations'}")
    assert found == []
    # The check itself: what is wrong is found.
    shown.root.evaluate(
        "form => { form.append(document.createElement('input')); form.querySelector('h2').style.color = '#777'; }"
    )
    assert violations(desk, found)["critical"] == 1
    assert {rule[0] for rule in found} == {"label", "color-contrast"}


def test_form_is_used_by_keyboard_alone(form: Show, desk: Page, settings: Any) -> None:
    """Tab reaches every control, in order, and what has the focus is seen; Enter and Space press."""
    shown = form(user=USER)
    shown.put("cluster_type", "slurm")
    shown.put("default_time", "1h")
    shown.profiles.focus()
    seen: list[str] = []
    while (found := desk.evaluate(_FOCUS)) is not None:
        label, outlined, visible = found
        assert outlined, label
        assert visible, label
        seen.append(label)
        desk.keyboard.press("Tab")
        assert len(seen) < 300
    assert len(seen) == shown.root.evaluate(_CONTROLS)
    assert seen[:3] == ["Profile", "New…", "Copy…"]
    assert seen.index("Apply") < seen.index("Test connection") < seen.index("cluster_type")
    assert [name for name in seen if name in shown.fields()] == shown.fields()
    shown.profiles.focus()
    desk.keyboard.press("Tab")
    desk.keyboard.press("Space")
    desk.keyboard.type("keys")
    desk.keyboard.press("Enter")
    expect(shown.profiles).to_have_value("keys")
    expect(shown.profiles).to_be_focused()
    shown.control("default_cores").focus()
    desk.keyboard.type("5")
    shown.root.get_by_role("button", name="Save…").focus()
    desk.keyboard.press("Enter")
    panel = shown.panel("Save")
    expect(panel.locator("input:checked")).to_be_focused()
    expect(panel.locator(".clx-diff")).to_be_visible()
    panel.get_by_role("button", name="Save", exact=True).focus()
    desk.keyboard.press("Space")
    expect(shown.said).to_contain_text("Saved")
    expect(shown.root.get_by_role("button", name="Save…")).to_be_focused()
    assert "default_cores: 5" in settings.read_text()


def test_nothing_moves_for_who_wants_no_motion(form: Show, desk: Page) -> None:
    """No transition and no animation within the form."""
    desk.emulate_media(reduced_motion="reduce")
    shown = form()
    moving = shown.root.locator("*").evaluate_all(
        """found => found.filter(one => {
          const style = getComputedStyle(one);
          return parseFloat(style.transitionDuration) > 0 || style.animationName !== 'none';
        }).map(one => one.className)"""
    )
    assert moving == []
