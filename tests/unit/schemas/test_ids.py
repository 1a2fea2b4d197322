"""Ids: what may be one, and the hash that finds duplicates."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.effects import order_of
from schemas.errors import InvalidFieldError
from schemas.ids import LONGEST, check_id, effect_id, event_hash


@pytest.mark.parametrize("text", ["a", "BR-017", "patient:COI 7", "Reaktor 3 / Süd", "反应器", "x" * LONGEST, "🧪"])
def test_an_id_is_kept_as_it_is(text: str) -> None:
    assert check_id(text, "subject") == text


@pytest.mark.parametrize(
    "text",
    ["", " ", " a", "a ", "a\n", "\ta", "a\x00b", "a\x7fb", "\x85", "a\u2028", "\ud800", "x" * (LONGEST + 1), "\xa0a"],
)
def test_what_is_no_id_is_refused_shortly(text: str) -> None:
    with pytest.raises(InvalidFieldError, match="subject") as refused:
        check_id(text, "subject")
    assert len(str(refused.value)) < 250


@given(st.text(max_size=LONGEST + 5))
def test_an_id_that_passes_can_be_stored_and_printed(text: str) -> None:
    try:
        check_id(text, "id")
    except InvalidFieldError:
        return
    assert "\x00" not in text
    assert text.encode()
    assert text.strip() == text


@given(st.tuples(st.text(max_size=20), st.text(max_size=20)), st.tuples(st.text(max_size=20), st.text(max_size=20)))
def test_equal_names_have_equal_hashes_and_others_do_not(one: tuple[str, str], other: tuple[str, str]) -> None:
    if "\x00" in "".join(one + other):
        return  # no id holds it
    assert (event_hash(*one) == event_hash(*other)) == (one == other)
    assert -(2**63) <= event_hash(*one) < 2**63
    assert event_hash(*one) != 0


def test_the_hash_never_changes_because_it_is_stored() -> None:
    assert event_hash("skid-4", "17") == 3749826480979735427


def test_effect_ids_sort_by_place() -> None:
    places = [("bioreactor.events", 10, 2, 0), ("bioreactor.events", 2, 100, 1), ("bioreactor.events", 2, 9, 3)]
    assert sorted((effect_id(*place) for place in places), key=order_of) == [
        "bioreactor.events/2/9/3",
        "bioreactor.events/2/100/1",
        "bioreactor.events/10/2/0",
    ]
