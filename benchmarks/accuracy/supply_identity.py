"""Journeys with seeded swaps, gaps, duplicates, late, reordered and corrected scans: what is found, what is not there.

Each journey is taken fact by fact in its order of arrival. A mismatch must stop at once. Of every tenth the reading is
looked at after each fact: a stop that the truth does not hold is false even if it goes away. At the end time passes,
and every violation that scans can show must stand, and no other. Facts in are facts folded, duplicate and rejected.
Every hundredth journey is also taken in another order: the same bytes.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context

import numpy as np

from benchmarks.accuracy.supply_injuries import BOUND, HOUR, INJURIES
from benchmarks.accuracy.supply_scans import Made, make
from benchmarks.report import Bar, Report, add_out, given
from twins.supply.identity import Journey, JourneyReading, Settings, Violation

LOOKED_AT = 10  # every so many journeys the reading after each fact
SHUFFLED = 100  # every so many journeys another order
AFTER = 200 * HOUR  # from the last fact to the end
PIECE = 500
SETTINGS = Settings(lateness=BOUND)
Shown = tuple[str, str]  # code of a violation, and its first detail


@dataclass
class Score:
    """Counts over journeys."""

    journeys: int = 0
    sound: int = 0
    sent: int = 0
    folded: int = 0
    duplicate: int = 0
    rejected: int = 0
    unaccounted: int = 0
    passing: int = 0  # stops that the truth does not hold, seen in passing
    looked_at: int = 0
    at_once: int = 0
    not_at_once: int = 0
    other_bytes: int = 0
    hidden: int = 0
    seconds: float = 0.0
    wanted: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    false: Counter[str] = field(default_factory=Counter)
    injured: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def add(self, other: Score) -> None:
        """Add another's counts."""
        for name, value in vars(other).items():
            if isinstance(value, Counter):
                getattr(self, name).update(value)
            elif isinstance(value, list):
                self.examples = (self.examples + value)[:5]
            else:
                setattr(self, name, getattr(self, name) + value)


def main(arguments: Sequence[str]) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="supply_identity", description=__doc__)
    parser.add_argument("--journeys", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2, help="processes")
    add_out(parser)
    options = parser.parse_args(arguments)
    report = Report("supply_identity", str(__doc__).splitlines()[0], given(options))
    total = Score()
    pieces = [(begin, min(begin + PIECE, options.journeys)) for begin in range(0, options.journeys, PIECE)]
    if options.workers > 1:
        with ProcessPoolExecutor(options.workers, get_context("spawn")) as pool:
            for score in pool.map(partial(run, options.seed), pieces):
                total.add(score)
    else:
        for piece in pieces:
            total.add(run(options.seed, piece))
    _tell(report, total)
    report.write(options.out)
    return 0 if all(bar.met for bar in report.bars) else 1


def run(seed: int, piece: tuple[int, int]) -> Score:
    """Score journeys of these numbers."""
    score = Score()
    for number in range(*piece):
        rng = np.random.Generator(np.random.Philox(key=[seed, number]))
        made = make(rng, number)
        _score(score, made, number, rng)
    return score


def _score(score: Score, made: Made, number: int, rng: np.random.Generator) -> None:
    draft = made.draft
    score.journeys += 1
    score.sound += not draft.truth and not draft.hidden
    score.hidden += len(draft.hidden)
    score.injured.update(draft.injuries)
    journey = Journey(made.coi, SETTINGS)
    _take(score, journey, made, number % LOOKED_AT == 0)
    journey.pass_time(journey.clock + AFTER)
    begun = time.process_time()
    reading = journey.read()
    score.seconds += time.process_time() - begun
    got = _stops(reading)
    score.wanted.update(code for code, _ in draft.truth)
    missed, false = draft.truth - got.keys(), got.keys() - draft.truth - draft.also
    score.missed.update(code for code, _ in missed)
    score.false.update(code for code, _ in false)
    if missed or false:
        score.examples.append(f"journey {number}, {draft.injuries}: missed {sorted(missed)}, false {sorted(false)}")
    if number % SHUFFLED == 0:
        other = Journey(made.coi, SETTINGS)
        for place in rng.permutation(len(made.arriving)).tolist():
            other.take(made.arriving[place])
        other.pass_time(journey.clock)
        score.other_bytes += other.write() != journey.write() or other.read() != reading


