"""Write examples/enrollment/falls_behind/ anew: a study's facts, what its twin asked, the answers, what a person did.

The facts are those of `falls_behind.json`, simulated. They are folded one by one, as a live worker folds them. What the
twin asks is answered by the pool's engine, and the answer is told as the next fact; the decision is told a week after
the recommendation that it is about. `python -m scripts.enrollment_story` from the repository's root; the same bytes
each time with the same numpy and kind of processor.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from connectors.enrollment_simulation import load_simulation
from connectors.enrollment_simulator import StudySimulator
from connectors.jsonl import outgoing
from connectors.outgoing import BadLine
from schemas.effects import Effect, write_effect
from schemas.enrollment import CorrectionDecided
from schemas.events import Event, write_structured
from schemas.instants import DAY, Instant, format_instant, parse_instant
from schemas.jobs import Provenance, ResimulationResult, SimulationSpec
from schemas.placement import partition_of
from schemas.topics import input_topic
from streams.engine.partition import PartitionFold
from streams.fold import FileRecord
from streams.jobs.answers import SOURCE
from streams.jobs.engines import engines
from streams.jobs.foreground import run_here
from streams.ledger.claims import Claim
from streams.models import load_model
from twins.block import Past, Wanted
from twins.past import MemoryPast

FOLDER = Path(__file__).resolve().parents[1] / "examples" / "enrollment" / "falls_behind"
SPEC = FOLDER.with_suffix(".json")
STUDY = "ST-FALLS-BEHIND"
KINDS = ("alert", "correction", "reject", "request")  # of effects that the example keeps; `fold` gives all
FALL = "change.enrollment.DE.fell"  # the alert whose recommendation is taken
PERSON, REASON = "A. Keller", "Poland has sites that wait, and enrolls well"
WAITS_DAYS = 7  # from the recommendation to the decision


@dataclass
class Story:
    """Lines and effects so far."""

    fold: PartitionFold
    kept: MemoryPast
    lines: list[bytes] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    about_the_fall: set[str] = field(default_factory=set)  # the questions that it made the twin ask
    decides: Event | None = None  # the decision, until it is told
    decided: bool = False

    def tell(self, event: Event) -> None:
        """Take a fact, and at once what follows from it."""
        line = write_structured(event)
        for effect in self._folded(line):
            self.effects.append(effect)
            if effect.kind == "request":
                if FALL in effect.data["reason"]:
                    self.about_the_fall.add(effect.id)
                self.tell(answer_of(effect))
            elif effect.kind == "correction" and not self.decided:
                self._consider(effect)

    def _consider(self, effect: Effect) -> None:
        if effect.data["action"] == "recommend" and effect.data["correction"] in self.about_the_fall:
            self.decides, self.decided = decision_on(effect), True

    def _folded(self, line: bytes) -> Iterator[Effect]:
        record = next(outgoing([line], family="enrollment", partitions=1))
        row = FileRecord(len(self.lines), 0, record.key, record.value, record.headers)
        self.lines.append(line)
        folded = self.fold.fold([row])
        if folded is not None:
            self.kept.keep(folded.frame, folded.effects)
            yield from folded.effects.all()


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
    return Event(request.id, SOURCE, "enrollment.resimulated", STUDY, at, at, result)


def decision_on(recommended: Effect) -> Event:
    """Take a recommendation some days later."""
    at = Instant(parse_instant(recommended.event_time) + WAITS_DAYS * DAY)
    chosen = recommended.data["record"]["chosen"]
    said = CorrectionDecided(recommended.data["correction"], "taken", PERSON, REASON, chosen)
    name = f"decision-{format_instant(at)[:10]}"
    return Event(name, "study-team", "enrollment.correction_decided", STUDY, at, at, said)


def told() -> Story:
    """Tell the whole story."""
    topic, kept = input_topic("enrollment"), MemoryPast()

    def load(wanted: Sequence[Wanted], before: int) -> Past:
        return kept.load(wanted, before)

    partition = partition_of(STUDY.encode(), topic.partitions)
    fold = PartitionFold(load_model("enrollment", FOLDER / "config.json"), topic.name, partition, load)
    fold.resume(Claim(topic.name, partition, 0, 0, None, frozenset(), 0))
    story = Story(fold, kept)
    for entry in StudySimulator(load_simulation(SPEC)).events():
        assert not isinstance(entry, BadLine), "this study tells nothing that cannot be read"
        if story.decides is not None and entry.record_time >= story.decides.record_time:
            decision, story.decides = story.decides, None
            story.tell(decision)
        story.tell(entry)
    return story


def main() -> int:
    """Write the example's files."""
    story = told()
    (FOLDER / "events.jsonl").write_bytes(b"".join(line + b"\n" for line in story.lines))
    said = [write_effect(effect) for effect in story.effects if effect.kind in KINDS]
    (FOLDER / "effects.jsonl").write_bytes(b"".join(line + b"\n" for line in said))
    print(f"{len(story.lines)} events, {len(story.effects)} effects, {len(said)} of them kept")
    return 0


if __name__ == "__main__":
    sys.exit(main())
