"""Molecular dynamics as an engine: what the pool loads for jobs of kind `md`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from schemas.errors import MissingExtraError
from schemas.jobs import SimulationSpec
from twins.block import Memory
from twins.engine import Device, Needs, Overlap, Run
from twins.molecule.force_fields import FORCE_FIELDS, file_hashes
from twins.molecule.specification import read_inputs

ENGINE = "1"  # of our own laws: another number does not go on from an older one's checkpoints


class MolecularDynamics:
    """The engine `md`.

    Raises
    ------
    MissingExtraError
        If OpenMM is not installed.
    """

    kind = "md"
    needs: Needs = "prefers_gpu"
    overlap: Overlap = "finish"

    def __init__(self) -> None:
        try:
            import openmm
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "openmm":
                raise
            raise MissingExtraError("openmm", "md") from None
        self._openmm = str(openmm.Platform.getOpenMMVersion())
        self._data = Path(str(openmm.__file__)).parent / "app" / "data"

    def versions(self) -> dict[str, str]:
        """Name engine and libraries, and by a hash the force fields that come with them."""
        files = file_hashes(self._data, FORCE_FIELDS)
        together = hashlib.sha256("\n".join(f"{name} {digest}" for name, digest in files.items()).encode())
        return {
            "md": ENGINE,
            "openmm": self._openmm,
            "force_fields": together.hexdigest()[:16],
            "numpy": version("numpy"),
            "scipy": version("scipy"),
        }

    def validate(self, spec: SimulationSpec) -> None:
        """Check a specification. Whether the force field knows each residue shows when it is prepared."""
        read_inputs(spec)

    def prepare(self, spec: SimulationSpec, past: Sequence[Memory], device: Device) -> Run:
        """Build system and context. The past of a twin says nothing to it, and is passed over."""
        from twins.molecule.running import MolecularRun

        return MolecularRun(spec, read_inputs(spec), device)
