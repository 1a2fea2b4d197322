"""Check characters: the open examples, and that they find what they are made to find."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import InvalidFieldError
from twins.supply.identity.check import (
    ALPHABET,
    check_coi,
    check_mod10,
    din_flag,
    mod10_digit,
    mod37_character,
    mod37_value,
    read_din,
)

DIN = "G123498654321"
TEXTS = st.text(ALPHABET[:36], min_size=2, max_size=20)


def test_the_open_example_of_a_donation_number() -> None:
    assert (mod37_value(DIN), mod37_character(DIN), din_flag(DIN)) == (17, "H", "77")
    assert sum(ALPHABET.index(letter) * 2 ** (13 - place) for place, letter in enumerate(DIN)) == 148354


def test_the_open_example_of_a_shipper() -> None:
    assert mod10_digit("04012345000000111") == "2"
    assert check_mod10("040123450000001112") == "040123450000001112"


@given(TEXTS)
def test_mod_37_agrees_with_its_definition(text: str) -> None:
    total = sum(ALPHABET.index(letter) * 2**place for place, letter in enumerate(reversed(text), 1))
    assert mod37_value(text) == (38 - total % 37) % 37
    assert (total + mod37_value(text)) % 37 == 1


@given(TEXTS, st.data())
def test_one_wrong_character_or_two_exchanged_never_pass(text: str, data: st.DataObject) -> None:
    check = mod37_character(text)
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.sampled_from([one for one in ALPHABET[:36] if one != text[place]]))
    assert mod37_character(text[:place] + letter + text[place + 1 :]) != check
    first = data.draw(st.integers(0, len(text) - 2))
    if text[first] != text[first + 1]:
        assert mod37_character(text[:first] + text[first + 1] + text[first] + text[first + 2 :]) != check


@given(st.text("0123456789", min_size=7, max_size=17), st.data())
def test_one_wrong_digit_never_passes(payload: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(payload) - 1))
    digit = data.draw(st.sampled_from([one for one in "0123456789" if one != payload[place]]))
    assert mod10_digit(payload[:place] + digit + payload[place + 1 :]) != mod10_digit(payload)


@pytest.mark.parametrize("text", [f"={DIN}77", f"={DIN}00", f"{DIN}H", "G1234 98 654321 H"])
def test_a_number_is_read_as_scanned_and_as_typed(text: str) -> None:
    assert read_din(text) == DIN


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"={DIN}78", "expected flag 77"),
        (f"{DIN}K", "expected check character H"),
        ("G12349865432", "expected 13 characters and the check"),
        ("O1234986543211", "expected 13 characters: facility"),
        (f"={DIN}", "expected two flag characters"),
        ("g123498654321H", "expected 13 characters: facility"),
    ],
)
def test_a_misread_number_says_what_was_expected(text: str, says: str) -> None:
    with pytest.raises(InvalidFieldError, match=says):
        read_din(text, "bag label")


def test_where_it_stood_is_named() -> None:
    with pytest.raises(InvalidFieldError) as caught:
        check_mod10("040123450000001113", "SSCC (00)")
    assert (caught.value.where, caught.value.received) == ("SSCC (00)", "'3'")
    with pytest.raises(InvalidFieldError, match="digits and capital letters"):
        mod37_value("G12*")
    with pytest.raises(InvalidFieldError):
        check_coi("W 1")
    assert check_coi("W0001-P") == "W0001-P"
