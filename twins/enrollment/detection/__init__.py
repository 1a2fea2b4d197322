"""Changes of a study: of countries and of steps of the funnel, how its sites stand, and what explains a shortfall."""

from twins.enrollment.detection.findings import Band, Change, Findings, SiteHealth, Watched
from twins.enrollment.detection.settings import DetectionSettings
from twins.enrollment.detection.shortfall import Contribution, Shortfall, SitePlan, explain_shortfall, plan_of_curve
from twins.enrollment.detection.watch import watch

__all__ = [
    "Band",
    "Change",
    "Contribution",
    "DetectionSettings",
    "Findings",
    "Shortfall",
    "SiteHealth",
    "SitePlan",
    "Watched",
    "explain_shortfall",
    "plan_of_curve",
    "watch",
]
