"""The campaign of the advisory lane: what a correction learned across runs is worth, and what it costs.

CHO cultures (`cultures.py`, which knows no filter) begin one after the other and are folded as events, by the very code
that runs live. In one fleet the model is right but for what it knows to differ between runs. In the other, cells slow
each other down as they become many, which the model does not know of. Each forecast is scored as it was said and
learned from when its hour has come; of the runs of the second half nothing had been learned when they began.

Errors are against the truth. Coverage is told twice: of the truth, and of what the twin itself believes when the hour
has come, which is all that it can learn from: a probe's gain is the same then as now, and no reading tells of it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.cultures import CHO, MINUTES, Culture, Runs, Values, make_runs, xing
from benchmarks.features import _records as readings
from benchmarks.report import Report, add_out, given
from schemas import bioreactor as b
from schemas.events import Event, write_headers, write_value
from schemas.fields import Quantity
from schemas.instants import HOUR, MINUTE, Instant, parse_instant
from twins.bioreactor import BioreactorModel
from twins.checks import PlainRecord
from twins.frame import FrameReader
from twins.past import MemoryPast

Floats = NDArray[np.float64]
Row = tuple[int, float, list[list[float]], list[list[float]], int]  # run, its hour, what is said per lead, drifts

BEGIN = parse_instant("2026-03-01T08:00:00Z")
SECTION: dict[str, Any] = {"leads_hours": [1.0, 6.0, 12.0]}
CONFIG: dict[str, Any] = {
    "limits": [], "silence_minutes": 0, "estimate_seconds": 3600, "forecast_seconds": 3600, "horizon_hours": 1,
    "process": {
        "model": "cho_xing",
        "channels": [
            {"tag": "biomass", "state": "viable_cells", "relative": 0.015, "gain_sd": 0.05, "colour_sd": 0.015,
             "colour_hours": 3.0},
            {"tag": "glucose", "state": "glucose", "relative": 0.04, "absolute": 0.2},
        ],
        "unsure": {"mu_m": 0.2, "Y_XS": 0.2, "Y_XG": 0.2},
        "wander": {"mu_m": {"sd": 0.05, "hours": 12.0}},
    },
    "learning": SECTION,
}  # fmt: skip
HOURS = 96
CROWDED = 1e9  # /L: cells that halve each other's growth, in the fleet of which the model is wrong
SCORED_FROM = 12.0  # h
CHANGE_HOUR = 72.0
RESAMPLES = 400


@dataclass(frozen=True)
class Scores:
    """What was said of one fleet, a row a message.

    `run`, `hour` and `drifts` (of the unit so far) are (m,), the rest (m, leads): ln of the model's median, of the said
    bounds and median, of the tracked bounds, of the truth, of what was believed then.
    """

    run: NDArray[np.int64]
    hour: Floats
    drifts: NDArray[np.int64]
    model: Floats
    low: Floats
    middle: Floats
    high: Floats
    tracked_low: Floats  # the interval of what the twin will believe
    tracked_high: Floats
    truth: Floats
    believed: Floats  # what the twin believed then, NaN where nothing was said at that hour


def crowding(x: Floats, growth: Floats, k: Values, dilution: Floats) -> Floats:
    """Give the rates of the CHO culture where cells slow each other down."""
    return xing(x, growth / (1.0 + np.square(x[0] / CROWDED)), k, dilution)


@dataclass(frozen=True)
class Fleet:
    """A fleet, and what growth is multiplied by from hour 72 on."""

    culture: Culture
    dip: float = 1.0


FLEETS = {
    "model right": Fleet(replace(CHO, hours=HOURS)),
    "model wrong": Fleet(replace(CHO, hours=HOURS, rates=crowding)),
    "growth halves at 72 h": Fleet(replace(CHO, hours=HOURS), 0.5),
}


def main(arguments: Sequence[str]) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="learning", description=__doc__)
    parser.add_argument("--runs", type=int, default=24)
    parser.add_argument("--stagger", type=float, default=3.0, help="hours between two runs' beginnings")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--units", type=int, default=300, help="of the measurement of cost")
    add_out(parser)
    options = parser.parse_args(arguments)
    report = Report("learning", "What is learned of forecast errors across runs of CHO cells.", given(options))
    rng = np.random.default_rng(options.seed)
    for fleet, one in FLEETS.items():
        scores = follow(fleet, one, options.runs, options.stagger, options.seed, report)
        for place, lead in enumerate(SECTION["leads_hours"]):
            _add(report, fleet, scores, place, lead, options.runs, rng)
        _drifts(report, fleet, scores, options.runs)
    costs(report, options.units)
    report.notes += [
        "ratio: corrected error over the model's, with 95 % by resampling whole runs. Errors are of ln cells.",
        "holds_truth: the said interval, of the truth. holds_belief: the tracked one, of what is believed then. Both "
        "90 %.",
        "Drift: the test of one unit, on the errors 1 h ahead, an example an hour.",
    ]
    report.write(options.out)
    return 0 if all(bar.met for bar in report.bars) else 1


def follow(fleet: str, one: Fleet, n: int, stagger: float, seed: int, report: Report) -> Scores:
    """Fold a fleet, and keep what was said."""
    culture = one.culture
    runs = make_runs(culture, n, seed, dip=one.dip)
    block = BioreactorModel.from_config(CONFIG).empty()
    reader, past = FrameReader("bioreactor.events", 0), MemoryPast()
    rows: list[Row] = []
    believed: dict[tuple[int, int], float] = {}
    begun = time.process_time()
    for records in _frames(runs, culture, n, stagger):
        frame = reader.read(records)
        effects = block.apply(frame, past.load(block.wanted(frame), frame.first))
        past.keep(frame, effects)
        for effect in effects.estimates:
            run = int(effect.key.removeprefix("BR-"))
            minute = round((parse_instant(effect.event_time) - BEGIN) / MINUTE - stagger * run * MINUTES)
            if effect.data["process"] is not None:
                believed[run, minute] = effect.data["process"]["state"]["viable_cells"]["mean"]
        for effect in effects.forecasts:
            if effect.lane == "advisory":
                run = int(effect.key.removeprefix("BR-"))
                hour = (parse_instant(effect.event_time) - BEGIN) / HOUR - stagger * run
                said, learned = effect.data["values"]["process.viable_cells"], effect.data["learning"]
                told = [[lead[name] for name in ("model", "low", "high")] for lead in learned["leads"]]
                rows.append((run, hour, told, said, learned["drift"]["unit"]["times"]))
    last = learned["leads"]
    report.add(
        "learned", fleet=fleet, messages=len(rows), examples=last[0]["examples"], restarts=learned["drift"]["restarts"],
        applied=str([lead["applied"] for lead in last]), seconds=time.process_time() - begun,
        bytes_of_the_block=len(block.snapshot()),
    )  # fmt: skip
    return _scores(rows, runs, believed)


def _scores(rows: Sequence[Row], runs: Runs, believed: dict[tuple[int, int], float]) -> Scores:
    run = np.array([one[0] for one in rows])
    hour = np.array([one[1] for one in rows])
    said = np.log(np.array([one[3] for one in rows]))
    leads = np.array(SECTION["leads_hours"])
    at = np.rint((hour[:, None] + leads) * MINUTES).astype(np.int64)
    inside = at < runs.truth.shape[1]
    cells = np.log(runs.truth[0] / 1e9)  # the twin says 10*6/mL
    truth = np.where(inside, cells[np.minimum(at, len(cells) - 1), run[:, None]], np.nan)
    pairs = zip(run.tolist(), at.tolist(), strict=True)
    then = [[believed.get((one, minute), np.nan) for minute in minutes] for one, minutes in pairs]
    told = np.log(np.array([one[2] for one in rows]))
    return Scores(
        run, hour, np.array([one[4] for one in rows]), told[:, :, 0], said[:, :, 0], said[:, :, 1], said[:, :, 2],
        told[:, :, 1], told[:, :, 2], truth,
        np.log(np.array(then)),
    )  # fmt: skip


def _add(report: Report, fleet: str, s: Scores, place: int, lead: float, n: int, rng: np.random.Generator) -> None:
    """Compare one lead's errors: of all runs, and of those that began in the second half."""
    for which, first in (("all", 0), ("second half", n // 2)):
        keep = (s.run >= first) & (s.hour >= SCORED_FROM) & np.isfinite(s.truth[:, place] + s.believed[:, place])
        run = s.run[keep]
        ours = np.abs(s.middle[keep, place] - s.truth[keep, place])
        model = np.abs(s.model[keep, place] - s.truth[keep, place])
        held = [
            float(np.mean((low_[keep, place] <= one[keep, place]) & (one[keep, place] <= high_[keep, place])))
            for low_, one, high_ in ((s.low, s.truth, s.high), (s.tracked_low, s.believed, s.tracked_high))
        ]
        ratio, low, high = _ratio(run, ours, model, rng)
        report.add(
            "errors", fleet=fleet, runs=which, lead_h=lead, forecasts=int(keep.sum()), model_error=float(model.mean()),
            corrected_error=float(ours.mean()), ratio=ratio, low=low, high=high,
            holds_truth=held[0], holds_belief=held[1],
            half_width=float(0.5 * (s.high - s.low)[keep, place].mean()),
        )  # fmt: skip


def _drifts(report: Report, fleet: str, s: Scores, n: int) -> None:
    """Count how often each run was said to drift before hour 72, and how soon after it."""
    before, delays = 0, []
    for run in range(n):
        hours, drifts = s.hour[s.run == run], s.drifts[s.run == run]
        early = int(drifts[hours < CHANGE_HOUR].max(initial=0))
        before += early
        seen = hours[(hours >= CHANGE_HOUR) & (drifts > early)]
        if len(seen):
            delays.append(float(seen[0] - CHANGE_HOUR))
    report.add(
        "drift", fleet=fleet, runs=n, drifts_before_72_h=before, a_unit_day=before / (n * CHANGE_HOUR / 24.0),
        runs_that_drift_later=len(delays), median_hours_later=float(np.median(delays)) if delays else None,
        slowest=max(delays, default=None),
    )  # fmt: skip


def costs(report: Report, units: int) -> None:
    """Fold the same records with and without learning: forecasts each five minutes, readings each minute."""
    records = list(readings(units, 20, 1))
    for name, base in (("growth filter", {}), ("CHO model", {"process": CONFIG["process"]})):
        spent, said, size = [], [], []
        for learning in (None, {}):
            block = BioreactorModel.from_config({"limits": [], **base, "learning": learning}).empty()
            reader, past = FrameReader("bioreactor.events", 0), MemoryPast()
            used = count = 0.0
            for first in range(0, len(records), units):
                frame = reader.read(records[first : first + units])
                begun = time.process_time()
                effects = block.apply(frame, past.load(block.wanted(frame), frame.first))
                used += time.process_time() - begun
                past.keep(frame, effects)
                count += sum(one.lane == "advisory" for one in effects.forecasts)
            spent.append(used)
            said.append(count)
            size.append(len(block.snapshot()))
        each = 1e6 * (spent[1] - spent[0]) / said[1]
        report.add(
            "cost", beside=name, us_a_forecast=each, share_of_a_core_at_10000=each * 1e4 / 300e6,
            without_us_a_unit_minute=1e6 * spent[0] / (units * 20), bytes_more_a_unit=(size[1] - size[0]) / units,
        )  # fmt: skip


def _ratio(run: NDArray[np.int64], ours: Floats, model: Floats, rng: np.random.Generator) -> tuple[float, float, float]:
    """Give the ratio of mean errors, and its 95 % interval by resampling whole runs."""
    some = np.unique(run)
    mine = np.array([ours[run == one].sum() for one in some])
    theirs = np.array([model[run == one].sum() for one in some])
    picks = rng.integers(0, len(some), (RESAMPLES, len(some)))
    low, high = np.quantile(mine[picks].sum(axis=1) / theirs[picks].sum(axis=1), [0.025, 0.975])
    return float(mine.sum() / theirs.sum()), float(low), float(high)


def _frames(runs: Runs, culture: Culture, n: int, stagger: float) -> Iterator[list[PlainRecord]]:
    """Give the events of all runs in the order of their times, a frame an hour."""
    offset, every = 0, 20
    total = round((stagger * (n - 1) + culture.hours) * MINUTES)
    frame: list[PlainRecord] = []
    for minute in range(0, total, every):
        for run in range(n):
            at = minute - round(stagger * run * MINUTES)
            if not 0 <= at < culture.hours * MINUTES:
                continue
            for kind, data in _told(runs, culture, run, at):
                when = Instant(BEGIN + minute * MINUTE)
                event = Event(f"{minute}-{run}-{kind}", "bench", f"bioreactor.{kind}", f"BR-{run}", when, when, data)
                frame.append(
                    PlainRecord(offset, when // 1000, event.subject.encode(), write_value(event), write_headers(event))
                )
                offset += 1
        if minute % MINUTES == 0 and frame:
            yield frame
            frame = []
    if frame:
        yield frame


def _told(runs: Runs, culture: Culture, run: int, at: int) -> Iterator[tuple[str, Any]]:  # Any: data of an event
    if at == 0:
        yield "batch_started", b.BatchStarted(f"B-{run}", volume=Quantity(1.0, "L"), clock="source")
        return
    yield "reading", b.Reading((b.Channel("biomass", float(runs.capacitance[at, run]) / 1e9, "10*6/mL"),))
    if at % (12 * MINUTES) == 0:
        value = float(runs.assays["glucose", at // MINUTES][run])
        yield "assay_resulted", b.AssayResulted(f"S-{at}", "glucose", max(value, 0.0), "mmol/L")
