"""Every block of code in the documentation does what the page says."""

from __future__ import annotations

import pytest

from tests.docs.blocks import ALL, PAGES, RUN, Block, blocks_of, is_listed, not_run
from tests.docs.conftest import Open

BLOCKS = [block for page in PAGES for block in blocks_of(page)]
LISTED = not_run()
RUNNING = [block for block in BLOCKS if not is_listed(block, LISTED)]


@pytest.mark.slow
@pytest.mark.parametrize("block", RUNNING, ids=str)
def test_block_does_what_it_shows(open_page: Open, block: Block) -> None:
    """In its place: after the blocks above it, in the session of its page."""
    if not block.file:
        assert block.language in RUN, f"{block}: it is no code that can run: list it in tests/docs/not-run"
    wrong = open_page(block.page).run(block)
    if wrong:
        pytest.fail(f"{block}: {wrong}", pytrace=False)


def test_list_of_what_does_not_run_is_not_stale() -> None:
    """Each line of it names a block that is there, and says why it does not run."""
    there = {(block.page, title) for block in BLOCKS for title in (block.title, ALL)}
    assert sorted(set(LISTED) - there) == []
    assert [entry for entry, reason in LISTED.items() if len(reason) < 10] == []


def test_pages_have_blocks() -> None:
    """The parser has not lost them."""
    assert len(BLOCKS) > 60
    assert {block.language for block in BLOCKS} >= {*RUN, "yaml", "toml", "literalinclude"}
