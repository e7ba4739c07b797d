"""What a card has of its job: real ones, on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clustrix import attach, cluster
from clustrix_notebook.jobs import pictures
from clustrix_notebook.jobs.cards import Card
from clustrix_notebook.jobs.places import cell_of, named
from tests.core.conftest import state
from tests.core.support import no_more_files, wait_until

__all__ = ["state"]
pytestmark = pytest.mark.usefixtures("state")


@cluster
def shout(lines: int) -> int:
    for number in range(lines):
        print("x" * 99, number)
    return lines


@cluster
def picky(number: int) -> int:
    if number % 3 == 0:
        raise ValueError(f"bad <b>{number}</b>")
    return number


@cluster
def waits(gate: str) -> None:
    import os
    import time

    while not os.path.exists(gate):
        time.sleep(0.02)
    print("open")


def ended(card: Card) -> Card:
    wait_until(lambda: card.look(lambda message: None) or card.final, "it has ended", 30)
    wait_until(lambda: card.final or not card.look(lambda message: None), "its card knows", 30)
    return card


def test_card_knows_the_whole_life_of_a_job(tmp_path: Path) -> None:
    """Its states in their order, where it is, what it asked for; and it is looked at no more once it has ended."""
    gate = tmp_path / "gate"
    card = Card(waits.options(memory="1GB", time="1:00").submit(str(gate)))
    assert not card.final
    assert card.shown["asked"] == "1 core, 1.0 GiB, at most 0:01:00"
    gate.touch()
    card.handle.result()
    card.look(lambda message: None)
    assert card.final
    assert [row[0] for row in card.shown["timeline"]] == ["CREATED", "RUNNING", "SUCCEEDED"]
    assert card.look(lambda message: None) is False


def test_card_goes_on_after_a_look_that_failed(tmp_path: Path) -> None:
    """While the kernel has too many files open, it says so; then it follows its job, and what it has printed, to the end."""
    gate = tmp_path / "gate"
    card = Card(waits.submit(str(gate)))
    sent: list[dict[str, Any]] = []
    card.open_log(sent.append)
    with no_more_files():
        assert card.look(sent.append)
    assert "Too many open files" in card.shown["reason"]
    assert not card.final
    gate.touch()
    card.handle.result(30)
    assert card.look(sent.append)
    assert (card.shown["state"], card.shown["reason"]) == ("SUCCEEDED", "")
    assert not card.look(sent.append)
    assert card.final
    assert "".join(text for message in sent for _, text in message["pieces"]) == "open\n"


def test_log_is_sent_from_its_end_and_then_as_it_comes() -> None:
    """Of a million characters the page gets the last two hundred thousand."""
    card = Card(shout.submit(10_000))
    card.handle.result()
    sent: list[dict[str, Any]] = []
    card.open_log(sent.append)
    text = "".join(text for _, text in sent[0]["pieces"])
    assert sent[0]["anew"] is True
    assert text.endswith(" 9999\n")
    assert len(text) <= 200_000
    card.close_log()


def test_failed_items_are_grouped_and_can_be_retried() -> None:
    """With the traceback of an example; what is retried is only what has failed."""
    card = Card(picky.map(range(9)))
    card.handle.exception()
    card.look(lambda message: None)
    (group,) = card.shown["map"]["groups"]
    assert (group["count"], group["example"], group["indices"]) == (3, 0, "0, 3, 6")
    assert "ValueError: bad <b>0</b>" in card.traceback(0)
    assert card.traceback(1) == "it has not failed"
    again = card.retry()
    assert again is not None
    assert len(again) == 3  # type: ignore[arg-type]
    again.exception()
    html = pictures.of_card("name", card.shown)
    assert "bad &lt;b&gt;" in html or "bad …" in html
    assert "<b>0" not in html


def test_call_is_retried_and_cancelled(tmp_path: Path) -> None:
    """A retry is a job of its own; to cancel one that has ended says so."""
    card = Card(picky.submit(3))
    card.handle.exception()
    assert card.cancel() == "it has ended already"
    again = card.retry()
    assert again is not None
    assert again.id != card.handle.id
    assert attach(again.id).exception() is not None
    gate = tmp_path / "gate"
    running = Card(waits.submit(str(gate)))
    assert running.cancel() == "it will be ended"


def test_places_outside_of_a_notebook_are_files() -> None:
    """There are no cells."""
    text = 'Traceback\n  File "/tmp/x.py", line 3, in f\n'
    assert named(text) == text
    assert cell_of("/tmp/x.py") == ""
