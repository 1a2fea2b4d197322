"""Choose what OpenMM computes on, and say how it is set: the accelerator where there is one, else the processor."""

from __future__ import annotations

import re
from dataclasses import dataclass

import openmm

from schemas.errors import DeviceLostError, TwinstreamError
from twins.engine import Device
from twins.molecule.specification import MolecularInputs, refused

_CHOICES = {"cuda": ("CUDA", "OpenCL", "CPU"), "opencl": ("OpenCL", "CPU"), "cpu": ("CPU",)}
# How OpenMM's CUDA and OpenCL platforms name an error of the driver: `(700)` and the like stand behind it.
_LOST = re.compile(r"CUDA_ERROR_(?!OUT_OF_MEMORY)\w+|No compatible CUDA device|Error initializing CUDA|"
                   r"\bcl[A-Z]\w+\b.*\(-\d+\)|No compatible OpenCL (?:platform|device)")  # fmt: skip
_FULL = re.compile(r"CUDA_ERROR_OUT_OF_MEMORY|CL_(?:MEM_OBJECT_ALLOCATION_FAILURE|OUT_OF_RESOURCES)|bad_alloc")
_BLOWN_UP = re.compile(r"\bnan\b|infinite", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Choice:
    """A platform with its settings. `exact`: the same work gives the same bits, here and in another process."""

    platform: str
    properties: dict[str, str]
    device: str
    precision: str
    threads: int
    exact: bool


def choose(inputs: MolecularInputs, device: Device) -> Choice:
    """Choose a platform for a job on a device.

    A job that is to be reproducible runs on one thread of the processor, with forces summed in one order: only so
    does OpenMM give equal bits (see docs/molecular_dynamics.md). Otherwise the device decides, and where OpenMM has
    no plug-in for it, the next best.
    """
    there = {openmm.Platform.getPlatform(n).getName() for n in range(openmm.Platform.getNumPlatforms())}
    if inputs.platform == "Reference":
        return Choice("Reference", {}, "cpu", "double", 1, True)
    wanted = _CHOICES[device.kind] if inputs.platform == "auto" and not inputs.reproducible else ("CPU",)
    name = next((one for one in wanted if one in there), "")
    if name in ("CUDA", "OpenCL"):
        properties = {"DeviceIndex": str(device.index), "Precision": inputs.precision}
        return Choice(name, properties, device.name, inputs.precision, 1, False)
    if name != "CPU":
        raise refused(f"one of the platforms {', '.join(wanted)}", ", ".join(sorted(there)), "this OpenMM")
    # What a device of another kind is called says nothing about the processor.
    processor = device.name if device.kind == "cpu" else "cpu"
    threads = 1 if inputs.reproducible else max(1, device.threads)
    properties = {"Threads": str(threads), "DeterministicForces": "true" if inputs.reproducible else "false"}
    return Choice("CPU", properties, processor, "mixed", threads, inputs.reproducible)


def as_ours(error: Exception, where: str) -> Exception:
    """Say what an error of OpenMM is: of the device, of its memory, of the job; itself where we cannot tell."""
    said = " ".join(str(error).split())[:300]
    if _FULL.search(said):
        return MemoryError(f"expected a system that fits into the device's memory, received {said}, {where}")
    if _LOST.search(said):
        return DeviceLostError(f"expected an accelerator that answers, received {said}, {where}; run it elsewhere")
    if _BLOWN_UP.search(said):
        return refused("motion that stays finite: a shorter step or more minimisation", said, where)
    return TwinstreamError(f"expected OpenMM to go on, received {said}, {where}")
