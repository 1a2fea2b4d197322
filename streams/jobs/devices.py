"""Which devices a worker's engines run on: what `--devices` names, or what is found. Nothing is loaded, nothing set.

Accelerators are asked for through `nvidia-smi`: to load their libraries here would take a context on each. A device's
processes see that device alone.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from schemas.errors import SettingsError
from twins.engine import Device

_QUERY = ("--query-gpu=index,name,memory.total,uuid", "--format=csv,noheader,nounits")
_QUERY_SECONDS = 10.0
# An engine process is given these, and no other: addresses and passwords stay with the worker.
_PASSED = re.compile(
    r"PATH|PYTHON(PATH|DONTWRITEBYTECODE|HASHSEED)|HOME|LANG|LC_\w+|TZ|TMPDIR|LD_LIBRARY_PATH|VIRTUAL_ENV"
    r"|(CUDA|NVIDIA|XLA|JAX|OPENMM|NUMBA)_\w+"
)
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENMM_CPU_THREADS")


@dataclass(frozen=True, slots=True)
class Place:
    """Where one engine process runs: the device as the engine sees it, its name, and what its environment adds."""

    device: Device
    name: str = "cpu"
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gpu:
    """An accelerator as `nvidia-smi` says it."""

    index: int
    name: str
    memory_bytes: int
    uuid: str


def places(
    devices: str,
    slots: int | None,
    *,
    environment: Mapping[str, str] = os.environ,
    find: Callable[[], Sequence[Gpu]] | None = None,
) -> list[Place]:
    """Give the places of a worker: one for each accelerator, and `slots` on the CPU.

    Parameters
    ----------
    devices : str
        `auto` (accelerators where there are any), `cpu` (none), or names such as `cuda:0,cuda:2`.
    slots : int or None
        Engine processes on the CPU; None: one for each core this process may use.

    Raises
    ------
    SettingsError
        If a device is named that is not there, or there would be no place at all.
    """
    cores = len(os.sched_getaffinity(0))
    cpus = cores if slots is None else slots
    gpus = _chosen(devices, environment, find or find_gpus)
    threads = max(1, cores // max(1, cpus + len(gpus)))
    if not cpus and not gpus:
        raise SettingsError(f"expected a device to run on, received --devices {devices} --slots 0; give one slot")
    return [_gpu_place(one, threads) for one in gpus] + [_cpu_place(threads)] * cpus


def find_gpus() -> list[Gpu]:
    """Ask for accelerators; none where the tool is missing or does not answer."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    try:
        said = subprocess.run([tool, *_QUERY], capture_output=True, text=True, timeout=_QUERY_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return read_gpus(said.stdout)


def read_gpus(text: str) -> list[Gpu]:
    """Read `nvidia-smi`'s lines; those that are none are passed over.

    Examples
    --------
    >>> read_gpus("0, NVIDIA L4, 23034, GPU-1f\\nNo devices were found\\n")
    [Gpu(index=0, name='NVIDIA L4', memory_bytes=24152899584, uuid='GPU-1f')]
    """
    found = []
    for line in text.splitlines():
        index, *rest = (word.strip() for word in line.split(","))
        if index.isdigit() and len(rest) == 3:
            memory = int(rest[1]) << 20 if rest[1].isdigit() else 0
            found.append(Gpu(int(index), rest[0], memory, rest[2]))
    return found


def clean_environment(environment: Mapping[str, str], added: Mapping[str, str]) -> dict[str, str]:
    """Give the environment of an engine process.

    Examples
    --------
    >>> clean_environment({"PATH": "/bin", "TWINSTREAM_DATABASE": "postgresql://u:p@h/d"}, {"OMP_NUM_THREADS": "1"})
    {'PATH': '/bin', 'OMP_NUM_THREADS': '1'}
    """
    return {name: value for name, value in environment.items() if _PASSED.fullmatch(name)} | dict(added)


def _chosen(devices: str, environment: Mapping[str, str], find: Callable[[], Sequence[Gpu]]) -> list[Gpu]:
    if devices == "cpu":
        return []
    seen = _allowed(list(find()), environment)
    if devices == "auto":
        return seen
    chosen = []
    for word in devices.split(","):
        match = re.fullmatch(r"cuda:(\d+)", word.strip())
        one = next((gpu for gpu in seen if match and gpu.index == int(match[1])), None)
        if one is None:
            there = ", ".join(f"cuda:{gpu.index}" for gpu in seen) or "none"
            raise SettingsError(f"expected auto, cpu, or devices that are there ({there}), received {word.strip()!r}")
        chosen.append(one)
    return chosen


def _allowed(gpus: list[Gpu], environment: Mapping[str, str]) -> list[Gpu]:
    """Leave out what CUDA_VISIBLE_DEVICES hides from this process; a GPU's slice (MIG) keeps its own name."""
    said = environment.get("CUDA_VISIBLE_DEVICES")
    if said is None:
        return gpus
    allowed: list[Gpu] = []
    for word in (word.strip() for word in said.split(",")):
        if word.startswith("MIG-") and gpus:
            allowed.append(Gpu(len(allowed), "a slice of a GPU", 0, word))
            continue
        one = next((gpu for gpu in gpus if word == str(gpu.index) or (word and gpu.uuid.startswith(word))), None)
        if one is None:
            break  # as CUDA itself does: what follows an entry that is none is not seen
        allowed.append(one)
    return allowed


def _gpu_place(gpu: Gpu, threads: int) -> Place:
    return Place(
        Device("cuda", 0, gpu.name, gpu.memory_bytes, threads),  # index 0: the only one that the process sees
        f"cuda:{gpu.index} {gpu.name}",
        {
            "CUDA_VISIBLE_DEVICES": gpu.uuid,
            "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
            "XLA_PYTHON_CLIENT_PREALLOCATE": "false",  # the card is shared by the engines of one process
            **_threads(threads),
        },
    )


def _cpu_place(threads: int) -> Place:
    environment = {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu", **_threads(threads)}
    return Place(Device("cpu", 0, "cpu", 0, threads), "cpu", environment)


def _threads(threads: int) -> dict[str, str]:
    return dict.fromkeys(_THREADS, str(threads))
