"""A run of molecular dynamics: minimise, equilibrate, go on in blocks of steps, report; stop and go on at any block.

Where work stops must not change a bit. A block of steps can be cut anywhere, but a processor's list of neighbours
cannot: it is made when atoms have moved far enough, lives on, and decides the order in which forces are summed, and
a process that goes on from a checkpoint makes a new one. So a run that is to be exact makes it anew after each block.
"""

from __future__ import annotations

import hashlib
import time
from typing import Any

import msgspec
import numpy as np
import openmm
from numpy.typing import NDArray
from openmm import unit

from schemas.errors import SettingsError, SnapshotError, TwinstreamError
from schemas.jobs import SimulationSpec
from twins.engine import Answer, Device, Standing
from twins.molecule.answering import answer_of
from twins.molecule.observing import COLUMNS, Observer, solute_of
from twins.molecule.platforms import Choice, as_ours, choose
from twins.molecule.preparing import Prepared, derived_seed, prepare_system
from twins.molecule.snapshot import Mark, Origin, pack, unpack
from twins.molecule.specification import MolecularInputs, schedule_of

Floats = NDArray[np.float64]

# Steps of a block: so many over the number of atoms, at least one, at most the second. Some 0.1 s on a processor, 1 s
# where each ends in a new list of neighbours, which costs about as much as two steps, 0.02 s on an accelerator.
BLOCK, SEAMED_BLOCK, ACCELERATED_BLOCK = (20_000, 10), (400_000, 100), (2_000_000, 100)
MINIMISE_BLOCK = 5  # iterations; each takes some evaluations of all forces
SHIFT_NM = 5.0  # farther than any list of neighbours reaches
NO_FORCES = {31}  # a group that no force is in
TOLERANCE_KJ_PER_MOL_NM = 10.0  # OpenMM's own default: root mean square force where minimisation may end


