"""The force fields a job may name: files that OpenMM itself ships, by name, each with what it is for.

A force-field file may hold Python that its reader runs (OpenMM user guide, "Using <InitializationScript>"), so a job
never brings one: it names some of these.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Literal

from schemas.errors import SettingsError

Solvent = Literal["implicit", "explicit", "vacuum"]
Role = Literal["solute", "water", "implicit"]

_SOLUTES = (
    "amber03.xml", "amber10.xml", "amber14-all.xml", "amber14/DNA.OL15.xml", "amber14/DNA.bsc1.xml",
    "amber14/RNA.OL3.xml", "amber14/lipid17.xml", "amber14/protein.ff14SB.xml", "amber14/protein.ff15ipq.xml",
    "amber19-all.xml", "amber19/DNA.OL21.xml", "amber19/protein.ff19SB.xml", "amber96.xml", "amber99sb.xml",
    "amber99sbildn.xml", "amber99sbnmr.xml", "amberfb15.xml", "charmm36.xml",
)  # fmt: skip
_WATERS = (
    "amber14/opc.xml", "amber14/opc3.xml", "amber14/spce.xml", "amber14/tip3p.xml", "amber14/tip3pfb.xml",
    "amber14/tip4pew.xml", "amber14/tip4pfb.xml", "amber19/opc.xml", "amber19/opc3.xml", "amber19/spce.xml",
    "amber19/tip3p.xml", "amber19/tip3pfb.xml", "amber19/tip4pew.xml", "amber19/tip4pfb.xml", "charmm36/spce.xml",
    "charmm36/water.xml", "spce.xml", "tip3p.xml", "tip3pfb.xml", "tip4pew.xml", "tip4pfb.xml",
)  # fmt: skip
_IMPLICIT = (
    "amber03_obc.xml", "amber10_obc.xml", "amber96_obc.xml", "amber99_obc.xml", "implicit/gbn.xml",
    "implicit/gbn2.xml", "implicit/hct.xml", "implicit/obc1.xml", "implicit/obc2.xml",
)  # fmt: skip
FORCE_FIELDS: Mapping[str, Role] = {
    **dict.fromkeys(_SOLUTES, "solute"), **dict.fromkeys(_WATERS, "water"), **dict.fromkeys(_IMPLICIT, "implicit"),
}  # fmt: skip

# `implicit/*.xml` are custom forces, eight to fifteen times as slow on a CPU as the pair here: only who names them
# gets them.
DEFAULTS: Mapping[Solvent, tuple[str, ...]] = {
    "implicit": ("amber99sb.xml", "amber99_obc.xml"),
    "explicit": ("amber14-all.xml", "amber14/tip3p.xml"),
    "vacuum": ("amber14-all.xml",),
}


def check_force_field(names: tuple[str, ...], solvent: Solvent) -> tuple[str, ...]:
    """Give the files to use: those named, or the defaults of the solvent.

    Raises
    ------
    SettingsError
        If one is unknown, or they do not fit the solvent.

    Examples
    --------
    >>> check_force_field((), "implicit")
    ('amber99sb.xml', 'amber99_obc.xml')
    """
    if not names:
        return DEFAULTS[solvent]
    unknown = [name for name in names if name not in FORCE_FIELDS]
    if unknown or len(set(names)) < len(names):
        known = ", ".join(FORCE_FIELDS)
        raise SettingsError(
            f"expected force fields among {known}, each once, received {', '.join(names)[:200]}, "
            "in inputs.force_field; see docs/molecular_dynamics.md"
        )
    roles = {FORCE_FIELDS[name] for name in names}
    if solvent == "explicit" and "water" not in roles:
        raise _unfit("a water model beside them for explicit solvent", names)
    if (solvent == "implicit") != ("implicit" in roles):
        raise _unfit(f"{'one' if solvent == 'implicit' else 'none'} of implicit solvent for solvent {solvent}", names)
    return names


def file_hashes(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Give the SHA-256 of force-field files and of those they include, by name.

    Parameters
    ----------
    folder : Path
        Where OpenMM keeps its own.
    """
    found: dict[str, str] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        digest, included = _hashed(folder, name)
        found[name] = digest
        waiting += included
    return dict(sorted(found.items()))


@cache
def _hashed(folder: Path, name: str) -> tuple[str, tuple[str, ...]]:
    body = (folder / name).read_bytes()
    included = re.findall(rb'<Include file="([^"]+)"', body[:4096])
    at = name.rpartition("/")[0]
    paths = (one.decode() for one in included)
    return hashlib.sha256(body).hexdigest(), tuple(
        path if (folder / path).exists() or not at else f"{at}/{path}" for path in paths
    )


def _unfit(expected: str, names: tuple[str, ...]) -> SettingsError:
    return SettingsError(
        f"expected {expected}, received {', '.join(names)}, in inputs.force_field; see docs/molecular_dynamics.md"
    )
