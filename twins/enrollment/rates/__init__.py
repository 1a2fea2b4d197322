"""How fast subjects come: rates of sites, countries and the study learned from facts, and what they let one expect."""

from twins.enrollment.rates.drawing import draw
from twins.enrollment.rates.learning import Posterior, learn
from twins.enrollment.rates.outlook import LEVELS, Outlook, Reaching, Unreported, by_then, outlook
from twins.enrollment.rates.settings import RateSettings

__all__ = [
    "LEVELS",
    "Outlook",
    "Posterior",
    "RateSettings",
    "Reaching",
    "Unreported",
    "by_then",
    "draw",
    "learn",
    "outlook",
]
