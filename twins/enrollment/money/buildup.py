"""Published formulas of what a trial costs: the build-up, the worth of a day, the risk-adjusted present value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from schemas.errors import ShapeError
from twins.enrollment.study import Floats


@dataclass(frozen=True, slots=True)
class Buildup:
    """Unit costs of the build-up, in one currency of one year; a source publishes them or the user does.

    `patient` is all that is paid for a patient (recruitment, retention, nurse and monitor, physician, procedures,
    laboratory); `site` once for a site; `site_month` retention and administration of a month; `monitoring_day` a day
    of monitoring at a site, of which there are `monitoring_days`; `study` data management, boards and amendments;
    `field` the check of each of `fields` against its source. `overhead` is a share of the subtotal.
    """

    patient: float
    site: float
    site_month: float
    monitoring_day: float
    monitoring_days: float
    study: float = 0.0
    field: float = 0.0
    fields: float = 0.0
    overhead: float = 0.0

    def cost(self, sites: float, patients_per_site: float, months: float) -> float:
        """Add up a study.

        Source
        ------
        Sertkaya, Birkenbach, Berlind, Eyraud (ERG) for ASPE, Examination of clinical trial costs and barriers, 2014.

        Examples
        --------
        >>> Buildup(100.0, 1000.0, 10.0, 5.0, 4.0, study=500.0, overhead=0.25).cost(2, 3, 12)
        4225.0
        """
        a_site = self.patient * patients_per_site + self.site + self.site_month * months
        a_site += self.monitoring_day * self.monitoring_days
        return (sites * a_site + self.study + self.field * self.fields) * (1.0 + self.overhead)


def day_value(success: float, sales_per_day: float, direct_per_day: float) -> float:
    """Price a day saved: sales at the probability that they come, and direct cost for certain.

    Examples
    --------
    >>> day_value(0.493, 500_000.0, 55_700.0)
    302200.0
    """
    if not 0.0 <= success <= 1.0:
        raise ShapeError(f"expected a probability in [0, 1], received {success}, in the value of a day")
    return success * sales_per_day + direct_per_day


def enpv(probability: Floats, cash: Floats, years: Floats, rate: float) -> float:
    """Sum p_k CF_k / (1 + r)^t_k.

    Parameters
    ----------
    probability, cash, years : array, shape (k,)
        Chance that a cash flow comes, its amount, its time [years from now].
    rate : float
        Discount a year, above -1.

    Examples
    --------
    >>> round(enpv(np.array([1.0, 0.5]), np.array([-100.0, 484.0]), np.array([0.0, 2.0]), 0.1), 6)
    100.0
    """
    if not probability.shape == cash.shape == years.shape or rate <= -1.0:
        raise ShapeError(
            f"expected like shapes and a rate above -1, received {probability.shape}, {cash.shape}, {rate}"
        )
    return float(np.sum(probability * cash / (1.0 + rate) ** years))
