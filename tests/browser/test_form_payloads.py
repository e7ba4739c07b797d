"""Text that would be markup or code elsewhere is text, wherever it comes from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Show
from tests.core.plugins.installing import write_plugin

_RUN = "window.__hit=(window.__hit||0)+1"
PAYLOADS = [
    f"<script>{_RUN}</script>",
    f"<img src=x onerror={_RUN}>",
    f'"><img src=x onerror="{_RUN}">',
    f"'><svg onload={_RUN}>",
    f"</option></select><img src=x onerror={_RUN}>",
    f"</textarea><script>{_RUN}</script>",
    f"</style><script>{_RUN}</script>",
    f"</title><script>{_RUN}</script>",
    f"<iframe srcdoc='<script>parent.{_RUN}</script>'>",
    f"<a href='javascript:{_RUN}'>x</a>",
    f"<body onload={_RUN}>",
    f"<details open ontoggle={_RUN}>",
    f"<input autofocus onfocus={_RUN}>",
    f"<math><mi xlink:href='javascript:{_RUN}'>x",
    f"<object data='javascript:{_RUN}'>",
    f"<svg><script>{_RUN}</script></svg>",
    f"<svg><animate onbegin={_RUN} attributeName=x dur=1s>",
    f"<video><source onerror={_RUN}></video>",
    f"<marquee onstart={_RUN}>",
    f"<div style='animation-name:clx-late' onanimationstart={_RUN}>",
    f"<template><script>{_RUN}</script></template>",
    f"<noscript><p title='</noscript><img src=x onerror={_RUN}>'>",
    f"<!--><img src=x onerror={_RUN}>-->",
    f"<![CDATA[<img src=x onerror={_RUN}>]]>",
    f"<scr<script>ipt>{_RUN}</script>",
    f"&lt;script&gt;{_RUN}&lt;/script&gt;",
    f"&#60;img src=x onerror={_RUN}&#62;",
    f"\\x3cscript\\x3e{_RUN}\\x3c/script\\x3e",
    "\\u003cimg src=x onerror=alert(1)\\u003e",
    f"${{{_RUN}}}",
    f"{{{{{_RUN}}}}}",
    f"{{{{constructor.constructor('{_RUN}')()}}}}",
    f"javascript:{_RUN}",
    f"data:text/html,<script>{_RUN}</script>",
    f"');{_RUN};//",
    f'");{_RUN};//',
    f"`;{_RUN};`",
    f"*/{_RUN};/*",
    f"-->{_RUN}<!--",
    f"$$\\href{{javascript:{_RUN}}}{{x}}$$",
    f"[x](javascript:{_RUN})",
    "<b>bold</b>",
    "&amp;&nbsp;&copy;",
    "</p></div></div><h1>out</h1>",
    "<link rel=stylesheet href=//elsewhere.example/x.css>",
    "<meta http-equiv=refresh content=0;url=//elsewhere.example>",
    "<base href=//elsewhere.example>",
    "<form action=//elsewhere.example><button>x</button>",
    "__proto__",
    "constructor",
    "\u202eright to left\u2066",
    "zero\u200bwidth\ufeff",
]
_FOREIGN = "script, img, svg, iframe, object, video, a, marquee, math, template, link, meta, base, h1, b, [onerror], [onload], [style]"


def plugin_of(payload: str) -> str:
    return f"""
from clustrix.config import kinds
from clustrix.config.field import Field
from clustrix.plugins import hookimpl
HOOK_API = 1
BAD = {payload!r}
def check(name, value):
    if value not in ("fine", None):
        raise ValueError(BAD)
    return value
FIELD = Field("odd", kinds.Kind("odd", check, str), None, BAD + " `" + BAD + "`", "fine", group=BAD, security=BAD,
              choices=(), providers={{"local": BAD, BAD: BAD}})

