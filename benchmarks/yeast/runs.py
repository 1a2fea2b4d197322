"""Forecasts of real yeast runs: light scatter 1, 3 and 6 hours ahead, their 90 % intervals, and the growth rate.

    python -m benchmarks yeast --data biolector_yeast_fedbatch.csv

Each cycle is folded and forecast from as it would be live: the twin gets the readings so far and the feed plan. The
constants were looked at on the wells of odd columns alone; those of even columns, the held-out half, were run once they
stood. Windows with a sampling between origin and target are scored apart.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import Bar, Report, add_out, given
from benchmarks.yeast.forecast import Said, forecasts
from benchmarks.yeast.plate import (
    Plate,
    constant_yield,
    growth_shown,
    holt,
    odd_columns,
    persistence,
    read_plate,
)
from benchmarks.yeast.scores import by_well, interval, kinds, mean, phases, relative_error, windows
from schemas.instants import HOUR
from twins.bioreactor.scatter import PlateSettings, ScatterSettings

Floats = NDArray[np.float64]

DATA = Path(__file__).parents[3] / "shared" / "data" / "bioprocess" / "pseudobatch" / "biolector_yeast_fedbatch.csv"
SETTINGS = PlateSettings()
LEADS = tuple(lead / HOUR for lead in SETTINGS.bands.leads)
# MAPE over that of Holt, at most
RATIO = {1.0: 1.05, 3.0: 0.85, 6.0: 0.70}
COVERAGE = (0.87, 0.93)
PHASE_LEAST = 0.80
GROWTH_HOURS = 2.0
SHIFTS = (0, 3, 7)
STRIDE = 10
WHOLE, HELD_OUT, LOOKED_AT = "whole plate", "held-out half", "half looked at"


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """A group of wells, run as a plate of its own, with what each method said: ln scatter, (leads, m, n)."""

    plate: Plate
    said: Said
    methods: dict[str, Floats]


def main(arguments: Sequence[str]) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="yeast", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", type=Path, default=DATA, help="biolector_yeast_fedbatch.csv")
    parser.add_argument("--seed", type=int, default=1, help="of the bootstrap; the forecasts draw nothing")
    parser.add_argument("--no-settings", action="store_true", help="leave out the runs with other settings")
    add_out(parser)
    options = parser.parse_args(arguments)
    told = {name: value for name, value in given(options).items() if name != "data"} | {"data": options.data.name}
    report = Report("yeast", "Forecasts of 32 real yeast fed-batches, held against what the wells then read.", told)
    fill(report, read_plate(options.data), options.seed)
    if not options.no_settings:
        _other_settings(report, read_plate(options.data))
    report.write(options.out)
    return 0


def fill(report: Report, plate: Plate, seed: int) -> None:
    """Put all scores and bars into a report; `_other_settings` apart."""
    odd = odd_columns(plate)
    groups = {WHOLE: np.ones_like(odd), HELD_OUT: ~odd, LOOKED_AT: odd}
    scored = {name: score(plate.only(which)) for name, which in groups.items()}
    for name, one in scored.items():
        barred = name != LOOKED_AT
        _errors(report, name, one, seed, barred)
        _coverage(report, name, one, seed, barred)
        _growth(report, name, one, seed, barred)
    _shifted(report, scored[WHOLE])
    report.notes += [
        "The bars are for windows without a sampling; those with one, and all together, stand in the tables. A window "
        "holds its origin's and its target's cycle: the reading of a sampling's own cycle already shows it.",
        "Origins: every cycle of 0.1 h from 1 h after a well's first reading. Phases of 6 h since then, by target.",
        "Holt: on the logarithm per cycle, alpha 0.2, beta 0.1, trend 0 at the start; `holt_from_difference` starts "
        "its trend with the first difference, which is noise. The bars are against the former, the better one.",
        "`constant_yield`: scatter follows biomass made of the feed at one yield, set to the reading. No parameter.",
        "In brackets: 95 % by bootstrap over wells (2,000 resamples). Wells share what happens to their plate, so "
        " these are intervals for other wells of this plate, not for other plates.",
        "COU_S2_004, the same plate, is not used anywhere.",
    ]


def score(plate: Plate, settings: PlateSettings = SETTINGS) -> Scored:
    """Run every method on a plate."""
    said = forecasts(plate, settings)
    return Scored(
        plate,
        said,
        {
            "twin": np.log(said.scatter),
            "holt": holt(plate, LEADS),
            "holt_from_difference": holt(plate, LEADS, first_trend=True),
            "persistence": persistence(plate, LEADS),
            "constant_yield": constant_yield(plate, LEADS),
        },
    )


def _errors(report: Report, group: str, scored: Scored, seed: int, barred: bool) -> None:
    for place, lead in enumerate(LEADS):
        found = windows(scored.plate, lead)
        for kind, take in kinds(found).items():
            errors = {name: relative_error(said[place], found.truth) for name, said in scored.methods.items()}
            row = {f"{name}_mape": 100 * mean(value, take) for name, value in errors.items()}
            ours, _ = by_well(errors["twin"], take)
            theirs, _ = by_well(errors["holt"], take)
            low, high = interval(ours, theirs, seed)
            ratio = float(ours.sum() / theirs.sum())
            report.add(
                "errors",
                wells=group,
                lead_h=lead,
                sampling=kind,
                windows=int(take.sum()),
                **row,
                over_holt=f"{ratio:.3f} ({low:.3f} to {high:.3f})",
            )
            if barred and kind == "without":
                what = f"{group}, {lead:.0f} h ahead, MAPE over Holt's"
                report.bars.append(Bar(what, RATIO[lead], ratio, "", most=True))


def _coverage(report: Report, group: str, scored: Scored, seed: int, barred: bool) -> None:
    said = scored.said
    for place, lead in enumerate(LEADS):
        found = windows(scored.plate, lead)
        truth = np.exp(found.truth)
        held = ((truth >= said.lower[place]) & (truth <= said.upper[place])).astype(np.float64)
        wide = 100 * (said.upper[place] - said.lower[place]) / said.scatter[place]
        for kind, take in kinds(found).items():
            low, high = interval(*by_well(held, take), seed)
            share = mean(held, take)
            report.add(
                "coverage of 90 % intervals",
                wells=group,
                lead_h=lead,
                sampling=kind,
                coverage=f"{share:.3f} ({low:.3f} to {high:.3f})",
                mean_width_percent=mean(wide, take),
            )
            clocks = {"target": found.since_target}
            if group == WHOLE:
                clocks |= {"origin": found.since_origin, "target, plate's clock": found.plate_target}
            for clock, hours in clocks.items():
                by_phase = phases(held, hours, take)
                if kind != "with":
                    report.add(
                        "coverage by phase of 6 h",
                        wells=group,
                        lead_h=lead,
                        sampling=kind,
                        phase_of=clock,
                        **{
                            f"from_{6 * phase}_h": f"{by_phase[phase][0]:.3f} of {by_phase[phase][1]}"
                            if phase in by_phase
                            else ""
                            for phase in range(7)
                        },
                    )
                if barred and kind == "without" and clock == "target":
                    what = f"{group}, {lead:.0f} h ahead, "
                    least = min(share for share, _ in by_phase.values())
                    report.bars += [
                        Bar(what + "coverage", COVERAGE[0], share, ""),
                        Bar(what + "coverage", COVERAGE[1], share, "", most=True),
                        Bar(what + "coverage in the worst phase of 6 h", PHASE_LEAST, least, ""),
                    ]


def _growth(report: Report, group: str, scored: Scored, seed: int, barred: bool) -> None:
    after, before, drawn_after, drawn_before = growth_shown(scored.plate, GROWTH_HOURS)
    known = np.isfinite(after) & np.isfinite(before) & np.isfinite(scored.said.growth)
    ours, theirs = np.abs(scored.said.growth - after), np.abs(before - after)
    for kind, take in {
        "without": known & ~drawn_after,
        "neither ahead nor in the past 2 h": known & ~drawn_after & ~drawn_before,
        "with": known & drawn_after,
        "all": known,
    }.items():
        low, high = interval(by_well(ours, take)[0], by_well(theirs, take)[0], seed)
        ratio = float(ours[take].sum() / theirs[take].sum())
        report.add(
            "growth rate over the next 2 h, MAE in 1/h",
            wells=group,
            sampling=kind,
            windows=int(take.sum()),
            twin=mean(ours, take),
            persistence=mean(theirs, take),
            over_persistence=f"{ratio:.3f} ({low:.3f} to {high:.3f})",
        )
        if barred and kind in ("without", "neither ahead nor in the past 2 h"):
            where = "without a sampling" if kind == "without" else "none in the past 2 h either"
            what = f"{group}, growth rate, MAE over persistence's, {where}"
            report.bars.append(Bar(what, 1.0, ratio, "", most=True))


def _shifted(report: Report, scored: Scored) -> None:
    """Score origins an hour apart, on three grids: whether it matters where they stand."""
    for shift in SHIFTS:
        row: dict[str, float] = {}
        for place, lead in enumerate(LEADS):
            found = windows(scored.plate, lead, STRIDE, shift)
            take = kinds(found)["without"]
            errors = {name: relative_error(scored.methods[name][place], found.truth) for name in ("twin", "holt")}
            truth = np.exp(found.truth)
            held = (truth >= scored.said.lower[place]) & (truth <= scored.said.upper[place])
            row |= {
                f"over_holt_{lead:.0f}_h": mean(errors["twin"], take) / mean(errors["holt"], take),
                f"coverage_{lead:.0f}_h": mean(held.astype(np.float64), take),
            }
        report.add("origins an hour apart, whole plate, without a sampling", shifted_by_cycles=shift, **row)


def _other_settings(report: Report, plate: Plate) -> None:
    """Halve and double every constant: whether the figures hang on one of them."""
    bands = SETTINGS.bands
    tracker = bands.tracker
    tried: list[tuple[str, PlateSettings]] = [
        ("as they stand", SETTINGS),
        ("no peers", replace(SETTINGS, peer_spread=0)),
    ]
    for times in (0.5, 2.0):
        name = "halved" if times < 1 else "doubled"
        for field in fields(ScatterSettings):
            value = getattr(SETTINGS.vessel, field.name) * times
            tried.append(
                (f"{field.name} {name}", replace(SETTINGS, vessel=replace(SETTINGS.vessel, **{field.name: value})))
            )
        tried += [
            (f"peer_spread {name}", replace(SETTINGS, peer_spread=SETTINGS.peer_spread * times)),
            (f"memory_hours {name}", replace(SETTINGS, bands=replace(bands, memory_hours=bands.memory_hours * times))),
            (f"clip {name}", replace(SETTINGS, bands=replace(bands, clip=bands.clip * times))),
            (
                f"tracker's rate {name}",
                replace(SETTINGS, bands=replace(bands, tracker=replace(tracker, rate=tracker.rate * times))),
            ),
        ]
    base = holt(plate, LEADS)
    for name, settings in tried:
        said = forecasts(plate, settings)
        row: dict[str, float] = {}
        for place, lead in enumerate(LEADS):
            found = windows(plate, lead)
            take = kinds(found)["without"]
            ours, theirs = (
                relative_error(np.log(said.scatter[place]), found.truth),
                relative_error(base[place], found.truth),
            )
            truth = np.exp(found.truth)
            held = ((truth >= said.lower[place]) & (truth <= said.upper[place])).astype(np.float64)
            row |= {
                f"over_holt_{lead:.0f}_h": mean(ours, take) / mean(theirs, take),
                f"coverage_{lead:.0f}_h": mean(held, take),
                f"worst_phase_{lead:.0f}_h": min(share for share, _ in phases(held, found.since_target, take).values()),
            }
        report.add("other settings, whole plate, without a sampling", settings=name, **row)


if __name__ == "__main__":
    import sys

    sys.exit(main(sys.argv[1:]))
