"""Read a prepared System that a job brings: plain XML of forces we know, and nothing that could be more than data.

OpenMM's reader takes any force, also `PythonForce`, which it unpickles. So the text is read here first, by a reader
that knows no entities, and what goes on to OpenMM is what was read, written anew: the two cannot understand it
differently.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

from schemas.errors import SettingsError

MOST_SYSTEM_CHARACTERS = 64 << 20
MOST_ELEMENTS = 4_000_000
MOST_DEPTH = 12

# Forces that are numbers and formulas only, and that OpenMM's own force fields make. Their formulas are arithmetic
# (Lepton): no names but their own variables and functions of numbers.
FORCES = frozenset(
    (
        "CMAPTorsionForce", "CMMotionRemover", "CustomBondForce", "CustomGBForce", "CustomNonbondedForce",
        "CustomTorsionForce", "GBSAOBCForce", "HarmonicAngleForce", "HarmonicBondForce", "NonbondedForce",
        "PeriodicTorsionForce", "RBTorsionForce",
    )
)  # fmt: skip
TABLES = frozenset(f"{kind}{n}DFunction" for kind in ("Continuous", "Discrete") for n in (1, 2, 3))


def check_system_xml(text: str) -> str:
    """Give a System's XML as it may be handed to OpenMM.

    Raises
    ------
    SettingsError
        If it is not XML, is too large, holds declarations, comments or CDATA, is not a System, or holds a force that
        is not among `FORCES`.

    Examples
    --------
    >>> check_system_xml('<System type="System" version="1"><Forces /></System>')
    '<System type="System" version="1"><Forces /></System>'
    """
    if len(text) > MOST_SYSTEM_CHARACTERS:
        raise _refused(f"at most {MOST_SYSTEM_CHARACTERS} characters", len(text))
    # After its first line such a text has neither: with them go DOCTYPE, entities, comments, CDATA, instructions.
    body = text.partition("?>")[2] if text.lstrip().startswith("<?xml") else text
    for mark in ("<!", "<?"):
        if mark in body:
            raise _refused("a System's elements and attributes alone", f"{mark} at character {body.index(mark)}")
    try:
        root = ET.fromstring(body.strip())  # noqa: S314, no DOCTYPE and no entity is left in it
    except ET.ParseError as error:
        raise _refused("XML", str(error)) from None
    if root.tag != "System" or root.get("type") != "System":
        raise _refused("the element System of type System", f"{root.tag[:40]} of type {root.get('type', 'none')[:40]}")
    _check_elements(root)
    return ET.tostring(root, encoding="unicode")


def _check_elements(root: ET.Element) -> None:
    """Look at every element: how many, how deep, and which force or table its `type` would make of it."""
    level, depth, count = [(root, child) for child in root], 1, 1
    while level:
        depth += 1
        count += len(level)
        if depth > MOST_DEPTH or count > MOST_ELEMENTS:
            raise _refused(f"at most {MOST_ELEMENTS} elements, {MOST_DEPTH} deep", f"{count}, {depth} deep")
        for parent, child in level:
            kind = child.get("type")
            is_force = child.tag == "Force" and parent.tag == "Forces" and depth == 3 and kind in FORCES
            is_table = child.tag == "Function" and kind in TABLES
            if not (is_force or is_table or kind is None or kind.isdigit()):
                known = ", ".join(sorted(FORCES))
                raise _refused(f"forces of the types {known}", f"{child.tag[:40]} of type {kind[:40]}")
        level = [(child, below) for _, child in level for below in child]


def _refused(expected: str, received: object) -> SettingsError:
    return SettingsError(
        f"expected {expected}, received {received}, in inputs.system; write it by openmm.XmlSerializer.serialize "
        "of a System with forces that docs/molecular_dynamics.md lists"
    )
