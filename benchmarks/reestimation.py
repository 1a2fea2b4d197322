"""CHO runs whose growth falls at an hour of their own, asked some hours later; and runs in which nothing falls.

The truth is that of the estimation campaigns (`accuracy/cultures.py`), which knows no filter. Before is the qualified
filter, which follows each run minute by minute and forecasts its end; after is the engine `bioreactor.reestimate`, from
the same measurements as the ledger keeps them. Intervals of the figures: 90 %, by resampling whole runs.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.cultures import CHO, MINUTES, Culture, Runs, make_runs
from benchmarks.accuracy.estimates import DESIGNS, LATE_HOURS, Live
from benchmarks.report import Report, add_out, given
from schemas.instants import MINUTE
from schemas.jobs import SimulationSpec
from twins.bioreactor.estimation import outlook
from twins.bioreactor.reestimate import Reestimate
from twins.bioreactor.rows import EMPTY_BUCKET, FIXED, NO_ITEMS, START, Assay, Change, Items, write_row
from twins.block import Memory
from twins.engine import Answer, Device

Floats = NDArray[np.float64]

BEGAN = 29_000_000  # the minute since 1970 in which every run begins
KEY, BATCH = "BR-1", "B-1"
NORMAL_90 = 1.6448536269514722
RESAMPLES = 400
LIMITING = 0.3  # mmol/L of glutamine, below which it limits growth (`CHO.limiting`)
UNSURE = ("mu_m", "Y_XS", "Y_XG")
CANONICAL = 1e-9  # cells per litre in the truth, millions per mL where they are told


Triple = tuple[float, float, float]  # low, median, high of 90 %


@dataclass(frozen=True, slots=True)
class One:
    """One question: `growth` (mu_m) now and viable cells at the `end`, by filter and engine, and in truth."""

    growth_before: Triple
    growth_after: Triple
    growth: float
    end_before: Triple
    end_after: Triple
    end: float
    probability: float
    hour_off: float  # median hour of the change, less the true one
    glutamine: float  # at the question, in truth [mmol/L]
    counting: float
    iterations: float
    seconds: float


def main(arguments: Sequence[str]) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="reestimation", description=__doc__)
    parser.add_argument("--runs", type=int, default=40, help="whose growth falls")
    parser.add_argument("--healthy", type=int, default=20, help="runs in which nothing falls; 0: none")
    parser.add_argument("--after", type=int, nargs="*", default=[12, 24], help="hours from the fall to the question")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--draws", type=int, default=192, help="of an iteration")
    parser.add_argument("--fall", type=float, default=0.7, help="what growth is multiplied by")
    parser.add_argument("--from-hour", type=float, default=48.0, help="earliest fall: day 3 begins")
    parser.add_argument("--to-hour", type=float, default=120.0, help="latest fall: day 5 ends")
    parser.add_argument("--every", type=int, default=5, help="minutes between capacitance readings; divides 60")
    parser.add_argument("--processes", type=int, default=2)
    add_out(parser)
    options = parser.parse_args(arguments)
    report = Report(
        "reestimation", "Re-estimation of CHO runs whose growth falls, and of healthy ones.", given(options)
    )
    rng = np.random.default_rng([options.seed, 5])
    hours = np.floor(rng.uniform(options.from_hour, options.to_hour, options.runs))
    minutes = np.arange(CHO.hours * MINUTES + 1)[:, None]
    falls = np.where(minutes >= hours * MINUTES, options.fall, 1.0)
    runs = make_runs(CHO, options.runs, options.seed, falls=falls)
    for after in options.after:
        found = ask_all(runs, [int(hour) + after for hour in hours], options, hours, falls)
        say(report, f"fell {after} h ago", found, options.seed)
        say(
            report,
            f"fell {after} h ago, glutamine left",
            [one for one in found if one.glutamine > LIMITING],
            options.seed,
        )
    if options.healthy:
        healthy = make_runs(CHO, options.healthy, options.seed + 1_000)
        asked = np.random.default_rng([options.seed, 6]).integers(72, 121, options.healthy).tolist()
        say(
            report,
            "healthy",
            ask_all(healthy, asked, options, None, np.ones((len(minutes), options.healthy))),
            options.seed,
        )
    report.notes.append(
        "growth: mu_m now; error: relative, root mean square; held: by 90 % intervals. "
        "end: viable cells at 144 h; error: mean of relative ones."
    )
    report.write(options.out)
    return 0


def ask_all(
    runs: Runs, asked: Sequence[int], options: argparse.Namespace, hours: Floats | None, falls: Floats
) -> list[One]:
    """Ask of each run at its own hour, before and after."""
    live = Live(runs, DESIGNS["cho"](1.0), "unscented", every=options.every)
    followed = 0
    order: list[tuple[int, int]] = []
    known: list[tuple[Triple, Triple]] = []
    for hour in sorted(set(asked) & set(range(CHO.hours))):
        live.follow(hour, followed)
        followed = hour
        for run in [one for one, when in enumerate(asked) if when == hour]:
            order.append((run, hour))
            known.append(before(live, run, hour))
    questions = [(spec_of(run, hour, options), past_of(runs, run, hour, options.every)) for run, hour in order]
    with ProcessPoolExecutor(options.processes) as pool:
        answers = list(pool.map(ask, *zip(*questions, strict=True)))
    found = []
    for (run, hour), (growth, end), (answer, seconds) in zip(order, known, answers, strict=True):
        said, change = answer.summary, answer.summary["change"]
        mu, viable = said["parameters"]["mu_m"], said["end"]["viable_cells"]
        wide = float(np.exp(NORMAL_90 * mu["sd_log"]))
        truth = float(runs.parameters["mu_m"][run] * falls[hour * MINUTES, run])
        off = change["hour"]["q50"] - hours[run] if hours is not None and change["hour"] is not None else float("nan")
        after = (viable["q05"] / CANONICAL, viable["q50"] / CANONICAL, viable["q95"] / CANONICAL)
        glutamine = float(runs.truth[CHO.states.index("glutamine"), hour * MINUTES, run])
        found.append(
            One(
                growth_before=growth,
                growth_after=(mu["median"] / wide, mu["median"], mu["median"] * wide),
                growth=truth,
                end_before=end,
                end_after=after,
                end=float(runs.truth[0, -1, run]),
                probability=change["probability"],
                hour_off=off,
                glutamine=glutamine,
                counting=said["effective_sample_size"],
                iterations=said["iterations"],
                seconds=seconds,
            )
        )
    return found


def before(live: Live, run: int, hour: int) -> tuple[Triple, Triple]:
    """Give growth as the qualified filter believes it, what wanders with it, and its forecast of the end."""
    belief = live.joint.part(slice(run, run + 1))
    place = [one.name for one in live.filter.design.model.parameters].index("mu_m")
    rows = [row for row, at in (*live.filter.layout.unsure, *live.filter.layout.wander) if at == place]
    centre = CHO.nominal["mu_m"] * float(np.exp(belief.mean[rows, 0].sum()))
    wide = float(np.exp(NORMAL_90 * np.sqrt(belief.covariance[np.ix_(rows, rows)].sum())))
    u = live.inputs(0)[:, :1]
    later = outlook.carry(live.filter, belief, np.array([float(hour)]), CHO.hours - hour, u)
    low, middle, high = live.filter.quantiles(later, np.array([-NORMAL_90, 0.0, NORMAL_90]))[:, 0, 0]
    return (centre / wide, centre, centre * wide), (float(low), float(middle), float(high))


def spec_of(run: int, hour: int, options: argparse.Namespace) -> SimulationSpec:
    """Lay out what is asked of one run."""
    inputs = {
        "initial": {"volume": 1.0}, "feeds": [], "method": "rk4", "batch": BATCH, "channels": channels(CHO),
        "prior": {name: [CHO.nominal[name], 0.2] for name in UNSURE}, "wander": {"mu_m": {"sd": 0.05, "hours": 12.0}},
        "begin": dict(zip(CHO.states, CHO.start, strict=True)), "initial_sd": 0.02,
    }  # fmt: skip
    seed = 1_000 * options.seed + run
    return SimulationSpec(
        "bioreactor.reestimate", "cho_xing", {}, seed, options.draws, float(CHO.hours - hour), inputs
    )  # fmt: skip


def ask(spec: SimulationSpec, past: Sequence[Memory]) -> tuple[Answer, float]:
    """Ask the engine; give its answer, and the seconds it took."""
    begun = time.perf_counter()
    course = Reestimate().prepare(spec, past, Device())
    while (standing := course.run(60.0)).done < standing.total:
        pass
    return course.answer(), time.perf_counter() - begun


def channels(culture: Culture) -> list[dict[str, object]]:
    """Describe a culture's sensors as a configuration does."""
    probe = culture.capacitance
    said: list[dict[str, object]] = [
        {
            "tag": "biomass", "state": culture.states[probe.state], "relative": probe.relative,
            "gain_sd": probe.gain, "colour_sd": probe.colour, "colour_hours": probe.colour_hours,
        }
    ]  # fmt: skip
    said += [
        {"tag": one.name, "state": culture.states[one.state], "relative": one.relative, "absolute": one.absolute}
        for one in culture.assays
    ]
    return said


