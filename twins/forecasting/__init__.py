"""Intervals whose stated coverage is kept: conformal, fixed or adaptive, and forecasts that await their truth."""

from twins.forecasting.conformal import Tracker, TrackerState, split_quantile
from twins.forecasting.waiting import Due, Waiting

__all__ = ["Due", "Tracker", "TrackerState", "Waiting", "split_quantile"]
