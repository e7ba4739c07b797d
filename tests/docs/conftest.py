"""A page is read in a home directory and a state directory of its own, and leaves nothing running."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.core.support import end_everything
from tests.docs.blocks import ROOT, blocks_of, not_run
from tests.docs.page import Page


@pytest.fixture(scope="module")
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The page of the name that is the fixture's parameter."""
    home, state = tmp_path_factory.mktemp("h"), tmp_path_factory.mktemp("s")
    listed = not_run()
    blocks = [block for block in blocks_of(ROOT / request.param) if (block.page, block.title) not in listed]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(state))
        patch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
        page = Page(blocks, home, state)
        try:
            yield page
        finally:
            page.close()
            end_everything(state)
