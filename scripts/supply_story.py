"""Write examples/supply/friday_night/ anew: a network's facts, what its twins told each other, what they asked, the
answers, and what a person did.

The facts are those of `supply_story_world.py`, simulated. They are folded one by one, as live workers fold them. What a
twin finds for another is told as the next fact; what it asks is answered by the pool's engines, and the answer is told
too. `python -m scripts.supply_story` from the repository's root (extras `fast` and `planning`); the same bytes each
time with the same versions and kind of processor.
"""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from connectors.jsonl import outgoing
from schemas import supply as s
from schemas.effects import Effect, write_effect
from schemas.events import Event, write_structured
from schemas.instants import HOUR, Instant, parse_instant
from schemas.jobs import Provenance, ResimulationResult, SimulationSpec
from schemas.placement import partition_of
from schemas.topics import input_topic
from scripts import supply_story_plan as p
from scripts.supply_story_world import World
from streams.consequences import told_of
from streams.engine.partition import PartitionFold
from streams.fold import FileRecord
from streams.jobs.answers import SOURCE
from streams.jobs.engines import engines
from streams.jobs.foreground import run_here
from streams.ledger.claims import Claim
from streams.models import load_model
from twins.block import Past, Wanted
from twins.past import MemoryPast

FOLDER = Path(__file__).resolve().parents[1] / "examples" / "supply" / "friday_night"
KINDS = ("alert", "correction", "reject", "request")  # of effects that the example keeps; `fold` gives all
PLAN = "supply.plan"
PERSON, REASON = "M. de Vries", "three slots move by days, nobody is left out"
WAITS_HOURS = 3  # from the recommendation to the decision


class Folding:
    """One partition as its worker folds it, record by record."""

    def __init__(self, partition: int) -> None:
        topic = input_topic("supply").name
        self.kept, self.count = MemoryPast(), 0
        self._fold = PartitionFold(load_model("supply", FOLDER / "config.json"), topic, partition, self._load)
        self._fold.resume(Claim(topic, partition, 0, 0, None, frozenset(), 0))

    def _load(self, wanted: Sequence[Wanted], before: int) -> Past:
        return self.kept.load(wanted, before)

    def fold(self, row: FileRecord) -> list[Effect]:
        """Fold the next record."""
        self.count += 1
        folded = self._fold.fold([row])
        if folded is None:
            return []
        self.kept.keep(folded.frame, folded.effects)
        return list(folded.effects.all())


class Story:
    """Lines and effects so far. `facts` are the lines that came from outside."""

    def __init__(self) -> None:
        self.document = p.planning()
        self.lines: list[bytes] = []
        self.facts: list[bytes] = []
        self.effects: list[Effect] = []
        self.decides: Event | None = None  # the decision, until it is told
        self._partitions: dict[int, Folding] = {}
        self._changed: list[dict[str, object]] = []

    def tell(self, event: Event, *, outside: bool = False) -> None:
        """Take a fact, and at once what follows from it."""
        waiting = [event]
        while waiting:
            following = []
            for one in waiting:
                for effect in self._folded(write_structured(one)):
                    self.effects.append(effect)
                    following += self._followed(effect)
            if outside:
                self.facts.append(self.lines[-1])
                outside = False
            waiting = following

    def _followed(self, effect: Effect) -> list[Event]:
        if effect.kind == "consequence":
            told = told_of(effect)
            return [msgspec.structs.replace(told, record_time=max(told.record_time, told.event_time))]
        if effect.kind == "request":
            return [answer_of(effect)]
        if effect.kind == "correction" and effect.data["action"] == "recommend":
            self.decides, self._changed = decision_on(effect), effect.data["record"]["changed"]
        return []

    def _folded(self, line: bytes) -> Iterable[Effect]:
        self.lines.append(line)
        found: list[Effect] = []
        topic = input_topic("supply")
        for record in outgoing([line], family="supply", partitions=topic.partitions):
            place = record.partition if record.partition is not None else partition_of(record.key, topic.partitions)
            if place not in self._partitions:
                self._partitions[place] = Folding(place)
            folding = self._partitions[place]
            found += folding.fold(FileRecord(folding.count, 0, record.key, record.value, record.headers))
        return found

    def plan(self) -> p.Plan:
        """Give the plan that holds once the newest recommendation is taken."""
        plan = p.starts(self.document)
        for one in self._changed:
            plan[str(one["patient"]), str(one["stage"])] = int(str(one["start"]))
        return plan


def answer_of(request: Effect) -> Event:
    """Answer a question by the engine of the pool."""
    spec = msgspec.convert(request.data["spec"], SimulationSpec)
    found = msgspec.json.decode(run_here(spec.kind, spec, engines(), lambda _: None))
    how = Provenance(
        seed=spec.seed,
        versions=found["versions"],
        device=found["device"],
        reproducibility=found["reproducibility"],
        inputs=(request.id.rpartition("/")[0],),
        content_hash=request.data["content_hash"],
        bucket=found["bucket"],
    )
    result = ResimulationResult(request.id, spec.kind, "done", how, found["summary"])
    at = parse_instant(request.event_time)
    return Event(request.id, SOURCE, "supply.resimulated", request.key, at, at, result)


def decision_on(recommended: Effect) -> Event:
    """Take a recommendation some hours later."""
    at = Instant(parse_instant(recommended.event_time) + WAITS_HOURS * HOUR)
    said = s.CorrectionDecided(recommended.data["correction"], "taken", PERSON, REASON)
    return Event("decision-1", "planning", "supply.correction_decided", recommended.key, at, at, said)


def told() -> Story:
    """Tell the whole story: by the first plan until another is taken, and then by that."""
    story = Story()
    waiting = World(story.document, p.starts(story.document)).events()
    place = 0
    while place < len(waiting):
        entry = waiting[place]
        if story.decides is not None and entry.record_time > story.decides.record_time:
            decision, story.decides = story.decides, None
            story.tell(decision)
            anew = World(story.document, story.plan()).events()
            waiting, place = [one for one in anew if one.record_time > decision.record_time], 0
            continue
        story.tell(entry, outside=True)
        place += 1
    return story


def main() -> int:
    """Write the example's files."""
    story = told()
    _write("events", story.lines)
    _write("facts", story.facts)
    said = [write_effect(effect) for effect in story.effects if effect.kind in KINDS]
    (FOLDER / "effects.jsonl").write_bytes(b"".join(line + b"\n" for line in said))
    print(f"{len(story.lines)} events, {len(story.facts)} from outside; {len(said)} of {len(story.effects)} effects")
    return 0


def _write(name: str, lines: Iterable[bytes]) -> None:
    whole = b"".join(line + b"\n" for line in lines)
    (FOLDER / f"{name}.jsonl.gz").write_bytes(gzip.compress(whole, 9, mtime=0))


if __name__ == "__main__":
    sys.exit(main())