def past_of(runs: Runs, run: int, hour: int, every: int) -> list[Memory]:
    """Give the minutes that a ledger would keep of one run up to an hour: readings, and assays that are in by then."""
    rows: dict[int, tuple[list[int], Items]] = {}
    start = Change(BEGAN * MINUTE, START, "start", batch=BATCH, volume=1_000_000_000)
    rows[0] = (list(EMPTY_BUCKET), NO_ITEMS.with_change(start))
    for minute in range(every, hour * MINUTES + 1, every):
        fixed = round(float(runs.capacitance[minute, run]) * CANONICAL * FIXED)
        rows[minute] = ([1, fixed, fixed, fixed, 0, 0, 0], NO_ITEMS)
    for (name, at), values in runs.assays.items():
        if at <= hour - LATE_HOURS:
            minute, value = at * MINUTES, max(float(values[run]), 0.0)
            when = (BEGAN + minute) * MINUTE
            assay = Assay(f"S-{at}", name, when, when, f"{name}-{at}", value)
            bucket, items = rows.get(minute, (list(EMPTY_BUCKET), NO_ITEMS))
            rows[minute] = (bucket, items.with_assay(assay))
    return [
        Memory(KEY, "input", (BEGAN + minute) * MINUTE, minute, write_row(*row)) for minute, row in sorted(rows.items())
    ]


