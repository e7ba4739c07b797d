"""Drafts: what was typed, what the files had then, and what they have now."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustrix_notebook.widget.drafts import Conflict, Draft, Store
from tests.notebook.widget.conftest import World

texts = st.dictionaries(st.sampled_from("abcd"), st.sampled_from(["1", "2", "3"]))


def test_what_is_typed_back_is_no_edit() -> None:
    """Nor are spaces around it; an empty text takes out what was there."""
    draft = Draft("p", {"a": "1"})
    draft.origin = "p"
    draft.edit("a", "2")
    assert (draft.changed, draft.texts()) == (True, {"a": "2"})
    draft.edit("a", " 1 ")
    draft.edit("b", "   ")
    assert (draft.changed, draft.texts()) == (False, {"a": "1"})
    draft.edit("a", " ")
    assert (draft.edits, draft.texts()) == ({"a": ""}, {})


@given(base=texts, edits=texts, now=texts)
def test_file_that_has_changed_is_merged(
    base: dict[str, str], edits: dict[str, str], now: dict[str, str]
) -> None:
    """What one side has changed holds, what both have is a conflict with both values, and nothing typed is lost."""
    draft = Draft("p", dict(base))
    for name, text in edits.items():
        draft.edit(name, text)
    mine = dict(draft.edits)
    conflicts = draft.rebase(now)
    for name in {*base, *edits, *now}:
        was, there = base.get(name), now.get(name)
        both = name in mine and there not in (was, mine[name])
        assert (Conflict(name, mine.get(name, ""), there or "") in conflicts) == both
        assert draft.texts().get(name) == mine.get(name, there)
    assert draft.rebase(now) == conflicts


@given(base=texts, edits=texts, now=texts, choice=st.booleans())
def test_settled_conflict_is_one_no_more(
    base: dict[str, str], edits: dict[str, str], now: dict[str, str], choice: bool
) -> None:
    """What was chosen is shown, and is an edit only if it is not what the file has."""
    draft = Draft("p", dict(base))
    for name, text in edits.items():
        draft.edit(name, text)
    for conflict in draft.rebase(now):
        draft.settle(conflict, choice)
        assert draft.texts().get(conflict.name, "") == (conflict.mine if choice else conflict.theirs)
        assert (conflict.name in draft.edits) == choice
    assert draft.rebase(now) == []


def test_drafts_are_kept_for_each_folder(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a file for its user alone; another folder's are others."""
    draft = Draft("p", {"a": "1"})
    draft.edit("a", "½ \ud800")
    draft.source = "q"
    store = Store()
    store.keep({"p": draft.as_plain()}, "p")
    assert Path(store.path).stat().st_mode & 0o777 == 0o600
    drafts, edited = Store().load()
    assert (drafts["p"].as_plain(), edited) == (draft.as_plain(), "p")
    monkeypatch.chdir(tmp_path)
    assert Store().load() == ({}, None)


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"drafts": {"p": {}}, "edited": ""}', '{"drafts": 1}', "\0"]
)
def test_file_of_drafts_that_is_broken_is_none(world: World, content: str) -> None:
    """It stands in nobody's way."""
    store = Store()
    store.keep({}, "")
    Path(store.path).write_text(content)
    assert store.load() == ({}, None)


def test_folder_that_is_gone_stops_nothing(world: World) -> None:
    """As when somebody has removed it in another terminal."""
    world.project.rmdir()
    Store().keep({}, "")
    assert Store().load() == ({}, "")
