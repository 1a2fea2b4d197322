"""Univariate control charts on standardised residuals: run rules, EWMA, CUSUM, and their run lengths."""

from twins.charts.cusum import CusumChart, CusumState, cusum_for
from twins.charts.ewma import EwmaChart, EwmaState, ewma_for
from twins.charts.rule_run_length import rules_arl
from twins.charts.rules import NELSON, WESTERN_ELECTRIC, RuleState, names_of
from twins.charts.run_length import cusum_arl, cusum_limit, ewma_arl, ewma_limit, shewhart_arl, shewhart_limit
from twins.charts.simulation import run_lengths

__all__ = [
    "NELSON", "WESTERN_ELECTRIC", "CusumChart", "CusumState", "EwmaChart", "EwmaState", "RuleState",
    "cusum_arl", "cusum_for", "cusum_limit", "ewma_arl", "ewma_for", "ewma_limit", "names_of", "rules_arl",
    "run_lengths", "shewhart_arl", "shewhart_limit",
]  # fmt: skip
