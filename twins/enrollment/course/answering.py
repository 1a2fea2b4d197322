"""The answer of a course: the record, whole, and what of it fits on one message."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from schemas.jobs import MOST_SUMMARY_BYTES
from twins.engine import Answer
from twins.enrollment.course.course import Found
from twins.enrollment.course.records import LEVELS, Recommendation, promised_of, rounded

DIGITS = 6  # of a number in a summary
FAN = (0.05, 0.25, 0.5, 0.75, 0.95)  # of the levels of a record, those in a summary


def make_answer(record: Recommendation, found: Found, versions: dict[str, str]) -> Answer:
    """Lay it out. The document holds the record by whose bytes it is known; the summary what a page shows."""
    document: dict[str, Any] = {
        "kind": "enrollment",
        "record": msgspec.to_builtins(record),
        "record_hash": record.hash,
        "countries": list(found.countries),
        "subjects_by_country": [list(row) for row in found.subjects],
        "levels": list(LEVELS),
        "versions": versions,
    }
    document["summary"] = make_summary(record)
    return Answer(document["summary"], document)


def make_summary(record: Recommendation) -> dict[str, Any]:  # Any: JSON
    """Say what was found in what one message holds: of many options the worst are left to the document."""
    order = sorted(range(len(record.options)), key=lambda place: (record.options[place].total, place))
    always = [0, record.chosen]
    ranked = [place for place in order if place not in always]
    while True:
        said = _summary(record, sorted({*always, *ranked}, key=order.index))
        if not ranked or len(msgspec.json.encode(said)) <= MOST_SUMMARY_BYTES:
            return said
        ranked = ranked[: len(ranked) * 3 // 4]


def _summary(record: Recommendation, places: list[int]) -> dict[str, Any]:
    best = record.best
    return {
        "study": record.study,
        "as_of": record.as_of,
        "known_at": record.known_at,
        "facts_hash": record.facts_hash,
        "posterior_hash": record.posterior_hash,
        "record_hash": record.hash,
        "specification_hash": record.specification_hash,
        "draws": record.draws,
        "seed": record.seed,
        "currency": record.currency,
        "price_of_day": record.price_of_day,
        "budget": record.budget,
        "have": record.have,
        "wanted": record.wanted,
        "due": record.due,
        "p_on_time": record.options[0].p_on_time,
        "chosen": best.words,
        "chosen_place": places.index(record.chosen),
        "why": record.why,
        "standing": record.standing,
        "override": msgspec.to_builtins(record.override),
        "top_stays": record.top_stays,
        "search": record.search,
        "options": [rounded(msgspec.to_builtins(record.options[place]), DIGITS) for place in places],
        "options_left_out": len(record.options) - len(places),
        "excluded": [{"words": one.words, "reason": one.reason} for one in record.excluded][:32],
        "fan": {
            "days": rounded(list(record.edges), DIGITS),
            "levels": list(FAN),
            "doing_nothing": _fan(record.doing_nothing.subjects),
            "chosen": _fan(record.promised.subjects),
        },
        "promised": rounded(msgspec.to_builtins(promised_of(record)), DIGITS),
        "versions": record.versions,
    }


def _fan(subjects: tuple[tuple[float, ...], ...]) -> list[list[float]]:
    places = [LEVELS.index(level) for level in FAN]
    found: list[list[float]] = np.array(subjects)[:, places].tolist()
    return found
