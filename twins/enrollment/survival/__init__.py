"""Event times and drop-out of event-driven trials, on top of enrollment: laws, what data say of them, and forecasts."""

from twins.enrollment.survival.arrivals import arrivals
from twins.enrollment.survival.bands import number_quantiles
from twins.enrollment.survival.beliefs import Beliefs, Prior, fixed, learn
from twins.enrollment.survival.closed import (
    Accrual,
    Hazards,
    day_of_events,
    expected_events,
    expected_of_ongoing,
    number_law,
)
from twins.enrollment.survival.design import events_needed
from twins.enrollment.survival.fitting import Fit, fit, weights
from twins.enrollment.survival.forecast import (
    EventDraws,
    Look,
    Outlook,
    Settings,
    believe,
    forecast_events,
    outlook,
    simulate,
)
from twins.enrollment.survival.kaplan_meier import Curve, kaplan_meier
from twins.enrollment.survival.laws import Law, LawName, law
from twins.enrollment.survival.observed import Observed, observed

__all__ = [
    "Accrual",
    "Beliefs",
    "Curve",
    "EventDraws",
    "Fit",
    "Hazards",
    "Law",
    "LawName",
    "Look",
    "Observed",
    "Outlook",
    "Prior",
    "Settings",
    "arrivals",
    "believe",
    "day_of_events",
    "events_needed",
    "expected_events",
    "expected_of_ongoing",
    "fit",
    "fixed",
    "forecast_events",
    "kaplan_meier",
    "law",
    "learn",
    "number_law",
    "number_quantiles",
    "observed",
    "outlook",
    "simulate",
    "weights",
]