@hookimpl
def clustrix_register(registry):
    registry.backend("odd", "nothing:Missing", title=BAD, fields=[FIELD, FIELD._replace(name=BAD), FIELD._replace(name=BAD + "2", example=1)])
"""


def test_there_are_enough_of_them() -> None:
    """And no two are one."""
    assert len(set(PAYLOADS)) == len(PAYLOADS) >= 50


def test_names_values_and_errors_are_shown_as_text(
    form: Show, desk: Page, settings: Path, tmp_path: Path
) -> None:
    """Names of profiles, values, what is wrong with them, conflicts, differences, and all that a plugin says."""
    asked: list[str] = []
    desk.on("request", lambda request: asked.append(request.url))
    desk.on("dialog", lambda dialog: pytest.fail(f"a dialog: {dialog.message}"))
    write_plugin(tmp_path, "odd", plugin_of(PAYLOADS[2]))
    profiles = {name: {"default_partition": name, "cluster_type": "slurm"} for name in PAYLOADS}
    shown = form(
        user=json.dumps({"profiles": profiles}, indent=1),
        before=f"import sys; sys.path.insert(0, {str(tmp_path)!r})",
    )
    own = shown.root.locator(_FOREIGN).count()
    names = shown.profiles.locator("option").evaluate_all("found => found.map(one => one.value)")
    assert sorted(names) == sorted(["", *PAYLOADS])
    titles = shown.profiles.locator("option").all_text_contents()
    assert all(name in titles for name in PAYLOADS)
    for index, name in enumerate(PAYLOADS):
        shown.choose(name)
        expect(shown.control("default_partition")).to_have_value(name)
        if index % 5 == 0:
            shown.put("default_memory", name)
            expect(shown.problem("default_memory")).not_to_be_empty()
            shown.put("odd", name)
            expect(shown.problem("odd")).to_contain_text(PAYLOADS[2])
            shown.press("Discard changes")
    shown.put("default_partition", PAYLOADS[1])
    shown.put("environment_variables", f"A={PAYLOADS[1]}")
    shown.press("Save…")
    expect(shown.panel("Save").locator(".clx-diff")).to_contain_text(PAYLOADS[1])
    shown.press("Cancel", "Save")
    edited = shown.profiles.input_value()
    profiles[edited]["default_partition"] = PAYLOADS[3]
    settings.write_text(json.dumps({"profiles": profiles}, indent=1))
    conflict = shown.root.locator(".clx-conflict")
    expect(conflict).to_contain_text(PAYLOADS[3], timeout=5_000)
    expect(conflict).to_contain_text(PAYLOADS[1])
    shown.paste(
        f"profile: {json.dumps(PAYLOADS[0])}\n{json.dumps(PAYLOADS[0])}: 1\n{json.dumps(PAYLOADS[5])}: ["
    )
    expect(shown.panel("Import").get_by_role("alert")).not_to_be_empty()
    shown.press("Cancel", "Import")
    shown.paste(f"{json.dumps(PAYLOADS[0])}: 1\n")
    expect(shown.said).to_contain_text(PAYLOADS[0])
    settings.write_text(f"profile: {json.dumps(PAYLOADS[1])}\n")
    expect(shown.root.locator(".clx-trouble")).to_contain_text(PAYLOADS[1], timeout=5_000)
    assert shown.root.locator(_FOREIGN).count() == own == 0
    assert desk.evaluate("() => window.__hit") is None
    assert [url for url in asked if not url.startswith((shown.notebook.lab.url, "data:", "blob:"))] == []
    desk.wait_for_timeout(2_500)  # until the picture is drawn that is saved
    shown.notebook.save()
    shown.notebook.lab.end_kernels()
    shown.notebook.page.goto(shown.notebook.lab.address(shown.notebook.name))
    still = desk.locator(".clx-still")
    expect(still).to_contain_text(PAYLOADS[1])
    assert still.locator("script, img, svg, iframe, [onerror]").count() == 0
    assert desk.evaluate("() => window.__hit") is None
