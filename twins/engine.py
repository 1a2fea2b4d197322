"""The contract of an engine: how one kind of re-simulation is checked, prepared, carried on in pieces, and answered.

    validate(spec)      prepare(spec, past, device) -> Run      Run: run(seconds), checkpoint(), restore(body), answer()

An engine is pure: no network, no clock but to stop a piece of work, no file, no unseeded number. It runs in a process
of its own, which may be killed at any moment; what it did since its last checkpoint is then done again, by the same
numbers. Every engine inherits `twins/engine_checks.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from schemas.jobs import Reproducibility, SimulationSpec
from twins.block import Memory

Overlap = Literal["finish", "supersede", "extend"]
DeviceKind = Literal["cpu", "cuda", "opencl"]
Needs = Literal["cpu", "prefers_gpu", "gpu"]


@dataclass(frozen=True, slots=True)
class Device:
    """What a run may use. `index` is that of the accelerator, 0 on a CPU; `memory_bytes` 0 where it is not known."""

    kind: DeviceKind = "cpu"
    index: int = 0
    name: str = "cpu"
    memory_bytes: int = 0
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Answer:
    """What a run found: `summary` in short (JSON, at most `MOST_SUMMARY_BYTES`), `document` whole (JSON)."""

    summary: dict[str, Any]  # Any: JSON, depends on the kind
    document: dict[str, Any]
    reproducibility: Reproducibility = "exact"
    bucket: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a run is: work done of all there is, in units of its own, and rates it says of itself."""

    done: float
    total: float
    note: str = ""
    rates: dict[str, float] = field(default_factory=dict)


class Run(Protocol):
    """One job under way. For one thread."""

    def run(self, seconds: float) -> Standing:
        """Go on for about so long, at most twice, and say how far it is. `done == total` is the end.

        Where a piece ends must not change a bit of the answer.
        """
        ...

    def checkpoint(self) -> bytes:
        """Give all that is needed to go on from here. Called between pieces; bounded, no pickle."""
        ...

    def restore(self, body: bytes) -> str:
        """Go on from a checkpoint of the same specification and versions; say how: `exact` or `portable`.

        Raises
        ------
        SnapshotError
            If the bytes are not that. The run is then as after `prepare`.
        """
        ...

    def answer(self) -> Answer:
        """Give what was found. Only after the end; may be called again."""
        ...


class Engine(Protocol):
    """One kind of re-simulation. Constants only."""

    kind: str
    needs: Needs
    overlap: Overlap  # what a newer question of the same twin does to one that is running

    def versions(self) -> dict[str, str]:
        """Name engine, libraries and what else decides the numbers. A checkpoint of other versions is not restored."""
        ...

    def validate(self, spec: SimulationSpec) -> None:
        """Check a specification whole, quickly and without running it.

        Raises
        ------
        SettingsError
            With what was expected, what came, where, what to do.
        """
        ...

    def prepare(self, spec: SimulationSpec, past: Sequence[Memory], device: Device) -> Run:
        """Make ready to run.

        Parameters
        ----------
        past : sequence of Memory
            What the ledger keeps of the twin, as the request asked for it: its mark, then minutes, ascending.

        Raises
        ------
        SettingsError
            If specification or past cannot be used.
        """
        ...


@runtime_checkable
class Merges(Protocol):
    """An engine that can run several jobs in one launch, each to the same bits as alone."""

    def together(self, spec: SimulationSpec) -> str:
        """Name the launch that a job fits into; jobs of one name may run together. Empty: alone."""
        ...

    def prepare_together(self, specs: Sequence[SimulationSpec], device: Device) -> Mapping[int, Run]:
        """Make ready several; a piece of work of any of them carries all on."""
        ...


__all__ = ["Answer", "Device", "Engine", "Merges", "Needs", "Overlap", "Run", "Standing"]
