"""The funnel of a study: who passes each step and when, who is on the way, who is not known yet, when to stop."""

from twins.enrollment.funnel.calendar import Calendar, learn_calendar, open_weights
from twins.enrollment.funnel.in_flight import InFlight, in_flight
from twins.enrollment.funnel.nowcast import Nowcast, nowcast
from twins.enrollment.funnel.posterior import Funnel, funnel
from twins.enrollment.funnel.reporting import Reporting, at_once, learn_reporting
from twins.enrollment.funnel.stopping import (
    Arrivals,
    Excess,
    Stop,
    Stratum,
    arrivals,
    arrivals_of,
    screening_load,
    stop_screening,
    strata,
)
from twins.enrollment.funnel.taking import lags

__all__ = [
    "Arrivals",
    "Calendar",
    "Excess",
    "Funnel",
    "InFlight",
    "Nowcast",
    "Reporting",
    "Stop",
    "Stratum",
    "arrivals",
    "arrivals_of",
    "at_once",
    "funnel",
    "in_flight",
    "lags",
    "learn_calendar",
    "learn_reporting",
    "nowcast",
    "open_weights",
    "screening_load",
    "stop_screening",
    "strata",
]
