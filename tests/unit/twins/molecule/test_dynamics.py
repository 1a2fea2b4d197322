"""A run of molecular dynamics: where it is stopped, resumed or begun anew changes no bit of what it finds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from schemas.errors import DeviceLostError, MissingExtraError, SettingsError, SnapshotError, TwinstreamError
from schemas.jobs import MOST_SUMMARY_BYTES, SimulationSpec
from tests.support.peptide import peptide_inputs
from twins.engine import Device, Run
from twins.molecule.dynamics import MolecularDynamics
from twins.molecule.specification import read_inputs

ROOT = Path(__file__).parents[4]
WATER: dict[str, Any] = {
    "solvent": "explicit", "add_solvent": {"padding_nm": 0.45}, "cutoff_nm": 0.5, "nanoseconds": 0.0003,
    "minimise_iterations": 7, "equilibrate_picoseconds": 0.06, "report_picoseconds": 0.07,
}  # fmt: skip
SHORT: dict[str, Any] = {"nanoseconds": 0.0006, "minimise_iterations": 12, "equilibrate_picoseconds": 0.1}
CASES: dict[str, dict[str, Any]] = {
    "all pairs": SHORT,
    "by a cutoff": {**SHORT, "cutoff_nm": 0.6},
    "in water": WATER,
    "at once": {**SHORT, "minimise_iterations": 0, "equilibrate_picoseconds": 0.0},
}

openmm_needed = pytest.mark.openmm


def spec(seed: int = 7, residues: int = 4, **inputs: Any) -> SimulationSpec:
    return SimulationSpec("md", "openmm", {}, seed, 1, 1.0, {**peptide_inputs(residues), **inputs})


def begun(one: SimulationSpec, device: Device | None = None) -> Run:
    return MolecularDynamics().prepare(one, [], device or Device(threads=2))


def ended(run: Run, seconds: float = 100.0) -> str:
    """Give the answer's bytes as text."""
    standing = run.run(seconds)
    while standing.done < standing.total:
        standing = run.run(seconds)
    return msgspec.json.encode(run.answer()).decode()


def test_without_openmm_it_says_which_extra_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openmm", None)
    with pytest.raises(MissingExtraError, match=r"twinstream\[md\]"):
        MolecularDynamics()


