"""The page's document is a budget, and its example prints what it says."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import msgspec

from twins.enrollment.money import Budget

PAGE = Path(__file__).parents[5] / "docs" / "enrollment_money.md"


def test_the_document_is_a_budget() -> None:
    found = re.search(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    assert [line.name for line in msgspec.json.decode(found.group(1), type=Budget).lines][-1] == "team"


def test_the_example_prints_what_the_page_says() -> None:
    result = doctest.testfile(str(PAGE), module_relative=False, encoding="utf-8")
    assert result.attempted > 8
    assert result.failed == 0
