"""What a day of a trial costs after Smith, DiMasi and Getz 2024: 645 drugs, 409 budgets."""

from __future__ import annotations

from twins.enrollment.money.parameters.figure import Figure

_SOURCE = "Smith, DiMasi and Getz 2024, cost of a day of delay in drug development"
_YEAR = "2024, as published"


def _daily(name: str, value: float) -> Figure:
    return Figure(name, value, "USD/d", _YEAR, _SOURCE)


SMITH: tuple[Figure, ...] = (
    _daily("phase_1_direct", 7_829.0),
    _daily("phase_2_direct", 23_737.0),
    _daily("phase_3_direct", 55_716.0),
    _daily("phase_4_direct", 14_091.0),
    _daily("phase_2_3_direct", 40_000.0),
    _daily("unrealised_sales", 500_000.0),
    Figure("sales_fall_low", 80_000.0, "USD/d per year", _YEAR, _SOURCE),
    Figure("sales_fall_high", 100_000.0, "USD/d per year", _YEAR, _SOURCE),
    Figure("phase_3_success", 0.493, "1", _YEAR, _SOURCE),
)
