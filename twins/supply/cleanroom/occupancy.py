"""Who is in a room, by badges of which some are missing.

Someone badged in counts until badged out, at most `stay_hours`: then the way out is flagged as missing and the person
counts no more. Badged in twice: the first stay ended unseen, flagged. Badged out without a way in: flagged.
"""

from __future__ import annotations

from msgspec import Struct

from twins.supply.cleanroom.config import RoomConfig
from twins.supply.cleanroom.violations import Violation

_HOUR = 3_600_000_000


class Occupancy(Struct, frozen=True, array_like=True):
    """Who is in, each since when [us], by time; `person_us` and `occupied_us` are sums up to `at`."""

    at: int
    inside: tuple[tuple[int, str], ...] = ()
    person_us: int = 0
    occupied_us: int = 0
    emptied_at: int | None = None  # of the last time that the last one left


def advance(state: Occupancy, to: int) -> Occupancy:
    """Let time pass in which nobody comes or goes."""
    if to <= state.at:
        return state
    passed = to - state.at
    return Occupancy(
        to, state.inside, state.person_us + passed * len(state.inside),
        state.occupied_us + (passed if state.inside else 0), state.emptied_at,
    )  # fmt: skip


def next_expiry(state: Occupancy, config: RoomConfig) -> int | None:
    """Give when the first of those inside counts no more [us]."""
    return state.inside[0][0] + round(config.stay_hours * _HOUR) if state.inside else None


def expire(state: Occupancy, config: RoomConfig) -> tuple[Occupancy, Violation]:
    """Take out the first of those inside, whose way out is missing; call it at `next_expiry`."""
    since, person = state.inside[0]
    at = since + round(config.stay_hours * _HOUR)
    state = advance(state, at)
    return _with(state, state.inside[1:]), Violation(at, "badge_out_missing", (person,), f"in since {since}")


def badge(
    state: Occupancy, config: RoomConfig, at: int, person: str, entered: bool
) -> tuple[Occupancy, list[Violation]]:
    """Take a badge; give also the rules it broke: capacity, gown time, a badge that is missing."""
    state = advance(state, at)
    since = next((since for since, who in state.inside if who == person), None)
    others = tuple(pair for pair in state.inside if pair[1] != person)
    broken: list[Violation] = []
    if entered:
        if since is not None:
            broken.append(Violation(at, "badge_out_missing", (person,), f"in since {since}, and in again"))
        inside = tuple(sorted((*others, (at, person))))
        if since is None and len(inside) > config.capacity_people:
            broken.append(Violation(at, "capacity", tuple(sorted(who for _, who in inside)), f"{len(inside)} people"))
        return _with(state, inside), broken
    if since is None:
        return state, [Violation(at, "badge_in_missing", (person,))]
    if at - since > round(config.gown_minutes * 60_000_000):
        broken.append(Violation(at, "gown_time", (person,), f"{(at - since) / 60_000_000:.1f} minutes"))
    return _with(state, others), broken


def _with(state: Occupancy, inside: tuple[tuple[int, str], ...]) -> Occupancy:
    emptied = state.at if state.inside and not inside else state.emptied_at
    return Occupancy(state.at, inside, state.person_us, state.occupied_us, emptied)
