"""The reader of pages finds what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.blocks import Block
from tests.docs.page import Page


def wrong(tmp_path: Path, *blocks: Block) -> list[str | None]:
    """What is said of each block of a page."""
    state = tmp_path / "state"
    state.mkdir()
    page = Page(list(blocks), tmp_path, state)
    try:
        return [page.run(block) for block in blocks]
    finally:
        page.close()


def python(line: int, text: str, output: str | None = None) -> Block:
    return Block("docs/page.md", line, "python", text, output=output)


def test_blocks_share_a_session_and_show_their_values(tmp_path: Path) -> None:
    """As at a prompt: in ``__main__``, each expression with its value, None without."""
    found = wrong(
        tmp_path,
        python(1, "a = 1\n"),
        python(5, "a + 1\n'x'\nNone\n__name__\n", "2\n'x'\n'__main__'\n"),
        python(9, "print('one  two'); a\n", "one two\n…\n"),
    )
    assert found == [None, None, None]


@pytest.mark.parametrize(
    ("text", "output", "said"),
    [
        ("1 / 0\n", None, "it fails"),
        ("1 / 0\n", "0\n", "this comes"),
        ("1 / 0\n", "Traceback …\nKeyError: …\n", "this comes"),
        ("1 +\n", None, "SyntaxError"),
        ("1 + 1\n", "3\n", "this comes"),
        ("1 + 1\n", "2\n3\n", "this comes"),
        ("import warnings; warnings.warn('old')\n", None, "it warns"),
    ],
)
def test_python_that_does_something_else_is_told(
    tmp_path: Path, text: str, output: str | None, said: str
) -> None:
    """A failure that is not shown, another output, a warning."""
    (found,) = wrong(tmp_path, python(3, text, output))
    assert said in (found or "")


def test_failure_names_the_line_of_the_page(tmp_path: Path) -> None:
    """And a failure that is shown is none."""
    text = "def f():\n    return 1 / 0\nf()\n"
    shown = 'Traceback (most recent call last):\n…docs/page.md", line 8, in f\n…\nZeroDivisionError: …\n'
    assert wrong(tmp_path, python(7, text, shown)) == [None]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("$ echo one\none\n$ echo two\n2\n", "$ echo two"),
        ("$ false\n", "it fails"),
        ("$ clustrix config get nothing\n1\n", "this comes"),
    ],
)
def test_command_that_does_something_else_is_told(tmp_path: Path, text: str, said: str) -> None:
    """Each command behind a dollar has its own output."""
    (found,) = wrong(tmp_path, Block("docs/page.md", 3, "console", text))
    assert said in (found or "")


def test_files_are_where_the_page_says(tmp_path: Path) -> None:
    """In the folder of the page, or in its home."""
    found = wrong(
        tmp_path,
        Block("docs/page.md", 1, "yaml", "a: 1\n", "some/file.yml"),
        Block("docs/page.md", 5, "yaml", "b: 1\n", "~/.config/b.yml"),
        Block("docs/page.md", 9, "console", "$ cat some/file.yml ~/.config/b.yml\na: 1 b: 1\n"),
    )
    assert found == [None, None, None]