@openmm_needed
@pytest.mark.parametrize("name", CASES)
def test_pieces_and_checkpoints_anywhere_change_no_bit(name: str) -> None:
    one = spec(**CASES[name])
    straight = begun(one)
    wanted = ended(straight)
    assert json.loads(wanted)["reproducibility"] == "exact"
    pieces, marks = begun(one), []
    standing = pieces.run(0.0)
    while standing.done < standing.total:
        marks.append(pieces.checkpoint())
        standing = pieces.run(0.0)
    marks.append(pieces.checkpoint())
    assert msgspec.json.encode(pieces.answer()).decode() == wanted
    assert len(marks) > 5
    for mark in marks[:: max(1, len(marks) // 6)] + marks[-1:]:
        other = begun(one)
        assert other.restore(mark) == "exact"
        assert other.checkpoint() == mark
        assert ended(other) == wanted


@openmm_needed
def test_a_run_that_loses_its_process_after_each_piece_ends_with_the_same_bits() -> None:
    one = spec(**CASES["by a cutoff"])
    wanted, run, pieces = ended(begun(one)), begun(one), 0
    standing = run.run(0.0)
    while standing.done < standing.total:
        mark, run = run.checkpoint(), begun(one)
        run.restore(mark)
        standing, pieces = run.run(0.0), pieces + 1
    assert pieces > 5
    assert msgspec.json.encode(run.answer()).decode() == wanted


AGAIN = """
import sys, msgspec
from schemas.jobs import SimulationSpec
from twins.engine import Device
from twins.molecule.dynamics import MolecularDynamics
spec, mark = (open(path, "rb").read() for path in sys.argv[1:])
run = MolecularDynamics().prepare(msgspec.json.decode(spec, type=SimulationSpec), [], Device(threads=1))
assert run.restore(mark) == "exact"
standing = run.run(100.0)
assert standing.done == standing.total
sys.stdout.write(msgspec.json.encode(run.answer()).decode())
"""


@openmm_needed
def test_another_process_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    one = spec(**CASES["in water"])
    wanted, run = ended(begun(one)), begun(one)
    for _ in range(4):
        run.run(0.0)
    (tmp_path / "spec").write_bytes(msgspec.json.encode(one))
    (tmp_path / "mark").write_bytes(run.checkpoint())
    done = subprocess.run(
        [sys.executable, "-c", AGAIN, str(tmp_path / "spec"), str(tmp_path / "mark")],
        capture_output=True, text=True, cwd=ROOT, timeout=120, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == wanted


@openmm_needed
def test_elsewhere_it_goes_on_from_the_state_alone_and_says_so() -> None:
    one = spec(**SHORT)
    run = begun(one)
    while run.run(0.0).done < 100:
        pass
    mark = run.checkpoint()
    other = begun(one, Device(name="another processor"))
    assert other.restore(mark) == "portable"
    answer = json.loads(ended(other))
    assert answer["reproducibility"] == "statistical"
    again = begun(one, Device(name="another processor"))
    again.restore(mark)
    middle = again.checkpoint()
    last = begun(one, Device(name="another processor"))
    assert last.restore(middle) == "exact"
    assert json.loads(ended(last))["reproducibility"] == "statistical"


@openmm_needed
def test_a_checkpoint_that_cannot_be_trusted_leaves_the_run_at_its_start() -> None:
    from twins.molecule.snapshot import pack, unpack

    one = spec(**SHORT)
    run, other = begun(one), begun(one)
    wanted = ended(begun(one))
    while run.run(0.0).done < 100:
        pass
    body = run.checkpoint()
    mark = unpack(body, run.of)  # type: ignore[attr-defined]
    changes = {"native": mark.native[:100]}, {"positions": mark.positions + 0.1}, {"at": 10**9}, {"at": 3}
    forged = [pack(replace(mark, **change)) for change in changes]
    for bad in (b"", body[:-1], body[:200] + b"\0" + body[201:], begun(spec(seed=8, **SHORT)).checkpoint(), *forged):
        other.run(0.0)
        with pytest.raises(SnapshotError):
            other.restore(bad)
    assert ended(other) == wanted


@openmm_needed
def test_another_seed_is_another_trajectory_and_the_same_system() -> None:
    one, other = (json.loads(ended(begun(spec(seed=seed, add_hydrogens=True, **SHORT)))) for seed in (1, 2))
    assert one["document"]["series"]["potential_kj_per_mol"] != other["document"]["series"]["potential_kj_per_mol"]
    assert one["summary"]["atoms"] == other["summary"]["atoms"] == 52


@openmm_needed
def test_the_summary_is_bounded_and_says_what_was_done() -> None:
    run = begun(spec(nanoseconds=0.0006, report_picoseconds=0.002, minimise_iterations=5, equilibrate_picoseconds=0.0))
    with pytest.raises(TwinstreamError, match="at its end"):
        run.answer()
    answer = json.loads(ended(run))
    summary, series = answer["summary"], answer["document"]["series"]
    assert len(json.dumps(summary)) < MOST_SUMMARY_BYTES
    assert {len(values) for values in summary["series"].values()} == {100}
    assert {len(values) for values in series.values()} == {301}
    assert sum(one is not None for one in series["sasa_nm2"]) == 101
    assert summary["rmsd_of"] == "alpha_carbons"
    assert summary["force_field"].keys() == {"amber99sb.xml", "amber99_obc.xml"}
    assert answer["document"]["final"]["solute_pdb"].count("\nATOM") + 1 > 40
    total = np.array(series["potential_kj_per_mol"]) + np.array(series["kinetic_kj_per_mol"])
    assert np.allclose(total, series["total_kj_per_mol"])
    assert series["time_ps"][-1] == pytest.approx(0.6)


@openmm_needed
def test_it_is_held_at_its_temperature() -> None:
    """1,000 reports 10 fs apart at 300 K of 138 degrees of freedom: one has a deviation of 300 sqrt(2 / f), and with
    friction 50/ps some hundred are independent, so the mean lies within 12 K in all but one of 10,000 runs.
    """
    run = begun(spec(nanoseconds=0.01, report_picoseconds=0.01, friction_per_picosecond=50.0, step_femtoseconds=1.0))
    mean = json.loads(ended(run))["summary"]["statistics"]["temperature_kelvin"]["mean"]
    assert mean == pytest.approx(300.0, abs=12.0)


@openmm_needed
def test_rates_are_told_while_it_runs_and_stay_out_of_the_answer() -> None:
    run = begun(spec(**{**SHORT, "reproducible": False}))
    while (standing := run.run(0.05)).done < standing.total:
        pass
    assert standing.rates["ns_per_day"] > 0.0
    assert "ns_per_day" not in json.dumps(msgspec.to_builtins(run.answer()))
    assert run.answer().reproducibility == "statistical"


@openmm_needed
def test_a_run_that_blows_up_says_what_to_do() -> None:
    run = begun(spec(step_femtoseconds=5.0, constraints="none", minimise_iterations=0, temperature_kelvin=1000.0,
                     nanoseconds=0.05, equilibrate_picoseconds=0.0))  # fmt: skip
    with pytest.raises(SettingsError, match="shorter step"):
        ended(run)


@openmm_needed
@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("Error invoking kernel: CUDA_ERROR_LAUNCH_FAILED (719)", DeviceLostError),
        ("Error downloading array posq: CUDA_ERROR_ILLEGAL_ADDRESS (700)", DeviceLostError),
        ("No compatible CUDA device is available", DeviceLostError),
        ("Error downloading array energyBuffer: clEnqueueReadBuffer (-36)", DeviceLostError),
        ("Error creating array: CUDA_ERROR_OUT_OF_MEMORY (2)", MemoryError),
        ("Particle coordinate is NaN.  For more information, see ...", SettingsError),
        ("anything else", TwinstreamError),
    ],
)
def test_errors_of_a_device_are_told_from_those_of_a_job(said: str, kind: type[Exception]) -> None:
    from twins.molecule.platforms import as_ours

    assert type(as_ours(Exception(said), "at step 3 of 9")) is kind


@openmm_needed
def test_a_reproducible_run_takes_one_thread_of_the_processor_whatever_there_is() -> None:
    from twins.molecule.platforms import choose

    device = Device("cuda", 1, "H200", threads=8)
    found = choose(read_inputs(spec()), device)
    assert (found.platform, found.threads, found.exact, found.device) == ("CPU", 1, True, "cpu")
    assert found.properties["DeterministicForces"] == "true"
    free = choose(read_inputs(spec(reproducible=False)), Device(threads=2))
    assert (free.platform, free.threads, free.exact) == ("CPU", 2, False)
    reference = choose(read_inputs(spec(platform="Reference")), device)
    assert (reference.platform, reference.exact) == ("Reference", True)


@openmm_needed
def test_versions_name_all_that_decides_the_numbers() -> None:
    assert MolecularDynamics().versions().keys() == {"md", "openmm", "force_fields", "numpy", "scipy"}
    assert (MolecularDynamics.kind, MolecularDynamics.needs, MolecularDynamics.overlap) == (
        "md",
        "prefers_gpu",
        "finish",
    )
