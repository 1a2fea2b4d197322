"""What the enrollment twin costs as it folds: a year of a large study, a day of a thousand, each part of a forecast.

Bars are held against seconds of one core (processor time); the clock's are beside them. As in a worker, linear algebra
has one thread and the collector of garbage looks rarely.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.enrollment_studies import many, midnight, records_of, restored, study
from benchmarks.report import Bar, Report, add_out, given
from streams.app import settle_in
from streams.fold import FileRecord, fold_records
from twins import checks
from twins.enrollment import EnrollmentModel, alerting
from twins.enrollment.believing import Beliefs
from twins.enrollment.forecasting import days_ahead, say_forecast
from twins.enrollment.reading import read_register
from twins.enrollment.saying import say_estimate
from twins.enrollment.twin import StudyState
from twins.frame import read_frame

MONTHS = 12.0
LEAST_FACTS, MOST_SECONDS = 500.0, 15.0  # facts/s of a replay; a tick of a thousand studies
PROGRAMS = ("streams.app", "twins.enrollment")


def main(arguments: Sequence[str]) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="enrollment_twin", description=__doc__)
    parser.add_argument("--sites", type=int, default=200)
    parser.add_argument("--countries", type=int, default=20)
    parser.add_argument("--subjects", type=int, default=1500)
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--times", type=int, default=100, help="forecasts whose parts are timed")
    parser.add_argument("--seed", type=int, default=1)
    add_out(parser)
    options = parser.parse_args(arguments)
    report = Report("enrollment_twin", "The enrollment twin as it folds, on one core.", given(options))
    settle_in()
    model = EnrollmentModel()
    large = study("ST-LARGE", options.sites, options.countries, options.subjects, MONTHS)
    _replay(report, model, records_of(large, options.seed), options.times)
    _tick(report, model, options.studies, options.seed)
    for program in PROGRAMS:
        report.add("import", what=program, best_s=min(_imported(program) for _ in range(3)))
    report.write(options.out)
    return 0 if all(bar.met for bar in report.bars) else 1


def _replay(report: Report, model: EnrollmentModel, records: Sequence[FileRecord], times: int) -> None:
    """Fold a year of a large study as `twinstream fold` does; then time the parts of what it says at the end."""
    facts = sum(record.key is not None for record in records)
    begun, used = time.perf_counter(), time.process_time()
    lines = list(fold_records(model, "enrollment.events", 0, records))
    wall, core = time.perf_counter() - begun, time.process_time() - used
    report.add(
        "replay", facts=facts, days=len(records) - facts, effects=len(lines), wall_s=wall, cpu_s=core,
        facts_a_second=facts / core, megabytes_said=sum(map(len, lines)) / 1e6,
    )  # fmt: skip
    report.bars.append(Bar("replay of a year, one large study", LEAST_FACTS, facts / core, "facts/s"))
    quiet = EnrollmentModel.from_config({"forecast_hours": 744.0, "estimate_hours": 168.0})
    body = checks.fold(quiet, records).block.snapshot()
    report.add("snapshot", studies=1, facts=facts, bytes_a_study=len(body), bytes_a_fact=len(body) / facts)
    _parts(report, model, _state(model, records), times)


def _state(model: EnrollmentModel, records: Sequence[FileRecord]) -> StudyState:
    """Give the state of a study that all facts are told of, and that has said nothing yet."""
    twin = model.empty()._twin
    state = twin.start("ST-LARGE")
    for fact in read_frame("enrollment.events", 0, records).facts:
        if state.register.why_not(fact) is None:
            state.register.take(fact)
    return state


def _parts(report: Report, model: EnrollmentModel, state: StudyState, times: int) -> None:
    """Time each part of an estimate and a forecast, each the first time that its beliefs are asked."""
    took: dict[str, list[float]] = {}

    def timed(name: str, part: Callable[[], Any]) -> Any:  # Any: whatever the part gives
        begun = time.process_time()
        given = part()
        took.setdefault(name, []).append(1e3 * (time.process_time() - begun))
        return given

    for _ in range(times):
        begun = time.process_time()
        _whole(model, state, timed)
        took.setdefault("all", []).append(1e3 * (time.process_time() - begun))
    for name, each in took.items():
        p50, p99 = np.quantile(each, (0.5, 0.99))
        report.add(
            "parts of a forecast", part=name, cpu_ms_best=min(each), cpu_ms_p50=float(p50), cpu_ms_p99=float(p99)
        )


def _whole(model: EnrollmentModel, state: StudyState, timed: Callable[[str, Callable[[], Any]], Any]) -> None:
    """Work out all that is said at the beginning of a day, part by part."""
    register, config = state.register, model.config
    reading = timed("read_register", lambda: read_register(state.key, register))
    believed = Beliefs(reading)
    timed("findings of change", lambda: believed.findings)
    timed("reporting, funnel, nowcast", lambda: (believed.reporting, believed.funnel, believed.unreported))
    estimate = timed("the rest of the estimate", lambda: say_estimate(believed, register))
    timed("posterior of rates", lambda: believed.posterior)
    study = reading.study
    days = days_ahead(study.as_of, max(target.day for target in study.targets), config)
    outlook = timed("outlook of rates", lambda: believed.outlook(days))
    timed("in flight, stop of screening", lambda: believed.stop)
    timed("shortfall", lambda: believed.shortfall)
    object.__setattr__(believed, "outlook", lambda _: outlook)  # so that it is not timed twice
    forecast = timed("the rest of the forecast", lambda: say_forecast(believed, register, config, []))
    timed("alerts", lambda: alerting.wishes(forecast, estimate.data, believed, config, {}))


def _tick(report: Report, model: EnrollmentModel, studies: int, seed: int) -> None:
    """Tell many studies at once that a day has passed."""
    body, day, facts = many(model, studies, MONTHS, seed)
    begun = time.perf_counter()
    block = restored(model, body)
    read = time.perf_counter() - begun
    for number, which in enumerate(("first after a restart", "next")):
        begun, used = time.perf_counter(), time.process_time()
        folded = checks.fold(model, [midnight(day + 1 + number, number)], block=block)
        wall, core = time.perf_counter() - begun, time.process_time() - used
        kinds = {kind: sum(one.kind == kind for one in folded.effects) for kind in ("estimate", "forecast", "alert")}
        report.add(
            "a day begins", day=which, studies=studies, facts=facts, **kinds, wall_s=wall, cpu_s=core,
            megabytes_said=sum(map(len, folded.lines)) / 1e6, cpu_ms_a_study=1e3 * core / studies,
        )  # fmt: skip
    report.bars.append(Bar(f"a day begins for {studies:,} studies", MOST_SECONDS, core, "s", most=True))
    begun = time.perf_counter()
    body = block.snapshot()
    wrote = time.perf_counter() - begun
    report.add(
        "snapshot", studies=studies, facts=facts, bytes_a_study=len(body) / studies, bytes_a_fact=len(body) / facts,
        write_s=wrote, read_s=read,
    )  # fmt: skip


def _imported(name: str) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {name}"], check=True)
    return time.perf_counter() - begun
