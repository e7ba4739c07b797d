"""A setting's value as a text, and back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustrix.config.field import Field
from clustrix.config.fields import FIELDS, settings_fields
from clustrix.errors import ConfigError
from clustrix_notebook.widget.texts import KEPT, LOST, control, masked, text_of, value_of

SHOWN = {name: field for name, field in settings_fields().items() if not field.secret}
VARIABLES = FIELDS["environment_variables"]


def checked(field: Field, value: Any) -> Any:
    return field.check(field.name, value)


@pytest.mark.parametrize("field", SHOWN.values(), ids=SHOWN.keys())
def test_example_and_default_of_every_field_come_back(field: Field) -> None:
    """What the form shows of them means what they are."""
    for value in (field.example, field.default):
        if value is not None:
            meant = checked(field, value)
            read = value_of(field, text_of(field, meant), meant if isinstance(meant, dict) else None)
            assert checked(field, read) == meant


@settings(max_examples=400, deadline=None)
@given(
    field=st.sampled_from(list(SHOWN.values())),
    text=st.text(max_size=12) | st.from_regex(r"[0-9]{1,4} ?(GB|h|s|:[0-5][0-9])?", fullmatch=True),
)
def test_text_is_stable_once_it_was_read(field: Field, text: str) -> None:
    """Whatever is typed: it is refused, or what is shown of its meaning means the same."""
    try:
        once = checked(field, value_of(field, text))
    except ConfigError:
        return
    if once is None:
        assert text_of(field, once) == "none"
        return
    shown = text_of(field, once)
    if not shown:  # an empty list: that is not set here
        return
    again = checked(field, value_of(field, shown, once if isinstance(once, dict) else None))
    assert again == once
    assert text_of(field, again) == shown


def test_amounts_are_written_as_people_read_them() -> None:
    """Not in bytes and seconds, unless nothing else is exact; and what was typed is what belongs into a file."""
    memory, duration = FIELDS["default_memory"], FIELDS["default_time"]
    assert text_of(memory, 16 * 2**30) == "16 GiB"
    assert value_of(memory, "16GB") == "16GB"
    assert text_of(duration, 9000.0) == "2:30:00"
    assert text_of(memory, 16 * 2**30 + 1) == str(16 * 2**30 + 1)


def test_values_of_variables_are_not_in_the_text() -> None:
    """Their names are, and what is left as it stands keeps its value."""
    before = {"USER_TOKEN": "hunter2", "B": "b"}
    text = text_of(VARIABLES, before)
    assert "hunter2" not in text
    assert value_of(VARIABLES, text, before) == before
    assert value_of(VARIABLES, f"USER_TOKEN={KEPT}\nC=d=e", before) == {"USER_TOKEN": "hunter2", "C": "d=e"}


@pytest.mark.parametrize("text", [f"A={KEPT}", f"A={LOST}"])
def test_variable_whose_value_nobody_knows_is_to_be_typed_again(text: str) -> None:
    """The sign that stands for it is never taken for the value."""
    with pytest.raises(ConfigError, match="value of A is not known any more"):
        value_of(VARIABLES, text, {"B": "b"})


def test_masked_pairs_have_names_only() -> None:
    """For what is kept and for what is shown to others."""
    assert masked("A=hunter2=x\nB\nC=", LOST) == f"A={LOST}\nB\nC={LOST}"


def test_every_field_has_a_control() -> None:
    """One of those that the page knows."""
    found = {name: control(field) for name, field in settings_fields().items()}
    assert set(found.values()) <= {"secret", "choice", "flag", "lines", "pairs", "line"}
    assert (found["cluster_type"], found["environment_variables"]) == ("choice", "pairs")
    assert (found["progress"], found["default_memory"]) == ("flag", "line")
