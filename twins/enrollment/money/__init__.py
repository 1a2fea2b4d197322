"""A study's budget tied draw by draw to its simulation: cost at completion, cash by month, scenarios."""

from twins.enrollment.money.accrual import Past, ToDate, accrue
from twins.enrollment.money.budget import TIME_DRIVEN, Booked, Budget, ExchangeRate, Kind, Line, to_date
from twins.enrollment.money.buildup import Buildup, day_value, enpv
from twins.enrollment.money.completion import Completion, completion
from twins.enrollment.money.course import Course, hold
from twins.enrollment.money.outlook import Outlook, outlook
from twins.enrollment.money.scenarios import Row, Scenario, Swing, compare, tornado

__all__ = [
    "TIME_DRIVEN",
    "Booked",
    "Budget",
    "Buildup",
    "Completion",
    "Course",
    "ExchangeRate",
    "Kind",
    "Line",
    "Outlook",
    "Past",
    "Row",
    "Scenario",
    "Swing",
    "ToDate",
    "accrue",
    "compare",
    "completion",
    "day_value",
    "enpv",
    "hold",
    "outlook",
    "to_date",
    "tornado",
]
