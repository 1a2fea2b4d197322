"""How often the 90 % intervals of an event-driven trial's forecast hold the truth: events by a date, day of an event.

Trials are drawn here, by plain numpy, from laws that the forecast does not know: times to the event exponential,
Weibull with a falling and with a rising hazard, piecewise exponential; with and without drop-out; looked at when few
events have come, when enrollment is nearly done, and late. The forecast sees what a study's facts would say at the
look, learns the rate of enrollment as well, and says an interval for the number of events half a year later and for
the day of an event number. Each trial is drawn once and scored at each look with each choice of laws.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import product
from multiprocessing import get_context
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.intervals import wilson
from benchmarks.report import Bar, Report, add_out, given
from twins.enrollment.survival import LawName, Observed, Settings, arrivals, believe, law, number_quantiles, simulate

Floats = NDArray[np.float64]
Rng = np.random.Generator

SUBJECTS, RATE = 300, 26 / 30.4375  # of the plan; a day: the plateau of eventPred's design example
MEDIAN = 395.0  # of the time to the event [d], in each truth: 13 months, as in that example
GONE = -np.log(1 - 0.15) / 365.25  # drop-out a day: 15 % a year
AHEAD = 183.0  # from the look to the date at which events are counted [d]
CHANGE = 183.0  # where the piecewise truth changes [d]
BAND = (0.05, 0.95)
WANTED = (0.87, 0.93)


@dataclass(frozen=True, slots=True)
class Look:
    """A day at which the trial is looked at [d], and the number of the event whose day is asked."""

    name: str
    day: float
    event: int


LOOKS = (Look("first events", 130.0, 60), Look("enrolling", 260.0, 120), Look("late", 600.0, 200))
TRUTHS: dict[str, Callable[[Rng, int], Floats]] = {
    "exponential": lambda rng, n: rng.exponential(MEDIAN / np.log(2), n),
    "Weibull 0.7": lambda rng, n: MEDIAN / np.log(2) ** (1 / 0.7) * rng.weibull(0.7, n),
    "Weibull 1.5": lambda rng, n: MEDIAN / np.log(2) ** (1 / 1.5) * rng.weibull(1.5, n),
    "piecewise": lambda rng, n: _two_rates(rng, n, 0.0533 / 30.4375, 0.0309 / 30.4375),
}
MATCHED: dict[str, LawName] = {
    "exponential": "exponential",
    "Weibull 0.7": "weibull",
    "Weibull 1.5": "weibull",
    "piecewise": "piecewise",
}


def main(arguments: Sequence[str]) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="enrollment_events", description=__doc__)
    parser.add_argument("--trials", type=int, default=1000, help="of each truth")
    parser.add_argument("--seeds", type=int, default=1, help="how many sets of trials, each with another seed")
    parser.add_argument("--seed", type=int, default=1, help="the first of them")
    parser.add_argument("--draws", type=int, default=512, help="of each forecast")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    add_out(parser)
    options = parser.parse_args(arguments)
    report = Report("enrollment_events", str(__doc__).splitlines()[0], given(options))
    cells = [(truth, gone) for truth in TRUTHS for gone in (0.0, GONE)]
    with ProcessPoolExecutor(options.workers, get_context("spawn")) as pool:
        for rows in pool.map(partial(_cell, options=options), cells):
            for row in rows:
                report.add("coverage", **row)
    for name in ("as the truth", "default"):
        shares = [row["covered"] for row in report.tables["coverage"] if row["law"] == name]
        for said, got, most in (("least", min(shares), False), ("most", max(shares), True)):
            report.bars.append(Bar(f"law {name}: {said} covered in any cell", WANTED[most], got, "of intervals", most))
    report.notes += [
        "Law: the truth's own family with unknown parameters (piecewise: with its cut), or the default, told nothing.",
        "Number: of events 183 days after the look. Day: of event 60, 120 or 200, where it is still to come.",
        "Intervals go from the 5 % to the 95 % quantile (numbers: `number_quantiles`), ends counted in; median width.",
        "PIT is randomised; over many truths its mean is 0.5 and its sd 0.289, for one fixed truth the prior shows.",
        "Enrollment to come is one rate learned from the subjects so far.",
    ]
    report.write(options.out)
    return 0


def _cell(cell: tuple[str, float], options: argparse.Namespace) -> list[dict[str, Any]]:
    """Score all trials of one truth."""
    truth, gone = cell
    laws: dict[str, LawName | None] = {"as the truth": MATCHED[truth], "default": None}
    scores: dict[tuple[str, str, str], list[tuple[bool, float, float]]] = {}
    for seed in range(options.seed, options.seed + options.seeds):
        rng = np.random.default_rng([seed, list(TRUTHS).index(truth), int(gone > 0)])
        for trial in range(options.trials):
            entry, event, dropout = _trial(rng, TRUTHS[truth], gone)
            for look, (name, which) in product(LOOKS, laws.items()):
                for what, score in _score(entry, event, dropout, look, which, options.draws, trial, rng).items():
                    scores.setdefault((look.name, name, what), []).append(score)
    return [_row(truth, gone, *key, rows) for key, rows in scores.items()]


def _row(
    truth: str, gone: float, look: str, name: str, what: str, rows: list[tuple[bool, float, float]]
) -> dict[str, Any]:
    hits, pit = sum(row[0] for row in rows), np.array([row[2] for row in rows])
    low, high = wilson(hits, len(rows))
    return {
        "truth": truth, "drop_out": bool(gone > 0), "look": look, "law": name, "of": what, "trials": len(rows),
        "covered": hits / len(rows), "low": low, "high": high, "width": float(np.median([row[1] for row in rows])),
        "pit_mean": float(pit.mean()), "pit_sd": float(pit.std()),
    }  # fmt: skip


def _trial(rng: Rng, times: Callable[[Rng, int], Floats], gone: float) -> tuple[Floats, Floats, Floats]:
    """Draw a whole trial: days of entry, times to event and to drop-out of each subject."""
    entry = np.cumsum(rng.exponential(1 / RATE, SUBJECTS))
    dropout = rng.exponential(1 / gone, SUBJECTS) if gone else np.full(SUBJECTS, np.inf)
    return entry, times(rng, SUBJECTS), dropout


def _score(
    entry: Floats, event: Floats, dropout: Floats, look: Look, which: LawName | None, draws: int, seed: int, rng: Rng
) -> dict[str, tuple[bool, float, float]]:
    """Forecast at a look and compare: covered or not, width, PIT."""
    seen = _seen(entry, event, dropout, look.day)
    settings = Settings() if which is None else Settings(laws=(law(which, (0.0, CHANGE)),))
    known, missing = len(seen), SUBJECTS - len(seen)
    future = None
    if missing:
        rate = np.random.default_rng([seed, 99]).gamma(known + 0.5, 1 / look.day, draws)
        future = arrivals(np.array([look.day, look.day + 3000.0]), rate[:, None], missing, seed, skip=known)
    drawn = simulate(seen, *believe(seen, settings, draws, seed), future, np.inf, seed)
    days = np.sort((entry + event)[event < dropout])
    date = look.day + AHEAD
    number, true_number = drawn.counts(np.array([date]))[:, 0], float(np.searchsorted(days, date, side="right"))
    day, true_day = drawn.day_of(look.event), float(days[look.event - 1]) if len(days) >= look.event else np.inf
    out = {"number": _judge(number, true_number, number_quantiles(number[:, None], BAND)[0], rng)}
    if np.searchsorted(days, look.day, side="right") < look.event:
        out["day"] = _judge(day, true_day, np.quantile(day, BAND, method="inverted_cdf"), rng)
    return out


def _judge(draws: Floats, truth: float, band: Floats, rng: Rng) -> tuple[bool, float, float]:
    low, high = band
    below, at = float((draws < truth).mean()), float((draws == truth).mean())
    width = high - low if np.isfinite(high) else np.inf
    return bool(low <= truth <= high), float(width), below + at * float(rng.random())


def _seen(entry: Floats, event: Floats, dropout: Floats, day: float) -> Observed:
    """Give what is known on a day."""
    inside = entry <= day
    start, until = entry[inside], np.minimum(event, dropout)[inside]
    over = start + until <= day
    died = over & (event <= dropout)[inside]
    return Observed(day, start, np.maximum(np.where(over, until, day - start), 0.5), died, over & ~died, ~over)


def _two_rates(rng: Rng, n: int, before: float, after: float) -> Floats:
    spent = rng.exponential(1.0, n)
    early = spent < before * CHANGE
    return np.where(early, spent / before, CHANGE + (spent - before * CHANGE) / after)
