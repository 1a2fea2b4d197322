"""A patient's chain of identity and of custody: what scans say, what is wrong, and what cannot be told yet."""

from twins.supply.identity.facts import (
    Closed,
    Decided,
    Disposition,
    Fact,
    Handover,
    Labels,
    Opened,
    Ordered,
    Scan,
    ShipperPacked,
)
from twins.supply.identity.journey import Journey
from twins.supply.identity.judging import ADVICE, CODES, Violation
from twins.supply.identity.reading import Entry, JourneyReading
from twins.supply.identity.workflow import AUTOLOGOUS, Limit, Settings, Step, Workflow, check_workflow, read_workflow

__all__ = [
    "ADVICE",
    "AUTOLOGOUS",
    "CODES",
    "Closed",
    "Decided",
    "Disposition",
    "Entry",
    "Fact",
    "Handover",
    "Journey",
    "JourneyReading",
    "Labels",
    "Limit",
    "Opened",
    "Ordered",
    "Scan",
    "Settings",
    "ShipperPacked",
    "Step",
    "Violation",
    "Workflow",
    "check_workflow",
    "read_workflow",
]
