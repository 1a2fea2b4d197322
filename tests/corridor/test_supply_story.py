"""A network's six weeks through real processes: twins tell each other, the pool answers, a person takes a plan, a box
is warned of and saved. All of it folds to the same bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.jsonl import open_bytes
from schemas.events import Event, read_structured, write_structured
from schemas.instants import HOUR, Instant, parse_instant
from schemas.supply import CorrectionDecided
from schemas.topics import input_topic
from streams.appending import append_rows
from streams.fold import FileRecord, fold_records, place_lines
from streams.models import load_model
from streams.transports.access import open_writer
from tests.corridor.test_enrollment_story import ENDED, Roles
from tests.faults.logs import read_topic
from tests.support.engines import prepared, rows_of

pytestmark = [pytest.mark.postgres, pytest.mark.slow]
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "supply" / "friday_night"
CONFIG = EXAMPLE / "config.json"
TOPIC = input_topic("supply").name
NETWORK, HERO = "network:CELLS-EU", "patient:COI-020"
LOST = "supply.resource_changed"

ENDS = """select partition, max(rec_offset) + 1 from log_record join log_topic t on t.no = topic
    where t.name = %s group by partition"""
SAID = "select line from effect where topic = %s and kind = %s order by partition, rec_offset, n"

Line = dict[str, Any]  # Any: an effect, as JSON


class Network(Roles):
    """Worker and job worker of the supply twins."""

    def __init__(self, uri: str, folder: Path) -> None:
        super().__init__(uri, folder)
        self._environment["TWINSTREAM_SUPPLY_CONFIG"] = str(CONFIG)

    def tell(self, lines: Sequence[bytes]) -> None:
        """Append event lines, and wait until they are folded, and all that follows from them."""
        writer = open_writer(None, self.uri, "test")
        for partition, records in sorted(place_lines("supply", lines).items()):
            append_rows(writer, TOPIC, [(one.key, one.value or b"", one.headers, partition) for one in records])
        writer.close()
        self.wait_for("rest", self.rests)

    def rests(self) -> bool:
        """Tell whether nothing waits: no record, and no question."""
        applied = rows_of(self.uri, "select partition, next_offset from applied where topic = %s", TOPIC)
        if dict(applied) != dict(rows_of(self.uri, ENDS, TOPIC)):
            return False
        states = [state for (state,) in rows_of(self.uri, "select state from job")]
        return all(state in ENDED for state in states) and len(states) == len(self.effects("request"))

    def effects_of(self, kind: str, **what: str) -> list[Line]:
        """Give the effects of a kind whose data are so, of whichever twin."""
        return [one for one in self.effects(kind) if all(one["data"].get(name) == is_ for name, is_ in what.items())]

    def effects(self, kind: str, action: str | None = None) -> list[Line]:
        """Give the effects of a kind, in order of partition and record."""
        lines = rows_of(self.uri, SAID, TOPIC, kind)
        found: list[Line] = [msgspec.json.decode(bytes(line)) for (line,) in lines]
        return [one for one in found if action in (None, one["data"].get("action"))]

    def alerts(self, key: str, rule: str) -> list[tuple[str, str]]:
        """Give what was said of the alerts of a twin that begin so: action and priority."""
        found = (
            one["data"] for one in self.effects("alert") if one["key"] == key and one["data"]["rule"].startswith(rule)
        )
        return [(one["action"], one["priority"]) for one in found]


@pytest.fixture
def network(postgres_uri: str, tmp_path: Path) -> Iterator[Network]:
    made = Network(prepared(postgres_uri), tmp_path)
    with ExitStack() as stack:
        for arguments in (("worker",), ("job-worker", "--devices", "cpu", "--slots", "1")):
            stack.enter_context(made.role(*arguments))
        yield made


def facts() -> tuple[list[bytes], list[bytes]]:
    """The lines until suite B is lost, and those after it."""
    with open_bytes(EXAMPLE / "facts.jsonl.gz") as stream:
        lines = stream.read().splitlines()
    lost = next(place for place, line in enumerate(lines) if read_structured(line).type == LOST)
    return lines[: lost + 1], lines[lost + 1 :]


def taken(job: str, event_time: str) -> bytes:
    """A person's decision on a plan."""
    at = Instant(parse_instant(event_time) + 3 * HOUR)
    said = CorrectionDecided(job, "taken", "M. de Vries", "three slots move by days, nobody is left out")
    return write_structured(Event("decision-1", "planning", "supply.correction_decided", NETWORK, at, at, said))


def test_a_suite_is_lost_a_plan_is_taken_and_a_box_that_tipped_is_saved(network: Network) -> None:
    early, late = facts()
    network.tell(early)
    assert network.alerts(NETWORK, "capacity.bay") == [("raise", "high")]
    (planned,) = network.effects("correction", "recommend")
    assert planned["data"]["record"]["unplaced"] == []
    assert "COI-020" in {one["patient"] for one in planned["data"]["record"]["moves"]}

    network.tell([taken(planned["data"]["correction"], planned["event_time"])])
    (decided,) = network.effects("correction", "decide")
    assert decided["data"]["correction"] == planned["data"]["correction"]
    network.tell(late)

    assert network.alerts("patient:COI-007", "stop.identity_mismatch") == [("raise", "critical"), ("clear", "critical")]
    assert network.alerts("patient:COI-011", "gap.custody_gap") == [("raise", "high"), ("clear", "high")]
    exposed = {one["key"] for one in network.effects("alert") if one["data"]["rule"].startswith("exposed.")}
    assert exposed == {"patient:COI-003", "patient:COI-005", "patient:COI-007"}
    (warned,) = [one for one in network.effects_of("alert", rule="warm") if one["data"]["action"] == "raise"]
    assert warned["event_time"] < "2026-05-16T08"
    assert network.alerts(warned["key"], "watch") == [(told, "medium") for told in ("raise", "update", "clear")]
    assert network.alerts(HERO, "box.") == [("raise", "medium"), ("update", "critical"), ("clear", "critical")]
    assert network.alerts(warned["key"], "excursion") == []
    assert not [one for one in network.alerts(HERO, "stop.") if one[0] == "raise"]
    assert [one for one in network.effects("estimate") if one["key"] == HERO][-1]["data"]["treated"]["infused"]

    assert "identical" in network.command("verify", "--kind", "supply").splitlines()[-1]
    assert_folds_alike(network.uri)


def assert_folds_alike(uri: str) -> None:
    """Fold each partition's records of the log, with what twins told each other and the answers: the ledger's lines."""
    compared = 0
    for partition, kept in read_topic(None, uri, TOPIC).items():
        rows = [FileRecord(*one) for one in kept]
        folded = list(fold_records(load_model("supply", CONFIG), TOPIC, partition, rows, 37))
        lines = rows_of(
            uri, "select line from effect where topic = %s and partition = %s order by rec_offset, n", TOPIC, partition
        )
        assert folded == [bytes(line) for (line,) in lines], partition
        compared += len(folded)
    assert compared > 5000
