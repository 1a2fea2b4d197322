"""The offline verifier: reads the log whole, folds it in frames of other sizes, and holds the ledger against that.

It shares the fold with the product, and nothing else: what was committed, sent and remembered it reads itself.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import psycopg

from schemas.effects import write_effect
from schemas.topics import OUTPUTS, TOPICS, input_topic
from streams.engine.partition import PartitionFold
from streams.ledger.claims import Claim
from streams.ledger.folded import Folded
from tests.faults.logs import Kept, message_id, read_topic
from twins.block import Model, Past, Wanted
from twins.past import MemoryPast

TOPIC = input_topic("bioreactor").name
FRAMES = (1, 2, 7, 61, 997)  # sizes, drawn anew for each frame of the refold
_SHOWN = 5


@dataclass
class Findings:
    """What is wrong, in words; and how much was looked at."""

    problems: list[str] = field(default_factory=list)
    records: int = 0
    effects: int = 0
    history: int = 0
    outputs: int = 0
    checkpoints: int = 0
    skipped: int = 0

    def say(self, what: str, examples: Sequence[Any] = ()) -> None:
        self.problems.append(f"{what}: {len(examples)}, {list(examples)[:_SHOWN]}" if examples else what)

    def __str__(self) -> str:
        return (
            f"{self.records} records, {self.effects} effects, {self.history} history rows, {self.outputs} outputs,"
            f" {self.checkpoints} checkpoints, {self.skipped} skipped, {len(self.problems)} problems"
        )


@dataclass
class _Refolded:
    """What one partition should have given."""

    lines: list[bytes] = field(default_factory=list)
    history: Counter[tuple[int, int]] = field(default_factory=Counter)  # (offset, event hash)
    said: set[int] = field(default_factory=set)  # offsets with a reject of the whole record
    silent: set[int] = field(default_factory=set)  # offsets of facts of no twin: time.passed without a key
    letters: dict[str, str] = field(default_factory=dict)  # effect id of each reject that leaves, and its topic
    state: bytes = b""


def check_ledger(
    uri: str,
    broker: str | None,
    model: Model,
    seed: int,
    *,
    sent: Sequence[tuple[Any, Any, Any]] = (),
    unsure: int = 0,
    log: dict[int, list[Kept]] | None = None,
) -> Findings:
    """Compare everything that a run wrote with what its log says it should have written.

    Parameters
    ----------
    sent : sequence of rows
        What the log acknowledged; each must be in it.
    unsure : int
        How many records more it may hold, because an append was tried again.
    log : records by partition
        The log, where it is none that could be read.
    """
    found = Findings()
    rng = random.Random(seed)
    if log is None:
        log = read_topic(broker, uri, TOPIC)
    _check_log(found, log, sent, unsure, once=broker is None)
    with psycopg.connect(uri) as connection:
        refolded = {
            partition: _check_partition(found, connection, model, partition, records, rng)
            for partition, records in log.items()
        }
        _check_present(found, connection, refolded)
        if waiting := connection.execute("select id from outbox").fetchall():
            found.say("messages wait in the outbox", waiting)
    _check_outputs(found, uri, broker, refolded)
    return found


def _check_log(
    found: Findings, log: dict[int, list[Kept]], sent: Sequence[tuple[Any, Any, Any]], unsure: int, *, once: bool
) -> None:
    """Every acknowledged record is in the log; the embedded log holds it once."""
    found.records = sum(map(len, log.values()))
    if not sent:
        return
    kept = Counter((record.key, record.value) for records in log.values() for record in records)
    asked = Counter((key, value) for key, value, _ in sent)
    if lost := list((asked - kept).elements()):
        found.say("acknowledged records are not in the log", [str(value)[:60] for _, value in lost])
    ours = {(key, value) for key, value, _ in sent}
    more = [pair for pair in (kept - asked).elements() if pair in ours]
    if len(more) > unsure and once:
        found.say("records are in the log more often than they were sent", [str(value)[:60] for _, value in more])


def _check_partition(
    found: Findings,
    connection: psycopg.Connection[Any],
    model: Model,
    partition: int,
    records: Sequence[Kept],
    rng: random.Random,
) -> _Refolded:
    where = f"partition {partition}"
    applied, checkpoint_offset = _applied(connection, partition)
    end = records[-1].offset + 1 if records else 0
    if applied != end:
        found.say(f"{where}: applied is {applied}, the log ends at {end}")
    skipped = _offsets(connection, "select rec_offset from skipped where topic = %s and partition = %s", partition)
    found.skipped += len(skipped)
    wanted = _refold(model, partition, records, frozenset(skipped), checkpoint_offset, rng)
    written = [
        bytes(line)
        for (line,) in connection.cursor(binary=True).execute(
            "select line from effect where topic = %s and partition = %s order by rec_offset, n", (TOPIC, partition)
        )
    ]
    found.effects += len(written)
    _compare_lines(found, where, wanted.lines, written)
    _compare_history(found, where, connection, partition, wanted)
    accounted = {offset for offset, _ in wanted.history} | wanted.said | wanted.silent
    if lost := [record.offset for record in records if record.offset not in accounted]:
        found.say(f"{where}: records without a history row or a reject", lost)
    _compare_state(found, where, connection, partition, checkpoint_offset, wanted.state)
    return wanted


def _refold(
    model: Model,
    partition: int,
    records: Sequence[Kept],
    skipped: frozenset[int],
    checkpoint_offset: int,
    rng: random.Random,
) -> _Refolded:
    wanted = _Refolded()
    kept = MemoryPast()

    def load(asked: Sequence[Wanted], before: int) -> Past:
        return kept.load(asked, before)

    fold = PartitionFold(model, TOPIC, partition, load)
    fold.resume(Claim(TOPIC, partition, 0, 0, None, skipped, 0))
    for frame in _frames(records, checkpoint_offset, rng):
        if frame[0].offset == checkpoint_offset:
            wanted.state = fold.block.snapshot()
        folded = fold.fold(frame)
        assert folded is not None
        kept.keep(folded.frame, folded.effects)
        _note(wanted, folded)
    if fold.next_offset == checkpoint_offset:
        wanted.state = fold.block.snapshot()
    return wanted


def _frames(records: Sequence[Kept], edge: int, rng: random.Random) -> Iterator[Sequence[Kept]]:
    """Cut records into frames of other sizes than the run had, with a cut at an edge."""
    start = 0
    while start < len(records):
        stop = start + rng.choice(FRAMES)
        inside = next((i for i in range(start + 1, min(stop, len(records))) if records[i].offset == edge), stop)
        yield records[start : min(stop, inside)]
        start = min(stop, inside)


def _note(wanted: _Refolded, folded: Folded) -> None:
    for effect in folded.effects.all():
        wanted.lines.append(write_effect(effect))
        offset = int(effect.id.rsplit("/", 2)[1])
        if effect.kind == "reject":
            if effect.data["reason"] != "implausible_value":
                wanted.said.add(offset)
            if effect.data["reason"] != "duplicate":
                wanted.letters[effect.id] = f"{TOPIC}.late" if offset in folded.effects.late else f"{TOPIC}.dlq"
    for fact, accepted in zip(folded.frame.facts, folded.effects.accepted.tolist(), strict=True):
        if accepted and fact.event.subject:
            wanted.history[fact.offset, fact.hash] += 1
        elif accepted:
            wanted.silent.add(fact.offset)


def _compare_lines(found: Findings, where: str, wanted: Sequence[bytes], written: Sequence[bytes]) -> None:
    missing, extra = Counter(wanted) - Counter(written), Counter(written) - Counter(wanted)
    doubled = [line for line, number in Counter(written).items() if number > 1]
    if doubled:
        found.say(f"{where}: effects written twice", doubled)
    theirs = {_id(line): line for line in extra}
    if other := [(line, theirs.pop(_id(line))) for line in missing if _id(line) in theirs]:
        found.say(f"{where}: effects in other words (refolded, written)", other)
    if lost := [line for line in missing.elements() if _id(line) not in {_id(one) for one in extra}]:
        found.say(f"{where}: effects missing", lost)
    if theirs and not doubled:
        found.say(f"{where}: effects nobody should have said", list(theirs.values()))
    if not (missing or extra) and list(wanted) != list(written):
        found.say(f"{where}: effects in another order")


def _id(line: bytes) -> str:
    return str(msgspec.json.decode(line)["id"])


def _compare_history(
    found: Findings, where: str, connection: psycopg.Connection[Any], partition: int, wanted: _Refolded
) -> None:
    written: Counter[tuple[int, int]] = Counter()
    for table in ("reading", "fact"):
        written.update(
            (offset, digest)
            for offset, digest in connection.execute(
                f"select h.rec_offset, h.event_hash from {table} h join twin t on t.no = h.twin_no"
                " where t.kind = 'bioreactor' and t.partition = %s",
                (partition,),
            )
        )
    found.history += written.total()
    if lost := list((wanted.history - written).elements()):
        found.say(f"{where}: facts lost in history", lost)
    if extra := list((written - wanted.history).elements()):
        found.say(f"{where}: facts doubled in history", extra)


def _compare_state(
    found: Findings, where: str, connection: psycopg.Connection[Any], partition: int, at: int, state: bytes
) -> None:
    rows = (
        connection.cursor(binary=True)
        .execute(
            "select next_offset, sha256, body from checkpoint where topic = %s and partition = %s and kind = 'live'",
            (TOPIC, partition),
        )
        .fetchall()
    )
    if not at and not rows:
        return
    if [offset for offset, _, _ in rows] != [at]:
        found.say(f"{where}: expected one live checkpoint at {at}", [offset for offset, _, _ in rows])
        return
    _, digest, body = rows[0]
    found.checkpoints += 1
    if hashlib.sha256(body).digest() != bytes(digest):
        found.say(f"{where}: the checkpoint's hash is not its own")
    if bytes(body) != state:
        found.say(f"{where}: the state at {at} is not what the log gives")


def _check_present(found: Findings, connection: psycopg.Connection[Any], refolded: dict[int, _Refolded]) -> None:
    """The overview: each twin's newest estimate is its last one, and the open alerts are those not cleared."""
    newest: dict[str, str] = {}
    open_: set[str] = set()
    for one in refolded.values():
        for line in one.lines:
            effect = msgspec.json.decode(line)
            if effect["kind"] == "estimate":
                newest[effect["key"]] = max(newest.get(effect["key"], ""), effect["event_time"][:19])
            elif effect["kind"] == "alert":
                change = open_.discard if effect["data"]["action"] == "clear" else open_.add
                change(effect["data"]["alert"])
    rows = connection.execute(
        "select key, to_char(event_time at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS') from twin"
        " where estimate is not null"
    )
    shown = dict(rows.fetchall())
    if shown != newest:
        found.say("the overview shows other estimates", sorted(set(shown.items()) ^ set(newest.items())))
    standing = {id_ for (id_,) in connection.execute("select id from open_alert")}
    if standing != open_:
        found.say("the overview shows other alerts", sorted(standing ^ open_))


