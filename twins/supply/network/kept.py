"""What is kept of each replication: enough for the answer, little enough for a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twins.supply.network.batch import Batch
from twins.supply.network.bottleneck import shares
from twins.supply.network.calendars import units_days
from twins.supply.network.kernel import FINISHED, LEFT
from twins.supply.network.model import Compiled

Floats = NDArray[np.float64]

BOTTLENECKS = 64  # replications whose bottleneck is followed; it costs more than the rest


@dataclass(frozen=True, slots=True)
class Kept:
    """Some replications. First axis: replication. `nan` where there is nothing to tell.

    `sojourn`, `patient_class`: of every patient, only of the network as it stands. `begun`, `ready`, `finish`: of the
    named ones. `came`, `finished`, `left`, `mean`: by class, of who came after the warm-up. `busy`, `waiting`, `wait`:
    by resource, share of units, mean number, days. `sole`, `shifting`: by resource, of the first replications.
    """

    sojourn: Floats
    patient_class: Floats
    begun: Floats
    ready: Floats
    finish: Floats
    came: Floats
    finished: Floats
    left: Floats
    mean: Floats
    busy: Floats
    waiting: Floats
    wait: Floats
    sole: Floats
    shifting: Floats


FIELDS = tuple(Kept.__dataclass_fields__)


def keep(network: Compiled, batch: Batch, whole: bool) -> Kept:
    """Take of a batch what is kept; of all patients only if `whole`."""
    named = len(network.named)
    warm_up = network.network.warm_up
    sojourn = batch.finish - batch.arrived
    counted = (batch.arrived >= warm_up) & (batch.arrived < batch.end[:, None])
    done = counted & (batch.status == FINISHED)
    came, finished, left, mean = np.zeros((4, len(batch.end), len(network.model.first)))
    for c in range(len(network.model.first)):
        of = batch.patient_class == c
        came[:, c] = (counted & of).sum(axis=1)
        finished[:, c] = (done & of).sum(axis=1)
        left[:, c] = (counted & of & (batch.status == LEFT)).sum(axis=1)
        mean[:, c] = _ratio(np.where(done & of, sojourn, 0.0).sum(axis=1), finished[:, c])
    span = np.maximum(batch.end - warm_up, 0.0)
    units = units_days(network.network, network.horizon, warm_up, batch.end)
    waited = batch.waited.sum(axis=2)
    sole, shifting = _bottlenecks(network, batch)
    kept = np.where(done, sojourn, np.nan) if whole else np.zeros((len(batch.end), 0))
    return Kept(
        sojourn=kept,
        patient_class=np.where(done, batch.patient_class, -1.0) if whole else kept,
        begun=batch.begun[:, :named].copy(),
        ready=batch.ready[:, :named].copy(),
        finish=np.where(batch.status[:, :named] == FINISHED, batch.finish[:, :named], np.nan),
        came=came,
        finished=finished,
        left=left,
        mean=mean,
        busy=_ratio(batch.busy_days, units),
        waiting=_ratio(batch.queue_days, span[:, None]),
        wait=_ratio(batch.wait_days.sum(axis=2), waited),
        sole=sole,
        shifting=shifting,
    )


def _ratio(top: Floats, low: NDArray[np.generic]) -> Floats:
    bottom = np.broadcast_to(low, top.shape)
    return np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1), np.nan)


def _bottlenecks(network: Compiled, batch: Batch) -> tuple[Floats, Floats]:
    resources = len(network.model.units)
    rows = [
        shares(*periods, resources, network.network.warm_up, float(end))
        for periods, end in zip(batch.periods, batch.end, strict=True)
        if len(periods[0])
    ]
    if not rows:
        return np.zeros((0, resources)), np.zeros((0, resources))
    return np.stack([one for one, _ in rows]), np.stack([two for _, two in rows])


def joined(parts: list[Kept]) -> Kept:
    """Put pieces one behind the other."""
    return Kept(*(np.concatenate([getattr(one, name) for one in parts]) for name in FIELDS))
