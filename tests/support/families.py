"""A second family beside bioreactors, as small as it can be: studies whose twins only count."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from schemas.effects import Effect, Kind
from schemas.enrollment import SitePaused
from schemas.events import Event
from schemas.instants import SECOND, Instant
from streams.appending import Row
from tests.support.counting import EVERY, CountingBlock, CountingModel
from tests.support.records import START, reading, row
from twins.block import Effects, Past
from twins.frame import Frame

BIOREACTORS, STUDIES = "bioreactor.events", "enrollment.events"


def paused(study: str, second: int) -> Event:
    """A site of a study stops for a while, `second` seconds after START."""
    at = Instant(START + second * SECOND)
    return Event(f"{study}-{second}", "test", "enrollment.site_paused", study, at, at, SitePaused(site="S1"))


def rows_of_both(names: range, seconds: range) -> dict[str, list[Row]]:
    """Records of both families, in order, with keys that occur in both."""
    made: dict[str, list[Row]] = {BIOREACTORS: [], STUDIES: []}
    for second in seconds:
        for name in names:
            for topic, event in ((BIOREACTORS, reading(f"T{name}", second)), (STUDIES, paused(f"T{name}", second))):
                made[topic].append((*row(event), None))
    return made


class AdvisingBlock(CountingBlock):
    """Says with each estimate a forecast, an alert and a correction of the shapes that studies have."""

    def apply(self, frame: Frame, past: Past) -> Effects:
        effects = super().apply(frame, past)
        counted, effects.estimates = effects.estimates, []
        for said in counted:
            at = said.event_time
            shown = {"counted": said.data["count"], "target": 100, "milestone": "enrolled", "sites": {"names": []}}
            effects.estimates.append(replace(said, data=shown))
            target = {"name": "last subject in", "by": at, "probability": 0.25, "reached_at": [at, at, None]}
            forecast = {
                "as_of": at,
                "quantiles": [0.05, 0.5, 0.95],
                "at": [at],
                "study": [[1.0, 2.0, 3.0]],
                "targets": [target],
            }
            effects.forecasts.append(_beside(said, 1, "forecast", forecast))
            alert = {"action": "raise", "alert": _name(said, 2), "rule": "late", "priority": "high", "message": "late"}
            effects.alerts.append(_beside(said, 2, "alert", alert))
            action = "recommend" if said.data["count"] == EVERY else "audit"
            advice: dict[str, Any] = {
                "action": action,
                "correction": _name(said, 3),
                "job": None,
                "hash": "",
                "summary": ["open a site"],
                "record": {},
            }
            effects.corrections.append(_beside(said, 3, "correction", advice))
        return effects


class AdvisingModel(CountingModel):
    """Makes such blocks, of studies."""

    def __init__(self) -> None:
        super().__init__(kind="enrollment")

    def empty(self) -> AdvisingBlock:
        return AdvisingBlock(kind="enrollment")


def _name(said: Effect, n: int) -> str:
    return f"{said.id.rpartition('/')[0]}/{n}"


def _beside(said: Effect, n: int, kind: Kind, data: dict[str, Any]) -> Effect:  # Any: JSON
    return replace(said, id=_name(said, n), kind=kind, data=data)
