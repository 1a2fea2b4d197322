"""Units as a closed list of UCUM codes, and one canonical unit per dimension.

Source: The Unified Code for Units of Measure, version 2.2 (codes and factors). A value is converted
once, when it enters; behind the door a bare number is in the canonical unit of its dimension.
"""

from __future__ import annotations

from dataclasses import dataclass

from schemas.errors import UnitError


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit: canonical value = (value + shift) * scale."""

    code: str
    dimension: str
    scale: float
    shift: float = 0.0


def _units() -> dict[str, Unit]:
    # Dimension: rows of code, scale and, where there is one, shift; the canonical unit comes first.
    table: dict[str, list[tuple[str, float] | tuple[str, float, float]]] = {
        "temperature": [("Cel", 1.0, 0.0), ("K", 1.0, -273.15), ("[degF]", 5 / 9, -32.0)],
        "time": [("h", 1.0), ("min", 1 / 60), ("s", 1 / 3600), ("d", 24.0)],
        "rate": [("/h", 1.0), ("/min", 60.0), ("/s", 3600.0), ("/d", 1 / 24)],
        "volume": [("L", 1.0), ("l", 1.0), ("mL", 1e-3), ("ml", 1e-3), ("uL", 1e-6), ("ul", 1e-6), ("m3", 1e3)],
        "volume_flow": [("L/h", 1.0), ("L/min", 60.0), ("mL/h", 1e-3), ("mL/min", 0.06), ("uL/h", 1e-6)],
        "mass": [("g", 1.0), ("kg", 1e3), ("mg", 1e-3), ("ug", 1e-6)],
        "mass_concentration": [
            ("g/L", 1.0),
            ("g/l", 1.0),
            ("mg/mL", 1.0),
            ("kg/m3", 1.0),
            ("mg/L", 1e-3),
            ("ug/mL", 1e-3),
            ("ug/L", 1e-6),
        ],
        "substance_concentration": [("mmol/L", 1.0), ("mM", 1.0), ("mol/L", 1e3), ("umol/L", 1e-3)],
        "number_concentration": [("10*6/mL", 1.0), ("/mL", 1e-6), ("10*9/L", 1.0), ("/L", 1e-9), ("10*5/mL", 0.1)],
        "fraction": [("%", 1.0), ("1", 100.0)],
        "acidity": [("[pH]", 1.0)],
        "pressure": [
            ("bar", 1.0),
            ("mbar", 1e-3),
            ("Pa", 1e-5),
            ("kPa", 1e-2),
            ("[psi]", 0.0689475729),
            ("mm[Hg]", 1.33322387415e-3),
        ],
        "rotation": [("{rev}/min", 1.0), ("{rpm}", 1.0)],
        "gas_transfer": [("mmol/L/h", 1.0), ("mol/L/h", 1e3)],
        "arbitrary": [("[arb'U]", 1.0), ("{scatter}", 1.0), ("{AU}", 1.0), ("{OD}", 1.0)],
        "number": [("{number}", 1.0), ("{ratio}", 1.0)],
        "power": [("W", 1.0), ("kW", 1e3)],
        "conductivity": [("mS/cm", 1.0), ("uS/cm", 1e-3), ("S/m", 10.0)],
    }
    return {row[0]: Unit(row[0], dimension, *row[1:]) for dimension, rows in table.items() for row in rows}


UNITS: dict[str, Unit] = _units()
CANONICAL: dict[str, str] = {}
for _unit in UNITS.values():
    CANONICAL.setdefault(_unit.dimension, _unit.code)


def find_unit(code: str, where: str = "unit") -> Unit:
    """Look a unit up.

    Raises
    ------
    UnitError
        If the code is not on the list.

    Examples
    --------
    >>> find_unit("[degF]").dimension
    'temperature'
    """
    unit = UNITS.get(code)
    if unit is None:
        raise UnitError(
            expected="a UCUM code of the closed list, such as Cel, %, g/L, mL, /h",
            received=repr(code)[:40],
            where=where,
            advice="`twinstream schema units` lists them",
        )
    return unit


def to_canonical(value: float, code: str) -> tuple[float, str]:
    """Convert a value to the canonical unit of its dimension.

    Examples
    --------
    >>> to_canonical(98.6, "[degF]")
    (37.0, 'Cel')
    >>> to_canonical(250.0, "uL")
    (0.00025, 'L')
    """
    unit = find_unit(code)
    return (value + unit.shift) * unit.scale, CANONICAL[unit.dimension]