def _take(score: Score, journey: Journey, made: Made, look: bool) -> None:
    draft = made.draft
    allowed = draft.truth | draft.also
    corrected = "wrong scan corrected" in draft.injuries  # what it corrects stops until then, as it must
    before = score.folded + score.duplicate + score.rejected
    told = False
    for fact in made.arriving:
        begun = time.process_time()
        error = journey.take(fact)
        score.seconds += time.process_time() - begun
        score.folded += error is None
        score.duplicate += error is not None and error.reason == "duplicate"
        score.rejected += error is not None and error.reason == "invalid_field"
        if look or fact.id == draft.now:
            score.looked_at += 1
            begun = time.process_time()
            stops = _stops(journey.read())
            score.seconds += time.process_time() - begun
            for shown in stops.keys() - allowed:
                score.passing += not (corrected and shown[0] == "identity_mismatch")
        if fact.id == draft.now and not told and error is None:
            told = True
            first = all(one.id not in (f"{fact.id}-void", f"{fact.id}-right") for one in journey.facts)
            stopped = any((fact.source, fact.id) in one.facts for one in stops.values())
            score.at_once += stopped
            score.not_at_once += first and not stopped
    score.sent += len(made.arriving)
    score.unaccounted += abs(score.folded + score.duplicate + score.rejected - before - len(made.arriving))
    score.unaccounted += abs(len(journey) - len({(one.source, one.id) for one in made.arriving}) + draft.broken)


def _stops(reading: JourneyReading) -> dict[Shown, Violation]:
    return {(one.code, one.key.split(":")[1]): one for one in reading.violations if not one.provisional}


def _tell(report: Report, total: Score) -> None:
    for code, number in sorted(total.wanted.items()):
        report.add("violations", code=code, shown=number, missed=total.missed[code], false=total.false[code])
    for code in sorted(total.false.keys() - total.wanted.keys()):
        report.add("violations", code=code, shown=0, missed=0, false=total.false[code])
    report.add(
        "facts", sent=total.sent, folded=total.folded, duplicate=total.duplicate, rejected=total.rejected,
        unaccounted=total.unaccounted,
    )  # fmt: skip
    report.add(
        "journeys", journeys=total.journeys, nothing_shown=total.sound, not_observable=total.hidden,
        readings_looked_at=total.looked_at, mismatches_at_once=total.at_once, cpu_us_a_fact=1e6 * total.seconds
        / max(1, total.sent + total.looked_at + total.journeys),
    )  # fmt: skip
    for name in INJURIES:
        report.add("injuries", injury=name, journeys=total.injured[name])
    wanted = sum(total.wanted.values())
    report.bars += [
        Bar("observable violations missed", 0, sum(total.missed.values()), f"of {wanted:,}", most=True),
        Bar("false stops at the end", 0, sum(total.false.values()), "stops", most=True),
        Bar("false stops in passing", 0, total.passing, "stops", most=True),
        Bar(
            "mismatches that did not stop at once",
            0,
            total.not_at_once,
            f"of {total.at_once + total.not_at_once:,}",
            most=True,
        ),
        Bar("facts not accounted for", 0, total.unaccounted, "facts", most=True),
        Bar("journeys whose belief depends on the order", 0, total.other_bytes, "journeys", most=True),
    ]
    report.notes += [
        "Not observable, listed and not scored: a consistent double swap, where every label moved with the cells.",
        f"Facts are late by at most {BOUND / HOUR:g} h, which is the bound, unless being later is the injury.",
        *total.examples,
    ]
