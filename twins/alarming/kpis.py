"""How well an alarm system serves its operators: the figures of ISA-18.2 and EEMUA 191, each with its verdict.

Figures are per operator position and over a period of a month or so; only alarms that were shown count. An alarm
belongs to the period in which it was raised; what stands counts while it stands.

Source
------
ANSI/ISA-18.2-2016, clause 16 (metrics and targets); EEMUA 191 ed. 3. Targets that the standards
give as "about" are taken at their number. Where no target is published there is no verdict.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from schemas.effects import AlertPriority
from schemas.errors import SettingsError
from schemas.instants import DAY, HOUR, MINUTE
from twins.alarming import nuisance
from twins.alarming.floods import (
    TEN_MINUTES,
    Flood,
    Ints,
    Windows,
    count_between,
    count_fixed,
    count_sliding,
    find_floods,
)
from twins.alarming.nuisance import Source
from twins.alarming.records import AlarmRecord, Period, check_records

Verdict = Literal["acceptable", "manageable", "over"]
PRIORITIES: tuple[AlertPriority, ...] = ("low", "medium", "high", "critical")
MOST_FREQUENT = 10
PER_HOUR_LARGEST = 30  # hours with more are counted
PER_TEN_MINUTES_LARGEST = 10  # ten minutes with more are counted


@dataclass(frozen=True, slots=True)
class Bar:
    """Up to `acceptable` a figure is acceptable, up to `manageable` it can be managed; `below`: less, not equal."""

    acceptable: float
    manageable: float | None = None
    below: bool = False

    def judge(self, value: float) -> Verdict:
        """Give the verdict on a value."""
        if value < self.acceptable or (value == self.acceptable and not self.below):
            return "acceptable"
        if self.manageable is not None and value <= self.manageable:
            return "manageable"
        return "over"


# Published bars, by figure; a figure that is not here has none.
BARS: dict[str, Bar] = {
    "alarms_per_day": Bar(150, 300),
    "alarms_per_hour": Bar(6, 12),
    "alarms_per_10_minutes": Bar(1, 2),
    "peak_per_10_minutes": Bar(10),
    "hours_over_30_percent": Bar(1, below=True),
    "ten_minutes_over_10_percent": Bar(1, below=True),
    "flood_percent": Bar(1, below=True),
    "top_10_percent": Bar(1, 5),
    "chattering": Bar(0),
    "fleeting": Bar(0),
    "stale_peak": Bar(5, below=True),
    "above_low_percent": Bar(20),  # 80 % low
    "above_medium_percent": Bar(5),  # 15 % medium, 5 % high
    "critical_percent": Bar(1, below=True),  # where a fourth priority is used
}


@dataclass(frozen=True, slots=True)
class KpiSettings:
    """What the standards leave open.

    Parameters
    ----------
    windows : {"fixed", "sliding"}
        How ten minutes are laid, for floods and for the peak.
    flood_begins_at : int
        10: a flood is 10 alarms in ten minutes or more; 11: more than 10.
    flood_ends_below : int
        Alarms in ten minutes.
    chattering_count, chattering_width : int
        So many alarms of one source within so long [us].
    fleeting_width : int
        Cleared within less than this, and not chattering [us]. Assumed: the standard says "short".
    stale_after : int
        Standing for longer than this [us].
    """

    windows: Windows = "fixed"
    flood_begins_at: int = 10
    flood_ends_below: int = 5
    chattering_count: int = 3
    chattering_width: int = MINUTE
    fleeting_width: int = MINUTE
    stale_after: int = DAY

    def __post_init__(self) -> None:
        if self.windows not in ("fixed", "sliding"):
            raise SettingsError(f"expected fixed or sliding windows, received {self.windows!r}")
        if not 1 <= self.flood_ends_below <= self.flood_begins_at:
            raise SettingsError(
                "expected a flood to end below what it begins at, 1 or more, "
                f"received {self.flood_ends_below} and {self.flood_begins_at}"
            )
        if self.chattering_count < 2:
            raise SettingsError(f"expected 2 or more alarms to be chattering, received {self.chattering_count}")
        if min(self.chattering_width, self.fleeting_width, self.stale_after) <= 0:
            raise SettingsError("expected chattering, fleeting and stale times above 0 us")


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure; `verdict` is None where no target is published, or too little happened to judge by it."""

    value: float
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class OperatorReport:
    """All figures of one operator, and what they were made of.

    Parameters
    ----------
    operator : str
        The position.
    alarms, suppressed, unacknowledged : int
        Raised in the period and shown; raised and not shown; shown and not acknowledged by its end.
    figures : dict of Figure
        By the names of `BARS`, and `peak_per_day`, `peak_per_hour`.
    floods : tuple of Flood
        By time.
    chattering, fleeting : tuple of Source
        By name.
    stale : tuple of str
        Ids of alarms that were stale at any time of the period.
    standing : tuple of str
        Ids of alarms that stand at its end.
    most_frequent : tuple of (Source, int)
        Up to ten.
    priorities : dict of int
        Alarms by priority.
    """

    operator: str
    alarms: int
    suppressed: int
    unacknowledged: int
    figures: dict[str, Figure]
    floods: tuple[Flood, ...]
    chattering: tuple[Source, ...]
    fleeting: tuple[Source, ...]
    stale: tuple[str, ...]
    standing: tuple[str, ...]
    most_frequent: tuple[tuple[Source, int], ...]
    priorities: dict[AlertPriority, int]