def _check_outputs(found: Findings, uri: str, broker: str | None, refolded: dict[int, _Refolded]) -> None:
    """Every effect is on its topic: once on the embedded log, at least once on Kafka, always in the same words."""
    wanted: dict[str, dict[str, bytes | None]] = {name: {} for name in {*OUTPUTS.values(), *_letter_topics()}}
    for one in refolded.values():
        for line in one.lines:
            effect = msgspec.json.decode(line)
            if effect["kind"] != "reject":
                wanted[OUTPUTS[effect["kind"]]][effect["id"]] = line
        for id_, topic in one.letters.items():
            wanted[topic][id_] = None
    for topic, messages in wanted.items():
        sent = [record for records in read_topic(broker, uri, topic).values() for record in records]
        found.outputs += len(sent)
        ids = Counter(map(message_id, sent))
        if missing := sorted(messages.keys() - ids.keys()):
            found.say(f"{topic} lacks messages", missing)
        if extra := sorted(ids.keys() - messages.keys()):
            found.say(f"{topic} has messages nobody should have sent", extra)
        if broker is None and (doubled := [id_ for id_, number in ids.items() if number > 1]):
            found.say(f"{topic} has messages twice", doubled)
        if other := [message_id(one) for one in sent if messages.get(message_id(one)) not in (None, one.value)]:
            found.say(f"{topic} has messages in other words", other)


def _letter_topics() -> list[str]:
    return [name for name in (f"{TOPIC}.dlq", f"{TOPIC}.late") if name in TOPICS]


def _applied(connection: psycopg.Connection[Any], partition: int) -> tuple[int, int]:
    row = connection.execute(
        "select next_offset, checkpoint_offset from applied where topic = %s and partition = %s", (TOPIC, partition)
    ).fetchone()
    return (row[0], row[1]) if row else (0, 0)


def _offsets(connection: psycopg.Connection[Any], query: str, partition: int) -> set[int]:
    return {offset for (offset,) in connection.execute(query, (TOPIC, partition))}
