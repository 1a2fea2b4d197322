"""The canonical line of an effect: the same effect gives the same bytes, and never says NaN."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.effects import Belief, Effect, order_of, write_effect


def effect(data: dict[str, Any]) -> Effect:
    return Effect(
        "bioreactor.events/3/17/0", "estimate", "qualified", "bioreactor", "BR-1", "2026-03-01T08:00:00Z",
        "2026-03-01T08:00:01Z", "growth@1+ab", data,
    )  # fmt: skip


finite = st.floats(allow_nan=False, allow_infinity=False)
documents = st.dictionaries(
    st.text(max_size=6),
    st.recursive(
        finite | st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=6),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)


@given(documents)
def test_a_line_is_one_line_of_json_with_sorted_keys_that_gives_the_effect_back(data: dict[str, Any]) -> None:
    line = write_effect(effect(data))
    assert b"\n" not in line
    assert msgspec.json.decode(line, type=Effect) == effect(data)
    pairs = json.loads(line, object_pairs_hook=lambda items: [name for name, _ in items])
    assert pairs == sorted(pairs)


@given(documents)
def test_the_order_in_which_it_was_built_does_not_show(data: dict[str, Any]) -> None:
    assert write_effect(effect(dict(reversed(data.items())))) == write_effect(effect(data))


@given(finite)
def test_a_float_has_its_shortest_form_and_survives(value: float) -> None:
    line = write_effect(effect({"x": value}))
    text = line.split(b'"x":')[1].split(b"}")[0].decode()
    assert float(text) == value
    assert math.copysign(1, float(text)) == math.copysign(1, value)
    assert Decimal(text) == Decimal(repr(value))  # Python's repr is the shortest that gives the float back


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("depth", ["top", "list", "dict", "struct"])
def test_a_number_that_is_none_is_a_bug_and_raises(wrong: float, depth: str) -> None:
    shapes: dict[str, dict[str, Any]] = {
        "top": {"x": wrong},
        "list": {"x": [1.0, [wrong]]},
        "dict": {"x": {"y": {"z": wrong}}},
        "struct": {"x": Belief(1.0, wrong, 0.0, 2.0, "g/L")},
    }
    with pytest.raises(ValueError, match=r"bioreactor\.events/3/17/0"):
        write_effect(effect(shapes[depth]))


def test_nothing_is_not_a_number_that_is_none() -> None:
    assert b'"x":null' in write_effect(effect({"x": None, "y": [None, 1.5], "z": "null"}))


def test_order_of_reads_topics_with_any_name() -> None:
    assert order_of("a/b/3/17/2") == ("a/b", 3, 17, 2)
