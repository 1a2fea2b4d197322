"""The engines this installation knows: our own, and those that plug-ins register under `twinstream.engines`.

An engine is loaded only in the process that runs it: its libraries are heavy, and may end a process. What the others
must know of each stands here.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cache
from importlib import metadata

from schemas.errors import SettingsError
from twins.engine import Engine, Needs, Overlap

GROUP = "twinstream.engines"


@dataclass(frozen=True, slots=True)
class EngineEntry:
    """Where an engine is, `module:factory`, and what dispatcher and worker must know without loading it."""

    kind: str
    target: str
    overlap: Overlap = "supersede"
    needs: Needs = "cpu"
    memory_mb: int = 4096
    silent_seconds: float = 120.0  # without progress for so long, its process is ended
    packages: tuple[str, ...] = ("numpy", "scipy")  # whose versions decide its numbers
    tells_twin: bool = True  # False: a person's question is answered to people alone, no twin reads it
    names_run: bool = False  # `inputs.batch` of its specification names the run it is about


OURS = (
    EngineEntry(
        "bioreactor",
        "twins.bioreactor.ensemble:BioreactorEnsemble",
        "supersede",
        "prefers_gpu",
        packages=("numpy", "scipy", "jax", "jaxlib"),
        names_run=True,
    ),
    EngineEntry("enrollment", "twins.enrollment.course:EnrollmentCourse", "supersede"),
    EngineEntry(
        "supply",
        "twins.supply.network:SupplyNetwork",
        "supersede",
        packages=("numpy", "scipy", "numba"),
        tells_twin=False,
    ),
    EngineEntry("bioreactor.reestimate", "twins.bioreactor.reestimate:Reestimate", "supersede", names_run=True),
    EngineEntry(
        "supply.plan", "twins.supply.planning:SupplyPlan", "supersede", packages=("numpy", "ortools"), tells_twin=False
    ),
    EngineEntry(
        "md",
        "twins.molecule.dynamics:MolecularDynamics",
        "finish",
        "prefers_gpu",
        8192,
        300.0,
        ("numpy", "openmm"),
        tells_twin=False,
    ),
)


def engines() -> dict[str, EngineEntry]:
    """Give every known engine by its kind. A plug-in names a callable that gives an `Engine`, and gets the defaults."""
    found = {one.kind: one for one in OURS}
    for entry in metadata.entry_points(group=GROUP):
        found.setdefault(entry.name, EngineEntry(entry.name, entry.value))
    return found


@cache
def tells_twin(kind: str) -> bool:
    """Tell whether a twin reads an engine's answers to what a person asked; of one that is not known here it may.

    Examples
    --------
    >>> tells_twin("bioreactor"), tells_twin("md"), tells_twin("nobody's")
    (True, False, True)
    """
    entry = engines().get(kind)
    return entry is None or entry.tells_twin


@cache
def versions_beside(kind: str) -> tuple[tuple[str, str], ...]:
    """Name the versions, as installed beside this process, of the packages that decide an engine's numbers.

    Examples
    --------
    >>> [name for name, _ in versions_beside("md")], versions_beside("nobody's")
    (['numpy', 'openmm'], ())
    """
    entry = engines().get(kind)
    return () if entry is None else tuple((name, _version(name)) for name in entry.packages)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "none"


def load_engine(entry: EngineEntry) -> Engine:
    """Load an engine, in the process that is to run it.

    Raises
    ------
    SettingsError
        If there is none at that place. An engine whose extra is missing raises MissingExtraError.
    """
    module, _, name = entry.target.partition(":")
    try:
        engine: Engine = getattr(importlib.import_module(module), name)()
    except (ModuleNotFoundError, AttributeError) as error:
        raise SettingsError(f"expected an engine at {entry.target}, received {error}; reinstall it") from None
    return engine
