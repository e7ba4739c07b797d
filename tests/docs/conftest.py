"""A page is read in a home directory and a state directory of its own, and leaves nothing running."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.core.support import end_everything
from tests.docs.blocks import ROOT, blocks_of, is_listed, not_run
from tests.docs.page import Page

Open = Callable[[str], Page]


@pytest.fixture(scope="module")
def open_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    """Opens the page of a name; the one before is closed then."""
    opened: dict[str, Page] = {}
    with ExitStack() as stack:

        def open_page(name: str) -> Page:
            if name not in opened:
                stack.close()
                opened.clear()
                opened[name] = stack.enter_context(_read(name, tmp_path_factory))
            return opened[name]

        yield open_page


@contextmanager
def _read(name: str, folders: pytest.TempPathFactory) -> Iterator[Page]:
    home, state = folders.mktemp("h"), folders.mktemp("s")
    listed = not_run()
    blocks = [block for block in blocks_of(ROOT / name) if not is_listed(block, listed)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(state))
        patch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
        page = Page(blocks, home, state)
        try:
            yield page
        finally:
            page.close()
            end_everything(state)