def fitting(block: int, report_every: int) -> int:
    """Give a block of about that length whose ends meet those of reports, so that no list is made anew between.

    Examples
    --------
    >>> fitting(45, 50), fitting(45, 500), fitting(45, 20)
    (50, 50, 45)
    """
    if report_every < block:
        return block
    parts = -(-report_every // (block + block // 3))
    while report_every % parts and parts < report_every // block:
        parts += 1
    return -(-report_every // parts)


class MolecularRun:
    """One trajectory under way, as `twins.engine.Run` asks."""

    def __init__(self, spec: SimulationSpec, inputs: MolecularInputs, device: Device) -> None:
        self.inputs, self.seed = inputs, spec.seed
        self.schedule = schedule_of(inputs)
        self.prepared: Prepared = prepare_system(inputs, spec.seed)
        self.choice: Choice = choose(inputs, device)
        self.origin = Origin(
            openmm.Platform.getOpenMMVersion(), self.choice.platform, self.choice.device,
            self.choice.precision, self.choice.threads,
        )  # fmt: skip
        self.of = hashlib.sha256(msgspec.json.encode(spec, order="sorted") + self.prepared.hash.encode()).hexdigest()
        atoms = len(self.prepared.positions)
        self.seamed = self.choice.exact and self.choice.platform == "CPU" and self.prepared.has_cutoff
        accelerated = self.choice.platform in ("CUDA", "OpenCL")
        work, most = SEAMED_BLOCK if self.seamed else ACCELERATED_BLOCK if accelerated else BLOCK
        self.block = min(most, max(1, work // atoms))
        if self.seamed:
            self.block = fitting(self.block, self.schedule.report_every)
        self.observer = Observer(
            solute_of(self.prepared.topology), self.prepared.positions, inputs.contact_cutoff_nm,
            _degrees_of_freedom(self.prepared.system), self.schedule.reports(self.schedule.total),
        )  # fmt: skip
        self.stepped, self.stepping_seconds = 0, 0.0
        self.rows: list[Floats] = []
        self._begin()

    def run(self, seconds: float) -> Standing:
        """Go on for about so long, whole blocks at a time."""
        start = now = time.perf_counter()
        try:
            while self.at < self.schedule.total:
                before, at = now, self.at
                self._advance()
                now = time.perf_counter()
                if self.at > self.schedule.minimise and at >= self.schedule.minimise:
                    self.stepped += self.at - at
                    self.stepping_seconds += now - before
                # Stop where one more block like the last would lead farther beyond than this is short of it.
                if now - start + 0.5 * (now - before) >= seconds:
                    break
        except openmm.OpenMMException as error:
            raise as_ours(error, f"at {self._place()}") from error
        return Standing(float(self.at), float(self.schedule.total), self._place(), self._rates())

    def checkpoint(self) -> bytes:
        """Give all that is needed to go on from here."""
        return pack(self._marked())

    def restore(self, body: bytes) -> str:
        """Go on from a checkpoint: exactly where what wrote it is what reads it, else from its state alone."""
        try:
            mark = unpack(body, self.of)
            if len(mark.positions) != len(self.prepared.positions) or not self._plausible(mark):
                raise SnapshotError(f"expected a place within {self.schedule.total} steps, received {mark.at}")
            exactly = mark.origin == self.origin
            self._begin("integrator" if exactly else f"portable/{mark.at}")
            if exactly:
                self.context.loadCheckpoint(mark.native)
                self._check_loaded(mark)
            else:
                self._set_state(mark)
        except (openmm.OpenMMException, SnapshotError) as error:
            self._begin()
            raise SnapshotError(f"expected a checkpoint to go on from, received another: {error}") from error
        self.at, self.rows = mark.at, list(mark.rows)
        self.exact = mark.exact and exactly
        return "exact" if exactly else "portable"

    def answer(self) -> Answer:
        """Give series, averages, and the solute where it ended."""
        if self.at < self.schedule.total:
            raise TwinstreamError(f"expected a run at its end, received one at {self._place()}; call run first")
        exact = self.choice.exact and self.exact
        return answer_of(
            self.inputs, self.prepared, self.choice, self.observer.solute,
            np.array(self.rows).reshape(-1, len(COLUMNS)), self._state(positions=True)[0], exact,
        )  # fmt: skip

    # How it goes on.

    def _begin(self, drawn_for: str = "integrator") -> None:
        """Stand at the start, in a new context: one that has worked keeps a list of neighbours."""
        integrator = openmm.LangevinMiddleIntegrator(
            self.inputs.temperature_kelvin * unit.kelvin,
            self.inputs.friction_per_picosecond / unit.picosecond,
            self.inputs.step_femtoseconds * unit.femtosecond,
        )
        integrator.setRandomNumberSeed(derived_seed(self.seed, drawn_for))
        platform = openmm.Platform.getPlatform(self.choice.platform)
        try:
            self.context: Any = openmm.Context(self.prepared.system, integrator, platform, self.choice.properties)
            self.context.setPositions(self.prepared.positions)
        except openmm.OpenMMException as error:
            raise as_ours(error, "when the system was put on the device") from error
        self.at, self.exact = 0, True
        self.rows = []

    def _advance(self) -> None:
        """Do one block; report where one is due."""
        plan = self.schedule
        if self.at < plan.minimise:
            iterations = min(MINIMISE_BLOCK, plan.minimise - self.at)
            openmm.LocalEnergyMinimizer.minimize(self.context, TOLERANCE_KJ_PER_MOL_NM, iterations)
            self.at += iterations
            self._seam()
            return
        if self.at == plan.minimise:
            self.context.setVelocitiesToTemperature(
                self.inputs.temperature_kelvin * unit.kelvin, derived_seed(self.seed, "velocities")
            )
            self._report_if_due()
        ahead = self._next_stop() - self.at
        self.context.getIntegrator().step(ahead)
        self.at += ahead
        self._report_if_due()
        self._seam()

    def _next_stop(self) -> int:
        """Give the end of the block: the next of whole blocks, reports, and ends of parts, wherever work stopped."""
        plan, steps = self.schedule, self.at - self.schedule.begin
        ends = [(steps // self.block + 1) * self.block + plan.begin, plan.total]
        if self.at < plan.begin:
            ends.append(plan.begin)
        else:
            ends.append(((self.at - plan.begin) // plan.report_every + 1) * plan.report_every + plan.begin)
        return min(ends)

    def _report_if_due(self) -> None:
        if len(self.rows) >= self.schedule.reports(self.at):
            return
        state = self.context.getState(positions=True, energy=True)
        potential, kinetic = (
            one.value_in_unit(unit.kilojoule_per_mole) for one in (state.getPotentialEnergy(), state.getKineticEnergy())
        )
        picoseconds = (self.at - self.schedule.begin) * self.inputs.step_femtoseconds * 1e-3
        positions = _array(state.getPositions(asNumpy=True))
        row = self.observer.row(len(self.rows), picoseconds, potential, kinetic, positions)
        if not np.all(np.isfinite(row[:5])):
            raise SettingsError(
                f"expected energies that stay finite, received {potential:g} and {kinetic:g} kJ/mol at {self._place()}"
                "; take a shorter step or more minimisation"
            )
        self.rows.append(row)

    def _seam(self) -> None:
        """Have the list of neighbours made anew at the next step: let it be made far away, and come back."""
        if not self.seamed:
            return
        positions = self._state(positions=True)[0]
        self.context.setPositions(positions + SHIFT_NM)
        self.context.getState(energy=True, groups=NO_FORCES)
        self.context.setPositions(positions)

    # What it says.

    def _marked(self) -> Mark:
        positions, velocities, box = self._state(positions=True, velocities=True)
        rows = np.array(self.rows).reshape(-1, len(COLUMNS))
        native = self.context.createCheckpoint()
        return Mark(self.of, self.origin, self.at, self.exact, rows, positions, velocities, box, native)

    def _state(self, **what: bool) -> tuple[Floats, Floats, Floats]:
        state = self.context.getState(**what)
        positions = _array(state.getPositions(asNumpy=True))
        velocities = _array(state.getVelocities(asNumpy=True)) if "velocities" in what else np.zeros((0, 3))
        return positions, velocities, _array(state.getPeriodicBoxVectors(asNumpy=True))

    def _set_state(self, mark: Mark) -> None:
        self.context.setPeriodicBoxVectors(*mark.box)
        self.context.setPositions(mark.positions)
        self.context.setVelocities(mark.velocities)

    def _check_loaded(self, mark: Mark) -> None:
        """OpenMM's bytes carry no sum of their own: they must lead to the state that lies beside them."""
        if self._state(positions=True)[0].tobytes() != mark.positions.tobytes():
            raise SnapshotError("positions that are not those of the state beside them")

    def _plausible(self, mark: Mark) -> bool:
        due = self.schedule.reports(mark.at)
        # At the end of minimisation velocities are still to be drawn, so a report due there is still to come.
        return 0 <= mark.at <= self.schedule.total and (
            len(mark.rows) == due or (mark.at == self.schedule.minimise and not len(mark.rows))
        )

    def _place(self) -> str:
        plan = self.schedule
        if self.at < plan.minimise:
            return f"minimising, iteration {self.at} of {plan.minimise}"
        if self.at < plan.begin:
            return f"equilibrating, step {self.at - plan.minimise} of {plan.equilibrate}"
        return f"step {self.at - plan.begin} of {plan.steps}"

    def _rates(self) -> dict[str, float]:
        if not self.stepping_seconds:
            return {}
        days = self.stepping_seconds / 86_400.0
        return {"ns_per_day": self.stepped * self.inputs.step_femtoseconds * 1e-6 / days}


def _array(quantity: Any) -> Floats:
    # A copy: what OpenMM hands out may be read-only, and its unit is nm or nm/ps.
    return np.array(quantity._value, dtype=np.float64)


def _degrees_of_freedom(system: Any) -> int:
    """Count what temperature is shared among: three a particle with mass, less constraints and a held centre."""
    massive = sum(system.getParticleMass(i)._value > 0 for i in range(system.getNumParticles()))
    bound = sum(
        system.getParticleMass(i)._value > 0 or system.getParticleMass(j)._value > 0
        for i, j, _ in (system.getConstraintParameters(k) for k in range(system.getNumConstraints()))
    )
    held = any(isinstance(force, openmm.CMMotionRemover) for force in system.getForces())
    return int(max(1, 3 * massive - bound - 3 * held))
