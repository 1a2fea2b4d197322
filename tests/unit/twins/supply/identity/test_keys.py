"""GS1 keys: from number, scan and web address, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import InvalidFieldError
from twins.supply.identity.check import mod10_digit
from twins.supply.identity.keys import GROUP_SEPARATOR, Key, as_elements, as_link, make_key, read_elements, read_key

DIGITS = {"00": 18, "01": 14, "253": 13, "414": 13, "417": 13, "8003": 13, "8004": 0, "8017": 18, "8018": 18}
SERIAL = {"253": 17, "8003": 16, "8004": 30}
SET82 = "!\"%&'()*+,-./0123456789:;<=>?ABCXYZ_abcxyz"


@st.composite
def keys(draw: st.DrawFn) -> Key:
    ai = draw(st.sampled_from(sorted(DIGITS)))
    payload = draw(st.text("0123456789", min_size=max(DIGITS[ai] - 1, 0), max_size=max(DIGITS[ai] - 1, 0)))
    number = payload + mod10_digit(payload) if payload else ""
    serial = draw(st.text(SET82, min_size=0 if number else 1, max_size=SERIAL.get(ai, 0)))
    beside = draw(st.lists(st.sampled_from(["10", "21"]), unique=True, max_size=2)) if ai == "01" else []
    beside.sort()
    return make_key(ai, number + serial, tuple((one, draw(st.text(SET82, min_size=1, max_size=20))) for one in beside))


@given(keys())
def test_a_key_reads_back_from_a_raw_scan_and_from_its_address(key: Key) -> None:
    assert read_key(as_elements(key, brackets=False)) == key
    assert read_key(as_link(key)) == key
    assert read_key(as_link(key, "https://example.org/some/path/")) == key


def test_printed_brackets_read_back() -> None:
    key = make_key("8018", "401234500000000008"[:17] + mod10_digit("40123450000000000"), (("8019", "12"),))
    assert as_elements(key) == f"(8018){key.number}(8019)12"
    assert read_key(as_elements(key)) == key
    assert key.name == "GSRN"


def test_a_shorter_product_number_is_filled_up() -> None:
    assert make_key("01", "4012345000009").number == "04012345000009"


def test_a_scanner_marks_the_end_of_what_has_no_set_length() -> None:
    assert read_elements(f"]d2010401234500000910L1{GROUP_SEPARATOR}21S1") == [
        ("01", "04012345000009"),
        ("10", "L1"),
        ("21", "S1"),
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("(00)040123450000001113", "expected check digit 2"),
        ("(00)04012345000000111", "expected 18 digits"),
        ("(10)LOT1", "expected one GS1 key"),
        ("(00)040123450000001112(01)04012345000009", "expected one GS1 key"),
        ("(99)1", "expected a known application identifier"),
        ("9912", "expected a known application identifier"),
        ("(8003)14012345000009", "expected a 0 before the number"),
        ("(8004)", "expected 1 to 30 characters"),
        ("(01)04012345000009(21)", "expected 1 to 20 characters"),
        ("(01)04012345000009(17)2612", "expected a date"),
        ("https://id.gs1.org/00", "expected pairs of identifier and value"),
        ("ftp://id.gs1.org/00/040123450000001112", "expected an https address"),
        ("(414)4012345000009X", "expected nothing"),
    ],
)
def test_a_wrong_scan_says_what_was_expected(text: str, says: str) -> None:
    with pytest.raises(InvalidFieldError, match=says):
        read_key(text)
