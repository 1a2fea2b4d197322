"""Markup: no text becomes an element, whatever it holds."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.run_report.markup import el, escape, join
from streams.run_report.plot import ticks
from streams.run_report.style import page_rules


class Reader(HTMLParser):
    """Notes what a browser would see."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.titles: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.titles += [value for name, value in attrs if name == "title"]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@given(st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"])), st.text(alphabet="<>&\"'/ =ab;#x"))
def test_text_comes_back_as_it_was_and_makes_no_element(first: str, second: str) -> None:
    reader = Reader()
    reader.feed(el("p", first, [second, None], title=second))
    reader.close()
    assert reader.tags == ["p"]
    assert "".join(reader.texts) == first + second
    assert reader.titles == [second]


@given(st.text())
def test_nothing_hidden_is_left(text: str) -> None:
    assert not set(escape(text)) & {*map(chr, range(9)), "\x7f", "\u202e", "\u2066", "\u200f", "\ufeff"}
    escape(text).encode()


@pytest.mark.parametrize("name", ["p onload=x", "<p", "", "p>"])
def test_a_name_is_never_data(name: str) -> None:
    with pytest.raises(ValueError, match="expected a name of an element"):
        el(name)
    with pytest.raises(ValueError, match="expected a name of an attribute"):
        el("p", **{f"{name} x": "y"})


def test_a_style_sheet_takes_no_text_that_could_end_it() -> None:
    with pytest.raises(ValueError, match="expected letters, digits and spaces"):
        page_rules("a", '"; } </style>')
    assert join("a", 1, None, ["<"]) == "a1&lt;"


@given(st.floats(-1e12, 1e12), st.floats(1e-6, 1e12))
def test_ticks_lie_within_their_range_and_are_few(low: float, width: float) -> None:
    high = low + max(width, abs(low) * 1e-6)
    found = ticks(low, high)
    slack = (high - low) * 1e-6  # their rounding
    assert all(low - slack <= one <= high + slack for one in found)
    assert len(found) <= 7
