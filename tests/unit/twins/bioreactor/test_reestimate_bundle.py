"""Draws go through a run as the twin itself went through it, but in coarser steps."""

from __future__ import annotations

import numpy as np
import pytest

from schemas.instants import MINUTE
from tests.unit.twins.bioreactor.reestimated import asked, row_of, run_of
from twins.bioreactor.fold import Beside, ParameterTable, prior
from twins.bioreactor.late import Record, Refold, refold
from twins.bioreactor.reestimation.bundle import Bundle
from twins.bioreactor.reestimation.changed import Held
from twins.bioreactor.reestimation.history import read_history
from twins.bioreactor.reestimation.question import read_question
from twins.bioreactor.rows import EMPTY_BUCKET, EXCHANGED, NO_ITEMS, PROBE, RETAINED, Change, read_row
from twins.block import Memory


def lived() -> list[Memory]:
    """Give a run of eight hours with a bolus, small feeds, a sample, a calibrated probe and an exchange of medium."""
    rows = {one.event_time: one for one in run_of(8)}
    more = [row_of(minute, (*EMPTY_BUCKET[:5], 200_000, 0)) for minute in range(61, 85)]
    more.append(row_of(135, (*EMPTY_BUCKET[:5], 30_000_000, 0)))
    more.append(row_of(200, (*EMPTY_BUCKET[:5], 0, 10_000_000)))
    for minute, change in (
        (305, Change(0, PROBE, "p", gain_sd=0.05)),
        (425, Change(0, EXCHANGED, "e", RETAINED, volume=300_000_000, parameters=(("glucose", 20.0),))),
    ):
        at = row_of(minute).event_time
        dated = Change(
            at, change.order, change.id, change.name, "", -1, "wall", change.volume, change.parameters, change.gain_sd
        )
        more.append(row_of(minute, items=NO_ITEMS.with_change(dated)))
    rows |= {one.event_time: one for one in more}
    return [rows[time] for time in sorted(rows)]


def test_a_draw_at_the_priors_medians_believes_what_the_twin_believes() -> None:
    rows = lived()
    question = read_question(asked(prior={"mu_m": [0.029, 0.0]}))
    history = read_history(question, rows)
    bundle = Bundle(question.process, history, Held(question, np.zeros((1, 2)), np.zeros(2), np.full(2, np.inf)), 2)
    while bundle.go_on():
        pass

    process, table = question.process, ParameterTable({})
    beside = Beside(process=process)
    folded = {one.event_time // MINUTE: read_row(one.event_time // MINUTE, one.body or b"") for one in rows}
    end = max(folded) + 1
    twin = refold([Record(prior(table, beside), -1, folded)], [Refold(0, 0, end, end, False)], table, beside)
    assert twin.m is not None
    process.move(twin.m, np.array([end * MINUTE]), np.ones(1), np.ones(1, dtype=np.bool_))
    belief = process.read(twin.m, np.array([0]), np.ones(1))

    assert (bundle.joint.mean[:, 0] == bundle.joint.mean[:, 1]).all()
    assert bundle.joint.volume[0] == pytest.approx(1.0 + 24 * 2e-4 + 0.03 - 0.01)
    sds = np.sqrt(np.maximum(np.einsum("iij->ij", belief.covariance)[:, 0], 1e-12))
    assert np.abs((bundle.joint.mean - belief.mean)[:, 0] / sds).max() < 0.02
    own = np.sqrt(np.einsum("iij->ij", bundle.joint.covariance)[:, 0])
    assert np.abs(np.log(np.maximum(own, 1e-6) / np.maximum(sds, 1e-6))).max() < 0.02
