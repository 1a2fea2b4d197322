"""Alarms worth acting on: limits kept apart, deadband and delays, suppression of consequences, and the figures."""

from twins.alarming.floods import Flood
from twins.alarming.kpis import Figure, KpiSettings, OperatorReport, assess
from twins.alarming.limits import AlarmRule, Band, TagLimits, rules_of
from twins.alarming.records import AlarmRecord, Period, period_of
from twins.alarming.suppression import Consequence, SuppressionState, SuppressionTable

__all__ = [
    "AlarmRecord", "AlarmRule", "Band", "Consequence", "Figure", "Flood", "KpiSettings", "OperatorReport", "Period",
    "SuppressionState", "SuppressionTable", "TagLimits", "assess", "period_of", "rules_of",
]  # fmt: skip