def assess(
    records: Sequence[AlarmRecord], period: Period, settings: KpiSettings | None = None
) -> tuple[OperatorReport, ...]:
    """Compute the figures of every operator that the records name, by name.

    Parameters
    ----------
    records : sequence of AlarmRecord
        In any order. Those raised before the period count only while they stand in it, later ones not at all.
    period : Period
        With the boundaries of its days.
    settings : KpiSettings, optional
        What the standards leave open.

    Raises
    ------
    InvalidFieldError
        If a record contradicts itself or comes twice.
    """
    check_records(records)
    of: dict[str, list[AlarmRecord]] = defaultdict(list)
    for record in records:
        of[record.operator].append(record)
    chosen = settings or KpiSettings()
    return tuple(_report(operator, of[operator], period, chosen) for operator in sorted(of))


def _report(operator: str, records: list[AlarmRecord], period: Period, settings: KpiSettings) -> OperatorReport:
    inside = [record for record in records if period.start <= record.raised_at < period.end]
    shown = sorted(
        (record for record in inside if not record.suppressed), key=lambda record: (record.raised_at, record.id)
    )
    present = [  # in the order of raising, those from before the period among them
        record
        for record in sorted(records, key=lambda record: (record.raised_at, record.id))
        if not record.suppressed
        and record.raised_at < period.end
        and (record.cleared_at is None or record.cleared_at > period.start)
    ]
    raised = np.array([record.raised_at for record in shown], np.int64)
    floods = find_floods(
        raised, period.start, period.end, settings.windows, settings.flood_begins_at, settings.flood_ends_below
    )
    chattering = nuisance.chattering_ids(shown, settings.chattering_count, settings.chattering_width)
    fleeting = nuisance.fleeting_ids(shown, settings.fleeting_width) - chattering
    days = [min(max(day, period.start), period.end) for day in period.days]
    stale = nuisance.stale_by_day(present, days, period.end, settings.stale_after)
    ever_stale = set().union(*stale)
    chattering_sources = _sources(shown, chattering)
    fleeting_sources = _sources(shown, fleeting)
    frequent = nuisance.most_frequent(shown, MOST_FREQUENT)
    priorities = Counter(record.priority for record in shown)

    values: dict[str, float] = _rates(raised, period, settings.windows)
    values["flood_percent"] = 100 * sum(flood.end - flood.start for flood in floods) / (period.end - period.start)
    values["chattering"] = len(chattering_sources)
    values["fleeting"] = len(fleeting_sources)
    values["stale_peak"] = max(map(len, stale))
    if shown:
        above = [sum(priorities[name] for name in PRIORITIES[place:]) for place in (1, 2, 3)]
        names = ("above_low_percent", "above_medium_percent", "critical_percent")
        values |= {name: 100 * count / len(shown) for name, count in zip(names, above, strict=True)}
        values["top_10_percent"] = 100 * sum(count for _, count in frequent) / len(shown)
    # Ten sources or fewer make all of the load by being few, not by being bad.
    few = len({nuisance.source_of(record) for record in shown}) <= MOST_FREQUENT
    unjudged = {"top_10_percent"} if few else set()
    return OperatorReport(
        operator=operator,
        alarms=len(shown),
        suppressed=len(inside) - len(shown),
        unacknowledged=sum(record.acknowledged_at is None or record.acknowledged_at >= period.end for record in shown),
        figures={
            name: Figure(value, BARS[name].judge(value) if name in BARS and name not in unjudged else None)
            for name, value in values.items()
        },
        floods=tuple(floods),
        chattering=chattering_sources,
        fleeting=fleeting_sources,
        stale=tuple(record.id for record in present if record.id in ever_stale),
        standing=tuple(record.id for record in present if record.cleared_at is None or record.cleared_at >= period.end),
        most_frequent=frequent,
        priorities={name: priorities[name] for name in PRIORITIES},
    )


def _rates(raised: Ints, period: Period, windows: Windows) -> dict[str, float]:
    """Give averages, peaks and the shares of windows that hold too many."""
    length = period.end - period.start
    hours = count_fixed(raised, period.start, period.end, HOUR)
    tens = count_fixed(raised, period.start, period.end, TEN_MINUTES)
    peaks = tens if windows == "fixed" else count_sliding(raised, TEN_MINUTES)
    days = count_between(raised, np.array(period.days, np.int64))
    return {
        "alarms_per_day": len(raised) * DAY / length,
        "alarms_per_hour": len(raised) * HOUR / length,
        "alarms_per_10_minutes": len(raised) * TEN_MINUTES / length,
        "peak_per_day": float(days.max()),
        "peak_per_hour": float(hours.max()),
        "peak_per_10_minutes": float(peaks.max(initial=0)),
        "hours_over_30_percent": 100 * float((hours > PER_HOUR_LARGEST).mean()),
        "ten_minutes_over_10_percent": 100 * float((tens > PER_TEN_MINUTES_LARGEST).mean()),
    }


def _sources(records: list[AlarmRecord], ids: set[str]) -> tuple[Source, ...]:
    return tuple(sorted({nuisance.source_of(record) for record in records if record.id in ids}))
