"""An ensemble of CHO cultures over 14 days: time, members/s, and the error against steps of one minute.

Eight states, a feed that starts and a second one, boluses, samples; numpy, and JAX where it is installed, its
compilation apart. The reference takes classical Runge-Kutta steps of at most a minute, broken at every feed change.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.report import Bar, Report, add_out, given
from schemas.jobs import SimulationSpec
from twins.bioreactor.ensemble import BioreactorEnsemble
from twins.bioreactor.ensemble.job import EnsembleRun
from twins.bioreactor.ensemble.pilot import FLOOR
from twins.bioreactor.ensemble.stepping import Backend, jax_there
from twins.bioreactor.models import MODELS
from twins.engine import Device

MODEL = "cho_duran"
BARS: dict[str, float] = {"numpy": 60.0, "jax": 15.0}  # s, on 2 cores
MOST_ERROR = 1e-4
MINUTE = 1.0 / 60.0


def question(draws: int, hours: float, **more: Any) -> SimulationSpec:
    """Give the ensemble that is measured."""
    inputs: dict[str, Any] = {
        "spread": {"umax": 0.1, "Yxg": 0.1, "Kdmax": 0.1, "Kl": 0.1, "mg": 0.1},
        "feeds": [
            {"from_hour": 72.0, "to_hour": hours, "rate_litres_per_hour": 0.0015},
            {"from_hour": 150.5, "to_hour": min(hours, 240.25), "rate_litres_per_hour": 0.001},
        ],
        "boluses": [{"at_hour": 120.0, "volume_litres": 0.02, "composition": {"glucose": 300.0}}],
        "samples": [{"at_hour": 24.0 * day, "volume_litres": 0.005} for day in range(1, round(hours / 24.0))],
        "report_every_hours": 24.0,
    }
    inputs["feeds"] = [feed for feed in inputs["feeds"] if feed["from_hour"] < feed["to_hour"]]
    return SimulationSpec("bioreactor", MODEL, {}, 7, draws, hours, inputs | more)


def main(arguments: Sequence[str]) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="ensemble", description=__doc__)
    parser.add_argument("--draws", type=int, default=10_000)
    parser.add_argument("--hours", type=float, default=336.0)
    parser.add_argument("--checked", type=int, default=256, help="first draws that are held against the reference")
    parser.add_argument("--threads", type=int, default=2)
    add_out(parser)
    options = parser.parse_args(arguments)
    report = Report("ensemble", "Ensembles: how fast, and how accurate.", given(options))
    checked = min(options.checked, options.draws)
    reference = trajectories(
        BioreactorEnsemble(),
        question(checked, options.hours, step_hours=MINUTE),
        checked,
        Device(threads=options.threads),
    )[0]
    seconds: dict[str, float] = {}
    backends: list[Backend] = ["numpy", "jax"] if jax_there() else ["numpy"]
    for backend in backends:
        seconds[backend] = _measure(report, backend, options, reference, checked)
    if "jax" in seconds:
        report.notes.append(f"JAX takes {seconds['jax'] / seconds['numpy']:.2f} of the time of numpy.")
    else:
        report.notes.append("JAX is not installed: pip install 'twinstream[jax]'.")
    report.notes.append(
        f"Error: largest of all states at all reports, relative to the value or {FLOOR:g} of the state's scale."
    )
    report.write(options.out)
    return 0


def _measure(report: Report, backend: Backend, options: argparse.Namespace, reference: Any, checked: int) -> float:
    engine, device = BioreactorEnsemble(backend=backend), Device(threads=options.threads)
    begun = time.perf_counter()
    trajectories(engine, question(1, 3.0), 1, device)
    first = time.perf_counter() - begun
    begun_cpu = time.process_time()
    found, spent, method = trajectories(engine, question(options.draws, options.hours), checked, device)
    cpu = time.process_time() - begun_cpu
    scales = np.array([state.scale for state in MODELS[MODEL].states])[:, None]
    error = max(
        float(np.max(np.abs(ours - theirs) / np.maximum(np.abs(theirs), FLOOR * scales)))
        for ours, theirs in zip(found, reference, strict=True)
    )
    report.add(
        "ensemble", backend=backend, draws=options.draws, days=options.hours / 24.0, seconds=spent, cpu_seconds=cpu,
        members_per_s=options.draws / spent, error=error, said_by_pilots=method["pilot_error"],
        longest_step_h=method["step_hours"], shortest_step_h=method["shortest_step_hours"],
        first_job_with_compiling_s=first, bucket=method["bucket"],
    )  # fmt: skip
    report.bars.append(Bar(f"{options.draws:,} members by {backend}", BARS[backend], spent, "s", most=True))
    report.bars.append(Bar(f"error by {backend}, 1e-6", MOST_ERROR * 1e6, error * 1e6, "ppm", most=True))
    return spent


def trajectories(
    engine: BioreactorEnsemble, spec: SimulationSpec, checked: int, device: Device
) -> tuple[list[Any], float, dict[str, Any]]:
    """Run one: give states of the first draws at each report, shape (states, checked), seconds, and method."""
    begun = time.perf_counter()
    run = engine.prepare(spec, (), device)
    assert isinstance(run, EnsembleRun)
    found: list[Any] = []
    states = len(MODELS[MODEL].states)
    while True:
        standing = run.run(0.0)
        seen = len(run.reporters[0].rows) if run.reporters else 0
        if seen > len(found):
            found.append(run.reporters[0].last[:states, :checked].copy())
        if standing.done == standing.total:
            break
    answer = run.answer()
    return found, time.perf_counter() - begun, answer.document["method"]
