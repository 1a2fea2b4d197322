"""Faults in words and in the data of effects: for a person who was just woken, by the site's own names of tags."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.instants import format_instant
from twins.bioreactor.fault_mapping import FaultMapping
from twins.bioreactor.fold import SIGNAL
from twins.faults.alarms import HEALED, Kind
from twins.faults.channels import ACTUATORS, CULTURE

Floats = NDArray[np.float64]
Data = dict[str, Any]  # Any: goes straight to JSON

OF_PROBE = {
    Kind.DROPPED: "{0} says nothing any more",
    Kind.STUCK: "{0} does not move any more: the probe or its line is frozen",
    Kind.STEPPED: "{0} jumped, and what belongs to it did not: the probe is wrong, not the vessel",
    Kind.SWAPPED: "{0} shows the values of {1}: the tags or the cables are exchanged",
    Kind.DRIFTED: "{0} drifts away from what belongs to it: the probe is wrong, or something leaks",
    Kind.STOPPED: "{0} gives nothing of what is asked for: pump, line, valve or drive",
    Kind.RUNAWAY: "{0} runs without being asked to",
    Kind.SHIFTED: "{0} is not what it was: an infection or another metabolism, and no probe",
}  # of a channel or, the last, of the culture
OF_ACTUATOR = OF_PROBE | {
    Kind.STEPPED: "{0} does not follow what is asked for",
    Kind.DRIFTED: "{0} drifts away from what is asked for",
}
NOT_USED = "its readings are not used for the estimate until it heals"
NOT_NEEDED = "the estimate does not rest on it; trust no limit on it until it heals"
PROCESS = "readings are used as before"


def fault_message(mapping: FaultMapping, place: int, kind: int, other: int, since: int) -> tuple[str, Data]:
    """Say what is at fault, since when, and what is done about it.

    Parameters
    ----------
    place, kind, other, since : int
        Of `twins.faults.Outcome`.

    Returns
    -------
    (str, dict)
        The message, and the same as data (`FaultNamed`).
    """
    tags = [mapping.names[one] for one in (place, other) if one >= 0]
    words = (OF_ACTUATOR if place in ACTUATORS else OF_PROBE)[Kind(kind)]
    what = words.format(*tags, "another tag")
    if kind != Kind.SWAPPED and len(tags) > 1:
        what = f"{words.format(tags[0])}; or it is {tags[1]}, for nothing else tells which of the two"
    done = NOT_USED if SIGNAL in tags else PROCESS if place == CULTURE else NOT_NEEDED
    at = format_instant(since)
    return f"{what}. Since {at} (UTC); {done}", {"kind": Kind(kind).name.lower(), "tags": tags, "since": at}


def healed_message(tag: str) -> str:
    """Say that a fault is over."""
    used = "; its readings are used again" if tag == SIGNAL else ""
    return f"nothing has spoken against {tag} for {HEALED} min{used}"


@dataclass(frozen=True, slots=True)
class Trust:
    """What is remembered of n twins: bits of channels not to be used (n,), what stands (n, 17), spikes (n, 16)."""

    distrusted: Floats
    kind: Floats
    other: Floats
    since: Floats
    spikes: Floats


def trust_data(mapping: FaultMapping, trust: Trust) -> list[Data]:
    """Say of each mapped tag of n twins whether it is trusted."""
    named = np.count_nonzero(trust.kind > 0, axis=1).tolist()
    counted = trust.spikes.astype(np.int64).tolist()
    mapped = mapping.mapped()
    said: list[Data] = []
    for j, bits in enumerate(trust.distrusted.astype(np.int64).tolist()):
        if not bits and not named[j]:
            said.append({tag: _fine(counted[j][row]) for row, tag in mapped})
        else:
            faults = _faults(mapping, trust.kind[j], trust.other[j], trust.since[j])
            said.append({tag: _trust(bits >> row & 1, faults.get(row), counted[j][row]) for row, tag in mapped})
    return said


def _faults(mapping: FaultMapping, kind: Floats, other: Floats, since: Floats) -> dict[int, Data]:
    """Give what stands against each channel of one twin, also as the other of a set of two."""
    found: dict[int, Data] = {}
    for place in [row for row, one in enumerate(kind.tolist()) if one > 0]:
        pair = int(other[place])
        for one, two in ((place, pair), (pair, place)) if pair >= 0 else ((place, pair),):
            found.setdefault(
                one,
                {
                    "kind": Kind(int(kind[place])).name.lower(),
                    "since": format_instant(int(since[place])) if since[place] >= 0 else None,
                    "other": mapping.names[two] if two >= 0 else None,
                },
            )
    return found


def _trust(distrusted: int, fault: Data | None, spikes: int) -> Data:
    if fault is None and not distrusted:
        return _fine(spikes)
    return {"trusted": not distrusted, "spikes": spikes, **(fault or {"kind": None, "since": None, "other": None})}


@lru_cache(maxsize=1024)
def _fine(spikes: int) -> Data:
    """Give what is said of a tag that is trusted: one object for all, which nobody changes."""
    return {"trusted": True, "kind": None, "since": None, "other": None, "spikes": spikes}
