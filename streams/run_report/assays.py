"""Assays of a run: every word that was said of each, what counts now, and what was corrected or taken back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from schemas.errors import UnitError
from schemas.instants import HOUR, Instant, parse_instant
from schemas.units import find_unit
from streams.run_report.document import Assay, AssayWord, Dot

RESULTED, SUPERSEDED, WITHDRAWN = (f"bioreactor.assay_{name}" for name in ("resulted", "superseded", "withdrawn"))


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact that is no reading. `place` is its record; `t` its event time [us]."""

    type: str
    t: Instant
    event_time: str
    record_time: str
    known_at: str
    place: str
    source: str
    id: str
    data: dict[str, Any]  # Any: an event's data, which is JSON


def assays_of(facts: Sequence[Fact]) -> tuple[Assay, ...]:
    """Lay the assays out, by the time of their sample.

    Parameters
    ----------
    facts : sequence of Fact
        In the order in which the log knew them: the last word on a sample and tag is the one that counts.
    """
    drawn = {fact.data["sample"]: fact for fact in facts if fact.type == "bioreactor.sample_drawn"}
    found: dict[tuple[str, str], list[Fact]] = {}
    for fact in facts:
        if fact.type in (RESULTED, SUPERSEDED, WITHDRAWN):
            found.setdefault((fact.data["sample"], fact.data["tag"]), []).append(fact)
    assays = []
    for (sample, tag), words in found.items():
        at = drawn.get(sample)
        said: list[AssayWord] = []
        for fact in words:
            said = [_overtaken(word, fact) for word in said]
            said.append(_word(fact))
        assays.append(Assay(sample, tag, words[0].event_time, None if at is None else at.place, tuple(said)))
    return tuple(sorted(assays, key=lambda one: (parse_instant(one.sample_time), one.sample, one.tag)))


def dots_of(assays: Sequence[Assay], tag: str, unit: str, start: int) -> tuple[Dot, ...]:
    """Give the values of a tag as points of a chart in `unit`; those of another dimension are left out."""
    dots = []
    for assay in assays:
        for word in assay.words:
            if assay.tag == tag and word.value is not None and word.unit is not None:
                value = _converted(word.value, word.unit, unit)
                if value is not None:
                    hours = (parse_instant(assay.sample_time) - start) / HOUR
                    dots.append(Dot(hours, value, word.standing == "counts"))
    return tuple(dots)


def _word(fact: Fact) -> AssayWord:
    data = fact.data
    taken_back = fact.type == WITHDRAWN
    return AssayWord(
        "withdrawal" if taken_back else "counts", None if taken_back else data["value"],
        None if taken_back else data["unit"], data.get("method", ""), data.get("reason", ""), fact.record_time,
        fact.known_at, fact.place, f"{fact.source} / {fact.id}",
    )  # fmt: skip


def _overtaken(word: AssayWord, by: Fact) -> AssayWord:
    if word.standing != "counts":
        return word
    return replace(word, standing="withdrawn" if by.type == WITHDRAWN else "superseded")


def _converted(value: float, unit: str, wanted: str) -> float | None:
    if unit == wanted:
        return value
    try:
        given, asked = find_unit(unit), find_unit(wanted)
    except UnitError:
        return None
    if given.dimension != asked.dimension:
        return None
    return (value + given.shift) * given.scale / asked.scale - asked.shift
