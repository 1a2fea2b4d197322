"""An engine without Faust, in the test's own process: records go in, the ledger of a real database is written."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from typing import Any

from schemas.topics import input_topic
from streams.engine.engines import Engines
from streams.ledger.commit import Step
from streams.ledger.connect import connect
from streams.metrics import Metrics
from streams.outputs import EmbeddedOutputs
from streams.prepare import prepare
from tests.support.counting import CountingModel
from twins.block import Model
from twins.frame import RawRecord

TOPIC = input_topic("bioreactor").name


class Bench:
    """The engine of one topic and the codes it wanted its process to end with."""

    def __init__(
        self,
        uri: str,
        model: Model | None = None,
        *,
        at_step: Step = lambda _: None,
        checkpoint_seconds: float = 10.0,
        pending_records: int = 40_000,
        frame_records: int = 1000,
        owner: str = "bench",
        topic: str = TOPIC,
    ) -> None:
        self.codes: list[int] = []
        self.ended = threading.Event()
        self.metrics = Metrics()
        self._outputs = outputs = EmbeddedOutputs(uri)
        self.engines = Engines(
            uri=uri,
            models={topic: model or CountingModel()},
            outputs=outputs,
            metrics=self.metrics,
            owner=owner,
            checkpoint_seconds=checkpoint_seconds,
            pending_records=pending_records,
            frame_records=frame_records,
            end_process=self._end,
            after_commit=outputs.after_commit,
            at_step=at_step,
        )
        self.engine = self.engines.of[topic]
        self.engines.start()

    def _end(self, code: int) -> None:
        self.codes.append(code)
        self.ended.set()

    def feed(self, records: dict[int, Sequence[RawRecord]], seed: int, sizes: Sequence[int] = (1, 7, 61, 997)) -> None:
        """Claim the partitions, and fold what they hold from there on, in frames of random sizes, in turns."""
        rng = random.Random(seed)
        starts = self.engine.claim(records)
        rest = {
            partition: [one for one in rows if one.offset >= starts[partition]] for partition, rows in records.items()
        }
        while left := [partition for partition, rows in rest.items() if rows]:
            partition = rng.choice(left)
            size = rng.choice(sizes)
            assert self.engine.fold(partition, rest[partition][:size]) is None
            rest[partition] = rest[partition][size:]

    def stop(self) -> None:
        """Commit, take last checkpoints, end."""
        self.engines.interrupt()
        self.engines.stop(30.0)
        self._hang_up()

    def vanish(self) -> None:
        """Let what was submitted be committed, and go without a last checkpoint, as one who is killed."""
        assert self.engine._commits.flush(30.0)
        self.engine._commits.stop(30.0)
        self.engine.disconnect()
        self._hang_up()

    def _hang_up(self) -> None:
        if self._outputs._connection is not None:
            self._outputs._connection.close()


def prepared(uri: str) -> str:
    """Make a database ready."""
    prepare(uri, None)
    return uri


def rows_of(uri: str, query: str, *arguments: Any) -> list[tuple[Any, ...]]:
    """Ask the ledger."""
    with connect(uri, autocommit=True, name="test") as connection:
        return connection.execute(query.encode(), arguments).fetchall()
