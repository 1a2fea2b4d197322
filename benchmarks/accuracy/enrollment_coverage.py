"""How often the 90 % intervals of enrollment hold the truth: in static worlds, and where rates change.

Each trial is a study of its own: sizes, rates, shapes and delays are drawn (`enrollment_truth.py`), the study is told
as facts by column, learned with the default settings, and asked for one date and the date of its target.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.enrollment_oracle import interval
from benchmarks.accuracy.enrollment_truth import DRIFT, FAMILIES, STATIC, Cell, Trial, make
from benchmarks.accuracy.enrollment_youth import youth
from benchmarks.report import Bar, Report, add_out, given
from twins.enrollment.rates import RateSettings, by_then, learn, outlook

Floats = NDArray[np.float64]
LOW, HIGH = 0.87, 0.93  # of the bar
COLUMNS = ("count", "date", "country", "site", "below", "above", "pit", "width", "oracle", "oracle_width", "draws")


def main(arguments: Sequence[str]) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="enrollment", description=__doc__)
    parser.add_argument("--trials", type=int, default=1000, help="of each static cell")
    parser.add_argument("--drift-trials", type=int, default=2000, help="of the mixture")
    parser.add_argument("--oracle-every", type=int, default=4, help="hold every such trial against the oracle")
    parser.add_argument("--young-trials", type=int, default=100, help="of each cell of young studies with a funnel")
    parser.add_argument("--seed", type=int, default=1)
    add_out(parser)
    options = parser.parse_args(arguments)
    report = Report("enrollment", "90 % intervals of enrollment held against the truth.", given(options))
    for cell in STATIC:
        _static(report, cell, _run(cell, options.trials, options.seed, 0)[0])
    scores, family = _run(DRIFT, options.drift_trials, options.seed, options.oracle_every)
    _drift(report, scores, family)
    youth(report, options.seed, options.young_trials)
    report.notes += [
        "count, date: shares of trials whose count by the date, and date of the target, lie in the closed interval, "
        "with the half-width of 95 %. country, site: mean shares of countries and sites.",
        "pit_low, pit_high: randomised PIT of the count below 0.05 and above 0.95; pit_ks: its largest distance from "
        "even, over what 5 % of honest models exceed.",
        "ratio: mean width over the oracle's, on the trials it was asked; oracle: how often its interval holds.",
    ]
    report.write(options.out)
    return 0 if all(bar.met for bar in report.bars) else 1


def trial(cell: Cell, seed: int, place: int) -> Trial:
    """Make the trial at a place of a seed's row."""
    return make(cell, np.random.default_rng([seed, place, sum(cell.name.encode())]))


def _run(cell: Cell, trials: int, seed: int, oracle_every: int) -> tuple[dict[str, Floats], NDArray[np.str_]]:
    settings = RateSettings()
    rows, family = np.full((trials, len(COLUMNS)), np.nan), []
    for place in range(trials):
        one = trial(cell, seed, place)
        rng = np.random.default_rng([seed, place, 1])
        family.append(one.family)
        posterior = learn(one.study, settings)
        said = outlook(posterior, one.study, np.array([one.day]))
        low, high = said.study[0, 0], said.study[0, -1]
        dates = said.reaching[0].days
        under, upto = by_then(posterior, one.study, one.day, np.array([one.count - 1.0, one.count]))
        rows[place, :8] = (
            low <= one.count <= high, dates[0] <= one.target_day <= dates[-1],
            np.mean((said.countries[:, 0, 0] <= one.by_country) & (one.by_country <= said.countries[:, 0, -1])),
            np.mean((said.sites[:, 0, 0] <= one.by_site) & (one.by_site <= said.sites[:, 0, -1])),
            one.count < low, one.count > high, under + (upto - under) * rng.random(), high - low,
        )  # fmt: skip
        if oracle_every and place % oracle_every == 0:
            least, most, draws = interval(one, rng)
            rows[place, 8:] = least <= one.count <= most, most - least, draws
    return {name: rows[:, column] for column, name in enumerate(COLUMNS)}, np.array(family)


def _told(scores: dict[str, Floats]) -> dict[str, float]:
    """Sum up: coverages with their half-widths, tails, PIT."""
    trials = len(scores["count"])
    out: dict[str, float] = {"trials": trials}
    for name in ("count", "date"):
        share = float(scores[name].mean())
        out[name] = share
        out[f"{name}_half"] = 1.96 * float(np.sqrt(share * (1.0 - share) / trials))
    for name in ("country", "site", "below", "above"):
        out[name] = float(scores[name].mean())
    pit = np.sort(scores["pit"])
    out["pit_low"], out["pit_high"] = float((pit < 0.05).mean()), float((pit > 0.95).mean())
    distance = np.abs(pit - (np.arange(trials) + 0.5) / trials).max()
    out["pit_ks"] = float(distance * np.sqrt(trials) / 1.358)
    return out


def _static(report: Report, cell: Cell, scores: dict[str, Floats]) -> None:
    told = _told(scores)
    report.add("static", cell=cell.name, **told)
    for name in ("count", "date"):
        report.bars += _band(f"{cell.name}, {name}", told[name], LOW, HIGH)


def _drift(report: Report, scores: dict[str, Floats], family: NDArray[np.str_]) -> None:
    for name in ("mixture", *FAMILIES):
        of = {key: part[(family == name) | (name == "mixture")] for key, part in scores.items()}
        told = _told(of)
        asked = ~np.isnan(of["oracle"])
        ratio = float(of["width"][asked].mean() / of["oracle_width"][asked].mean())
        report.add(
            "drift", family=name, **told, width=float(of["width"].mean()), ratio=ratio,
            oracle=float(of["oracle"][asked].mean()), oracle_draws=float(np.median(of["draws"][asked])),
        )  # fmt: skip
        low, high = (LOW, HIGH) if name == "mixture" else (0.75, 0.99)
        for key in ("count", "date"):
            report.bars += _band(f"drift, {name}, {key}", told[key], low, high)
        if name == "mixture":
            report.bars.append(Bar("drift, mean width over the oracle's", 1.5, ratio, "x", most=True))


def _band(what: str, got: float, low: float, high: float) -> list[Bar]:
    return [Bar(f"{what}: share held", low, got, ""), Bar(f"{what}: share held", high, got, "", most=True)]
