"""Costs of trials by phase after Sertkaya et al. (ERG) for ASPE: US, data of about 2004 to 2012."""

from __future__ import annotations

from twins.enrollment.money.parameters.figure import Figure

_SOURCE = "Sertkaya, Birkenbach, Berlind, Eyraud (ERG) for ASPE, Examination of clinical trial costs and barriers, 2014"
_YEAR = "about 2004 to 2012"


def _usd(name: str, value: float) -> Figure:
    return Figure(name, value, "USD", _YEAR, _SOURCE)


SERTKAYA: tuple[Figure, ...] = (
    _usd("phase_1_total", 3.80e6),
    _usd("phase_1_procedures", 476e3),
    _usd("phase_1_source_verification", 326e3),
    _usd("phase_1_laboratory", 252e3),
    _usd("phase_2_total", 13.35e6),
    _usd("phase_2_procedures", 1.5e6),
    _usd("phase_2_administration", 1.3e6),
    _usd("phase_2_retention", 1.1e6),
    _usd("phase_2_monitoring", 1.1e6),
    _usd("phase_2_laboratory", 804e3),
    _usd("phase_2_nurse_and_monitor", 441e3),
    _usd("phase_2_source_verification", 406_038.0),
    _usd("phase_3_procedures", 2.3e6),
    _usd("phase_3_administration", 2.3e6),
    _usd("phase_3_monitoring", 1.6e6),
    _usd("phase_3_retention", 1.3e6),
    _usd("phase_3_nurse_and_monitor", 940e3),
    _usd("phase_3_laboratory", 849e3),
    Figure("overhead_low", 0.20, "share of subtotal", _YEAR, _SOURCE),
    Figure("overhead_high", 0.27, "share of subtotal", _YEAR, _SOURCE),
)
