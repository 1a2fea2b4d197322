"""The answer to a question about a network: dates, queues, the bottleneck, and what each scenario changes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import special

from schemas.jobs import MOST_SUMMARY_BYTES
from twins.engine import Answer
from twins.supply.network.kept import Kept
from twins.supply.network.questions import KIND, Question

Floats = NDArray[np.float64]
Json = dict[str, Any]  # Any: JSON

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
CONFIDENCE = 0.95
DIGITS = 6
_SHORT = 16  # classes and resources that fit in any case, with names of 80 characters


def make_answer(question: Question, kept: Sequence[Kept], versions: dict[str, str]) -> Answer:
    """Lay it out. The document names every patient; the summary those whose slots are most at risk, while they fit."""
    base = kept[0]
    network = question.networks[0].network
    patients = _patients(question, base)
    said: Json = {
        "kind": KIND,
        "network": network.name,
        "draws": question.draws,
        "seed": question.seed,
        "horizon_days": question.networks[0].horizon,
        "warm_up_days": network.warm_up,
        "levels": list(LEVELS),
        "confidence": CONFIDENCE,
        "classes": _classes(question, base),
        "resources": _resources(question, base),
        "bottleneck": _bottleneck(question, base),
        "scenarios": [
            _scenario(question, place, base, kept[place]) for place in range(1, len(question.networks))
        ],
        "versions": versions,
    }  # fmt: skip
    moved = [_moved(base, one) for one in kept[1:]]
    document = {**said, "patients": patients}
    document["scenarios"] = [
        {**one, "patients_days_later": rows} for one, rows in zip(said["scenarios"], moved, strict=True)
    ]
    return Answer(_summary(said, patients), document)


def _summary(said: Json, patients: list[Json]) -> Json:
    """Leave out what does not fit on one message: patients whose slots are safe, then what scenarios do in detail, then
    classes and resources from the end of the document."""
    order = sorted(patients, key=lambda one: (2.0 if one["p_slot"] is None else one["p_slot"], one["patient"]))
    bare = {**said, "scenarios": [{"name": one["name"], "slots_lost": one["slots_lost"]} for one in said["scenarios"]]}
    short = {
        **bare, "classes": said["classes"][:_SHORT], "resources": said["resources"][:_SHORT],
        "bottleneck": {**said["bottleneck"], "resources": said["bottleneck"]["resources"][:_SHORT]},
    }  # fmt: skip
    for one in (said, bare, short):
        listed = order
        while True:
            summary = {**one, "patients": listed, "patients_left_out": len(order) - len(listed), "whole": one is said}
            if len(msgspec.json.encode(summary)) <= MOST_SUMMARY_BYTES:
                return summary
            if not listed:
                break
            listed = listed[: len(listed) * 3 // 4]
    return summary


def _classes(question: Question, kept: Kept) -> list[Json]:
    found = []
    for c, one in enumerate(question.networks[0].network.classes):
        days = kept.sojourn[kept.patient_class == c]
        found.append(
            {
                "class": one.name, "came": mean(kept.came[:, c]), "finished": mean(kept.finished[:, c]),
                "left": mean(kept.left[:, c]), "days": mean(kept.mean[:, c]), "days_quantiles": quantiles(days),
            }
        )  # fmt: skip
    return found


def _patients(question: Question, kept: Kept) -> list[Json]:
    """Dates of each named patient, in days from day 0; one that does not come so far by the horizon counts as later."""
    found = []
    for place, one in enumerate(question.networks[0].named):
        late = np.where(np.isnan(kept.begun[:, place]), math.inf, kept.begun[:, place])
        done = np.where(np.isnan(kept.finish[:, place]), math.inf, kept.finish[:, place])
        row: Json = {
            "patient": one.patient, "class": one.patient_class, "p_finished": number(np.isfinite(done).mean()),
            "infusion": quantiles(late), "finish": quantiles(done), "slot": one.slot, "p_slot": None,
            "p_slot_interval": None,
        }  # fmt: skip
        if one.slot is not None:
            in_time = int((kept.ready[:, place] <= one.slot).sum())  # nan: it never got there
            row["p_slot"] = number(in_time / len(late))
            row["p_slot_interval"] = wilson(in_time, len(late))
        found.append(row)
    return found


def _resources(question: Question, kept: Kept) -> list[Json]:
    return [
        {
            "resource": one.name, "units": one.units, "utilisation": mean(kept.busy[:, r]),
            "waiting": mean(kept.waiting[:, r]), "wait_days": mean(kept.wait[:, r]),
        }
        for r, one in enumerate(question.networks[0].network.resources)
    ]  # fmt: skip


def _bottleneck(question: Question, kept: Kept) -> Json:
    resources = question.networks[0].network.resources
    rows = [
        {"resource": one.name, "sole": mean(kept.sole[:, r]), "shifting": mean(kept.shifting[:, r])}
        for r, one in enumerate(resources)
    ]
    total = kept.sole + kept.shifting
    if not len(total):
        return {"resource": None, "share_of_replications": None, "replications": 0, "resources": rows}
    first = int(np.argmax(total.mean(axis=0)))
    return {
        "resource": resources[first].name if total[:, first].any() else None,
        "share_of_replications": number((total.argmax(axis=1) == first).mean()),
        "replications": len(total),
        "resources": rows,
    }


def _scenario(question: Question, place: int, base: Kept, kept: Kept) -> Json:
    """What a scenario changes, replication by replication on the same chance: scenario less as it stands."""
    network = question.networks[place]
    slots: list[Json] = []
    for n, one in enumerate(network.named):
        if one.slot is not None:
            before, after = (np.asarray(k.ready[:, n] <= one.slot, np.float64) for k in (base, kept))
            slots.append({"patient": one.patient, "p_slot_change": mean(after - before)})
    slots.sort(key=lambda one: (one["p_slot_change"]["mean"], one["patient"]))
    return {
        "name": question.names[place],
        "classes": [
            {
                "class": one.name, "days_change": mean(kept.mean[:, c] - base.mean[:, c]),
                "finished_change": mean(kept.finished[:, c] - base.finished[:, c]),
                "left_change": mean(kept.left[:, c] - base.left[:, c]),
            }
            for c, one in enumerate(network.network.classes)
        ],
        "resources": [
            {
                "resource": one.name, "utilisation_change": mean(kept.busy[:, r] - base.busy[:, r]),
                "waiting_change": mean(kept.waiting[:, r] - base.waiting[:, r]),
            }
            for r, one in enumerate(network.network.resources)
        ],
        "slots": slots[:20],
        "slots_lost": mean(-np.sum([_change(base, kept, n, one.slot) for n, one in enumerate(network.named)], axis=0))
        if slots else None,
    }  # fmt: skip


def _change(base: Kept, kept: Kept, n: int, slot: float | None) -> Floats:
    if slot is None:
        return np.zeros(len(base.ready))
    return np.asarray(kept.ready[:, n] <= slot, np.float64) - (base.ready[:, n] <= slot)


def _moved(base: Kept, kept: Kept) -> list[Json]:
    """How many days later each named patient is infused, over the draws in which both are."""
    return [mean(kept.begun[:, n] - base.begun[:, n]) for n in range(base.begun.shape[1])]


def mean(values: Floats) -> Json:
    """Give the mean over replications with Student's 95 % interval; null where there is nothing, or one alone.

    Examples
    --------
    >>> mean(np.array([1.0, 2.0, 3.0, np.nan]))
    {'mean': 2.0, 'low': -0.484138, 'high': 4.484138}
    """
    said = values[~np.isnan(values)]
    if len(said) == 0:
        return {"mean": None, "low": None, "high": None}
    middle = float(said.mean())
    if len(said) == 1:
        return {"mean": number(middle), "low": None, "high": None}
    half = float(special.stdtrit(len(said) - 1, 0.5 + CONFIDENCE / 2.0) * said.std(ddof=1) / math.sqrt(len(said)))
    return {"mean": number(middle), "low": number(middle - half), "high": number(middle + half)}


def quantiles(values: Floats) -> list[float | None]:
    """Give the quantiles at `LEVELS`; null where one lies beyond the horizon.

    Examples
    --------
    >>> quantiles(np.array([1.0, 2.0, 3.0, np.inf]))
    [1.0, 1.0, 2.0, 3.0, None]
    """
    if len(values) == 0:
        return [None] * len(LEVELS)
    return [number(one) for one in np.quantile(values, LEVELS, method="inverted_cdf")]


def wilson(kept: int, draws: int) -> list[float | None]:
    """Give Wilson's 95 % interval of a share.

    Examples
    --------
    >>> wilson(0, 100)
    [0.0, 0.036993]
    """
    z = float(special.ndtri(0.5 + CONFIDENCE / 2.0))
    share, width = kept / draws, z * z / draws
    middle = (share + width / 2.0) / (1.0 + width)
    half = z / (1.0 + width) * math.sqrt(share * (1.0 - share) / draws + width / (4.0 * draws))
    return [number(max(0.0, middle - half)), number(min(1.0, middle + half))]


def number(value: float) -> float | None:
    """Round for a message; null for what is not finite."""
    return round(float(value), DIGITS) if math.isfinite(value) else None
