"""Molecular dynamics as the pool runs it, in pieces with checkpoints and analyses, against OpenMM stepping alone.

Both run the same system on the same platform, turn by turn in one process, so that what else the machine does hits
both: each turn is so many seconds of either, and the ratio of their speeds in a turn is one sample.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.intervals import NORMAL_95
from benchmarks.report import Bar, Report, add_out, given
from schemas.errors import MissingExtraError
from schemas.jobs import SimulationSpec
from twins.engine import Device
from twins.molecule.dynamics import MolecularDynamics

PIECE_SECONDS, CHECKPOINT_SECONDS = 0.5, 2.0  # as the pool asks for them
SHARE = 0.95


def villin(water: bool) -> str:
    """Give OpenMM's own test structure as text: villin in water (8,867 atoms), or the protein alone (582)."""
    from openmm import app

    whole = app.PDBFile(str(Path(app.__file__).parent / "data" / "test.pdb"))
    modeller = app.Modeller(whole.topology, whole.positions)
    if not water:
        modeller.delete([one for one in modeller.topology.residues() if one.index >= 35])
        modeller.topology.setPeriodicBoxVectors(None)
    out = StringIO()
    app.PDBFile.writeFile(modeller.topology, modeller.positions, out, keepIds=True)
    return out.getvalue()


class Pooled:
    """The engine, carried on as a worker does: pieces, and a checkpoint each two seconds."""

    def __init__(self, inputs: dict[str, Any], device: Device) -> None:
        spec = SimulationSpec("md", "openmm", {}, 1, 1, 1.0, inputs)
        self.engine = MolecularDynamics().prepare(spec, [], device)
        self.inner: Any = self.engine  # what a context is made from stands in it
        while self.inner.at < self.inner.schedule.begin:
            self.engine.run(PIECE_SECONDS)
        self.kept, self.since = 0, 0.0

    def go(self, seconds: float) -> tuple[int, float]:
        """Go on for so long; give steps and seconds, with checkpoints, reports and analyses."""
        start, before = time.perf_counter(), self.inner.at
        last = start
        while (now := time.perf_counter()) - start < seconds:
            self.engine.run(min(PIECE_SECONDS, seconds - (now - start)))
            self.since += time.perf_counter() - last
            last = time.perf_counter()
            if self.since >= CHECKPOINT_SECONDS:
                self.kept, self.since = len(self.engine.checkpoint()), 0.0
        self.inner._state(positions=True)  # what an accelerator still has to do counts
        return self.inner.at - before, time.perf_counter() - start


class Bare:
    """OpenMM alone: the same system, in its own context, stepped in a loop."""

    def __init__(self, pooled: Pooled) -> None:
        import openmm
        from openmm import unit

        run = pooled.inner
        integrator = openmm.LangevinMiddleIntegrator(
            300 * unit.kelvin, 1 / unit.picosecond, run.inputs.step_femtoseconds * unit.femtosecond
        )
        platform = openmm.Platform.getPlatform(run.choice.platform)
        self.context = openmm.Context(run.prepared.system, integrator, platform, run.choice.properties)
        positions, velocities, box = run._state(positions=True, velocities=True)
        self.context.setPeriodicBoxVectors(*box)
        self.context.setPositions(positions)
        self.context.setVelocities(velocities)

    def go(self, seconds: float) -> tuple[int, float]:
        """Step for so long, ten steps a call, as OpenMM's own Simulation does."""
        start, steps = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            self.context.getIntegrator().step(10)
            steps += 10
        self.context.getState(positions=True)
        return steps, time.perf_counter() - start


def compare(inputs: dict[str, Any], device: Device, turns: int, seconds: float) -> dict[str, Any]:
    """Give both speeds and their ratio with its 95 % interval, from turns that alternate.

    Which goes first alternates too. The interval is of the mean of the turns' log ratios, by their own spread.
    """
    pooled = Pooled(inputs, device)
    bare = Bare(pooled)
    both: tuple[Callable[[float], tuple[int, float]], ...] = (pooled.go, bare.go)
    for go in both:
        go(seconds / 2)
    rates, worked = np.empty((turns, 2)), np.empty((turns, 2))
    for turn in range(turns):
        for which in (0, 1) if turn % 2 else (1, 0):
            before = time.process_time()
            steps, took = both[which](seconds)
            rates[turn, which], worked[turn, which] = steps / took, steps / (time.process_time() - before)
    logs = np.log(rates[:, 0] / rates[:, 1])
    middle, half = float(logs.mean()), NORMAL_95 * float(logs.std(ddof=1)) / math.sqrt(turns)
    a_day = pooled.inner.inputs.step_femtoseconds * 1e-6 * 86_400.0
    return {
        "platform": pooled.inner.choice.platform,
        "atoms": len(pooled.inner.prepared.positions),
        "ns_per_day": float(np.median(rates[:, 0])) * a_day,
        "bare_ns_per_day": float(np.median(rates[:, 1])) * a_day,
        "ratio": math.exp(middle),
        "low": math.exp(middle - half),
        "high": math.exp(middle + half),
        "ratio_by_processor_time": float(np.exp(np.mean(np.log(worked[:, 0] / worked[:, 1])))),
        "checkpoint_kib": pooled.kept / 1024,
        "reports": len(pooled.inner.rows),
    }


def main(arguments: Sequence[str]) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="md", description=__doc__)
    parser.add_argument("--turns", type=int, default=16, help="of each, alternating")
    parser.add_argument("--seconds", type=float, default=4.0, help="of a turn")
    parser.add_argument("--device", choices=("cpu", "cuda", "opencl"), default="cpu")
    parser.add_argument("--threads", type=int, default=2, help="of a processor")
    parser.add_argument("--only", default="", help="cases whose name holds this")
    add_out(parser)
    options = parser.parse_args(arguments)
    try:
        MolecularDynamics()
    except MissingExtraError as error:
        print(error)
        return 2
    length = {"nanoseconds": 5.0, "equilibrate_picoseconds": 0.1, "minimise_iterations": 20}
    protein = {"structure": {"format": "pdb", "text": villin(False)}, **length, "report_picoseconds": 1.0}
    water = {"structure": {"format": "pdb", "text": villin(True)}, "solvent": "explicit", "cutoff_nm": 0.9, **length,
             "report_picoseconds": 0.1, "nanoseconds": 0.5}  # fmt: skip
    cases = {
        "villin, implicit (GBSA)": protein,
        "villin in water, PME": water,
        "villin, implicit, reproducible": {**protein, "reproducible": True},
        "villin in water, PME, reproducible": {**water, "reproducible": True},
    }
    report = Report("md", "OpenMM through the engine against OpenMM alone, steps a second.", given(options))
    device = Device(options.device, 0, options.device, threads=options.threads)
    for name, inputs in cases.items():
        if options.only not in name:
            continue
        found = compare(inputs, device, options.turns, options.seconds)
        report.add("speed", system=name, **found)
        report.bars.append(Bar(f"{name}, through the engine over bare", SHARE, found["ratio"], ""))
    report.notes.append("`low` and `high` are the 95 % interval of the ratio, from the spread of the turns.")
    report.notes.append("By processor time the ratio says what the engine adds, whatever else the machine does.")
    report.notes.append("Reproducible: one thread, on both sides; bare OpenMM could not go on to the same bits.")
    report.write(options.out)
    return 0
