"""Doors and ways: interlocked pairs, and ways that people and material may take through a door."""

from __future__ import annotations

from twins.supply.cleanroom.config import RoomConfig
from twins.supply.cleanroom.violations import Violation


def interlocked(config: RoomConfig, open_doors: tuple[str, ...], door: str, at: int) -> list[Violation]:
    """Name each interlock that the opening of a door breaks, with both doors."""
    return [
        Violation(at, "interlock", tuple(sorted(pair)), "both doors were open")
        for pair in config.interlocks
        if door in pair and (pair[0] if pair[1] == door else pair[1]) in open_doors and pair[0] != pair[1]
    ]


def way(config: RoomConfig, door: str, who: str, entered: bool, person: bool, at: int) -> Violation | None:
    """Name who or what took a door a way that it may not be taken; a door unknown or not named says nothing."""
    for doorway in config.doorways:
        if doorway.door == door:
            allowed = doorway.people if person else doorway.material
            taken = "in" if entered else "out"
            if allowed not in ("both", taken):
                kind = "personnel_flow" if person else "material_flow"
                return Violation(at, kind, (who, door), f"went {taken}, allowed: {allowed}")
    return None
