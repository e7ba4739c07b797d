"""What jobs are called, print and raise is text, whatever is in it."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import Open

PAYLOADS = [
    "<script>window.pwned=1</script>",
    "<img src=x onerror=window.pwned=1>",
    "<svg onload=window.pwned=1>",
    "<svg><script>window.pwned=1</script></svg>",
    "<iframe srcdoc='<script>parent.pwned=1</script>'>",
    "<body onload=window.pwned=1>",
    "<details open ontoggle=window.pwned=1>x</details>",
    "<input autofocus onfocus=window.pwned=1>",
    "<a href=javascript:window.pwned=1>x</a>",
    "<math><mtext><script>window.pwned=1</script>",
    "</pre><script>window.pwned=1</script>",
    "</td></tr></table><img src=x onerror=window.pwned=1>",
    "</style><script>window.pwned=1</script>",
    "</textarea><script>window.pwned=1</script>",
    "</title><script>window.pwned=1</script>",
    '"><script>window.pwned=1</script>',
    "'><script>window.pwned=1</script>",
    '" onmouseover="window.pwned=1',
    "' onmouseover='window.pwned=1",
    "`onmouseover=window.pwned=1`",
    "<!--<script>window.pwned=1</script>-->",
    "<![CDATA[<script>window.pwned=1</script>]]>",
    "&lt;script&gt;window.pwned=1&lt;/script&gt;",
    "&#60;script&#62;window.pwned=1&#60;/script&#62;",
    "\\x3cscript\\x3ewindow.pwned=1",
    "\\u003cscript\\u003ewindow.pwned=1",
    "${window.pwned=1}",
    "{{constructor.constructor('window.pwned=1')()}}",
    "<%= window.pwned=1 %>",
    "javascript:window.pwned=1",
    "data:text/html,<script>window.pwned=1</script>",
    "<object data=javascript:window.pwned=1>",
    "<embed src=javascript:window.pwned=1>",
    "<link rel=stylesheet href=javascript:window.pwned=1>",
    "<meta http-equiv=refresh content='0;url=javascript:window.pwned=1'>",
    "<base href=javascript:window.pwned=1//>",
    "<form action=javascript:window.pwned=1><button>x</button></form>",
    "<video><source onerror=window.pwned=1>",
    "<audio src=x onerror=window.pwned=1>",
    "<marquee onstart=window.pwned=1>",
    "<style>@import 'javascript:window.pwned=1'</style>",
    "<div style=background:url(javascript:window.pwned=1)>",
    "<template><script>window.pwned=1</script></template>",
    "<noscript><p title='</noscript><script>window.pwned=1</script>'>",
    "<x onclick=window.pwned=1>x</x>",
    "\u202e<script>window.pwned=1</script>",
    "<scr\x00ipt>window.pwned=1</scr\x00ipt>",
    "<SCRIPT>window.pwned=1</SCRIPT>",
    "<script src=data:,window.pwned=1></script>",
    "**bold** [x](javascript:window.pwned=1) $\\href{javascript:window.pwned=1}{x}$",
]

CODE = f"""
import clustrix
from clustrix import cluster
payloads = {PAYLOADS!r}

@cluster
def hostile(text):
    print(text)
    clustrix.progress(1, 2, text)
    raise ValueError(text)

name = "".join(c for c in "".join(payloads[:6]) if c.isprintable())[:180]
one = hostile.options(name=name, tags=[payloads[0], payloads[1]]).submit("\\n".join(payloads))
many = hostile.map(payloads)
clustrix.wait([one, many])
one
"""


def test_fifty_hostile_texts_are_shown_as_texts(notebook: Open) -> None:
    """In names, tags, output, messages, tracebacks and arguments, live and in the plain picture: nothing of them becomes an element."""
    assert len(PAYLOADS) == 50
    book = notebook(CODE, "many", "clustrix.jobs(limit=2)")
    page = book.page
    card = book.run(0).locator(".clx-card")
    expect(card.locator(".clx-head .clx-state")).to_have_text("FAILED")
    expect(card.locator(".clx-trace")).to_contain_text("<script>window.pwned=1</script>")
    card.locator(".clx-logs summary").click()
    expect(card.locator(".clx-log")).to_contain_text("<SCRIPT>window.pwned=1</SCRIPT>")
    groups = book.run(1).locator(".clx-group-of-errors")
    expect(groups.first).to_be_visible()
    for index in range(min(5, groups.count())):
        groups.nth(index).locator("summary").click()
        expect(groups.nth(index).locator(".clx-trace")).to_contain_text("ValueError")
    table = book.run(2)
    expect(table.locator("tr[data-job]")).to_have_count(2)
    expect(table).to_contain_text("<script>window.pwned=1</script>")
    foreign = "script, iframe, object, embed, svg, math, img, form[action], base, meta, link, video, audio, marquee, template"
    for output in (0, 1, 2):
        assert book.output(output).locator(".clx, .clx-still").locator(foreign).count() == 0
        assert (
            book.output(output).evaluate(
                "(e) => [...e.querySelectorAll('.clx *, .clx-still *')].some((x) => x.getAttributeNames().some((n) => n.startsWith('on')))"
            )
            is False
        )
    assert page.evaluate("() => window.pwned") is None
    book.lab.end_kernels()
    book.save()
    book.open()
    page.wait_for_timeout(500)
    assert page.evaluate("() => window.pwned") is None
    for output in (0, 1, 2):
        assert book.output(output).locator(".clx-still").locator(foreign).count() == 0
