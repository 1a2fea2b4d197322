"""The one table of topics. Documents and the AsyncAPI file are generated from it."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.instants import HOUR

PARTITIONS = 8  # fixed for a topic's life: the placement of keys depends on it


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic.

    `key` says in words what the key is. `horizon` is how late a fact may be against its own twin's
    greatest event time and still be refolded [us]; None means: for ever.
    """

    name: str
    key: str
    summary: str
    framed: bool = False
    horizon: int | None = None
    family: str = ""
    partitions: int = PARTITIONS


def _input(family: str, key: str, summary: str, horizon: int | None) -> list[Topic]:
    name = f"{family}.events"
    return [
        Topic(name, key, summary, framed=True, horizon=horizon, family=family),
        Topic(f"{name}.dlq", key, f"Records of {name} that could not be used, with the reason.", family=family),
        Topic(f"{name}.late", key, f"Facts of {name} beyond the horizon.", family=family),
    ]


TOPICS: dict[str, Topic] = {
    topic.name: topic
    for topic in [
        *_input(
            "bioreactor",
            "unit",
            "All that happens to it: batches, phases, readings, feeds, samples, assays.",
            24 * HOUR,
        ),
        *_input(
            "enrollment",
            "study",
            "All that happens in it: plans, sites, subjects' steps, costs, decisions.",
            None,
        ),
        *_input(
            "supply",
            "patient:, shipper:, room: or network: and its name",
            "All that happens on the way: scans, custody, boxes, rooms, tests, slots, capacity.",
            None,
        ),
        Topic("twin.estimates", "twin key", "What the twins believe: state, uncertainty, filter health."),
        Topic("twin.forecasts", "twin key", "What the twins expect, as quantiles over time."),
        Topic("twin.alerts", "twin key", "Alerts raised, updated and cleared."),
        Topic("enrollment.corrections", "twin key", "What would put a study's enrollment right: advice, ranked."),
        Topic("resim.requests", "twin key", "Questions of the twins to the re-simulation pool."),
        Topic("resim.requests.dlq", "twin key", "Requests that could not be read, and jobs that failed for good."),
        Topic("resim.results", "twin key", "Answers of the re-simulation pool."),
    ]
}

# Which topic an effect of each kind leaves on. A reject leaves on `<input topic>.dlq` or `.late`, a consequence as an
# event on the input topic itself.
OUTPUTS: dict[str, str] = {
    "estimate": "twin.estimates",
    "forecast": "twin.forecasts",
    "alert": "twin.alerts",
    "correction": "enrollment.corrections",
    "request": "resim.requests",
}

FUTURE_TOLERANCE = 5 * 60 * 1_000_000  # an event_time further after its record_time is a broken clock [us]


def input_topic(family: str) -> Topic:
    """Find the one input topic of a twin family."""
    return TOPICS[f"{family}.events"]
