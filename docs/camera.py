"""Pictures of a page for the documentation: of one element, at twice its size, small enough to load quickly."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image
from playwright.sync_api import Locator

SCALE = 2
LARGEST_BYTES = 120 * 1024
_HIGHEST_PX = 1400 * SCALE
"""Of a longer form the upper part is shown."""
_COLOURS = (256, 128, 64, 32, 16)


def take(subject: Locator, path: Path) -> None:
    """Photograph an element.  Raises AssertionError for a picture that cannot be made small enough."""
    subject.scroll_into_view_if_needed()
    raw = subject.screenshot(animations="disabled", caret="hide")
    path.write_bytes(small(raw))


def small(raw: bytes) -> bytes:
    """A PNG with as many colours as there is room for."""
    image = Image.open(io.BytesIO(raw)).convert("RGB")
    image = image.crop((0, 0, image.width, min(image.height, _HIGHEST_PX)))
    data = b""
    for colours in _COLOURS:
        out = io.BytesIO()
        image.quantize(colours, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
        data = out.getvalue()
        if len(data) <= LARGEST_BYTES:
            return data
    raise AssertionError(f"a picture of {image.size} has {len(data):,} bytes: crop it")
