"""Likelihood of approval after BIO, Informa and QLS: clinical development 2011 to 2020."""

from __future__ import annotations

from twins.enrollment.money.parameters.figure import Figure

_SOURCE = "BIO, Informa Pharma Intelligence, QLS Advisors, Clinical development success rates 2011-2020, 2021"


def _from(name: str, value: float) -> Figure:
    return Figure(name, value, "1", "2011 to 2020", _SOURCE)


BIO: tuple[Figure, ...] = (
    _from("phase_1_to_approval", 0.079),
    _from("phase_2_success", 0.289),
    _from("phase_1_to_approval_haematology", 0.239),
    _from("phase_1_to_approval_urology", 0.036),
    _from("phase_1_to_approval_rare", 0.170),
    _from("phase_1_to_approval_biomarker_selected", 0.159),
    Figure("phase_1_to_approval_time", 10.5, "years", "2011 to 2020", _SOURCE),
)
