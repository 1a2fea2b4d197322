"""What an NVIDIA GPU is good for: ensembles of 64 to 100,000 cultures there and on the CPU, and molecular dynamics.

Without a GPU that JAX sees (the extra `gpu`) it says so, and runs the part of the CPU.
"""

from __future__ import annotations

import argparse
import importlib
import time
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from benchmarks.ensemble import question
from benchmarks.report import Bar, Report, add_out, given
from twins.bioreactor.ensemble import BioreactorEnsemble
from twins.bioreactor.ensemble.stepping import Backend, jax_there
from twins.engine import Device

SIZES = (64, 256, 1024, 4096, 10_000, 30_000, 100_000)
TARGET_SIZE, TARGET_SECONDS = 10_000, 1.0


def main(arguments: Sequence[str]) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="gpu", description=__doc__)
    parser.add_argument("--hours", type=float, default=336.0)
    parser.add_argument("--most", type=int, default=0, help="draws; 0: 100,000 with a GPU, 1,024 without")
    parser.add_argument("--threads", type=int, default=2, help="of the CPU")
    parser.add_argument(
        "--md-seconds", type=float, default=2.0, help="of a turn of molecular dynamics; 0 leaves it out"
    )
    add_out(parser)
    options = parser.parse_args(arguments)
    report = Report("gpu", "Ensembles by size on the devices there are.", given(options))
    gpu = gpu_name()
    if gpu:
        report.notes.append(f"GPU: {gpu}.")
    else:
        report.notes.append("No NVIDIA GPU that JAX sees (pip install 'twinstream[gpu]'): the part of the CPU alone.")
    crossover = _ensembles(report, options, bool(gpu))
    if gpu:
        said = f"from {crossover:,} members on" if crossover else "at none of these sizes"
        report.notes.append(f"The GPU is faster {said}.")
    report.write(options.out)
    return _molecules(options, bool(gpu))


def gpu_name() -> str:
    """Name the NVIDIA GPU that JAX sees; empty without one."""
    if not jax_there():
        return ""
    jax = importlib.import_module("jax")
    try:
        return str(jax.devices("cuda")[0].device_kind)
    except (RuntimeError, IndexError):
        return ""


def _ensembles(report: Report, options: argparse.Namespace, gpu: bool) -> int:
    """Run every size on every device; give the least from which the GPU is faster, 0 for none."""
    backend: Backend = "jax" if jax_there() else "numpy"
    engine, crossover = BioreactorEnsemble(backend=backend), 0
    devices = {"cpu": Device(threads=options.threads)} | ({"cuda": Device("cuda")} if gpu else {})
    first = {name: _run(engine, 1, 3.0, device)[0] for name, device in devices.items()}
    most = options.most or (SIZES[-1] if gpu else 1024)
    for draws in (size for size in SIZES if size <= most):
        took: dict[str, float] = {}
        for name, device in devices.items():
            took[name], method = _run(engine, draws, options.hours, device)
            report.add(
                "ensembles", draws=draws, device=method["device"], backend=method["backend"], seconds=took[name],
                members_per_s=draws / took[name], bucket=method["bucket"], first_job_with_compiling_s=first[name],
            )  # fmt: skip
        if gpu:
            faster = took["cuda"] < took["cpu"]
            crossover = (crossover or draws) if faster else 0
            if draws == TARGET_SIZE:
                what = f"{draws:,} members on the GPU"
                report.bars.append(Bar(what, TARGET_SECONDS, took["cuda"], "s", most=True))
    return crossover


def _run(engine: BioreactorEnsemble, draws: int, hours: float, device: Device) -> tuple[float, dict[str, Any]]:
    begun = time.perf_counter()
    run = engine.prepare(question(draws, hours), (), device)
    while True:
        standing = run.run(1.0)
        if standing.done == standing.total:
            break
    method: dict[str, Any] = run.answer().document["method"]
    return time.perf_counter() - begun, method


def _molecules(options: argparse.Namespace, gpu: bool) -> int:
    """Run the benchmark of molecular dynamics, on the GPU where OpenMM has its plug-in."""
    if not options.md_seconds:
        return 0
    if find_spec("openmm") is None or find_spec("benchmarks.md") is None:
        print("OpenMM is not installed (pip install 'twinstream[md]'): no molecular dynamics.")
        return 0
    openmm = importlib.import_module("openmm")
    platforms = [openmm.Platform.getPlatform(k).getName() for k in range(openmm.Platform.getNumPlatforms())]
    device = "cuda" if gpu and "CUDA" in platforms else "cpu"
    if device == "cpu":
        print(f"OpenMM without CUDA here ({', '.join(platforms)}): molecular dynamics on the CPU.")
    chosen = ["--device", device, "--turns", "4", "--seconds", str(options.md_seconds), "--out", str(options.out)]
    return int(importlib.import_module("benchmarks.md").main(chosen))