def say(report: Report, label: str, found: Sequence[One], seed: int) -> None:
    """Add the figures of some runs."""
    n = len(found)
    if n == 0:
        return
    picks = np.random.default_rng([seed, 7]).integers(0, n, (RESAMPLES, n))
    truth, final = np.array([one.growth for one in found]), np.array([one.end for one in found])
    for by in ("before", "after"):
        growth = np.array([getattr(one, f"growth_{by}") for one in found])
        end = np.array([getattr(one, f"end_{by}") for one in found])
        wrong, missed = np.square(growth[:, 1] / truth - 1.0), np.abs(end[:, 1] / final - 1.0)
        in_growth, in_end = _within(growth, truth), _within(end, final)
        report.add(
            "before and after", runs=label, number=n, by={"before": "filter", "after": "re-estimated"}[by],
            growth_error=_with(np.sqrt(wrong.mean()), np.sqrt(wrong[picks].mean(axis=1))),
            growth_held=_with(in_growth.mean(), in_growth[picks].mean(axis=1)),
            end_error=_with(missed.mean(), missed[picks].mean(axis=1)),
            end_held=_with(in_end.mean(), in_end[picks].mean(axis=1)),
            end_half_width=f"{50 * np.mean((end[:, 2] - end[:, 0]) / end[:, 1]):.1f} %",
        )  # fmt: skip
    probability = np.array([one.probability for one in found])
    report.add(
        "change", runs=label, number=n, probability_median=float(np.median(probability)),
        above_half=float((probability > 0.5).mean()),
        hour_off_median=float(np.median([abs(one.hour_off) for one in found])),
        effective_median=float(np.median([one.counting for one in found])),
        effective_least=min(one.counting for one in found),
        iterations_mean=float(np.mean([one.iterations for one in found])),
        seconds_mean=float(np.mean([one.seconds for one in found])),
    )  # fmt: skip


def _within(bounds: Floats, truth: Floats) -> Floats:
    return ((truth >= bounds[:, 0]) & (truth <= bounds[:, 2])).astype(float)


def _with(value: float, resampled: Floats) -> str:
    low, high = np.quantile(resampled, [0.05, 0.95])
    return f"{100 * value:.1f} % ({100 * low:.1f} to {100 * high:.1f})"
